//! An explanation for people: one fact a line.

use std::fmt::Write as _;

use casque_wire::{Decision, Explanation, Outcome, Rule};

use crate::console::printable;

/// The text; `is_bound` says whether what the evidence is bound to was judged.
pub(super) fn of(explanation: &Explanation, is_bound: bool) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing into a String does not fail.
        writeln!(text, "{name:<14}{value}").ok();
    };
    line("outcome", outcome(explanation.outcome));
    line("evidence", &explanation.evidence);
    let told = [
        ("code", &explanation.code),
        ("why", &explanation.message),
        ("mend", &explanation.hint),
        ("verifier", &explanation.verifier),
        ("scope", &explanation.scope),
    ];
    for (name, value) in told {
        if let Some(value) = value {
            line(name, value);
        }
    }
    if let Some(tcb) = &explanation.tcb {
        line("tcb", &tcb.status);
        if !tcb.components.is_empty() {
            let parts = tcb.components.iter();
            let parts: Vec<String> = parts
                .map(|(name, version)| format!("{name} {version}"))
                .collect();
            line("components", &parts.join(", "));
        }
        if !tcb.advisories.is_empty() {
            line("advisories", &tcb.advisories.join(", "));
        }
    }
    if let Some(bound) = &explanation.report_data {
        let judged = match is_bound {
            true => "",
            false => " (not judged: give --report-data)",
        };
        line("bound to", &format!("{bound}{judged}"));
    }
    if let Some(until) = &explanation.valid_until {
        line("valid until", until);
    }
    let heading = match explanation.outcome {
        Outcome::NotAuthentic => "\nclaims, which nothing proves",
        _ => "\nclaims",
    };
    text.push_str(heading);
    text.push('\n');
    for (name, value) in &explanation.claims {
        writeln!(text, "  {name} = {value}").ok();
    }
    if let Some(decision) = &explanation.decision {
        push_decision(&mut text, decision);
    }
    printable(&text)
}

fn push_decision(text: &mut String, decision: &Decision) {
    let granted = match decision.granted {
        true => "granted",
        false => "denied",
    };
    writeln!(text, "\nrules of {}: {granted}", decision.config).ok();
    decision.rules.iter().for_each(|rule| push_rule(text, rule));
}

fn push_rule(text: &mut String, rule: &Rule) {
    let mark = match (rule.holds, &rule.code) {
        (true, _) => "holds",
        (false, Some(_)) => "FAILS",
        (false, None) => "open ",
    };
    writeln!(
        text,
        "  {mark} {}: expected {}, found {}",
        rule.path, rule.expected, rule.found
    )
    .ok();
    if let Some(code) = &rule.code {
        writeln!(
            text,
            "        {code}: {}",
            rule.hint.as_deref().unwrap_or_default()
        )
        .ok();
    }
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Appraised => "appraised: authentic; no policy was applied",
        Outcome::Granted => "granted",
        Outcome::Denied => "denied",
        Outcome::NotAuthentic => "not authentic: it proves nothing",
        Outcome::Failed => "failed: not judged to the end",
    }
}
