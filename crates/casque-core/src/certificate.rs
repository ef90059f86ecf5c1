//! Certificates of a policy, issued: when it is put, and again before they end.

use casque_policy::{CertificateSpec, Endpoint, SecretSpec};
use casque_secrets::{
    CertificateChain, CertificateRequest, EndpointUse, MakeError, SecretValue, issue_certificate,
};
use casque_types::{Rng, Seconds, SecretKind, Timestamp};
use thiserror::Error;

/// The values that a certificate is made of.
pub(crate) struct CertificateParts<'v> {
    /// The key that it certifies.
    pub(crate) private_key: &'v SecretValue,
    /// Who issues it; itself when none.
    pub(crate) issuer: Option<&'v SecretValue>,
}

/// Why no certificate was issued.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum IssueError {
    /// `private_key` leads to something else.
    #[error("expected a value of kind `private-key` behind `private_key`, found `{found}`")]
    NoKey {
        /// Its kind.
        found: SecretKind,
    },
    /// `issuer` leads to something else.
    #[error("expected a value of kind `x509-ca` behind `issuer`, found `{found}`")]
    NoAuthority {
        /// Its kind.
        found: SecretKind,
    },
    /// The issuer's certificate, or one above it, has ended.
    #[error("the issuer, or an authority above it, ended at {ends}: whatever it issues is void")]
    IssuerEnded {
        /// When.
        ends: Timestamp,
    },
    /// It could not be made.
    #[error(transparent)]
    Make(#[from] MakeError),
}

/// Issues what a policy's certificate secret describes. It ends with its issuers at the latest: nobody
/// believes it any longer.
pub(crate) fn issue(
    secret: &SecretSpec,
    spec: &CertificateSpec,
    parts: &CertificateParts<'_>,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<SecretValue, IssueError> {
    let SecretValue::PrivateKey(private_key) = parts.private_key else {
        let found = parts.private_key.kind();
        return Err(IssueError::NoKey { found });
    };
    let issuer = match parts.issuer {
        None => None,
        Some(SecretValue::X509Ca(chain)) => Some(chain),
        Some(other) => {
            let found = other.kind();
            return Err(IssueError::NoAuthority { found });
        }
    };
    let authority = matches!(
        secret.kind,
        Some(SecretKind::X509Ca | SecretKind::SessionCa)
    );
    let request = CertificateRequest {
        private_key,
        issuer,
        common_name: &spec.common_name,
        endpoint: spec.endpoint.map(endpoint_use),
        dns: &spec.dns,
        valid_for: within_issuer(spec.valid_for, issuer, now)?,
        authority,
        now,
    };
    let chain = issue_certificate(&request, rng)?;
    Ok(match authority {
        true => SecretValue::X509Ca(chain),
        false => SecretValue::X509(chain),
    })
}

/// How long it may be valid; as long as X.509 can say when none.
fn within_issuer(
    stated: Option<Seconds>,
    issuer: Option<&CertificateChain>,
    now: Timestamp,
) -> Result<Option<Seconds>, IssueError> {
    let Some(ends) = issuer.and_then(CertificateChain::ends) else {
        return Ok(stated);
    };
    if ends <= now {
        return Err(IssueError::IssuerEnded { ends });
    }
    let left = ends.since(now);
    Ok(Some(stated.map_or(left, |stated| stated.min(left))))
}

const fn endpoint_use(endpoint: Endpoint) -> EndpointUse {
    match endpoint {
        Endpoint::Server => EndpointUse::Server,
        Endpoint::Client => EndpointUse::Client,
    }
}
