//! Entra ID's refusals in words: what came back, and what the policy's author or the operator can do.
//!
//! Source: Microsoft identity platform, "Error codes" (AADSTS) and "Handle errors and exceptions". The
//! OAuth `error` and the HTTP status say whether a refusal can pass; the AADSTS number, which Microsoft
//! may change, chooses the words. `error_description` is never repeated whole: of an unknown refusal its
//! first sentence is quoted, unless it holds the credential.

use casque_core::{SourceFailure, SourceKind};
use casque_types::{ClientProof, Timestamp};
use serde::Deserialize;

use super::{Asked, key};
use crate::code::Code;
use crate::failure::{lasting, passing, quoted};
use crate::http::Answer;
use crate::json;

/// The failure that an answer other than 200 is.
pub(super) fn failure(asked: &Asked<'_>, answer: &Answer, now: Timestamp) -> SourceFailure {
    let raw: RawRefusal = json::read(&answer.body).unwrap_or_default();
    let number = raw.number();
    let row = TABLE.iter().find(|row| row.numbers.contains(&number));
    let code = row.map_or_else(|| code_without_number(answer, &raw), |row| row.code);
    let row = row.or_else(|| TABLE.iter().find(|row| row.code == code));
    let meaning = row.map_or("it refused", |row| row.meaning);
    let what = format!(
        "{}: {meaning} ({})",
        asked.sentence(),
        facts(
            asked,
            answer,
            &raw,
            row.is_some_and(|row| row.numbers.contains(&number))
        )
    );
    let mend = mend(asked, code, row);
    let retry_after = answer.retry_after(now);
    let passes = matches!(code, Code::EntraThrottled | Code::EntraUnavailable)
        || answer.status.is_server_error()
        || answer.status.as_u16() == 429;
    if passes {
        passing(SourceKind::Entra, code, what, mend, retry_after)
    } else {
        lasting(SourceKind::Entra, code, what, mend)
    }
}

/// What is certain without a known number.
fn code_without_number(answer: &Answer, raw: &RawRefusal) -> Code {
    match (answer.status.as_u16(), raw.error.as_str()) {
        (429, _) => Code::EntraThrottled,
        (500.., _) | (_, "temporarily_unavailable" | "server_error") => Code::EntraUnavailable,
        (_, "invalid_scope") => Code::EntraScopeRefused,
        (_, "invalid_resource") => Code::EntraResourceNotFound,
        _ => Code::EntraRefused,
    }
}

/// The facts of an answer: number, `error`, status, trace id, and for an unknown number a quotation.
fn facts(asked: &Asked<'_>, answer: &Answer, raw: &RawRefusal, is_known: bool) -> String {
    let mut facts = Vec::new();
    if raw.number() != 0 {
        facts.push(format!("AADSTS{}", raw.number()));
    }
    if is_oauth_word(&raw.error) {
        facts.push(format!("`{}`", raw.error));
    }
    facts.push(format!("HTTP {}", answer.status.as_u16()));
    if !is_known {
        facts.extend(quotation(asked, raw));
    }
    for (label, id) in [
        ("trace", &raw.trace_id),
        ("correlation", &raw.correlation_id),
    ] {
        if !id.is_empty() {
            facts.push(format!("{label} id {}", quoted(id, 40)));
        }
    }
    facts.join(", ")
}

/// The first sentence of an unknown refusal, unless the credential stands in it.
fn quotation(asked: &Asked<'_>, raw: &RawRefusal) -> Option<String> {
    let description = raw.error_description.as_str();
    let description = description.split("Trace ID").next().unwrap_or_default();
    if let ClientProof::Secret(secret) = &asked.credential.proof {
        // Exposed to see that it is not repeated.
        let secret = secret.expose_text().unwrap_or_default();
        if !secret.is_empty() && description.contains(secret) {
            return None;
        }
    }
    let sentence = quoted(description, 200);
    (!sentence.is_empty()).then(|| format!("\"{}\"", sentence.replace('"', "'")))
}

fn mend(asked: &Asked<'_>, code: Code, row: Option<&Row>) -> String {
    match (code, &asked.credential.proof) {
        (Code::EntraWrongSecret, ClientProof::Secret(secret))
            // Exposed to see whether it has the form of a secret's id.
            if secret.expose_text().is_some_and(is_guid) =>
        {
            "`application_secret` has the form of a GUID: it looks like the secret's ID; give the \
             secret's value, which Entra shows only once, when it is made"
                .to_owned()
        }
        (Code::EntraAssertionRefused, ClientProof::Certificate { thumbprint, .. }) => format!(
            "upload the certificate with thumbprint `{}` to the application, and check that it has not \
             expired and that `certificate_thumbprint` is that of `private_key`'s certificate",
            key::shown(thumbprint.as_bytes())
        ),
        _ => row.map_or(UNKNOWN_MEND, |row| row.mend).to_owned(),
    }
}

/// A word such as `invalid_client`.
fn is_oauth_word(word: &str) -> bool {
    (1..=40).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn is_guid(text: &str) -> bool {
    text.parse::<casque_types::ClientId>().is_ok()
}

/// The refusal as it stands on the wire.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawRefusal {
    error: String,
    error_description: String,
    error_codes: Vec<u32>,
    trace_id: String,
    correlation_id: String,
}

impl RawRefusal {
    /// The AADSTS number, from the list or from the description's beginning; 0 if there is none.
    fn number(&self) -> u32 {
        let from_text = || {
            let (_, rest) = self.error_description.split_once("AADSTS")?;
            let digits: String = rest
                .chars()
                .take(9)
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse().ok()
        };
        let listed = self.error_codes.first().copied();
        listed.or_else(from_text).unwrap_or(0)
    }
}

/// What is known about some AADSTS numbers.
struct Row {
    numbers: &'static [u32],
    code: Code,
    meaning: &'static str,
    mend: &'static str,
}

const UNKNOWN_MEND: &str =
    "look the AADSTS number up in Microsoft's documentation of Entra error codes";

/// The refusals that an application can meet, by AADSTS number.
const TABLE: &[Row] = &[
    Row {
        numbers: &[90002],
        code: Code::EntraTenantNotFound,
        meaning: "it knows no such tenant",
        mend: "check `tenant_id`, and that the tenant is in this cloud",
    },
    Row {
        numbers: &[900_023, 50059, 9_001_023],
        code: Code::EntraTenantMalformed,
        meaning: "it takes the tenant for neither a GUID nor a domain of one tenant",
        mend: "check `tenant_id` for a typing error",
    },
    Row {
        numbers: &[90038, 900_382, 900_432],
        code: Code::EntraTenantInOtherCloud,
        meaning: "the tenant lives in another cloud",
        mend: "use a vault of the tenant's cloud, or have the operator make that cloud the default",
    },
    Row {
        numbers: &[700_016],
        code: Code::EntraApplicationNotFound,
        meaning: "the tenant has no such application",
        mend: "check `client_id` and `tenant_id`; `client_id` is the application (client) id, not the \
               object id",
    },
    Row {
        numbers: &[7_000_112, 70001],
        code: Code::EntraApplicationDisabled,
        meaning: "the application is disabled",
        mend: "enable the application in Entra ID, or use another one",
    },
    Row {
        numbers: &[700_025],
        code: Code::EntraApplicationPublic,
        meaning: "the application is a public client, which has no credentials",
        mend: "register the application as a confidential client (platform `Web`)",
    },
    Row {
        numbers: &[501_051],
        code: Code::EntraApplicationNotAssigned,
        meaning: "the application is not assigned to a role of the resource",
        mend: "assign the application to a role of the resource in Entra ID",
    },
    Row {
        numbers: &[65001],
        code: Code::EntraConsentMissing,
        meaning: "nobody has consented to what the application asks for",
        mend: "have an administrator of the tenant consent to the application's permissions",
    },
    Row {
        numbers: &[7_000_215],
        code: Code::EntraWrongSecret,
        meaning: "the secret is wrong",
        mend: "check `application_secret`: it must be the secret's value, not its ID, and of this \
               application",
    },
    Row {
        numbers: &[7_000_222],
        code: Code::EntraSecretExpired,
        meaning: "the secret has expired",
        mend: "make a new secret for the application and put it into the policy",
    },
    Row {
        numbers: &[7_000_218, 7_000_216, 900_144],
        code: Code::EntraRequestMalformed,
        meaning: "it found no credential where it expects one",
        mend: "this is a fault of Casque, or of something between Casque and Entra ID that changes \
               requests: report it with the trace id",
    },
    Row {
        numbers: &[700_027, 50012, 50027, 50013, 900_384],
        code: Code::EntraAssertionRefused,
        meaning: "it does not accept the signature of the application's certificate",
        mend: "check that the certificate is registered with the application and has not expired, and \
               that `certificate_thumbprint` is that of `private_key`'s certificate",
    },
    Row {
        numbers: &[700_024],
        code: Code::EntraClockSkew,
        meaning: "the assertion is outside its life by Entra's clock",
        mend: "set the clock of the machine that Casque runs on",
    },
    Row {
        numbers: &[700_030],
        code: Code::EntraCertificateSubject,
        meaning: "the certificate's subject is not authorised for the application",
        mend: "register the certificate itself with the application",
    },
    Row {
        numbers: &[70021, 700_211, 700_212, 700_213],
        code: Code::EntraFederationMismatch,
        meaning: "no federated credential of the application fits the assertion",
        mend: "compare issuer (700211), audience (700212) and subject (700213) of the application's \
               federated credential with the assertion's, letter by letter",
    },
    Row {
        numbers: &[700_229],
        code: Code::EntraFederationTokenKind,
        meaning: "only tokens of applications can be federated credentials",
        mend: "use a token of an application as the assertion",
    },
    Row {
        numbers: &[500_011],
        code: Code::EntraResourceNotFound,
        meaning: "the tenant does not know the resource that the token is for",
        mend: "check that tenant and vault are in the same cloud; the operator can check the cloud's \
               `vault_scope`",
    },
    Row {
        numbers: &[70011, 1_002_012, 28002, 700_022],
        code: Code::EntraScopeRefused,
        meaning: "it does not accept the scope",
        mend: "the operator must set the cloud's `vault_scope` to one `https://<resource>/.default`",
    },
    Row {
        numbers: &[53003, 530_032],
        code: Code::EntraConditionalAccess,
        meaning: "a Conditional Access policy of the tenant blocks the application",
        mend: "have the tenant's Conditional Access policies for workload identities allow the address \
               that Casque calls from",
    },
    Row {
        numbers: &[90055, 50196],
        code: Code::EntraThrottled,
        meaning: "it is asked too often",
        mend: "try again later",
    },
    Row {
        numbers: &[90024, 90033, 90006, 90012, 50000],
        code: Code::EntraUnavailable,
        meaning: "it has a passing fault",
        mend: "try again later; see Azure's service status if it lasts",
    },
];

#[cfg(test)]
pub(crate) fn table_numbers() -> impl Iterator<Item = (u32, &'static str)> {
    let pairs = |row: &'static Row| row.numbers.iter().map(|n| (*n, row.code.as_str()));
    TABLE.iter().flat_map(pairs)
}
