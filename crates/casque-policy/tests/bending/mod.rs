//! A valid policy, bent in one thing: what must be found, and where.

use casque_policy::{Diagnostic, Policy, Position, Severity};

/// One bend: `from` becomes `to`; `code` must be found where `at` stands first from there on; with a `<` in
/// front, where it stands last before; with a `^`, where it stands first of all.
pub(crate) struct Bend {
    pub(crate) from: &'static str,
    pub(crate) to: String,
    pub(crate) at: &'static str,
    pub(crate) code: &'static str,
    /// `None` for either.
    pub(crate) severity: Option<Severity>,
    /// `None` for any, or none.
    pub(crate) hint: Option<&'static str>,
}

pub(crate) fn bend(from: &'static str, to: &str, at: &'static str, code: &'static str) -> Bend {
    Bend {
        from,
        to: to.to_owned(),
        at,
        code,
        severity: None,
        hint: None,
    }
}

impl Bend {
    /// What it makes of a policy, and where it begins.
    pub(crate) fn apply(&self, base: &str) -> (String, usize) {
        let start = base.find(self.from).expect(self.from);
        (base.replacen(self.from, &self.to, 1), start)
    }

    fn judge(&self, base: &str) -> Result<(), String> {
        let (text, start) = self.apply(base);
        let offset = if let Some(at) = self.at.strip_prefix('<') {
            text[..start].rfind(at)
        } else if let Some(at) = self.at.strip_prefix('^') {
            text.find(at)
        } else {
            text[start..].find(self.at).map(|offset| start + offset)
        };
        let Some(offset) = offset else {
            return Err(format!("`{}` stands nowhere in `{}`", self.at, self.to));
        };
        let expected = place(&text, offset);
        let found = found_in(&text);
        let fits = |f: &&Diagnostic| {
            f.code == self.code
                && f.position == expected
                && self.severity.is_none_or(|severity| f.severity == severity)
        };
        match found.iter().find(fits) {
            Some(f) if self.hint.is_some() && f.hint.as_deref() != self.hint => {
                Err(format!("{}: another hint: {:?}", self.code, f.hint))
            }
            Some(_) => Ok(()),
            None => Err(format!(
                "{} at {expected} in `{}`: {found:#?}",
                self.code, self.to
            )),
        }
    }
}

pub(crate) fn expect_all(base: &str, bends: &[Bend]) {
    let judged = bends.iter().filter_map(|bend| bend.judge(base).err());
    let failed: Vec<String> = judged.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

pub(crate) fn found_in(text: &str) -> Vec<Diagnostic> {
    match Policy::parse(text) {
        Ok(parsed) => parsed.warnings,
        Err(found) => found,
    }
}

fn place(text: &str, offset: usize) -> Position {
    let before = &text[..offset];
    Position {
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap().chars().count() + 1,
    }
}
