//! One run of `dcap-qvl`, with its errors as ours.

use casque_types::Timestamp;
use dcap_qvl::verify::QuoteVerifier;
use dcap_qvl::{QuoteClaims, QuoteCollateralV3, QuotePolicy, TcbStatus as DcapStatus};

use super::error::{IntelEndorsement, QuoteAppraiseError, RevokedThing};
use super::stages::Chain;
use crate::{AdvisoryId, IntelEndorsements, Tcb, TcbStatus, TrustAnchors};

/// What is to be verified, and by what.
pub(super) struct Verification<'a> {
    pub(super) anchors: &'a TrustAnchors,
    pub(super) quote: &'a [u8],
    pub(super) endorsements: &'a IntelEndorsements,
    pub(super) now: Timestamp,
}

/// What a quote's platform was found to be, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) tcb: Tcb,
    /// When the first of endorsements and certificates ends.
    pub(super) valid_until: Timestamp,
}

impl Verification<'_> {
    /// Verifies everything: endorsements, certificates, quoting enclave, signature, TCB, attributes.
    pub(super) fn run(&self) -> Result<Verified, QuoteAppraiseError> {
        expect_signature_lengths(self.endorsements)?;
        let claims = self.claims().map_err(|error| self.dated(error))?;
        Ok(Verified {
            tcb: tcb_of(&claims)?,
            valid_until: Timestamp::from_unix_s(claims.earliest_expiration_date),
        })
    }

    fn claims(&self) -> Result<QuoteClaims, QuoteAppraiseError> {
        let text = match self.attempt(None) {
            Ok(claims) => return Ok(claims),
            Err(text) => text,
        };
        if !QuoteAppraiseError::is_of_chain(&text) {
            return Err(QuoteAppraiseError::of_stage(&text));
        }
        // The text does not say whose chain. With no PCK chain at all, the verifier fails there only if it
        // came past the signers' chains.
        let chain = match self.attempt(Some(String::new())) {
            Err(again) if QuoteAppraiseError::is_of_absent_pck_chain(&again) => Chain::Pck,
            _ => Chain::Signer,
        };
        Err(QuoteAppraiseError::of_chain(chain, &text))
    }

    /// The claims, or the verifier's text; `pck_chain` stands in for the chain in the quote.
    fn attempt(&self, pck_chain: Option<String>) -> Result<QuoteClaims, String> {
        let root = self.anchors.sgx_root.as_ref();
        let verifier = root
            .map_or_else(QuoteVerifier::new_prod, |root| {
                QuoteVerifier::new(root.clone())
            })
            .allow_debug(true);
        let mut collateral = collateral_of(self.endorsements);
        collateral.pck_certificate_chain = pck_chain;
        let now = self.now.as_unix_s();
        let policy = QuotePolicy::claims_only(now);
        verifier
            .verify_with_policy(self.quote, collateral, now, &policy)
            .map_err(|error| format!("{error:#}"))
    }

    /// The error with the date that the document states.
    fn dated(&self, error: QuoteAppraiseError) -> QuoteAppraiseError {
        match error {
            QuoteAppraiseError::EndorsementsExpired { document, .. } => {
                let window = self.endorsements.window(document);
                QuoteAppraiseError::EndorsementsExpired {
                    document,
                    expired: window.map(|(_, until)| until),
                }
            }
            QuoteAppraiseError::EndorsementsNotYetValid { document, .. } => {
                let window = self.endorsements.window(document);
                QuoteAppraiseError::EndorsementsNotYetValid {
                    document,
                    begins: window.map(|(from, _)| from),
                }
            }
            other => other,
        }
    }
}

fn expect_signature_lengths(endorsements: &IntelEndorsements) -> Result<(), QuoteAppraiseError> {
    let signatures = [
        (IntelEndorsement::TcbInfo, &endorsements.tcb_info_signature),
        (
            IntelEndorsement::QeIdentity,
            &endorsements.qe_identity_signature,
        ),
    ];
    signatures
        .into_iter()
        .try_for_each(|(document, signature)| {
            if signature.len() == P256_SIGNATURE_BYTES {
                Ok(())
            } else {
                Err(QuoteAppraiseError::EndorsementsMalformed { document })
            }
        })
}

fn collateral_of(endorsements: &IntelEndorsements) -> QuoteCollateralV3 {
    let of = endorsements;
    QuoteCollateralV3 {
        pck_crl_issuer_chain: of.pck_crl_issuer_chain.clone(),
        root_ca_crl: of.root_ca_crl.clone(),
        pck_crl: of.pck_crl.clone(),
        tcb_info_issuer_chain: of.tcb_info_issuer_chain.clone(),
        tcb_info: of.tcb_info.clone(),
        tcb_info_signature: of.tcb_info_signature.clone(),
        qe_identity_issuer_chain: of.qe_identity_issuer_chain.clone(),
        qe_identity: of.qe_identity.clone(),
        qe_identity_signature: of.qe_identity_signature.clone(),
        pck_certificate_chain: None,
    }
}

fn tcb_of(claims: &QuoteClaims) -> Result<Tcb, QuoteAppraiseError> {
    let mut advisories = claims
        .tcb
        .advisory_ids
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<AdvisoryId>, _>>()
        .map_err(|source| QuoteAppraiseError::Advisory { source })?;
    advisories.sort_unstable();
    advisories.dedup();
    Ok(Tcb {
        status: status_of(claims.tcb.status)?,
        advisories,
        snp: None,
    })
}

const fn status_of(status: DcapStatus) -> Result<TcbStatus, QuoteAppraiseError> {
    Ok(match status {
        DcapStatus::UpToDate => TcbStatus::UpToDate,
        DcapStatus::SWHardeningNeeded => TcbStatus::SwHardeningNeeded,
        DcapStatus::ConfigurationNeeded => TcbStatus::ConfigurationNeeded,
        DcapStatus::ConfigurationAndSWHardeningNeeded => {
            TcbStatus::ConfigurationAndSwHardeningNeeded
        }
        DcapStatus::OutOfDate => TcbStatus::OutOfDate,
        DcapStatus::OutOfDateConfigurationNeeded => TcbStatus::OutOfDateConfigurationNeeded,
        DcapStatus::TDRelaunchAdvised => TcbStatus::TdRelaunchAdvised,
        DcapStatus::TDRelaunchAdvisedConfigurationNeeded => {
            TcbStatus::TdRelaunchAdvisedConfigurationNeeded
        }
        // The verifier has refused it before.
        DcapStatus::Revoked => {
            return Err(QuoteAppraiseError::Revoked {
                what: RevokedThing::Tcb,
            });
        }
    })
}

const P256_SIGNATURE_BYTES: usize = 64;
