use casque_appraise::{Appraiser, AzureVmEvidence, Endorsements, Evidence, Identity, TrustAnchors};
use casque_testkit::azure_vm::SoftwareVtpm;
use casque_testkit::snp::{SoftwareSnp, software_snp_identity};
use casque_types::{AttestationKeyProof, Digest, SnpProduct, Timestamp};

use super::*;

fn vm(ak_certificate: &[u8], ak_intermediates: &[u8]) -> AzureVm {
    AzureVm {
        hcl: Vec::new(),
        quote: TpmQuote {
            message: Vec::new(),
            signature: Vec::new(),
            pcrs: Vec::new(),
        },
        ak_certificate: ak_certificate.to_vec(),
        ak_intermediates: ak_intermediates.to_vec(),
    }
}

#[test]
fn certificate_without_authorities_stays_as_it_is() {
    assert_eq!(vm(&[0x30, 0x82], b"").ak_chain(), [0x30, 0x82]);
    assert_eq!(vm(b"", b"").ak_chain(), b"");
}

#[test]
fn authorities_without_a_certificate_are_nothing() {
    assert_eq!(vm(b"", b"PEM").ak_chain(), b"");
}

#[test]
fn certificate_and_authorities_are_pem_the_certificate_first() {
    let chain = vm(&[0xFB; 49], b"-----BEGIN CERTIFICATE-----\nMIIB").ak_chain();
    let line = "+/v7".repeat(16);
    let expected = format!(
        "-----BEGIN CERTIFICATE-----\n{line}\n+w==\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMIIB"
    );
    assert_eq!(String::from_utf8(chain).unwrap(), expected);
}

/// What the verifier finds of the attestation key of a machine with this certificate and these authorities.
fn proof_of(intermediates: impl Fn(&str) -> &str) -> AttestationKeyProof {
    let vtpm = SoftwareVtpm::generate(NOW).unwrap();
    let platform = SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap();
    let identity = software_snp_identity(Digest::from([0x5A; 48]));
    let machine = vtpm.on_snp(&platform, &identity, &[1; 32]).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let (leaf, rest) = machine.ak_chain.split_once(end).unwrap();
    let leaf = leaf.lines().skip(1).collect::<String>();
    let leaf = STANDARD.decode(leaf).unwrap();
    let chain = vm(&leaf, intermediates(rest).as_bytes()).ak_chain();
    let mut parts = machine.parts();
    parts.ak_chain = Some(&chain);
    let evidence = Evidence::AzureVm(AzureVmEvidence::parse(&parts).unwrap());
    let anchors = TrustAnchors::vendors()
        .dangerous_with_amd(vec![platform.anchor()])
        .dangerous_with_azure_vtpm_root(vtpm.root_der().to_vec());
    let verdict = Appraiser::new(anchors).verify(&evidence, &Endorsements::default(), NOW);
    match verdict.unwrap().identity() {
        Identity::AzureVm(vm) => vm.attestation_key,
        other => panic!("{other:?}"),
    }
}

#[test]
fn chain_with_its_authorities_proves_the_key_to_the_verifier() {
    let proof = AttestationKeyProof::ReportAndCertificate;
    assert_eq!(proof_of(|rest| rest), proof);
    assert_eq!(proof_of(|_| ""), AttestationKeyProof::Report);
}

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
