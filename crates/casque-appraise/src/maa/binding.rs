//! What a token is bound to: the runtime data that the service compared with the evidence.
//!
//! A token is bound to a request in one of two ways; anything else is not bound.
//!
//! a. `x-ms-runtime` is the request's runtime data: the same members with the same values, in whatever order
//!    (the service writes them anew); or `x-ms-sgx-ehd` is its bytes. Each that is stated must be so, and report
//!    data, where they are stated, must be its digest and zeros.
//! b. Behind the paravisor of an Azure VM the guest does not choose the report data: they are the digest of the
//!    paravisor's data, which the service states as `x-ms-runtime` (`keys`, `vm-configuration`, `user-data`),
//!    in tokens of type `azurevm` inside `x-ms-isolation-tee`. Such a token is bound when `user-data`, 128
//!    hexadecimal digits in any case, are the digest of the runtime data and zeros. The guest writes them to NV
//!    index 0x01400002.
//!
//! The claim `nonce` binds nothing: whoever asks for a token chooses it. Neither does the payload of a guest that
//! `attest/AzureGuest` judged, `x-ms-runtime.client-payload`: nothing that the TPM signs covers it, and who hands the
//! guest's request on can exchange it. The service seals such a token to a key of the guest's TPM; whether the guest
//! gives it to others than who it was meant for is up to the guest. Beside evidence that is bound to the request
//! itself, the payload's nonce says that the token was not issued before the request: there it must be the digest of
//! the runtime data in base64, or its base64url or hexadecimal text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::{Digest, RuntimeData, ct_eq};

use super::json::{Json, Object};
use super::subject::{Named, Reading, Stated};
use super::token::{LENIENT, LENIENT_URL, decode, malformed};
use crate::{EvidenceParseError, Identity};

/// What a token states of runtime data.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// `x-ms-runtime` at the top: of type JSON, written anew by the instance.
    runtime: Option<Runtime>,
    /// `x-ms-sgx-ehd`: of type Binary.
    binary: Option<Vec<u8>>,
}

/// Runtime data of type JSON.
#[derive(Clone, Debug)]
pub(super) enum Runtime {
    /// Ours.
    Casque(Box<CasqueRuntime>),
    /// A paravisor's.
    Paravisor(Paravisor),
    /// What a guest gave along with its TPM's quote: the nonce of its payload.
    Guest { nonce: String },
    /// Anybody else's.
    OfAnotherProtocol,
}

/// Runtime data of ours: exactly these members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CasqueRuntime {
    version: String,
    server: String,
    config: String,
    nonce: String,
    kem: String,
    public: String,
}

/// The paravisor's data, whose digest the TEE's report carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paravisor {
    /// `user-data`, if they are 64 bytes.
    user_data: Option<Digest<64>>,
    /// The virtual TPM's attestation key, `HCLAkPub`: modulus and exponent in base64url.
    pub(super) attestation_key: Option<(String, String)>,
    pub(super) secure_boot: Option<bool>,
    pub(super) vm_unique_id: Option<String>,
}

impl Binding {
    pub(super) fn parse(claims: &Object<'_>) -> Result<Self, EvidenceParseError> {
        let binary = match claims.member("x-ms-sgx-ehd") {
            None => None,
            Some(Json::Text(text)) => Some(decode(text)?),
            Some(_) => return Err(malformed("`x-ms-sgx-ehd` to be text")),
        };
        Ok(Self {
            runtime: Runtime::parse_claim(claims)?,
            binary,
        })
    }

    /// Whether a token that comes alone is bound to the request, either way.
    pub(super) fn fits(&self, subject: &Stated, expected: &RuntimeData) -> bool {
        self.fits_exactly(subject, expected) || self.fits_behind_paravisor(subject, expected)
    }

    /// a.
    pub(super) fn fits_exactly(&self, subject: &Stated, expected: &RuntimeData) -> bool {
        let stated = self.runtime.is_some() || self.binary.is_some();
        let report_data = subject.as_ref().ok().and_then(|it| it.report_data);
        stated
            && report_data
                .is_none_or(|found| expected.report_data().is_carried_by(found.as_bytes()))
            && self
                .binary
                .as_ref()
                .is_none_or(|bytes| ct_eq(bytes, expected.as_bytes()))
            && self.runtime.as_ref().is_none_or(|it| it.fits(expected))
    }

    /// b.
    fn fits_behind_paravisor(&self, subject: &Stated, expected: &RuntimeData) -> bool {
        let Ok(subject) = subject else { return false };
        if !matches!(
            subject.identity,
            Identity::AzureVm(_) | Identity::Snp(_) | Identity::Tdx(_)
        ) {
            return false;
        }
        let user_data = subject.paravisor().and_then(|it| it.user_data.as_ref());
        user_data.is_some_and(|found| expected.report_data().is_carried_by(found.as_bytes()))
    }

    /// Whether a token about a machine, beside evidence of it that is bound to the request, is of that request, too.
    /// Of a token about the TEE alone nothing more is asked: what it says of a machine does not change while it runs.
    pub(super) fn is_of_request(&self, subject: &Stated, expected: &RuntimeData) -> bool {
        let is_of_machine =
            matches!(subject, Ok(subject) if matches!(subject.identity, Identity::AzureVm(_)));
        let names_request =
            matches!(&self.runtime, Some(Runtime::Guest { nonce }) if is_binding(nonce, expected));
        !is_of_machine || names_request || self.fits_behind_paravisor(subject, expected)
    }
}

/// Whether a payload's nonce is the digest of the runtime data, or a text of it.
fn is_binding(nonce: &str, expected: &RuntimeData) -> bool {
    let decoded = LENIENT.decode(nonce).or_else(|_| LENIENT_URL.decode(nonce));
    let Ok(found) = decoded else { return false };
    let binding = expected.binding();
    ct_eq(&found, binding.as_bytes())
        || ct_eq(
            &found,
            URL_SAFE_NO_PAD.encode(binding.as_bytes()).as_bytes(),
        )
        || ct_eq(&found.to_ascii_lowercase(), binding.to_string().as_bytes())
}

impl Runtime {
    pub(super) fn parse_claim(claims: &Object<'_>) -> Result<Option<Self>, EvidenceParseError> {
        match claims.member("x-ms-runtime") {
            None => Ok(None),
            Some(Json::Object(object)) => Ok(Some(Self::of(object))),
            Some(_) => Err(malformed("`x-ms-runtime` to be a JSON object")),
        }
    }

    fn of(object: &Object<'_>) -> Self {
        if let Some(runtime) = CasqueRuntime::of(object) {
            return Self::Casque(Box::new(runtime));
        }
        if let Some(payload) = object.object("client-payload") {
            let nonce = payload.text("nonce").unwrap_or_default().to_owned();
            return Self::Guest { nonce };
        }
        Paravisor::of(object).map_or(Self::OfAnotherProtocol, Self::Paravisor)
    }

    fn fits(&self, expected: &RuntimeData) -> bool {
        let Self::Casque(found) = self else {
            return false;
        };
        let text = str::from_utf8(expected.as_bytes()).ok();
        let object = text.and_then(Object::parse);
        object
            .and_then(|object| CasqueRuntime::of(&object))
            .as_ref()
            == Some(&**found)
    }
}

impl CasqueRuntime {
    fn of(object: &Object<'_>) -> Option<Self> {
        let key = object.object("key")?;
        let text = |object: &Object<'_>, name| object.text(name).map(str::to_owned);
        let exact = object.members().count() == 5 && key.members().count() == 2;
        exact.then_some(())?;
        Some(Self {
            version: text(object, "v")?,
            server: text(object, "server")?,
            config: text(object, "config")?,
            nonce: text(object, "nonce")?,
            kem: text(key, "kem")?,
            public: text(key, "public")?,
        })
    }
}

impl Paravisor {
    /// Reads a paravisor's data as the evidence has them.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        Self::of(&Object::parse(str::from_utf8(json).ok()?)?)
    }

    fn of(object: &Object<'_>) -> Option<Self> {
        let Some(Json::List(keys)) = object.member("keys") else {
            return None;
        };
        let configuration = object.object("vm-configuration");
        let flag = |name| match configuration?.member(name) {
            Some(Json::Flag(flag)) => Some(*flag),
            _ => None,
        };
        let id = configuration.and_then(|it| it.text("vmUniqueId"));
        Some(Self {
            user_data: Reading::of(object)
                .optional_digest(&USER_DATA)
                .ok()
                .flatten(),
            attestation_key: attestation_key(keys),
            secure_boot: flag("secure-boot"),
            vm_unique_id: id.filter(|id| is_id(id)).map(str::to_owned),
        })
    }
}

/// A text that may stand in a message.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The only RSA key with the id `HCLAkPub`.
fn attestation_key(keys: &[Json<'_>]) -> Option<(String, String)> {
    let mut named = keys.iter().filter_map(|key| match key {
        Json::Object(key) if key.text("kid") == Some("HCLAkPub") => Some(key),
        _ => None,
    });
    let (Some(key), None) = (named.next(), named.next()) else {
        return None;
    };
    let number = |name| key.text(name).map(str::to_owned);
    (key.text("kty") == Some("RSA")).then_some(())?;
    Some((number("n")?, number("e")?))
}

const USER_DATA: Named = Named {
    name: "user-data",
    expected: "`user-data` to be 128 hexadecimal digits",
};
