//! `maa`: conditions on the token of the attestation service.
//!
//! A scalar of the language has no type, and a claim has one. `true` and `false` are flags, a decimal number
//! without leading zeros that fits 64 bits is a number, all else is a text; `{text: …}` is a text whatever it is.

use super::{any_of, member, read_text, texts};
use crate::codes;
use crate::fields::{Fields, Keys, expect_text};
use crate::findings::Findings;
use crate::yaml::{Node, Value};
use crate::{ClaimCondition, ClaimConstant, ClaimDemand, Diagnostic, MaaRule};

pub(super) fn read(node: &Node<'_>, findings: &mut Findings) -> Option<MaaRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    if fields.value("claims").is_none() && fields.value("policy_hash").is_none() {
        let message = "`maa` must have `claims` or `policy_hash`";
        let code = codes::ATTESTATION_EMPTY;
        findings.push(Diagnostic::error(code, node.position, message));
        return None;
    }
    let claims = member(&fields, "claims", read_claims, findings);
    let policy_hashes = texts(&fields, "policy_hash", findings);
    Some(MaaRule {
        claims: claims.ok()?.unwrap_or_default(),
        policy_hashes,
        position: node.position,
    })
}

fn read_claims(node: &Node<'_>, findings: &mut Findings) -> Option<Vec<ClaimCondition>> {
    Some(any_of(node, "claims", findings, read_claim))
}

fn read_claim(node: &Node<'_>, findings: &mut Findings) -> Option<ClaimCondition> {
    let fields = Fields::open(node, &CLAIM_KEYS, findings)?;
    if fields.value("name").is_none() {
        findings.push(fields.missing("name", "a condition of `claims`"));
    }
    let name = (fields.value("name")).and_then(|node| read_text(node, "name", findings));
    let demand = read_demand(&fields, findings);
    Some(ClaimCondition {
        name: name?,
        demand: demand?,
    })
}

fn read_demand(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<ClaimDemand> {
    let mut given = DEMANDS.iter().filter(|key| fields.value(key).is_some());
    let Some(key) = given.next() else {
        let found = fields.missing("equals", "a condition of `claims`");
        findings.push(found.hint("or `any_of`, or `at_least`"));
        return None;
    };
    if let Some(second) = given.next().and_then(|key| fields.entry(key)) {
        let found = super::super::secrets::exclusive(key, &second.key, second.position);
        findings.push(found);
    }
    let node = fields.value(key)?;
    match *key {
        "at_least" => {
            let least = fields.number(key, 0, u64::MAX, findings)?;
            Some(ClaimDemand::AtLeast(least))
        }
        "equals" => Some(ClaimDemand::AnyOf(vec![read_constant(node, findings)?])),
        _ => Some(ClaimDemand::AnyOf(any_of(
            node,
            key,
            findings,
            read_constant,
        ))),
    }
}

fn read_constant(node: &Node<'_>, findings: &mut Findings) -> Option<ClaimConstant> {
    if matches!(node.value, Value::Map(_)) {
        let fields = Fields::open(node, &CONSTANT_KEYS, findings)?;
        let text = fields.required("text", "a value that is a map", findings)?;
        return Some(ClaimConstant::Text(text.as_str().to_owned()));
    }
    let text = expect_text(node, "equals", findings)?.as_str();
    Some(match text {
        "true" | "True" | "TRUE" => ClaimConstant::Flag(true),
        "false" | "False" | "FALSE" => ClaimConstant::Flag(false),
        _ => decimal(text).map_or_else(
            || ClaimConstant::Text(text.to_owned()),
            ClaimConstant::Number,
        ),
    })
}

/// A number as it is printed.
fn decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

const DEMANDS: &[&str] = &["equals", "any_of", "at_least"];

pub(in crate::parse) const KEYS: Keys = Keys {
    place: "`maa`",
    read: &["claims", "policy_hash"],
    not_yet: &[],
    legacy: &[],
};

pub(in crate::parse) const CLAIM_KEYS: Keys = Keys {
    place: "a condition of `claims`",
    read: &["name", "equals", "any_of", "at_least"],
    not_yet: &[],
    legacy: &[],
};

pub(in crate::parse) const CONSTANT_KEYS: Keys = Keys {
    place: "a value of a claim",
    read: &["text"],
    not_yet: &[],
    legacy: &[],
};
