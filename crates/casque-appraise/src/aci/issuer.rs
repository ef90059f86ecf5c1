//! Who may issue references of utility virtual machines: `did:x509` identifiers (microsoft/did-x509, specification.md).
//!
//! `did:x509:0:sha256:<fingerprint>::eku:<oid>`: the fingerprint is SHA-256, base64url, of a certificate in the chain
//! other than the leaf; the leaf has the extended key usage. Other methods of the specification are not accepted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::Digest;
use der::asn1::ObjectIdentifier;

use crate::x509::Certificate;
use crate::{AciAppraiseError, TrustAnchors};

/// An identifier, read.
#[derive(Debug, PartialEq, Eq)]
struct Did {
    fingerprint: Digest<32>,
    key_usage: ObjectIdentifier,
}

impl Did {
    fn parse(text: &str) -> Option<Self> {
        let (root, policy) = text.split_once("::")?;
        let fingerprint = root.strip_prefix("did:x509:0:sha256:")?;
        let fingerprint: [u8; 32] = URL_SAFE_NO_PAD.decode(fingerprint).ok()?.try_into().ok()?;
        let key_usage = ObjectIdentifier::new(policy.strip_prefix("eku:")?).ok()?;
        Some(Self {
            fingerprint: fingerprint.into(),
            key_usage,
        })
    }
}

/// Whether the issuer is believed, for this feed, and is who the chain (leaf first) says.
pub(super) fn expect_issuer(
    issuer: &str,
    feed: &str,
    chain: &[Certificate],
    anchors: &TrustAnchors,
) -> Result<(), AciAppraiseError> {
    let stranger = || AciAppraiseError::Issuer {
        found: issuer.to_owned(),
    };
    match &anchors.uvm_issuers {
        Some(others) if others.iter().any(|other| other == issuer) => {}
        Some(_) => return Err(stranger()),
        None => expect_microsoft(issuer, feed)?,
    }
    let did = Did::parse(issuer).ok_or_else(stranger)?;
    let Some((leaf, authorities)) = chain.split_first() else {
        return Err(stranger());
    };
    if !authorities
        .iter()
        .any(|one| *one.digest() == did.fingerprint)
    {
        return Err(AciAppraiseError::Fingerprint {
            issuer: issuer.to_owned(),
        });
    }
    if !leaf.extended_key_usages().contains(&did.key_usage) {
        return Err(AciAppraiseError::KeyUsage {
            expected: did.key_usage.to_string(),
        });
    }
    Ok(())
}

fn expect_microsoft(issuer: &str, feed: &str) -> Result<(), AciAppraiseError> {
    let known = MICROSOFT.iter().find(|(did, _)| *did == issuer);
    match known {
        None => Err(AciAppraiseError::Issuer {
            found: issuer.to_owned(),
        }),
        Some((_, expected)) if *expected != feed => Err(AciAppraiseError::Feed {
            found: feed.to_owned(),
            expected,
        }),
        Some(_) => Ok(()),
    }
}

/// Microsoft's identifiers, each with the feed that it is believed for: confidential containers of ACI, and of AKS.
/// Source: microsoft/CCF, `default_uvm_roots_of_trust` in `include/ccf/pal` and `src/node/uvm_endorsements.h`. The
/// floor of versions is the policy author's.
const MICROSOFT: [(&str, &str); 2] = [
    (
        "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.2",
        "ContainerPlat-AMD-UVM",
    ),
    (
        "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.5",
        "ConfAKS-AMD-UVM",
    ),
];

#[cfg(test)]
mod tests;
