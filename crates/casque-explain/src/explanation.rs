//! From a judgement to its JSON form.

use std::collections::BTreeMap;

use casque_appraise::{Bound, Claim, EvidenceKind, Identity, Tcb, Verdict};
use casque_policy::{Decision, RuleOutcome};
use casque_types::{AzureVmTee, ConfigId};
use casque_wire as wire;

/// How one piece of evidence was judged.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    /// Its kind.
    pub evidence: EvidenceKind,
    /// What it states.
    pub claims: &'a [Claim],
    /// What was proved, if anything was.
    pub verdict: Option<&'a Verdict>,
    /// What ended it before or beside the decision.
    pub failure: Option<Failure<'a>>,
    /// What the policy made of it.
    pub decision: Option<(&'a ConfigId, &'a Decision)>,
}

/// What ended a judgement.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// [`wire::Outcome::NotAuthentic`] where the evidence proves nothing, [`wire::Outcome::Failed`] where something
    /// beside it could not be had.
    pub outcome: wire::Outcome,
    /// Stable code.
    pub code: &'a str,
    /// A sentence.
    pub message: &'a str,
    /// What to do next, if it is not in the sentence.
    pub hint: Option<&'a str>,
}

/// The JSON form.
#[must_use]
pub fn explanation(of: &Explained<'_>) -> wire::Explanation {
    let outcome = match (of.failure, of.decision) {
        (Some(failure), _) => failure.outcome,
        (None, Some((_, decision))) if decision.granted => wire::Outcome::Granted,
        (None, Some(_)) => wire::Outcome::Denied,
        (None, None) => wire::Outcome::Appraised,
    };
    let owned = |text: &str| text.to_owned();
    wire::Explanation {
        evidence: of.evidence.as_str().to_owned(),
        outcome,
        code: of.failure.map(|failure| owned(failure.code)),
        message: of.failure.map(|failure| owned(failure.message)),
        hint: of.failure.and_then(|failure| failure.hint).map(owned),
        verifier: of.verdict.map(|verdict| verdict.verifier().to_string()),
        scope: of.verdict.map(|verdict| verdict.scope().to_string()),
        tcb: of.verdict.map(|verdict| tcb(verdict.tcb())),
        report_data: of.verdict.and_then(report_data),
        valid_until: (of.verdict)
            .and_then(Verdict::valid_until)
            .map(|at| at.to_string()),
        claims: claims(of.claims, of.verdict),
        decision: of.decision.map(decided),
    }
}

fn report_data(verdict: &Verdict) -> Option<String> {
    match verdict.bound() {
        Bound::Nothing => None,
        bound => Some(hex::encode(bound.as_bytes())),
    }
}

/// `debug` is told of every TEE: each attestation service has its own names for it, and its own sense of it.
fn claims(claims: &[Claim], verdict: Option<&Verdict>) -> BTreeMap<String, String> {
    let pair = |claim: &Claim| (claim.name.clone().into_owned(), claim.value.clone());
    let mut claims: BTreeMap<String, String> = claims.iter().map(pair).collect();
    if let Some(debug) = verdict.and_then(|verdict| debug(verdict.identity())) {
        let claim = claims.entry("debug".to_owned());
        claim.or_insert_with(|| debug.to_string());
    }
    claims
}

fn debug(identity: &Identity) -> Option<bool> {
    match identity {
        Identity::Unattested => None,
        Identity::Sgx(sgx) => Some(sgx.debug),
        Identity::Tdx(tdx) => Some(tdx.debug),
        Identity::Snp(snp) => Some(snp.debug),
        Identity::Aci(aci) => Some(aci.snp.debug),
        Identity::AzureVm(vm) => Some(match &vm.tee {
            AzureVmTee::Snp(snp) => snp.debug,
            AzureVmTee::Tdx(tdx) => tdx.debug,
        }),
    }
}

fn tcb(tcb: &Tcb) -> wire::TcbState {
    wire::TcbState {
        status: tcb.status.to_string(),
        advisories: tcb.advisories.iter().map(ToString::to_string).collect(),
        components: tcb.snp.as_ref().map_or_else(BTreeMap::new, |platform| {
            let tcb = platform.reported_tcb;
            let named = [
                ("bootloader", Some(tcb.bootloader)),
                ("tee", Some(tcb.tee)),
                ("snp", Some(tcb.snp)),
                ("microcode", Some(tcb.microcode)),
                ("fmc", tcb.fmc),
            ];
            let stated = |(name, version): (&str, Option<u8>)| Some((name.to_owned(), version?));
            named.into_iter().filter_map(stated).collect()
        }),
    }
}

fn decided((config, decision): (&ConfigId, &Decision)) -> wire::Decision {
    wire::Decision {
        config: config.to_string(),
        granted: decision.granted,
        rules: decision.rules.iter().map(rule).collect(),
    }
}

fn rule(rule: &RuleOutcome) -> wire::Rule {
    wire::Rule {
        path: rule.path.clone(),
        holds: rule.holds,
        expected: rule.expected.clone(),
        found: rule.found.clone(),
        code: rule.code.map(|code| code.as_str().to_owned()),
        hint: rule.hint.clone(),
    }
}

#[cfg(test)]
mod tests;
