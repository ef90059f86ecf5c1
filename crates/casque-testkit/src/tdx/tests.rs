//! Quotes and endorsements of the software TEE before a DCAP verifier that we did not write.

use casque_appraise::{IntelEndorsements, IntelTee, TcbStatus};
use casque_types::Timestamp;
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::{QuoteVerifier, VerifiedReport};

use super::*;
use crate::sgx::EndorsementSpec;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_478_400);
const REPORT_DATA: [u8; 64] = [0xA5; 64];

fn collateral(endorsements: IntelEndorsements) -> QuoteCollateralV3 {
    QuoteCollateralV3 {
        pck_crl_issuer_chain: endorsements.pck_crl_issuer_chain,
        root_ca_crl: endorsements.root_ca_crl,
        pck_crl: endorsements.pck_crl,
        tcb_info_issuer_chain: endorsements.tcb_info_issuer_chain,
        tcb_info: endorsements.tcb_info,
        tcb_info_signature: endorsements.tcb_info_signature,
        qe_identity_issuer_chain: endorsements.qe_identity_issuer_chain,
        qe_identity: endorsements.qe_identity,
        qe_identity_signature: endorsements.qe_identity_signature,
        pck_certificate_chain: None,
    }
}

fn verdict(quote: &TdxQuoteSpec, spec: &EndorsementSpec) -> Result<VerifiedReport, String> {
    let tee = SoftwareTee::generate(NOW).unwrap();
    let collateral = collateral(tee.endorsements_of(spec).unwrap());
    QuoteVerifier::new(tee.root_der().to_vec())
        .verify(
            &tee.tdx_quote_of(quote).unwrap(),
            &collateral,
            NOW.as_unix_s(),
        )
        .map_err(|error| format!("{error:#}"))
}

fn spec() -> TdxQuoteSpec {
    TdxQuoteSpec::new(software_tdx_identity([7; 48]), REPORT_DATA)
}

fn endorsements() -> EndorsementSpec {
    EndorsementSpec::valid_for(IntelTee::Tdx, NOW)
}

#[test]
fn quote_valid_is_accepted_in_every_format_with_what_was_asked_for() {
    for format in TdxFormat::ALL {
        let report = verdict(&spec().with_format(format), &endorsements()).unwrap();
        assert_eq!(report.status, "UpToDate");
        let domain = report.report.as_td10().unwrap();
        assert_eq!(domain.mr_td, [7; 48]);
        assert_eq!(domain.report_data, REPORT_DATA);
        assert_eq!(report.report.as_td15().is_some(), format.body().0 > 2);
    }
}

#[test]
fn quote_of_an_older_module_is_out_of_date_or_to_be_launched_again() {
    let mut old = spec().with_format(TdxFormat::V5Td15);
    let mut svn = TEE_TCB_SVN;
    svn[0] = 3;
    old.identity.tee_tcb_svn = Digest::from(svn);
    assert_eq!(verdict(&old, &endorsements()).unwrap().status, "OutOfDate");
    old.tee_tcb_svn2 = Some(TEE_TCB_SVN);
    let report = verdict(&old, &endorsements()).unwrap();
    assert_eq!(report.status, "TDRelaunchAdvised");
    let configuration = endorsements().with_tcb(TcbStatus::ConfigurationNeeded, &[]);
    let report = verdict(&old, &configuration).unwrap();
    assert_eq!(report.status, "TDRelaunchAdvisedConfigurationNeeded");
}

#[test]
fn quote_changed_is_refused() {
    for flaw in [
        QuoteFlaw::ReportSignature,
        QuoteFlaw::QeReportSignature,
        QuoteFlaw::QeSigner,
    ] {
        assert!(verdict(&spec().with_flaw(flaw), &endorsements()).is_err());
    }
}

#[test]
fn documents_of_a_pcs_are_about_tdx() {
    let tee = SoftwareTee::generate(NOW).unwrap();
    let documents = tee.pcs_documents(&endorsements()).unwrap();
    assert!(documents.tcb_info.starts_with(r#"{"tcbInfo":{"id":"TDX""#));
    assert!(
        documents
            .tcb_info
            .contains(r#""tdxModuleIdentities":[{"id":"TDX_01""#)
    );
    assert!(
        documents
            .qe_identity
            .starts_with(r#"{"enclaveIdentity":{"id":"TD_QE""#)
    );
}
