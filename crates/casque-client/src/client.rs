//! The requests of the HTTP interface, as typed methods; those about policies stand in `policies.rs`.

use casque_secrets::{SealedConfiguration, SessionEncryptionPublicKey};
use casque_types::{
    Kem, KeyHash, Nonce, PolicyHash, PolicyName, RuntimeData, Seconds, Secret, SecretName,
    Timestamp,
};
use casque_wire as wire;

use crate::exchange::{Exchange, Expected, MAX_RELEASE_BYTES};
use crate::{
    ClientError, ClientIdentity, Gathered, SecondFactors, ServerAddress, ServerTrust, Timeouts,
};

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) exchange: Exchange,
    key_hash: Option<KeyHash>,
}

/// A server's offer to attest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The nonce for the runtime data.
    pub nonce: Nonce,
    /// Until when it is good.
    pub expires: Timestamp,
    /// Key hash of the server's identity, as it is known.
    pub server: KeyHash,
    /// Kinds of evidence that the server appraises; those that this client does not know are left out.
    pub evidence: Vec<EvidenceKind>,
}

/// A kind of evidence, by its name on the wire. Not the type of `casque-appraise`: agents link no verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// An SGX quote.
    Sgx,
    /// A TDX quote.
    Tdx,
    /// A report of SEV-SNP.
    Snp,
    /// A TPM quote of an Azure VM on SEV-SNP.
    AzureSnpVtpm,
    /// A TPM quote of an Azure VM on TDX.
    AzureTdxVtpm,
    /// A report of SEV-SNP of confidential containers.
    AciSnp,
    /// A token of Microsoft Azure Attestation.
    Maa,
    /// None, for policies that ask for none.
    None,
}

impl EvidenceKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Sgx,
        Self::Tdx,
        Self::Snp,
        Self::AzureSnpVtpm,
        Self::AzureTdxVtpm,
        Self::AciSnp,
        Self::Maa,
        Self::None,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sgx => "sgx",
            Self::Tdx => "tdx",
            Self::Snp => "snp",
            Self::AzureSnpVtpm => "azure-snp-vtpm",
            Self::AzureTdxVtpm => "azure-tdx-vtpm",
            Self::AciSnp => "aci-snp",
            Self::Maa => "maa",
            Self::None => "none",
        }
    }
}

/// What answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    /// `casque`.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Hash of the server's identity key.
    pub key_hash: KeyHash,
    /// That key, DER `SubjectPublicKeyInfo`.
    pub server_key: Vec<u8>,
    /// The key that policies are encrypted to before they are uploaded; none of a server that takes none.
    pub session_encryption_key: Option<SessionEncryptionPublicKey>,
}

/// A value that the caller may read.
#[derive(Debug)]
pub struct PublicValue {
    /// Its kind, in the words of the language.
    pub kind: String,
    /// The value as text; of a `binary` its hexadecimal digits.
    pub value: Secret,
    /// When it runs out, RFC 3339.
    pub expires: Option<String>,
}

impl Client {
    /// A client; nothing is connected yet.
    ///
    /// # Errors
    /// [`ClientError::CertificateAuthority`] when the authorities in `trust` are none.
    pub fn new(
        address: ServerAddress,
        trust: &ServerTrust,
        identity: Option<ClientIdentity>,
        timeouts: Timeouts,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            exchange: Exchange::new(address, trust, identity, timeouts)?,
            key_hash: trust.key_hash().copied(),
        })
    }

    /// Where the server is.
    #[must_use]
    pub const fn address(&self) -> &ServerAddress {
        self.exchange.address()
    }

    /// The hash of the key in the TLS certificate of the first connection; of the ingress when TLS ends
    /// there. `None` before the first request.
    #[must_use]
    pub fn tls_key_hash(&self) -> Option<&KeyHash> {
        self.exchange.observed().map(|seen| &seen.key_hash)
    }

    /// Asks for a challenge.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::OtherServer`] also when the server says to be another one than TLS
    /// showed, [`ClientError::NoCommonKem`] when it cannot seal to an X-Wing key.
    pub fn challenge(&self) -> Result<Challenge, ClientError> {
        let expected = "a challenge";
        let raw: wire::Challenge =
            self.exchange
                .send("/v1/challenge", JSON, b"", Expected::small(expected))?;
        let malformed = || self.exchange.malformed(200, expected);
        let server = raw.server.parse().map_err(|_| malformed())?;
        self.require_server(server)?;
        if !raw.kems.iter().any(|kem| kem == Kem::XWing.name()) {
            return Err(ClientError::NoCommonKem {
                address: self.address().clone(),
            });
        }
        Ok(Challenge {
            nonce: Nonce::from_bytes(raw.nonce.0).ok_or_else(malformed)?,
            expires: Timestamp::from_unix_s(raw.expires),
            server,
            evidence: (raw.evidence.iter())
                .filter_map(|name| evidence_kind(name))
                .collect(),
        })
    }

    /// Hands evidence over that is bound to `runtime`, and what stands beside it; answered with the sealed
    /// configuration and the time after which to ask again. Opening it is `casque_secrets::open_configuration`'s.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with status 403 for a denial, with the rules that failed.
    pub fn attest(
        &self,
        runtime: &RuntimeData,
        gathered: impl Into<Gathered>,
        factors: &SecondFactors,
    ) -> Result<(SealedConfiguration, Seconds), ClientError> {
        let expected = "a sealed configuration";
        let Gathered {
            evidence,
            maa_token,
        } = gathered.into();
        let request = wire::AttestRequest {
            runtime_data: wire::B64(runtime.as_bytes().to_vec()),
            evidence,
            // Exposed to be sent: the server counts it once.
            otp: factors
                .one_time_password
                .as_ref()
                .map(|code| code.expose().to_owned()),
            access_token_proof: factors
                .attester_proof(runtime)
                .map(|proof| wire::B64(proof.into())),
            maa_token,
            service_account_token: factors.service_account_token(),
        };
        let large = Expected {
            what: expected,
            limit_bytes: MAX_RELEASE_BYTES,
        };
        let body =
            serde_json::to_vec(&request).map_err(|_| self.exchange.malformed(0, expected))?;
        let answer: wire::AttestAnswer = self.exchange.send("/v1/attest", JSON, &body, large)?;
        let sealed = SealedConfiguration {
            encapsulated: answer.sealed.encapsulated.0,
            ciphertext: answer.sealed.ciphertext.0,
            server_spki: answer.sealed.server_key.0,
            signature: answer.sealed.signature.0,
        };
        Ok((sealed, Seconds(answer.refresh_after_s)))
    }

    /// Has the policy's attestation service judge an Azure virtual machine with its TPM; answered with a token that only
    /// the machine's TPM opens. `attestation_info` is what `attest/AzureGuest` takes, `evidence` is bound to `runtime`.
    ///
    /// # Errors
    /// [`ClientError::Refused`], as [`Client::attest`] is, or where the policy has no such service.
    pub fn submit_guest(
        &self,
        runtime: &RuntimeData,
        evidence: &wire::Evidence,
        attestation_info: &str,
    ) -> Result<String, ClientError> {
        let expected = "a sealed token";
        let request = wire::GuestRequest {
            runtime_data: wire::B64(runtime.as_bytes().to_vec()),
            evidence: evidence.clone(),
            attestation_info: attestation_info.to_owned(),
        };
        let body =
            serde_json::to_vec(&request).map_err(|_| self.exchange.malformed(0, expected))?;
        let small = Expected::small(expected);
        let answer: wire::GuestAnswer =
            self.exchange
                .send("/v1/attest/azure-guest", JSON, &body, small)?;
        Ok(answer.sealed_token)
    }

    /// Asks what answers.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::OtherServer`] also when the server says to be another one than TLS
    /// showed.
    pub fn version(&self) -> Result<ServerVersion, ClientError> {
        let expected = "a version with the server's key";
        let raw: wire::Version = self
            .exchange
            .read("/v1/version", Expected::small(expected))?;
        let key_hash = KeyHash::of_spki(&raw.server_key.0);
        if raw.server.parse() != Ok(key_hash) {
            return Err(self.exchange.malformed(200, expected));
        }
        self.require_server(key_hash)?;
        let encryption_key = match raw.session_encryption_key.as_str() {
            "" => None,
            text => Some((text.parse()).map_err(|_| self.exchange.malformed(200, expected))?),
        };
        Ok(ServerVersion {
            name: raw.name,
            version: raw.version,
            key_hash,
            server_key: raw.server_key.0,
            session_encryption_key: encryption_key,
        })
    }

    /// The TLS certificate of the first connection, DER; `None` before the first request. It carries the
    /// server's key, and proves nothing else.
    #[must_use]
    pub fn tls_certificate(&self) -> Option<&[u8]> {
        self.exchange.observed().map(|seen| &*seen.certificate)
    }

    /// Reads one value of a policy, or of its version of this hash.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with status 403 or 404.
    pub fn value(
        &self,
        policy: &PolicyName,
        secret: &SecretName,
        hash: Option<&PolicyHash>,
    ) -> Result<PublicValue, ClientError> {
        let pinned = hash.map_or_else(String::new, |hash| format!(",session_hash={hash}"));
        let path = format!("/v1/values/session={policy},secret={secret}{pinned}");
        let answer: wire::Value = self.exchange.read(&path, Expected::policy("a value"))?;
        Ok(public_value(answer))
    }

    /// Reads all values of a policy that the caller may read.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with status 403 or 404.
    pub fn values(
        &self,
        policy: &PolicyName,
        hash: Option<&PolicyHash>,
    ) -> Result<Vec<(SecretName, PublicValue)>, ClientError> {
        let expected = "values by name";
        let pinned = hash.map_or_else(String::new, |hash| format!(",session_hash={hash}"));
        let path = format!("/v1/values/session={policy}{pinned}");
        let answer: wire::Values = self.exchange.read(&path, Expected::policy(expected))?;
        let named = |(name, value): (String, wire::Value)| {
            let name = name
                .parse()
                .map_err(|_| self.exchange.malformed(200, expected))?;
            Ok((name, public_value(value)))
        };
        answer.values.into_iter().map(named).collect()
    }

    /// The server must be the pinned one, or without a pin the one that TLS showed.
    fn require_server(&self, found: KeyHash) -> Result<(), ClientError> {
        let expected = self.key_hash.as_ref().or_else(|| self.tls_key_hash());
        match expected {
            Some(expected) if *expected != found => Err(ClientError::OtherServer {
                address: self.address().clone(),
                expected: Box::new(*expected),
                found: Box::new(found),
            }),
            _ => Ok(()),
        }
    }
}

fn public_value(raw: wire::Value) -> PublicValue {
    PublicValue {
        kind: raw.kind,
        value: Secret::new(raw.value.into_bytes()),
        expires: raw.expires,
    }
}

fn evidence_kind(name: &str) -> Option<EvidenceKind> {
    let mut kinds = EvidenceKind::ALL.into_iter();
    kinds.find(|kind| kind.as_str() == name)
}

pub(crate) const JSON: &str = "application/json";
