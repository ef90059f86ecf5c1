//! SGX quotes: what they say, and whether Intel's platform keys stand behind it.
//!
//! Signatures, chains, revocation, QE identity and TCB level are `dcap-qvl`'s work (Intel QVL's rules);
//! this module closes what it leaves open (spec/evidence.md section 1.1):
//!
//! a. it accepts any TCB status but `Revoked`: the status goes into [`Tcb`], and only a policy tolerates it;
//! b. a platform below every listed level is its own error, [`QuoteAppraiseError::TcbNotListed`];
//! c. it ignores trailing bytes and bounds nothing: [`SgxQuote::parse`] does both;
//! d. its errors are texts: `error` gives each stage its own variant;
//! e. it lets debug pass when told so: debug is told so, reported in the identity, and judged by the policy.
//!
//! `QuotePolicy::claims_only` judges nothing. The strict policy is never used: it refuses platforms for flags that all clouds set.

mod error;
mod sgx;
mod tdx;

use casque_types::Timestamp;
use dcap_qvl::verify::QuoteVerifier;
use dcap_qvl::{QuoteClaims, QuoteCollateralV3, QuotePolicy, TcbStatus as DcapStatus};

use crate::{
    AdvisoryId, AppraiseError, Appraiser, Bound, Endorsements, Identity, IntelEndorsements, Scope,
    Tcb, TcbStatus, TrustAnchors, Verdict, Verifier,
};
use error::Chain;
pub use error::{IntelEndorsement, QuoteAppraiseError, RevokedThing};
pub use sgx::SgxQuote;
pub use tdx::TdxQuote;

/// What was verified of quotes and their endorsements, by digest.
#[derive(Debug, Default)]
pub(crate) struct Memory {}

pub(crate) fn verify_sgx(
    appraiser: &Appraiser,
    quote: &SgxQuote,
    endorsements: &Endorsements,
    now: Timestamp,
) -> Result<Verdict, AppraiseError> {
    let endorsements = intel_of(endorsements)?;
    Ok(verify_sgx_quote(
        quote,
        endorsements,
        &appraiser.anchors,
        now,
    )?)
}

pub(crate) fn verify_tdx(
    _appraiser: &Appraiser,
    _quote: &TdxQuote,
    _endorsements: &Endorsements,
    _now: Timestamp,
) -> Result<Verdict, AppraiseError> {
    Err(QuoteAppraiseError::Other.into())
}

fn intel_of(endorsements: &Endorsements) -> Result<&IntelEndorsements, AppraiseError> {
    let what = "Intel's endorsements";
    let intel = endorsements.intel.as_deref();
    intel.ok_or(AppraiseError::EndorsementsMissing { what })
}

fn verify_sgx_quote(
    quote: &SgxQuote,
    endorsements: &IntelEndorsements,
    anchors: &TrustAnchors,
    now: Timestamp,
) -> Result<Verdict, QuoteAppraiseError> {
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
    Ok(Verdict {
        identity: Identity::Sgx(quote.claimed_identity().clone()),
        tcb: tcb_of(&claims)?,
        verifier: Verifier::Casque,
        scope: Scope::Process,
        platform: Some(*quote.qe_id()),
        bound: Bound::ReportData(*quote.report_data()),
        token: None,
        valid_until: Some(Timestamp::from_unix_s(claims.earliest_expiration_date)),
    })
}

/// One run of `dcap-qvl`.
struct Verification<'a> {
    verifier: QuoteVerifier,
    quote: &'a SgxQuote,
    endorsements: &'a IntelEndorsements,
    now: Timestamp,
}

impl Verification<'_> {
    fn run(&self) -> Result<QuoteClaims, QuoteAppraiseError> {
        let text = match self.claims(None) {
            Ok(claims) => return Ok(claims),
            Err(text) => text,
        };
        if !QuoteAppraiseError::is_of_chain(&text) {
            return Err(QuoteAppraiseError::of_stage(&text));
        }
        // The text does not say whose chain. With no PCK chain at all, the verifier fails there only if it
        // came past the signers' chains.
        let chain = match self.claims(Some(String::new())) {
            Err(again) if QuoteAppraiseError::is_of_absent_pck_chain(&again) => Chain::Pck,
            _ => Chain::Signer,
        };
        Err(QuoteAppraiseError::of_chain(chain, &text))
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
        DcapStatus::Revoked => {
            return Err(QuoteAppraiseError::Revoked {
                what: RevokedThing::Tcb,
            });
        }
        DcapStatus::TDRelaunchAdvised | DcapStatus::TDRelaunchAdvisedConfigurationNeeded => {
            return Err(QuoteAppraiseError::Status);
        }
    })
}

const P256_SIGNATURE_BYTES: usize = 64;
