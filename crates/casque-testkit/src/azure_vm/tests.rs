use casque_appraise::{Appraiser, AzureVmEvidence, Endorsements, Evidence, TrustAnchors};
use casque_types::{Digest, SnpProduct, Timestamp};

use super::*;
use crate::snp::{SoftwareSnp, software_snp_identity};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);

#[test]
fn kept_paravisor_is_the_same() {
    let vtpm = SoftwareVtpm::generate(NOW).unwrap();
    let again = SoftwareVtpm::from_bytes(&vtpm.to_bytes().unwrap()).unwrap();
    let spec = HclSpec::default();
    assert_eq!(vtpm.report_data(&spec), again.report_data(&spec));
    assert_eq!(vtpm.root_der(), again.root_der());
    let milan = SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap();
    let identity = software_snp_identity(Digest::from([1; 48]));
    let machine = again.on_snp(&milan, &identity, b"").unwrap();
    let anchors = TrustAnchors::vendors()
        .dangerous_with_amd(vec![milan.anchor()])
        .dangerous_with_azure_vtpm_root(vtpm.root_der().to_vec());
    let evidence = Evidence::AzureVm(AzureVmEvidence::parse(&machine.parts()).unwrap());
    let verdict = Appraiser::new(anchors).verify(&evidence, &Endorsements::default(), NOW);
    assert!(verdict.is_ok());
}

#[test]
fn other_bytes_are_no_paravisor() {
    for bytes in ["", "{}", r#"{"version":2}"#] {
        let refused = SoftwareVtpm::from_bytes(&Secret::copied_from(bytes.as_bytes()));
        assert!(matches!(refused, Err(SoftwareVtpmError::Stored)), "{bytes}");
    }
}

#[test]
fn quote_is_as_long_as_a_real_one() {
    let vtpm = SoftwareVtpm::generate(NOW).unwrap();
    let quote = vtpm.quote(&TpmQuoteSpec::new(b"challenge")).unwrap();
    assert_eq!((quote.message.len(), quote.signature.len()), (122, 256));
}

#[test]
fn machine_on_snp_is_believed_under_the_software_roots() {
    let vtpm = SoftwareVtpm::generate(NOW).unwrap();
    let milan = SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap();
    let identity = software_snp_identity(Digest::from([1; 48]));
    let machine = vtpm.on_snp(&milan, &identity, b"binding").unwrap();
    let anchors = TrustAnchors::vendors()
        .dangerous_with_amd(vec![milan.anchor()])
        .dangerous_with_azure_vtpm_root(vtpm.root_der().to_vec());
    let evidence = Evidence::AzureVm(AzureVmEvidence::parse(&machine.parts()).unwrap());
    let verdict = Appraiser::new(anchors).verify(&evidence, &Endorsements::default(), NOW);
    assert_eq!(verdict.unwrap().bound().as_bytes(), b"binding");
}
