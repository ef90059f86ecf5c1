//! Software machines of Azure with one bit turned, everywhere: what is signed or digested is refused and says so, what
//! frames it is no evidence, and what nobody speaks for changes nothing.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the functions that tests call are tests"
)]

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use casque_appraise::{
    AppraiseError, Appraiser, AzureVmEvidence, AzureVmParts, Endorsements, Evidence,
    EvidenceParseError, TrustAnchors, Verdict,
};
use casque_testkit::azure_vm::{MachineEvidence, SoftwareVtpm};
use casque_testkit::sgx::SoftwareTee;
use casque_testkit::snp::{SoftwareSnp, software_snp_identity};
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{Digest, SnpProduct, Timestamp};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
static VTPM: LazyLock<SoftwareVtpm> = LazyLock::new(|| SoftwareVtpm::generate(NOW).unwrap());

/// A machine that is believed, and who believes it.
struct Machine {
    evidence: MachineEvidence,
    appraiser: Appraiser,
    endorsements: Endorsements,
    verdict: Verdict,
}

/// How a bent machine ended.
#[derive(Debug, PartialEq)]
enum Ended {
    /// No evidence: the kind that it is none of.
    Unreadable(&'static str),
    /// Not authentic: the code.
    Refused(&'static str),
    /// Believed: the verdict, as text.
    Verified(String),
}

impl Ended {
    fn verified(verdict: &Verdict) -> Self {
        Self::Verified(format!("{verdict:?}"))
    }
}

impl Machine {
    fn on_snp() -> Self {
        let milan = SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap();
        let identity = software_snp_identity(Digest::from([0x5A; 48]));
        let anchors = TrustAnchors::vendors().dangerous_with_amd(vec![milan.anchor()]);
        let evidence = VTPM.on_snp(&milan, &identity, &[7; 32]).unwrap();
        Self::new(evidence, anchors, Endorsements::default())
    }

    fn on_tdx() -> Self {
        let tee = SoftwareTee::generate(NOW).unwrap();
        let identity = software_tdx_identity([0x7D; 48]);
        let root = tee.root_der().to_vec();
        let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(root);
        let endorsements = Endorsements {
            intel: Some(Arc::new(tee.tdx_endorsements(NOW).unwrap())),
            amd: None,
        };
        let evidence = VTPM.on_tdx(&tee, &identity, &[7; 32]).unwrap();
        Self::new(evidence, anchors, endorsements)
    }

    fn new(evidence: MachineEvidence, anchors: TrustAnchors, endorsements: Endorsements) -> Self {
        let root = VTPM.root_der().to_vec();
        let appraiser = Appraiser::new(anchors.dangerous_with_azure_vtpm_root(root));
        let good = AzureVmEvidence::parse(&evidence.parts()).unwrap();
        let verdict = appraiser.verify(&Evidence::AzureVm(good), &endorsements, NOW);
        Self {
            verdict: verdict.unwrap(),
            evidence,
            appraiser,
            endorsements,
        }
    }

    fn ended(&self, parts: &AzureVmParts<'_>) -> Ended {
        let evidence = match AzureVmEvidence::parse(parts) {
            Ok(evidence) => Evidence::AzureVm(evidence),
            Err(
                EvidenceParseError::Malformed { kind, .. }
                | EvidenceParseError::TooLong { kind, .. },
            ) => return Ended::Unreadable(kind),
        };
        // Whatever the bytes are, they can be told.
        drop((evidence.claims(), evidence.claimed_identity()));
        let verdict = self.appraiser.verify(&evidence, &self.endorsements, NOW);
        match verdict {
            Ok(verdict) => Ended::verified(&verdict),
            Err(AppraiseError::Evidence(error)) => panic!("an error of parsing: {error}"),
            Err(refused) => Ended::Refused(refused.code()),
        }
    }

    /// Turns one bit of each of these bytes of the blob, another one each time.
    fn hcl(&self, range: Range<usize>, expect: impl Fn(usize, Ended)) {
        each_bit_turned(&self.evidence.hcl, range, |at, hcl| {
            let parts = self.evidence.parts();
            expect(at, self.ended(&AzureVmParts { hcl, ..parts }));
        });
    }

    fn unchanged(&self) -> Ended {
        Ended::verified(&self.verdict)
    }

    /// Where the paravisor's data are in the blob.
    fn data(&self) -> Range<usize> {
        let length = AzureVmEvidence::parse(&self.evidence.parts())
            .unwrap()
            .paravisor_data()
            .len();
        DATA..DATA + length
    }
}

fn each_bit_turned(bytes: &[u8], range: Range<usize>, mut with: impl FnMut(usize, &[u8])) {
    for at in range {
        let mut bent = bytes.to_vec();
        bent[at] ^= 1 << (at % 8);
        with(at, &bent);
    }
}

fn machines() -> [Machine; 2] {
    [Machine::on_snp(), Machine::on_tdx()]
}

/// The layout of the blob: header, hardware's report, header of the data, data.
const HARDWARE: usize = 0x20;
const HEADER_OF_DATA: usize = 0x4C0;
const DATA: usize = 0x4D4;
/// `REPORTDATA` of a TDREPORT in the blob.
const TDREPORT_DATA: Range<usize> = HARDWARE + 0x80..HARDWARE + 0xC0;

#[test]
fn every_byte_of_the_paravisors_data_is_covered_by_their_digest() {
    for machine in machines() {
        machine.hcl(machine.data(), |at, ended| {
            assert_eq!(ended, Ended::Refused("azure-vm-report-data"), "{at}");
        });
    }
}

#[test]
fn every_bit_of_the_quote_is_covered_by_its_signature() {
    for machine in machines() {
        let good = &machine.evidence.quote.message;
        for (at, bit) in (0..good.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut message = good.clone();
            message[at] ^= 1 << bit;
            let ended = machine.ended(&AzureVmParts {
                message: &message,
                ..machine.evidence.parts()
            });
            let expected = Ended::Refused("azure-vm-signature");
            assert_eq!(ended, expected, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn quote_cut_off_anywhere_or_longer_is_refused() {
    let machine = Machine::on_snp();
    let good = &machine.evidence.quote.message;
    for length in 0..good.len() + 3 {
        let mut message = good.clone();
        message.resize(length, 0);
        let ended = machine.ended(&AzureVmParts {
            message: &message,
            ..machine.evidence.parts()
        });
        let expected = match length {
            ..45 => Ended::Unreadable("TPM quote"),
            _ if length == good.len() => machine.unchanged(),
            _ => Ended::Refused("azure-vm-signature"),
        };
        assert_eq!(ended, expected, "{length} bytes");
    }
}

#[test]
fn every_byte_of_the_quotes_signature_counts() {
    for machine in machines() {
        let good = &machine.evidence.quote.signature;
        each_bit_turned(good, 0..good.len(), |at, signature| {
            let parts = machine.evidence.parts();
            let ended = machine.ended(&AzureVmParts { signature, ..parts });
            assert_eq!(ended, Ended::Refused("azure-vm-signature"), "{at}");
        });
    }
}

#[test]
fn every_byte_of_every_register_counts() {
    for machine in machines() {
        let good = &machine.evidence.quote.pcrs;
        for (register, byte) in (0..24).flat_map(|pcr| (0..32).map(move |byte| (pcr, byte))) {
            let mut pcrs = good.clone();
            pcrs[register][byte] ^= 1 << (byte % 8);
            let ended = machine.ended(&AzureVmParts {
                pcrs: &pcrs,
                ..machine.evidence.parts()
            });
            let expected = Ended::Refused("azure-vm-pcr-digest");
            assert_eq!(ended, expected, "pcr{register}, byte {byte}");
        }
    }
}

#[test]
fn every_byte_of_the_report_of_snp_counts() {
    let machine = Machine::on_snp();
    machine.hcl(HARDWARE..HEADER_OF_DATA, |at, ended| match ended {
        Ended::Refused(code) => assert!(code.starts_with("snp-"), "{at}: {code}"),
        // What its signature is found by, and the zeros behind it.
        Ended::Unreadable(kind) => assert_eq!(kind, "SNP report", "{at}"),
        Ended::Verified(verdict) => panic!("{at}: {verdict}"),
    });
}

#[test]
fn every_byte_of_the_report_data_in_a_tdreport_counts_and_the_rest_is_the_quotes() {
    let machine = Machine::on_tdx();
    machine.hcl(HARDWARE..HEADER_OF_DATA, |at, ended| {
        let expected = match TDREPORT_DATA.contains(&at) {
            true => Ended::Refused("azure-vm-td-report-data"),
            // Only the processor can verify it; the quote over it says the same, signed.
            false => machine.unchanged(),
        };
        assert_eq!(ended, expected, "{at}");
    });
}

#[test]
fn every_byte_of_the_quote_of_tdx_counts() {
    let machine = Machine::on_tdx();
    let quote = machine.evidence.td_quote.as_ref().unwrap();
    let begin = b"-----BEGIN";
    let mut windows = quote.windows(begin.len());
    let certificates = windows.position(|window| window == begin).unwrap();
    each_bit_turned(quote, 0..certificates, |at, td_quote| {
        let ended = machine.ended(&AzureVmParts {
            td_quote: Some(td_quote),
            ..machine.evidence.parts()
        });
        match ended {
            Ended::Refused(code) => assert!(code.starts_with("quote-"), "{at}: {code}"),
            // What its signature is found by: its header, and lengths and types behind its body.
            Ended::Unreadable(kind) => {
                assert_eq!(kind, "TDX quote", "{at}");
                assert!(!(28..48 + 584).contains(&at), "{at} is in the body");
            }
            Ended::Verified(verdict) => panic!("{at}: {verdict}"),
        }
    });
}

#[test]
fn every_byte_of_the_frame_is_checked_or_means_nothing() {
    for machine in machines() {
        let expect = |at: usize, ended: Ended| {
            let means_nothing = (0x8..0x20).contains(&at) || (0x4C4..0x4C8).contains(&at);
            let expected = match means_nothing {
                true => machine.unchanged(),
                false => Ended::Unreadable("HCL report"),
            };
            assert_eq!(ended, expected, "{at}");
        };
        machine.hcl(0..HARDWARE, expect);
        machine.hcl(HEADER_OF_DATA..DATA, expect);
        machine.hcl(machine.data().end..machine.evidence.hcl.len(), expect);
    }
}

#[test]
fn blob_cut_off_anywhere_is_no_evidence() {
    for machine in machines() {
        let end = machine.data().end;
        for length in 0..end {
            let hcl = &machine.evidence.hcl[..length];
            let parts = machine.evidence.parts();
            let ended = machine.ended(&AzureVmParts { hcl, ..parts });
            assert_eq!(ended, Ended::Unreadable("HCL report"), "{length} bytes");
        }
    }
}
