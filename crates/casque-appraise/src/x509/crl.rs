//! Revocation lists (RFC 5280 section 5).

use std::collections::BTreeSet;

use casque_types::Timestamp;
use der::Decode as _;
use x509_cert::certificate::Rfc5280;
use x509_cert::crl::CertificateList;
use x509_cert::name::Name;

use super::{
    Certificate, CertificateError, Signed, Window, algorithm, expect_length, printable_name,
    timestamp_of,
};

/// A revocation list, parsed, not verified. Only whole lists: one that speaks of a part (a critical extension)
/// is refused.
#[derive(Clone, Debug)]
pub(crate) struct RevocationList {
    signed: Signed,
    issuer: Name,
    window: Window,
    revoked: BTreeSet<Vec<u8>>,
}

impl RevocationList {
    /// Reads one list of at most `limit_bytes`, DER.
    ///
    /// # Errors
    /// [`CertificateError::TooLong`], or [`CertificateError::Malformed`]: not one list in DER, it does not say
    /// when the next one comes, or it has a critical extension.
    pub(crate) fn from_der(der: &[u8], limit_bytes: usize) -> Result<Self, CertificateError> {
        expect_length(der, limit_bytes)?;
        let malformed = |expected| CertificateError::Malformed { expected };
        let in_der = "a revocation list in DER";
        let signed = Signed::from_der(der).map_err(|_| malformed(in_der))?;
        let list = CertificateList::<Rfc5280>::from_der(der).map_err(|_| malformed(in_der))?;
        let tbs = list.tbs_cert_list;
        if tbs.signature != list.signature_algorithm {
            return Err(malformed(
                "the same algorithm inside and outside of what is signed",
            ));
        }
        let entries = tbs.revoked_certificates.unwrap_or_default();
        let of_entries = entries.iter().flat_map(|one| &one.crl_entry_extensions);
        let mut extensions = tbs.crl_extensions.iter().chain(of_entries).flatten();
        if extensions.any(|one| one.critical) {
            return Err(malformed(
                "a whole revocation list, without critical extensions",
            ));
        }
        let next_update = tbs.next_update.ok_or(malformed("a next update"))?;
        Ok(Self {
            signed,
            issuer: tbs.issuer,
            window: Window {
                from: timestamp_of(&tbs.this_update),
                until: timestamp_of(&next_update),
            },
            revoked: entries
                .into_iter()
                .map(|one| one.serial_number.as_bytes().to_vec())
                .collect(),
        })
    }

    /// From this update to the next.
    pub(crate) const fn window(&self) -> Window {
        self.window
    }

    /// Whether a serial number stands in it.
    pub(crate) fn names(&self, serial: &[u8]) -> bool {
        self.revoked.contains(serial)
    }

    /// Whether `issuer` signed it, and `now` is between its update and the next, both included.
    ///
    /// # Errors
    /// [`CertificateError`] for the first that does not hold.
    pub(crate) fn expect_issued_by(
        &self,
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<Window, CertificateError> {
        let subject = || String::from("revocation list");
        if self.issuer != *issuer.subject_name() {
            return Err(CertificateError::Issuer {
                subject: subject(),
                expected: issuer.subject(),
                found: printable_name(&self.issuer),
            });
        }
        algorithm::verify(&self.signed, issuer, subject)?;
        self.window.expect(now, subject)?;
        Ok(self.window)
    }
}
