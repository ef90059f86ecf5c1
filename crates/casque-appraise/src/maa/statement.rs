//! What a verified token says beside the identity: its claims, for conditions of a policy and for people.

use std::sync::Arc;

use casque_types::Timestamp;

use super::json::{Json, Object};
use crate::Claim;

/// What a verified token says beside the identity.
#[derive(Clone, Debug)]
pub struct TokenStatement {
    /// Digest of the attestation policy of the instance, if stated: base64url of SHA-256.
    pub policy_hash: Option<String>,
    /// When it was issued.
    pub issued: Timestamp,
    /// Whether the instance's key is proved to be in a TEE.
    pub signer: SignerProof,
    /// The claims, JSON, as signed.
    pub(super) claims: Arc<str>,
}

/// What is known of the key that signed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerProof {
    /// The instance publishes it.
    Published,
    /// And a report of SEV-SNP in its certificate proves that it is in a TEE.
    InTee,
}

/// A claim's value, for conditions of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// A list of such values.
    List(Vec<Self>),
    /// Something else: an object, a fraction, a number below zero, null.
    Other,
}

impl TokenStatement {
    /// The claim at a path of member names joined by `.`, such as `x-ms-isolation-tee.x-ms-compliance-status`;
    /// the longest name that fits is taken at each step. `None` if it is not there.
    #[must_use]
    pub fn claim(&self, path: &str) -> Option<ClaimValue> {
        let claims = Object::parse(&self.claims)?;
        at_path(&claims, path).map(ClaimValue::of)
    }
}

impl ClaimValue {
    fn of(json: &Json<'_>) -> Self {
        match json {
            Json::Text(text) => Self::Text(text.clone().into_owned()),
            Json::Number(number) => Self::Number(*number),
            Json::Flag(flag) => Self::Flag(*flag),
            Json::List(list) => Self::List(list.iter().map(Self::of).collect()),
            Json::Null | Json::Negative(_) | Json::Fraction(_) | Json::Object(_) => Self::Other,
        }
    }
}

/// Names may have dots in them: the longest that fits is taken, and not taken back.
fn at_path<'t, 'a>(mut object: &'t Object<'a>, mut path: &str) -> Option<&'t Json<'a>> {
    loop {
        if let Some(found) = object.member(path) {
            return Some(found);
        }
        let splits = path.rmatch_indices('.').map(|(at, _)| path.split_at(at));
        let mut fitting = splits.filter_map(|(name, rest)| {
            let inner = object.member(name)?;
            Some((inner, rest.strip_prefix('.')?))
        });
        let Some((Json::Object(inner), rest)) = fitting.next() else {
            return None;
        };
        (object, path) = (inner, rest);
    }
}

/// The claims as flat texts: members of members have names joined by `.`, long lists are cut.
pub(super) fn flat(claims: &str) -> Vec<Claim> {
    let mut all = Vec::new();
    if let Some(object) = Object::parse(claims) {
        flatten(&mut all, "", &object, 0);
    }
    all
}

fn flatten(all: &mut Vec<Claim>, prefix: &str, object: &Object<'_>, depth: usize) {
    for (name, value) in object.members() {
        let name = match prefix {
            "" => short(name),
            prefix => format!("{prefix}.{}", short(name)),
        };
        flatten_value(all, name, value, depth);
    }
}

fn flatten_value(all: &mut Vec<Claim>, name: String, value: &Json<'_>, depth: usize) {
    if all.len() >= MAX_CLAIMS {
        return;
    }
    let inside = depth.saturating_add(1);
    match value {
        Json::Object(object) if inside <= MAX_DEPTH => flatten(all, &name, object, inside),
        Json::List(list) if inside <= MAX_DEPTH && list.iter().any(is_nested) => {
            for (index, value) in list.iter().enumerate().take(MAX_LISTED) {
                flatten_value(all, format!("{name}.{index}"), value, inside);
            }
        }
        value => all.push(Claim {
            name: name.into(),
            value: text(value),
        }),
    }
}

const fn is_nested(value: &Json<'_>) -> bool {
    matches!(value, Json::Object(_) | Json::List(_))
}

fn text(value: &Json<'_>) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Flag(flag) => flag.to_string(),
        Json::Number(number) => number.to_string(),
        Json::Negative(number) => number.to_string(),
        Json::Fraction(number) => number.to_string(),
        Json::Text(text) => printable(text),
        Json::Object(_) => "{…}".to_owned(),
        Json::List(list) => {
            let mut all: Vec<String> = list.iter().take(MAX_LISTED).map(text).collect();
            if list.len() > MAX_LISTED {
                all.push(format!("… ({} in all)", list.len()));
            }
            all.join(", ")
        }
    }
}

fn short(name: &str) -> String {
    printable(name).chars().take(MAX_NAME_CHARS).collect()
}

/// What is shown to people holds no control characters.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// Bounds of what is shown; claims that a policy reads are not bounded by them.
const MAX_CLAIMS: usize = 512;
const MAX_DEPTH: usize = 8;
const MAX_LISTED: usize = 24;
const MAX_NAME_CHARS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(claims: &str) -> TokenStatement {
        TokenStatement {
            policy_hash: None,
            issued: Timestamp::from_unix_s(1),
            signer: SignerProof::Published,
            claims: claims.into(),
        }
    }

    #[test]
    fn claim_is_found_by_the_longest_name_that_fits() {
        let found = |claims: &str, path: &str| statement(claims).claim(path);
        let claims = r#"{"a":{"b":{"c":1},"b.c":2,"t":"x"},"a.b":{"d":3},"l":[1,true,null]}"#;
        assert_eq!(found(claims, "a.t"), Some(ClaimValue::Text("x".to_owned())));
        assert_eq!(found(claims, "a.b.d"), Some(ClaimValue::Number(3)));
        // `a.b` is longer than `a`, and has no `c`.
        assert_eq!(found(claims, "a.b.c"), None);
        assert_eq!(found(claims, "a.b"), Some(ClaimValue::Other));
        assert_eq!(found(claims, "a.x"), None);
        assert_eq!(found(claims, "l.0"), None);
        assert_eq!(found(claims, ""), None);
        let list = vec![
            ClaimValue::Number(1),
            ClaimValue::Flag(true),
            ClaimValue::Other,
        ];
        assert_eq!(found(claims, "l"), Some(ClaimValue::List(list)));
        let inner = r#"{"a":{"b":{"c":1},"b.c":2}}"#;
        assert_eq!(found(inner, "a.b.c"), Some(ClaimValue::Number(2)));
    }

    #[test]
    fn claims_are_flat_and_long_lists_cut() {
        let many = vec!["7"; 30].join(",");
        let claims = format!(r#"{{"a":{{"b":"x\ny"}},"l":[{many}],"o":[{{"k":false}}],"n":null}}"#);
        let flat: Vec<(String, String)> = flat(&claims)
            .into_iter()
            .map(|claim| (claim.name.into_owned(), claim.value))
            .collect();
        let list = format!("{}, … (30 in all)", vec!["7"; 24].join(", "));
        let expected = [
            ("a.b", "x\u{fffd}y"),
            ("l", &list),
            ("n", "null"),
            ("o.0.k", "false"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(flat, expected);
    }

    #[test]
    fn claims_without_end_are_bounded() {
        let many: Vec<String> = (0..5000).map(|n| format!(r#""{n}":{n}"#)).collect();
        assert_eq!(flat(&format!("{{{}}}", many.join(","))).len(), MAX_CLAIMS);
        let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
        let [claim] = &flat(&deep)[..] else {
            panic!("one claim");
        };
        assert_eq!((claim.name.matches('a').count(), &*claim.value), (9, "{…}"));
    }
}
