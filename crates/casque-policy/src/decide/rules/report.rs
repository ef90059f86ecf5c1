//! What judging tells: for a decision the rules that failed, for an explanation every rule. Both are told by the
//! same code, so that they cannot differ.

use std::fmt::Display;

use crate::ReasonCode;

/// Collects what was judged.
pub(in crate::decide) struct Report {
    detail: Detail,
    told: Vec<Told>,
}

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// What failed; nothing where all is well.
    Failures,
    /// Every rule.
    Everything,
}

/// A rule, as it is told.
pub(in crate::decide) struct Rule {
    /// What is told if it fails.
    pub(in crate::decide) code: ReasonCode,
    pub(in crate::decide) path: String,
    pub(in crate::decide) expected: String,
    pub(in crate::decide) found: String,
    /// What to do if it fails.
    pub(in crate::decide) hint: String,
}

/// A rule and what came of it.
pub(in crate::decide) struct Told {
    pub(in crate::decide) rule: Rule,
    pub(in crate::decide) outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::decide) enum Outcome {
    Holds,
    Fails,
    /// What it is about is not known.
    NotJudged,
}

impl Report {
    pub(in crate::decide) const fn of_failures() -> Self {
        Self {
            detail: Detail::Failures,
            told: Vec::new(),
        }
    }

    pub(in crate::decide) const fn of_everything() -> Self {
        Self {
            detail: Detail::Everything,
            told: Vec::new(),
        }
    }

    /// Tells of a rule; nothing is rendered that is not told. Gives back whether it holds.
    pub(in crate::decide) fn rule(&mut self, holds: bool, rule: impl FnOnce() -> Rule) -> bool {
        if !holds || self.detail == Detail::Everything {
            let outcome = match holds {
                true => Outcome::Holds,
                false => Outcome::Fails,
            };
            let rule = rule();
            self.told.push(Told { rule, outcome });
        }
        holds
    }

    /// Tells of a rule about something that is not known, which denies nothing.
    pub(in crate::decide) fn not_judged(&mut self, rule: impl FnOnce() -> Rule) -> bool {
        if self.detail == Detail::Everything {
            let rule = Rule {
                found: "not known, not judged".to_owned(),
                ..rule()
            };
            let outcome = Outcome::NotJudged;
            self.told.push(Told { rule, outcome });
        }
        true
    }

    /// Judges alternatives, of which one is enough. What failed in the others is told where none is, and in an
    /// explanation.
    pub(in crate::decide) fn any<T>(
        &mut self,
        alternatives: impl IntoIterator<Item = T>,
        mut judge: impl FnMut(T, &mut Self) -> bool,
    ) -> bool {
        let before = self.told.len();
        let mut holds = false;
        for alternative in alternatives {
            holds |= judge(alternative, self);
            if holds && self.detail == Detail::Failures {
                self.told.truncate(before);
                return true;
            }
        }
        holds
    }

    pub(in crate::decide) fn into_told(self) -> Vec<Told> {
        self.told
    }
}

/// A rule that what was found is one of those listed; none listed is no rule.
pub(super) fn one_of<T: PartialEq + Display>(
    allowed: &[T],
    found: &T,
    (code, path, hint): (ReasonCode, &dyn Fn() -> String, &str),
    report: &mut Report,
) -> bool {
    if allowed.is_empty() {
        return true;
    }
    report.rule(allowed.contains(found), || Rule {
        code,
        path: path(),
        expected: listed(allowed),
        found: found.to_string(),
        hint: hint.to_owned(),
    })
}

pub(super) fn listed<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.len() {
        0 => "none".to_owned(),
        1 => items.concat(),
        _ => format!("one of {}", items.join(", ")),
    }
}
