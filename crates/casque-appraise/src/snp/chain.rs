//! The chain above the key that signed a report: built in, stated by the endorsements, or brought with the report.

use std::borrow::Cow;

use super::anchors::Anchor;
use super::{SnpAppraisal, SnpAppraiseError};
use crate::x509::{CERTIFICATE_BYTES, Certificate, CertificateError, Window};

/// The chain that held.
pub(super) struct Chain {
    pub(super) authority_serial: Vec<u8>,
    pub(super) window: Window,
}

impl SnpAppraisal<'_> {
    /// The built-in authority, or one that AMD's root issued under the same name since.
    ///
    /// # Errors
    /// [`SnpAppraiseError`]
    pub(super) fn verify_chain(&self, anchor: &Anchor) -> Result<Chain, SnpAppraiseError> {
        let built_in = anchor.authority(self.vek.signer());
        let stated = self.stated_chain(anchor)?;
        self.expect_authority_in(&stated, anchor)?;
        let first_error = match self.chain_under(built_in, anchor) {
            Ok(chain) => return Ok(chain),
            Err(error) => error,
        };
        let brought = self.evidence.brought.authorities.iter();
        let others: Vec<&Certificate> = brought.chain(stated.iter().map(AsRef::as_ref)).collect();
        let reissued = others
            .iter()
            .filter(|one| one.subject_name() == built_in.subject_name());
        for authority in reissued {
            if let Ok(chain) = self.chain_under(authority, anchor) {
                return Ok(chain);
            }
        }
        let of_another = matches!(
            first_error,
            CertificateError::Signature { .. } | CertificateError::Issuer { .. }
        );
        let foreign = others
            .iter()
            .find(|one| one.is_self_issued() && !anchor.ark.is_for_key_of(one));
        match foreign {
            Some(root) if of_another => Err(self.foreign_root(root)),
            _ => Err(SnpAppraiseError::of_chain(first_error)),
        }
    }

    /// Whether a chain of the endorsements, if there is one, has the authority over keys of this kind in it, which the
    /// root issued, and no root that nobody knows. Which certificate that authority has, the built-in one or one that
    /// was issued since, does not matter here.
    fn expect_authority_in(
        &self,
        stated: &[Cow<'_, Certificate>],
        anchor: &Anchor,
    ) -> Result<(), SnpAppraiseError> {
        if stated.is_empty() {
            return Ok(());
        }
        let mut roots = stated.iter().filter(|one| one.is_self_issued());
        if let Some(root) = roots.find(|one| !self.appraiser.amd.has_root(one)) {
            return Err(self.foreign_root(root));
        }
        let built_in = anchor.authority(self.vek.signer());
        let mut error = None;
        for one in stated {
            if one.subject_name() != built_in.subject_name() {
                continue;
            }
            let chain = [one.as_ref(), &anchor.ark];
            match self.appraiser.certificates.chain(&chain, self.now) {
                Ok(_) => return Ok(()),
                Err(found) => error = Some(found),
            }
        }
        let of_another = stated
            .iter()
            .find(|one| one.is_self_issued() && !anchor.ark.is_for_key_of(one));
        Err(match (error, of_another) {
            (Some(error), _) => SnpAppraiseError::of_chain(error),
            (None, Some(root)) => self.foreign_root(root),
            (None, None) => SnpAppraiseError::Chain(CertificateError::NoPath {
                subject: self.vek.certificate.subject(),
                issuer: built_in.subject(),
            }),
        })
    }

    fn foreign_root(&self, root: &Certificate) -> SnpAppraiseError {
        SnpAppraiseError::ForeignRoot {
            subject: root.subject(),
            product: self.vek.product,
        }
    }

    fn chain_under(
        &self,
        authority: &Certificate,
        anchor: &Anchor,
    ) -> Result<Chain, CertificateError> {
        let chain = [&self.vek.certificate, authority, &anchor.ark];
        let window = self.appraiser.certificates.chain(&chain, self.now)?;
        Ok(Chain {
            authority_serial: authority.serial().to_vec(),
            window,
        })
    }

    /// The chain of the endorsements; what is built in, byte for byte, is not parsed again.
    fn stated_chain<'c>(
        &self,
        anchor: &'c Anchor,
    ) -> Result<Vec<Cow<'c, Certificate>>, SnpAppraiseError> {
        let stated = &self.endorsements.chain;
        if stated.len() > STATED_CERTIFICATES {
            let limit = STATED_CERTIFICATES;
            return Err(SnpAppraiseError::Chain(CertificateError::TooMany { limit }));
        }
        let read = stated.iter().map(|der| match anchor.known(der) {
            Some(known) => Ok(Cow::Borrowed(known)),
            None => Certificate::from_der(der, CERTIFICATE_BYTES)
                .map(Cow::Owned)
                .map_err(SnpAppraiseError::of_chain),
        });
        read.collect()
    }
}

/// How many certificates the endorsements may state: three generations have three each.
const STATED_CERTIFICATES: usize = 16;
