//! A software Kubernetes cluster, as the issuer of service account tokens: its keys, its key document, its tokens.
//!
//! [`SoftwareCluster::token`] signs whatever a [`ServiceAccountTokenSpec`] says, so that tests can bend one thing.
//! Source: Kubernetes, "Managing Service Accounts" (claims of a bound token), RFC 7515, RFC 7517.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::{Seconds, Timestamp, sha256};
use der::asn1::UintRef;
use der::{Decode as _, Sequence};
use serde_json::{Value, json};
use thiserror::Error;

/// A cluster with an RSA and a P-256 key.
#[derive(Debug)]
pub struct SoftwareCluster {
    issuer: String,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
}

/// What a token is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterKey {
    /// RS256, as clusters of AKS do.
    Rsa,
    /// ES256.
    P256,
}

/// What a token says; every member can be bent.
#[derive(Clone, Debug)]
pub struct ServiceAccountTokenSpec {
    /// The key that signs.
    pub key: ClusterKey,
    /// The header, without `kid` where that is to be the signing key's.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

/// The crypto provider made no key, or did not sign.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("the crypto provider did not make a key, or did not sign")]
pub struct SoftwareClusterError;

impl ServiceAccountTokenSpec {
    /// A valid token of `namespace` and `account`, bound to a pod, for an hour from `now`; without an issuer, which
    /// the cluster adds.
    #[must_use]
    pub fn new(namespace: &str, account: &str, audience: &str, now: Timestamp) -> Self {
        let uid = "0d8b260e-ef0e-45fb-be8e-ff44f97722e8";
        Self {
            key: ClusterKey::Rsa,
            header: json!({}),
            claims: json!({
                "aud": [audience],
                "exp": now.plus(Seconds(3600)).as_unix_s(),
                "iat": now.as_unix_s(),
                "nbf": now.as_unix_s(),
                "jti": "e51f1fbc-4733-4b85-a59f-ba80c0523874",
                "kubernetes.io": {
                    "namespace": namespace,
                    "node": {"name": "aks-nodepool1-0", "uid": uid},
                    "pod": {"name": format!("{account}-0"), "uid": uid},
                    "serviceaccount": {"name": account, "uid": uid},
                },
                "sub": format!("system:serviceaccount:{namespace}:{account}"),
            }),
        }
    }

    /// The same, signed with another key of the cluster.
    #[must_use]
    pub fn signed_with(self, key: ClusterKey) -> Self {
        Self { key, ..self }
    }
}

impl SoftwareCluster {
    /// A cluster with this issuer and fresh keys.
    ///
    /// # Errors
    /// [`SoftwareClusterError`].
    pub fn generate(issuer: &str) -> Result<Self, SoftwareClusterError> {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| SoftwareClusterError)?;
        let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Ok(Self {
            issuer: issuer.to_owned(),
            rsa,
            p256: p256.map_err(|_| SoftwareClusterError)?,
        })
    }

    /// Its issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The `kid` of a key.
    #[must_use]
    pub fn key_id(&self, key: ClusterKey) -> String {
        let public = match key {
            ClusterKey::Rsa => self.rsa.public_key().as_ref(),
            ClusterKey::P256 => self.p256.public_key().as_ref(),
        };
        URL_SAFE_NO_PAD.encode(sha256(public).as_bytes())
    }

    /// The body of `<issuer>/openid/v1/jwks`.
    ///
    /// # Errors
    /// [`SoftwareClusterError`].
    pub fn jwks(&self) -> Result<String, SoftwareClusterError> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (modulus, exponent) = self.rsa_numbers()?;
        let point = self.p256.public_key().as_ref();
        let (x, y) = (point.get(1..33), point.get(33..65));
        let (x, y) = x.zip(y).ok_or(SoftwareClusterError)?;
        let keys = json!({"keys": [
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id(ClusterKey::Rsa),
             "n": text(&modulus), "e": text(&exponent)},
            {"kty": "EC", "use": "sig", "alg": "ES256", "kid": self.key_id(ClusterKey::P256),
             "crv": "P-256", "x": text(x), "y": text(y)},
        ]});
        Ok(keys.to_string())
    }

    /// The body of `<issuer>/.well-known/openid-configuration`.
    #[must_use]
    pub fn openid_configuration(&self) -> String {
        let base = self.issuer.trim_end_matches('/');
        json!({
            "issuer": self.issuer,
            "jwks_uri": format!("{base}/openid/v1/jwks"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
        .to_string()
    }

    /// A signed token. `alg`, `kid` and `iss` are added where the spec does not state them.
    ///
    /// # Errors
    /// [`SoftwareClusterError`].
    pub fn token(&self, spec: &ServiceAccountTokenSpec) -> Result<String, SoftwareClusterError> {
        let algorithm = match spec.key {
            ClusterKey::Rsa => "RS256",
            ClusterKey::P256 => "ES256",
        };
        let header = with(&spec.header, "alg", algorithm);
        let header = with(&header, "kid", &self.key_id(spec.key));
        let claims = with(&spec.claims, "iss", &self.issuer);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.sign(spec.key, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A signature over anything.
    ///
    /// # Errors
    /// [`SoftwareClusterError`].
    pub fn sign(&self, key: ClusterKey, bytes: &[u8]) -> Result<Vec<u8>, SoftwareClusterError> {
        let rng = SystemRandom::new();
        match key {
            ClusterKey::Rsa => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                let signed = (self.rsa).sign(&RSA_PKCS1_SHA256, &rng, bytes, &mut signature);
                signed.map_err(|_| SoftwareClusterError)?;
                Ok(signature)
            }
            ClusterKey::P256 => {
                let signature = self.p256.sign(&rng, bytes);
                let signature = signature.map_err(|_| SoftwareClusterError)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }

    fn rsa_numbers(&self) -> Result<(Vec<u8>, Vec<u8>), SoftwareClusterError> {
        let numbers = RsaNumbers::from_der(self.rsa.public_key().as_ref());
        let numbers = numbers.map_err(|_| SoftwareClusterError)?;
        let bytes = |number: UintRef<'_>| number.as_bytes().to_vec();
        Ok((bytes(numbers.modulus), bytes(numbers.exponent)))
    }
}

/// `RSAPublicKey` (RFC 8017 appendix A.1.1).
#[derive(Sequence)]
struct RsaNumbers<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// The object with this member, unless it states it.
fn with(object: &Value, member: &str, text: &str) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut()
        && !members.contains_key(member)
    {
        members.insert(member.to_owned(), text.into());
    }
    object
}
