//! Certificate chains: read from PEM in any order, put in order, matched with their key.
//!
//! No signature is verified here and no date is looked at: that is for whoever relies on a certificate.
//! What is held is that the private key is the leaf's, and that each issuer follows what it issued by name
//! (RFC 5280 section 6.1, without the cryptography).

use casque_types::{Seconds, Secret, Timestamp};
use der::{Decode as _, Encode as _};
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::time::{Time, Validity};

use crate::ImportError;
use crate::issue::END_OF_TIME;
use crate::key::PrivateKey;

/// A certificate, its issuers, its key.
#[derive(Debug)]
pub struct CertificateChain {
    /// DER; the leaf first, then each issuer up to and with the root; never empty.
    pub certificates: Vec<Vec<u8>>,
    /// PKCS#8 DER.
    pub private_key: Option<Secret>,
}

impl CertificateChain {
    /// The certificate itself, DER.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        self.certificates.first().map_or(&[], Vec::as_slice)
    }

    /// Since when the certificate itself is valid; `None` when it cannot be read.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.validity().map(|validity| seconds(validity.not_before))
    }

    /// Until when, inclusive, the certificate itself is valid; `None` when it cannot be read.
    ///
    /// Its issuers may end earlier: ask each of theirs.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.validity().map(|validity| seconds(validity.not_after))
    }

    /// Until when, inclusive, all of its certificates are valid; `None` when one cannot be read.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        let ends = self.certificates.iter().map(|der| {
            let certificate = Certificate::from_der(der).ok()?;
            Some(seconds(certificate.tbs_certificate().validity().not_after))
        });
        let ends: Option<Vec<Timestamp>> = ends.collect();
        ends?.into_iter().min()
    }

    /// When it should be issued again: two thirds into the life of whichever of its certificates has the
    /// shortest; `None` when none of them ever ends (RFC 5280 section 4.1.2.5), or one cannot be read.
    #[must_use]
    pub fn renewal(&self) -> Option<Timestamp> {
        let renewals = self.certificates.iter().map(|der| {
            let certificate = Certificate::from_der(der).ok()?;
            let validity = certificate.tbs_certificate().validity();
            Some(renewal_of(
                seconds(validity.not_before),
                seconds(validity.not_after),
            ))
        });
        let renewals: Option<Vec<Option<Timestamp>>> = renewals.collect();
        renewals?.into_iter().flatten().min()
    }

    fn validity(&self) -> Option<Validity> {
        let certificate = Certificate::from_der(self.leaf()).ok()?;
        Some(*certificate.tbs_certificate().validity())
    }

    /// The same chain holding its key, PKCS#8 DER, in place of the one held so far.
    ///
    /// # Errors
    /// [`ImportError::KeyAlgorithm`] or [`ImportError::KeyMismatch`].
    pub fn with_private_key(self, key: Secret) -> Result<Self, ImportError> {
        let leaf = ReadCertificate::read(self.leaf().to_vec(), 1)?;
        if leaf.spki != spki_of(&key)? {
            return Err(ImportError::KeyMismatch);
        }
        Ok(Self {
            certificates: self.certificates,
            private_key: Some(key),
        })
    }

    /// Puts certificates in order: the one that the key belongs to (without a key: the first that issued
    /// none of the others), then each one's issuer as far as they are there, then what is left, in the
    /// order given. A certificate given twice is kept once.
    pub(crate) fn ordered(
        certificates: Vec<Vec<u8>>,
        private_key: Option<Secret>,
    ) -> Result<Self, ImportError> {
        let mut rest: Vec<ReadCertificate> = Vec::new();
        for (position, der) in (1..).zip(certificates) {
            if !rest.iter().any(|known| known.der == der) {
                rest.push(ReadCertificate::read(der, position)?);
            }
        }
        let leaf = match &private_key {
            Some(key) => {
                let spki = spki_of(key)?;
                let found = rest.iter().position(|one| one.spki == spki);
                found.ok_or(ImportError::KeyMismatch)?
            }
            None => rest
                .iter()
                .position(|one| !one.issued_any(&rest))
                .unwrap_or(0),
        };
        if leaf >= rest.len() {
            return Err(ImportError::NoCertificate);
        }
        Ok(Self {
            certificates: chained(leaf, rest),
            private_key,
        })
    }

    /// Whether the leaf's basic constraints let it issue others.
    pub(crate) fn is_authority(&self) -> bool {
        ReadCertificate::read(self.leaf().to_vec(), 1).is_ok_and(|leaf| leaf.authority)
    }
}

fn renewal_of(not_before: Timestamp, not_after: Timestamp) -> Option<Timestamp> {
    if not_after >= END_OF_TIME {
        return None;
    }
    let life_s = not_after.since(not_before).0;
    let used_s = life_s.saturating_sub(life_s / 3);
    Some(not_before.plus(Seconds(used_s)))
}

/// DER `SubjectPublicKeyInfo` of a private key.
pub(crate) fn spki_of(key: &Secret) -> Result<Vec<u8>, ImportError> {
    PrivateKey::parse(key)
        .and_then(|key| key.spki())
        .ok_or(ImportError::KeyAlgorithm)
}

fn seconds(time: Time) -> Timestamp {
    Timestamp::from_unix_s(time.to_unix_duration().as_secs())
}

fn chained(leaf: usize, mut rest: Vec<ReadCertificate>) -> Vec<Vec<u8>> {
    let mut ordered = vec![rest.remove(leaf)];
    while let Some(next) = ordered
        .last()
        .filter(|last| last.issuer != last.subject)
        .and_then(|last| rest.iter().position(|one| one.subject == last.issuer))
    {
        ordered.push(rest.remove(next));
    }
    ordered.extend(rest);
    ordered.into_iter().map(|one| one.der).collect()
}

/// What ordering needs to know of a certificate.
struct ReadCertificate {
    der: Vec<u8>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    spki: Vec<u8>,
    authority: bool,
}

impl ReadCertificate {
    fn read(der: Vec<u8>, position: usize) -> Result<Self, ImportError> {
        let unreadable = |_| ImportError::Certificate { position };
        let certificate = Certificate::from_der(&der).map_err(unreadable)?;
        let tbs = certificate.tbs_certificate();
        let constraints = tbs
            .get_extension::<BasicConstraints>()
            .map_err(unreadable)?;
        Ok(Self {
            subject: tbs.subject().to_der().map_err(unreadable)?,
            issuer: tbs.issuer().to_der().map_err(unreadable)?,
            spki: tbs.subject_public_key_info().to_der().map_err(unreadable)?,
            authority: constraints.is_some_and(|(_, constraints)| constraints.ca),
            der,
        })
    }

    fn issued_any(&self, others: &[Self]) -> bool {
        others
            .iter()
            .any(|other| other.der != self.der && other.issuer == self.subject)
    }
}
