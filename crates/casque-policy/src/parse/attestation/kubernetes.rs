//! `kubernetes`: a service account that the attester proves beside its evidence, by a projected token.

use super::read_text;
use crate::codes;
use crate::fields::{Fields, Keys, parse_text, shown};
use crate::findings::Findings;
use crate::yaml::Node;
use crate::{ClusterIssuer, Diagnostic, ServiceAccountDemand, ServiceAccountRule};

pub(super) fn read(node: &Node<'_>, findings: &mut Findings) -> Option<ServiceAccountRule> {
    let fields = Fields::open(node, &KEYS, findings)?;
    let issuer = fields.required("issuer", PLACE, findings).and_then(|text| {
        findings.ok(parse_text::<ClusterIssuer>(
            text,
            codes::BAD_ISSUER,
            "issuer",
        ))
    });
    let namespace = read_name(&fields, "namespace", LABEL_BYTES, findings);
    let service_account = read_name(&fields, "service_account", SUBDOMAIN_BYTES, findings);
    let audience = match fields.value("audience") {
        None => Some(ServiceAccountDemand::AUDIENCE.to_owned()),
        Some(node) => read_text(node, "audience", findings),
    };
    Some(ServiceAccountRule {
        demand: ServiceAccountDemand {
            issuer: issuer?,
            audience: audience?,
        },
        namespace: namespace?,
        service_account: service_account?,
    })
}

/// A name of Kubernetes: a DNS label (RFC 1123), or several with dots where it may be longer.
fn read_name(
    fields: &Fields<'_, '_>,
    key: &str,
    most_bytes: usize,
    findings: &mut Findings,
) -> Option<String> {
    if fields.value(key).is_none() {
        findings.push(fields.missing(key, PLACE));
    }
    let node = fields.value(key)?;
    let name = read_text(node, key, findings)?;
    let is_end = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        ends.iter().all(|end| end.is_some_and(|b| is_end(*b)))
            && bytes.iter().all(|b| is_end(*b) || *b == b'-')
    };
    let may_have_dots = most_bytes > LABEL_BYTES;
    let are_labels = match may_have_dots {
        true => name.split('.').all(is_label),
        false => is_label(&name),
    };
    if are_labels && name.len() <= most_bytes {
        return Some(name);
    }
    let found = node.text().map_or_else(String::new, shown);
    let message = format!("`{key}`: expected a name of Kubernetes, found {found}");
    let found = Diagnostic::error(codes::BAD_NAME, node.position, message);
    findings.push(found.hint("small letters, digits and hyphens"));
    None
}

const PLACE: &str = "`kubernetes`";
const LABEL_BYTES: usize = 63;
const SUBDOMAIN_BYTES: usize = 253;

pub(in crate::parse) const KEYS: Keys = Keys {
    place: PLACE,
    read: &["issuer", "namespace", "service_account", "audience"],
    not_yet: &[],
    legacy: &[],
};
