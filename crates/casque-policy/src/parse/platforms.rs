//! `services[].platforms`, section 2: the machines that a service may run on, by their quoting enclaves.

use casque_types::Digest;

use super::clauses::{Rules, Scope, UnknownSecret};
use crate::codes;
use crate::fields::{Fields, expect_text, refuse_node, shown};
use crate::findings::Findings;
use crate::yaml::{Node, Text, Value};
use crate::{Clause, Diagnostic, Mode, Platform};

/// Reads them; no platform is any platform. `mode` is the policy's, where it is known.
pub(super) fn read(
    service: &Fields<'_, '_>,
    mode: Option<&Mode>,
    scope: &mut Scope<'_, '_, '_>,
    findings: &mut Findings,
) -> Clause<Vec<Platform>> {
    let Some(node) = service.value("platforms") else {
        return Clause::Stated(Vec::new());
    };
    if mode.is_some_and(|mode| !matches!(mode, Mode::Hardware | Mode::Both(_))) {
        let message = "`platforms` has no effect without `mode: hardware`";
        let found = Diagnostic::warning(codes::PLATFORMS_UNUSED, node.position, message);
        findings.push(found.hint("evidence that Casque judges itself is what names a machine"));
    }
    scope.clause(node, &RULES, findings)
}

/// An empty list is an error: it would read as nowhere, and mean anywhere.
fn read_list(node: &Node<'_>, findings: &mut Findings) -> Option<Vec<Platform>> {
    let items = match &node.value {
        Value::List(items) => items,
        Value::Text(_) => std::slice::from_ref(node),
        _ => {
            refuse_node(node, "a list", "`platforms`", findings);
            return None;
        }
    };
    if items.is_empty() {
        let message = "`platforms`: expected at least one platform";
        let found = Diagnostic::error(codes::EMPTY_LIST, node.position, message);
        findings.push(found.hint("leave it out to allow every platform"));
        return None;
    }
    let read = items.iter().filter_map(|item| {
        let text = expect_text(item, "platforms", findings)?;
        let platform = parse(text.as_str());
        if platform.is_none() {
            findings.push(unknown(text));
        }
        platform
    });
    Some(read.collect())
}

fn parse(text: &str) -> Option<Platform> {
    if let Some(id) = text.strip_prefix("INTEL_QE_ID:") {
        return id.parse::<Digest<16>>().ok().map(Platform::IntelQe);
    }
    text.parse::<Digest<32>>().ok().map(Platform::SconeQe)
}

fn unknown(text: &Text<'_>) -> Diagnostic {
    let found = shown(text);
    let message = format!(
        "`platforms`: expected `INTEL_QE_ID:` and 32 hexadecimal digits, or the 64 digits of a SCONE QE's key, found {found}"
    );
    Diagnostic::error(codes::BAD_PLATFORM, text.position(), message)
        .hint("the id stands in every quote of the machine, from byte 28 on")
}

/// Nothing demands less than a list that names one.
const RULES: Rules<Vec<Platform>> = Rules {
    read: read_list,
    strictest: || vec![Platform::SconeQe(Digest::from([0; 32]))],
    unknown: UnknownSecret::Refused,
    templates: &[],
};
