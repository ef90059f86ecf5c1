//! SGX quotes: what they say, and whether Intel's platform keys stand behind it.
//!
//! Signatures, chains, revocation, QE identity and TCB level are `dcap-qvl`'s work (Intel QVL's rules);
//! this module closes what it leaves open (spec/evidence.md section 1.1):
//!
//! a. it accepts any TCB status but `Revoked`: the status goes into [`Tcb`], and only a policy tolerates it;
//! b. a platform below every listed level is its own error, [`SgxAppraiseError::TcbNotListed`];
//! c. it ignores trailing bytes and bounds nothing: [`SgxQuote::parse`] does both;
//! d. its errors are texts: `error` gives each stage its own variant;
//! e. it lets debug pass when told so: debug is told so, reported in the identity, and judged by the policy.
//!
//! `QuotePolicy::claims_only` judges nothing. The strict policy is never used: it refuses platforms for flags that all clouds set.

mod error;
mod quote;

use casque_types::{Digest, RuntimeData, SgxIdentity, Timestamp};
use dcap_qvl::verify::QuoteVerifier;
use dcap_qvl::{QuoteClaims, QuoteCollateralV3, QuotePolicy, TcbStatus as DcapStatus};

use crate::{
    AdvisoryId, Appraisal, Identity, Scope, SgxEndorsements, Tcb, TcbStatus, TrustAnchors, Verifier,
};
use error::Chain;
pub use error::{RevokedThing, SgxAppraiseError, SgxEndorsement};
pub use quote::SgxQuote;

/// What a quote's signatures prove; not bound to a request.
#[derive(Clone, Debug)]
pub struct SgxVerdict {
    /// The enclave.
    pub identity: SgxIdentity,
    /// Its platform.
    pub tcb: Tcb,
    /// The id of the quoting enclave, which differs from machine to machine.
    pub qe_id: Digest<16>,
    /// The 64 bytes it chose.
    pub report_data: [u8; 64],
    /// When the first of the endorsements and certificates runs out.
    pub valid_until: Timestamp,
}

/// Verifies every signature from the root to the enclave's report, and evaluates the platform's TCB level.
///
/// Says nothing of freshness: a recorded quote verifies as well ([`appraise_sgx`] binds it to a request).
///
/// # Errors
/// [`SgxAppraiseError`] for the first stage that fails.
pub fn verify_sgx_quote(
    quote: &SgxQuote,
    endorsements: &SgxEndorsements,
    anchors: &TrustAnchors,
    now: Timestamp,
) -> Result<SgxVerdict, SgxAppraiseError> {
    expect_signature_lengths(endorsements)?;
    let verifier = anchors
        .sgx_root
        .as_ref()
        .map_or_else(QuoteVerifier::new_prod, |root| {
            QuoteVerifier::new(root.clone())
        })
        .allow_debug(true);
    let verification = Verification {
        verifier,
        quote,
        endorsements,
        now,
    };
    let claims = verification.run()?;
    Ok(SgxVerdict {
        identity: quote.claimed_identity().clone(),
        tcb: tcb_of(&claims)?,
        qe_id: *quote.qe_id(),
        report_data: *quote.report_data(),
        valid_until: Timestamp::from_unix_s(claims.earliest_expiration_date),
    })
}

/// Checks that the quote is bound to `runtime`, then verifies it.
///
/// # Errors
/// [`SgxAppraiseError::NotBound`], or why it does not verify.
pub fn appraise_sgx(
    quote: &SgxQuote,
    runtime: &RuntimeData,
    endorsements: &SgxEndorsements,
    anchors: &TrustAnchors,
    now: Timestamp,
) -> Result<Appraisal, SgxAppraiseError> {
    if !runtime.report_data().is_carried_by(quote.report_data()) {
        return Err(SgxAppraiseError::NotBound);
    }
    let verdict = verify_sgx_quote(quote, endorsements, anchors, now)?;
    Ok(Appraisal::new(
        Identity::Sgx(verdict.identity),
        verdict.tcb,
        Verifier::Casque,
        Scope::Process,
        runtime.clone(),
        Some(verdict.valid_until),
    )
    .on_platform(verdict.qe_id))
}

/// One run of `dcap-qvl`.
struct Verification<'a> {
    verifier: QuoteVerifier,
    quote: &'a SgxQuote,
    endorsements: &'a SgxEndorsements,
    now: Timestamp,
}

impl Verification<'_> {
    fn run(&self) -> Result<QuoteClaims, SgxAppraiseError> {
        let text = match self.claims(None) {
            Ok(claims) => return Ok(claims),
            Err(text) => text,
        };
        if !SgxAppraiseError::is_of_chain(&text) {
            return Err(SgxAppraiseError::of_stage(&text));
        }
        // The text does not say whose chain. With no PCK chain at all, the verifier fails there only if it
        // came past the signers' chains.
        let chain = match self.claims(Some(String::new())) {
            Err(again) if SgxAppraiseError::is_of_absent_pck_chain(&again) => Chain::Pck,
            _ => Chain::Signer,
        };
        Err(SgxAppraiseError::of_chain(chain, &text))
    }

    /// The claims, or the verifier's text; `pck_chain` stands in for the chain in the quote.
    fn claims(&self, pck_chain: Option<String>) -> Result<QuoteClaims, String> {
        let mut collateral = collateral_of(self.endorsements);
        collateral.pck_certificate_chain = pck_chain;
        self.verifier
            .verify_with_policy(
                self.quote.as_bytes(),
                collateral,
                self.now.as_unix_s(),
                &QuotePolicy::claims_only(self.now.as_unix_s()),
            )
            .map_err(|error| format!("{error:#}"))
    }
}

fn expect_signature_lengths(endorsements: &SgxEndorsements) -> Result<(), SgxAppraiseError> {
    let signatures = [
        (SgxEndorsement::TcbInfo, &endorsements.tcb_info_signature),
        (
            SgxEndorsement::QeIdentity,
            &endorsements.qe_identity_signature,
        ),
    ];
    signatures
        .into_iter()
        .try_for_each(|(document, signature)| {
            if signature.len() == P256_SIGNATURE_BYTES {
                Ok(())
            } else {
                Err(SgxAppraiseError::EndorsementsMalformed { document })
            }
        })
}

fn collateral_of(endorsements: &SgxEndorsements) -> QuoteCollateralV3 {
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

fn tcb_of(claims: &QuoteClaims) -> Result<Tcb, SgxAppraiseError> {
    let mut advisories = claims
        .tcb
        .advisory_ids
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<AdvisoryId>, _>>()
        .map_err(|source| SgxAppraiseError::Advisory { source })?;
    advisories.sort_unstable();
    advisories.dedup();
    Ok(Tcb {
        status: status_of(claims.tcb.status)?,
        advisories,
    })
}

const fn status_of(status: DcapStatus) -> Result<TcbStatus, SgxAppraiseError> {
    Ok(match status {
        DcapStatus::UpToDate => TcbStatus::UpToDate,
        DcapStatus::SWHardeningNeeded => TcbStatus::SwHardeningNeeded,
        DcapStatus::ConfigurationNeeded => TcbStatus::ConfigurationNeeded,
        DcapStatus::ConfigurationAndSWHardeningNeeded => {
            TcbStatus::ConfigurationAndSwHardeningNeeded
        }
        DcapStatus::OutOfDate => TcbStatus::OutOfDate,
        DcapStatus::OutOfDateConfigurationNeeded => TcbStatus::OutOfDateConfigurationNeeded,
        DcapStatus::Revoked => {
            return Err(SgxAppraiseError::Revoked {
                what: RevokedThing::Tcb,
            });
        }
        DcapStatus::TDRelaunchAdvised | DcapStatus::TDRelaunchAdvisedConfigurationNeeded => {
            return Err(SgxAppraiseError::Status);
        }
    })
}

const P256_SIGNATURE_BYTES: usize = 64;
