//! Secrets of kinds `x509` and `x509-ca`, section 3.1.

use std::net::IpAddr;

use casque_types::{Seconds, SecretKind, SecretName};

use super::secrets::{Draft, Located, Reference, Surroundings, exclusive, given};
use crate::codes;
use crate::fields::{Fields, expect_text, parse_text};
use crate::findings::{Findings, quoted};
use crate::pem;
use crate::yaml::Text;
use crate::{CertificateSpec, Diagnostic, Endpoint, Generation, Origin};

/// Reads where a certificate comes from.
pub(super) fn read(
    draft: &Draft<'_, '_>,
    kind: SecretKind,
    surroundings: &Surroundings<'_>,
    findings: &mut Findings,
) -> Option<Located> {
    let fields = &draft.fields;
    let mut private_key = read_reference(fields, "private_key", findings);
    if fields.value("value").is_some() {
        return read_given(fields, private_key, findings);
    }
    let mut issuer = read_reference(fields, "issuer", findings);
    if let Some(old) = &surroundings.old {
        if fields.value("private_key").is_none() {
            private_key = old.private_key_of(draft, findings);
        }
        if fields.value("issuer").is_none() {
            issuer = old.issuer_of(draft, findings);
        }
    } else if fields.value("private_key").is_none() {
        let place = format!("a generated secret of kind `{kind}`");
        let found = fields.missing("private_key", &place);
        findings.push(found.hint("name a secret of kind `private-key`, whose key is certified"));
    }
    let names = read_names(fields, findings);
    let common_name = read_common_name(draft, &names, findings);
    let endpoint = read_endpoint(fields, findings);
    let valid_for = read_duration(fields, "valid_for", findings);
    refuse_dns_of_client(fields, endpoint, findings);
    let key = private_key?;
    Some(Located {
        origin: Origin::Generated(Generation::Certificate(CertificateSpec {
            private_key: key.name.clone(),
            issuer: issuer.as_ref().map(|issuer| issuer.name.clone()),
            common_name: common_name?,
            endpoint,
            dns: names,
            valid_for,
        })),
        private_key: Some(key),
        issuer,
        signer: None,
    })
}

fn refuse_dns_of_client(
    fields: &Fields<'_, '_>,
    endpoint: Option<Endpoint>,
    findings: &mut Findings,
) {
    if endpoint == Some(Endpoint::Client)
        && let Some(entry) = fields.entry("dns")
    {
        let message = "`dns` is not for a certificate with `endpoint: client`";
        let code = codes::DNS_WITH_CLIENT;
        findings.push(Diagnostic::error(code, entry.position, message));
    }
}

fn read_given(
    fields: &Fields<'_, '_>,
    private_key: Option<Reference>,
    findings: &mut Findings,
) -> Option<Located> {
    let issuer = read_reference(fields, "issuer", findings);
    for key in ["common_name", "endpoint", "dns", "san", "valid_for"] {
        if let Some(entry) = fields.entry(key) {
            findings.push(exclusive("value", key, entry.position));
        }
    }
    let text = given(fields, findings)?;
    if let Err(error) = pem::expect_certificates(text.as_str()) {
        let message = format!("`value`: {error}");
        findings.push(Diagnostic::error(
            codes::BAD_CERTIFICATE,
            text.position(),
            message,
        ));
        return None;
    }
    Some(Located {
        origin: Origin::Given {
            value: casque_types::Secret::copied_from(text.as_str().as_bytes()),
            private_key: private_key.as_ref().map(|key| key.name.clone()),
        },
        private_key,
        issuer,
        signer: None,
    })
}

/// The secret that a key names.
pub(super) fn read_reference(
    fields: &Fields<'_, '_>,
    key: &str,
    findings: &mut Findings,
) -> Option<Reference> {
    let text = fields.text(key, findings)?;
    if pem::is_pem(text.as_str()) {
        // The text is not shown: it may be a key.
        let message = format!("`{key}`: expected the name of a secret, found PEM text");
        let found = Diagnostic::error(codes::BAD_NAME, text.position(), message);
        findings.push(found.hint("give the PEM text as `value` of a secret of its own"));
        return None;
    }
    let name = findings.ok(parse_text::<SecretName>(text, codes::BAD_NAME, key))?;
    Some(Reference {
        name,
        position: text.position(),
        is_implicit: false,
    })
}

fn read_endpoint(fields: &Fields<'_, '_>, findings: &mut Findings) -> Option<Endpoint> {
    let words = [("server", Endpoint::Server), ("client", Endpoint::Client)];
    fields.word("endpoint", &words, findings)
}

/// The alternative names: of `san`, or of the older `dns`.
fn read_names(fields: &Fields<'_, '_>, findings: &mut Findings) -> Vec<String> {
    let Some(entry) = fields.entry("san") else {
        return read_dns(fields, findings);
    };
    if let Some(dns) = fields.entry("dns") {
        findings.push(exclusive("san", "dns", dns.position));
    }
    let mut names = Vec::new();
    for item in entry.value.one_or_more() {
        let Some(text) = expect_text(item, "san", findings) else {
            continue;
        };
        match parse_alternative_name(text.as_str()) {
            Some(name) => names.push(name),
            None => findings.push(not_san(text)),
        }
    }
    names
}

/// `dns:NAME` or `ip:ADDRESS`.
fn parse_alternative_name(text: &str) -> Option<String> {
    if let Some(name) = text.strip_prefix("dns:") {
        return is_dns_name(name).then(|| name.to_owned());
    }
    let address: IpAddr = text.strip_prefix("ip:")?.parse().ok()?;
    Some(address.to_string())
}

fn not_san(text: &Text<'_>) -> Diagnostic {
    let found = quoted(text.as_str());
    let message = format!("`san`: expected `dns:NAME` or `ip:ADDRESS`, found {found}");
    Diagnostic::error(codes::BAD_SAN, text.position(), message)
        .hint("such as `dns:*.example.com`, `ip:10.0.0.1` or `ip:fe80::1`")
}

fn read_dns(fields: &Fields<'_, '_>, findings: &mut Findings) -> Vec<String> {
    let Some(node) = fields.value("dns") else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for item in node.one_or_more() {
        let Some(text) = expect_text(item, "dns", findings) else {
            continue;
        };
        if is_dns_name(text.as_str()) {
            names.push(text.as_str().to_owned());
        } else {
            findings.push(not_dns(text));
        }
    }
    names
}

fn is_dns_name(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(allowed)
    };
    text.len() <= 253 && name.split('.').all(is_label)
}

fn not_dns(text: &Text<'_>) -> Diagnostic {
    let found = quoted(text.as_str());
    let message = format!("`dns`: expected a host name such as `*.example.com`, found {found}");
    Diagnostic::error(codes::BAD_NAME, text.position(), message)
}

/// The common name: said, or the first DNS name, or the secret's own.
fn read_common_name(
    draft: &Draft<'_, '_>,
    names: &[String],
    findings: &mut Findings,
) -> Option<String> {
    let said = draft.fields.text("common_name", findings);
    let position = said.map_or(draft.fields.position, Text::position);
    let mut dns = names.iter().filter(|name| name.parse::<IpAddr>().is_err());
    let name = match (said, dns.next()) {
        (Some(text), _) => text.as_str(),
        (None, Some(first)) => first,
        (None, None) => draft.name.as_str(),
    };
    if (1..=MAX_COMMON_NAME_CHARACTERS).contains(&name.chars().count()) {
        return Some(name.to_owned());
    }
    let message = format!("the common name must have 1 to {MAX_COMMON_NAME_CHARACTERS} characters");
    let found = Diagnostic::error(codes::BAD_NAME, position, message);
    findings.push(found.hint("give a short `common_name`; clients look at `dns`"));
    None
}

/// The duration under a key.
pub(super) fn read_duration(
    fields: &Fields<'_, '_>,
    key: &str,
    findings: &mut Findings,
) -> Option<Seconds> {
    let text = fields.text(key, findings)?;
    let duration = parse_duration(text.as_str());
    if duration.is_none() {
        let found = quoted(text.as_str());
        let message = format!("`{key}`: expected a duration such as `90 days`, found {found}");
        let found = Diagnostic::error(codes::BAD_DURATION, text.position(), message);
        findings.push(found.hint("a number and s, m, h, d, w or y; at most 7000 years"));
    }
    duration
}

/// `59d`, `90 days`, `1 year`: a whole number and a unit; a year has 365 days.
fn parse_duration(text: &str) -> Option<Seconds> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(end)?;
    let number: u64 = digits.parse().ok()?;
    let unit_s: u64 = match unit.trim() {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => DAY_S,
        "w" | "week" | "weeks" => 604_800,
        "y" | "year" | "years" => YEAR_S,
        _ => return None,
    };
    let seconds = number.checked_mul(unit_s)?;
    let greatest = YEAR_S.checked_mul(7000)?;
    (1..=greatest)
        .contains(&seconds)
        .then_some(Seconds(seconds))
}

const MAX_COMMON_NAME_CHARACTERS: usize = 64;
const DAY_S: u64 = 86_400;
const YEAR_S: u64 = 31_536_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_forms_of_the_language_are_read() {
        assert_eq!(parse_duration("59d"), Some(Seconds(59 * 86_400)));
        assert_eq!(parse_duration("90 days"), Some(Seconds(90 * 86_400)));
        assert_eq!(parse_duration("1 year"), Some(Seconds(31_536_000)));
    }

    #[test]
    fn duration_without_unit_or_too_long_is_refused() {
        for refused in [
            "",
            "90",
            "0d",
            "d",
            "1 month",
            "8000 years",
            "18446744073709551615y",
        ] {
            assert_eq!(parse_duration(refused), None, "{refused}");
        }
    }
}
