//! Reports of AMD SEV-SNP (AMD publication 56860), and the certificates behind them (57230).
//!
//! [`verify`] in steps:
//!
//! 1. The certificate of the signing key: the evidence's, or the endorsements'.
//! 2. Its chain: the key, the authority over keys of its kind (ASK over VCEKs, ASVK over VLEKs, of its
//!    generation), the generation's root, which is pinned; with all dates. Where the endorsements state a chain, it
//!    must have that authority in it, under that root, and no root that is not AMD's.
//! 3. Revocation, if there is a list: signed by that root, in force, and naming neither key nor authority.
//! 4. The certificate is for this report: kind of key, generation, each component of the reported TCB, chip.
//! 5. The key signed the report: ECDSA P-384 over the 0x2A0 bytes as they came.
//! 6. The report is of a version that is known, and one that the guest asked for.
//!
//! No verdict leaves before all six. Where 4 and 5 both fail, 4 is told, which names the cause. Privilege level,
//! debug, migration and levels of the TCB are a policy's to judge.

mod anchors;
mod brought;
mod chain;
mod chain_pem;
mod claims;
mod error;
mod report;
mod vek;

use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED;
use casque_types::{SnpPlatform, SnpProduct, SnpSigner, SnpTcb, Timestamp};

use anchors::Anchor;
pub(crate) use anchors::Anchors;
use brought::Brought;
use chain::Chain;
pub use error::SnpAppraiseError;
pub use report::SnpReport;
use report::malformed;
pub(crate) use vek::is_of;
use vek::{Holder, Vek};

use crate::x509::Window;
use crate::{
    AmdEndorsements, AmdEndorsementsId, Appraiser, Bound, Claim, Endorsements, EvidenceParseError,
    Identity, Scope, Tcb, TcbStatus, VcekId, Verdict, Verifier,
};

/// A report, and the certificate of the key that signed it, where the attester brought it.
#[derive(Clone, Debug)]
pub struct SnpEvidence {
    report: Box<SnpReport>,
    brought: Box<Brought>,
}

impl SnpEvidence {
    /// Reads a report, and what vouches for its key: PEM or DER of the VCEK or VLEK, which in PEM may be followed
    /// by its authorities, or the host's table of certificates (`auxblob` of configfs-tsm; GUIDs, offsets and
    /// lengths of SNP extended guest requests). Each certificate at most 8 KiB.
    ///
    /// # Errors
    /// [`EvidenceParseError`]
    pub fn parse(report: &[u8], vek: Option<&[u8]>) -> Result<Self, EvidenceParseError> {
        let report = SnpReport::parse(report)?;
        let brought = match vek {
            Some(bytes) => Brought::parse(bytes, report.signer())?,
            None => Brought::default(),
        };
        Ok(Self {
            report: Box::new(report),
            brought: Box::new(brought),
        })
    }

    /// The report.
    #[must_use]
    pub const fn report(&self) -> &SnpReport {
        &self.report
    }

    /// The generation, as the certificate names it, or else the report.
    #[must_use]
    pub fn claimed_product(&self) -> Option<SnpProduct> {
        let vek = self.brought.vek.as_ref();
        vek.map(|vek| vek.product).or_else(|| self.report.product())
    }

    /// Which endorsements it needs beside what it brings.
    ///
    /// # Errors
    /// [`EvidenceParseError`] when neither report nor certificate names the generation of the processor; and,
    /// without a certificate, when the report is signed by a VLEK, whose certificate nobody serves, or by no
    /// key, or masks its chip; and when its layout is not known.
    pub fn endorsements_id(&self) -> Result<AmdEndorsementsId, EvidenceParseError> {
        self.report.layout()?;
        if let Some(vek) = &self.brought.vek {
            return Ok(AmdEndorsementsId {
                product: vek.product,
                signer: vek.signer(),
                vcek: None,
            });
        }
        let product = self.report.product().ok_or(malformed(
            "a certificate, or a report of version 3 or later of a known processor",
        ))?;
        match self.report.signer() {
            Some(SnpSigner::Vcek) if self.report.chip_is_masked() => Err(malformed(
                "the certificate of the VCEK beside a report whose chip's id is masked",
            )),
            Some(SnpSigner::Vcek) => Ok(AmdEndorsementsId {
                product,
                signer: SnpSigner::Vcek,
                vcek: Some(VcekId {
                    chip_id: self.report.chip_id_of(product).to_vec(),
                    tcb: self.report.tcb.reported.of(product),
                }),
            }),
            Some(SnpSigner::Vlek) => Err(malformed(
                "the certificate of the VLEK beside a report that one signed: it cannot be fetched",
            )),
            None => Err(malformed(
                "a report that a VCEK or VLEK signed (`SIGNING_KEY` 0 or 1)",
            )),
        }
    }

    /// Everything that it states.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims = claims::of_report(&self.report, self.claimed_product());
        claims.extend(self.brought.vek.iter().flat_map(claims::of_vek));
        claims
    }
}

/// Verifies a report; see the module for the steps.
///
/// # Errors
/// [`SnpAppraiseError`] for the first step that fails.
pub(crate) fn verify(
    appraiser: &Appraiser,
    evidence: &SnpEvidence,
    endorsements: &Endorsements,
    now: Timestamp,
) -> Result<Verdict, SnpAppraiseError> {
    let nothing = AmdEndorsements::default();
    let endorsements = endorsements.amd.as_deref().unwrap_or(&nothing);
    let report = &evidence.report;
    if report.signer().is_none() {
        return Err(SnpAppraiseError::Unsigned {
            signing_key: report.signing_key(),
        });
    }
    // 1.
    let fetched;
    let vek = match &evidence.brought.vek {
        Some(vek) => vek,
        None => {
            fetched = fetched_vek(endorsements)?;
            &fetched
        }
    };
    let appraisal = SnpAppraisal {
        appraiser,
        evidence,
        vek,
        endorsements,
        now,
    };
    appraisal.run()
}

fn fetched_vek(endorsements: &AmdEndorsements) -> Result<Vek, SnpAppraiseError> {
    let der = endorsements.vcek.as_deref();
    let der = der.ok_or(SnpAppraiseError::CertificateMissing)?;
    Brought::parse(der, None)
        .map_err(|source| SnpAppraiseError::CertificateMalformed { source })?
        .vek
        .ok_or(SnpAppraiseError::CertificateMissing)
}

/// One report with all that it is judged by.
struct SnpAppraisal<'a> {
    appraiser: &'a Appraiser,
    evidence: &'a SnpEvidence,
    vek: &'a Vek,
    endorsements: &'a AmdEndorsements,
    now: Timestamp,
}

impl SnpAppraisal<'_> {
    fn run(&self) -> Result<Verdict, SnpAppraiseError> {
        let vek = self.vek;
        let product = vek.product;
        let anchor = self.appraiser.amd.of_product(product);
        let anchor = anchor.ok_or(SnpAppraiseError::NoAnchor { product })?;
        let chain = self.verify_chain(anchor)?; // 2.
        let list = self.judge_revocation(anchor, &chain)?; // 3.
        self.expect_certificate_fits()?; // 4.
        self.expect_signature()?; // 5.
        let layout = self.evidence.report.layout(); // 6.
        layout.map_err(|source| SnpAppraiseError::Layout { source })?;
        let until = chain.window.until;
        let report = &self.evidence.report;
        Ok(Verdict {
            identity: Identity::Snp(report.claimed_identity().clone()),
            tcb: Tcb {
                status: TcbStatus::ByVersions,
                advisories: Vec::new(),
                snp: Some(self.platform(list.is_some())),
            },
            verifier: Verifier::Casque,
            scope: Scope::Vm,
            platform: None,
            bound: Bound::ReportData(*report.report_data()),
            token: None,
            valid_until: Some(list.map_or(until, |list| list.until.min(until))),
        })
    }

    /// When the list stands; `None` without one.
    fn judge_revocation(
        &self,
        anchor: &Anchor,
        chain: &Chain,
    ) -> Result<Option<Window>, SnpAppraiseError> {
        let Some(der) = &self.endorsements.crl else {
            return Ok(None);
        };
        let list = self
            .appraiser
            .certificates
            .revocation_list(der, REVOCATION_LIST_BYTES, &anchor.ark, self.now)
            .map_err(SnpAppraiseError::of_revocation_list)?;
        let vek = &self.vek.certificate;
        if list.names(&chain.authority_serial) {
            return Err(SnpAppraiseError::Revoked {
                subject: vek.issuer(),
            });
        }
        if list.names(vek.serial()) {
            return Err(SnpAppraiseError::Revoked {
                subject: vek.subject(),
            });
        }
        Ok(Some(list.window()))
    }

    fn expect_certificate_fits(&self) -> Result<(), SnpAppraiseError> {
        let (report, vek) = (&self.evidence.report, self.vek);
        match report.signer() {
            Some(signer) if signer == vek.signer() => {}
            Some(signer) => {
                return Err(SnpAppraiseError::Signer {
                    report: signer,
                    certificate: vek.signer(),
                });
            }
            None => {
                let signing_key = report.signing_key();
                return Err(SnpAppraiseError::Unsigned { signing_key });
            }
        }
        if let Some([family, model, _]) = report.cpuid
            && report.product() != Some(vek.product)
        {
            return Err(SnpAppraiseError::Product {
                family,
                model,
                certificate: vek.product,
            });
        }
        expect_tcb(&report.tcb.reported.of(vek.product), &vek.tcb)?;
        self.expect_chip()
    }

    fn expect_chip(&self) -> Result<(), SnpAppraiseError> {
        let report = &self.evidence.report;
        // Before version 3 the chip's id is all that hints at the generation, whose layout the levels have.
        if report.chip_is_masked() && report.cpuid.is_none() {
            return Err(SnpAppraiseError::ChipMasked);
        }
        match &self.vek.holder {
            Holder::Provider(_) => Ok(()),
            Holder::Chip(_) if report.chip_is_masked() => Err(SnpAppraiseError::ChipMasked),
            Holder::Chip(hwid) if report.is_of_chip(hwid) => Ok(()),
            Holder::Chip(_) => Err(SnpAppraiseError::Chip),
        }
    }

    fn expect_signature(&self) -> Result<(), SnpAppraiseError> {
        let report = &self.evidence.report;
        let memory = &self.appraiser.certificates;
        let key = memory
            .key(
                &self.vek.certificate,
                "ecdsa-p384-sha384-fixed",
                &ECDSA_P384_SHA384_FIXED,
            )
            .map_err(SnpAppraiseError::Key)?;
        let signature = report.signature().ok_or(SnpAppraiseError::Signature)?;
        key.verify_sig(report.signed_bytes(), signature)
            .map_err(|_| SnpAppraiseError::Signature)
    }

    fn platform(&self, revocation_judged: bool) -> SnpPlatform {
        let (report, product) = (&self.evidence.report, self.vek.product);
        let chip_id = report.chip_id_of(product);
        SnpPlatform {
            product: Some(product),
            reported_tcb: report.tcb.reported.of(product),
            chip_id: (!report.chip_is_masked()).then(|| chip_id.to_vec()),
            signer: Some(self.vek.signer()),
            revocation_judged,
        }
    }
}

fn expect_tcb(report: &SnpTcb, certificate: &SnpTcb) -> Result<(), SnpAppraiseError> {
    let components = [
        (
            "fmc",
            report.fmc.unwrap_or_default(),
            certificate.fmc.unwrap_or_default(),
        ),
        ("bootloader", report.bootloader, certificate.bootloader),
        ("tee", report.tee, certificate.tee),
        ("snp", report.snp, certificate.snp),
        ("microcode", report.microcode, certificate.microcode),
    ];
    let different = components
        .into_iter()
        .find(|(_, found, expected)| found != expected);
    match different {
        None => Ok(()),
        Some((component, report, certificate)) => Err(SnpAppraiseError::Tcb {
            component,
            report,
            certificate,
        }),
    }
}

/// AMD's lists are far below it.
const REVOCATION_LIST_BYTES: usize = 256 * 1024;
