use assert_matches::assert_matches;
use casque_attester::GuestData;
use casque_types::{Kem, KemPublicKey, KeyHash, Nonce, Timestamp};

use super::*;

struct FakeSource(Collected);

impl EvidenceSource for FakeSource {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn gather(&self, _report_data: &GuestData) -> Result<Collected, AttesterError> {
        Ok(self.0.clone())
    }
}

fn runtime() -> RuntimeData {
    let key = KemPublicKey::from_bytes(Kem::XWing, vec![0; 1216]).unwrap();
    let nonce = Nonce::from_bytes(vec![7]).unwrap();
    let config = "app/web".parse().unwrap();
    RuntimeData::new(KeyHash::from([0; 32]), config, nonce, key)
}

fn challenge(evidence: &[EvidenceKind]) -> Challenge {
    Challenge {
        nonce: Nonce::from_bytes(vec![7]).unwrap(),
        expires: Timestamp::from_unix_s(0),
        server: KeyHash::from([0; 32]),
        evidence: evidence.to_vec(),
    }
}

fn passport(token: &str) -> (tempfile::TempDir, MaaPassport) {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    fs::write(&token_file, token).unwrap();
    let runtime_data_file = Some(directory.path().join("runtime-data"));
    let passport = MaaPassport {
        token_file,
        runtime_data_file,
    };
    (directory, passport)
}

fn vm() -> AzureVm {
    AzureVm {
        hcl: b"hcl".to_vec(),
        quote: casque_attester::TpmQuote {
            message: b"message".to_vec(),
            signature: b"signature".to_vec(),
            pcrs: vec![[0xAB; 32]; 24],
        },
        ak_certificate: Vec::new(),
        ak_intermediates: Vec::new(),
    }
}

/// One of each kind, with the form of an evidence file.
fn all_kinds() -> Vec<(Collected, EvidenceKind, String)> {
    [of_machines(), of_azure()].concat()
}

fn of_machines() -> Vec<(Collected, EvidenceKind, String)> {
    let snp = |certificates: &[u8]| Collected::SnpReport {
        report: vec![3, 0],
        certificates: certificates.to_vec(),
    };
    let kinds = [
        (
            Collected::SgxQuote(vec![3, 0]),
            EvidenceKind::Sgx,
            r#"{"type":"sgx","quote":"AwA"}"#.to_owned(),
        ),
        (
            Collected::TdxQuote(vec![4, 0]),
            EvidenceKind::Tdx,
            r#"{"type":"tdx","quote":"BAA"}"#.to_owned(),
        ),
        (
            snp(b""),
            EvidenceKind::Snp,
            r#"{"type":"snp","report":"AwA"}"#.to_owned(),
        ),
        (
            snp(&[0xFB]),
            EvidenceKind::Snp,
            r#"{"type":"snp","report":"AwA","vek":"+w=="}"#.to_owned(),
        ),
    ];
    kinds.into()
}

fn of_azure() -> Vec<(Collected, EvidenceKind, String)> {
    let pcrs = vec![format!("{:?}", "ab".repeat(32)); 24].join(",");
    let quote =
        format!(r#""quote":{{"message":"bWVzc2FnZQ","signature":"c2lnbmF0dXJl","pcrs":[{pcrs}]}}"#);
    let aci = |vek: Option<&str>| Collected::AciSnp {
        report: vec![3, 0],
        certificates: vec![0xFB],
        context: casque_attester::SecurityContext {
            policy: b"policy".to_vec(),
            reference_info: b"cose".to_vec(),
            vek: vek.map(str::to_owned),
        },
    };
    let azure_snp = Collected::AzureSnp {
        vm: vm(),
        vek: Some("PEM".to_owned()),
    };
    let certified = AzureVm {
        ak_certificate: vec![0xFB],
        ..vm()
    };
    let azure_tdx = Collected::AzureTdx {
        vm: certified,
        td_quote: vec![4, 0],
    };
    let kinds = [
        (
            azure_snp,
            EvidenceKind::AzureSnpVtpm,
            format!(r#"{{"type":"azure-snp-vtpm","hcl":"aGNs",{quote},"vek":"PEM"}}"#),
        ),
        (
            azure_tdx,
            EvidenceKind::AzureTdxVtpm,
            format!(
                r#"{{"type":"azure-tdx-vtpm","hcl":"aGNs",{quote},"td_quote":"BAA","ak_chain":"+w=="}}"#
            ),
        ),
        (
            aci(Some("PEM")),
            EvidenceKind::AciSnp,
            r#"{"type":"aci-snp","report":"AwA","vek":"PEM","policy":"cG9saWN5","uvm":"Y29zZQ"}"#
                .to_owned(),
        ),
        (
            aci(None),
            EvidenceKind::AciSnp,
            r#"{"type":"aci-snp","report":"AwA","vek":"+w==","policy":"cG9saWN5","uvm":"Y29zZQ"}"#
                .to_owned(),
        ),
    ];
    kinds.into()
}

#[test]
fn every_kind_is_handed_over_in_its_form_and_read_back() {
    for (collected, kind, form) in all_kinds() {
        let source = FakeSource(collected);
        let evidence = EvidencePlan::Source(&source).gather(&runtime(), &challenge(&[kind]));
        let gathered = evidence.unwrap();
        assert_eq!(gathered.maa_token, None);
        let text = serde_json::to_string(&gathered.evidence).unwrap();
        assert_eq!(text, form);
        let read: Evidence = serde_json::from_str(&text).unwrap();
        assert_eq!(read, evidence_of(source.0));
    }
}

#[test]
fn evidence_that_the_server_does_not_take_is_refused_by_kind() {
    for (collected, kind, _) in all_kinds() {
        let others = EvidenceKind::ALL.into_iter().filter(|other| *other != kind);
        let takes = challenge(&others.collect::<Vec<_>>());
        let source = FakeSource(collected);
        let refused = EvidencePlan::Source(&source).gather(&runtime(), &takes);
        assert_matches!(refused, Err(EvidenceError::NotTaken { found, .. }) if found == kind.as_str());
    }
    let takes = challenge(&[EvidenceKind::Sgx, EvidenceKind::Maa]);
    let source = FakeSource(Collected::TdxQuote(vec![4]));
    let refused = EvidencePlan::Source(&source).gather(&runtime(), &takes);
    assert_matches!(refused, Err(EvidenceError::NotTaken { found: "tdx", taken }) if taken == "`sgx`, `maa`");
}

#[test]
fn maa_token_is_read_after_the_runtime_data_is_written() {
    let (_directory, passport) = passport("aa.bb-_.cc\n");
    let written = passport.runtime_data_file.clone().unwrap();
    let plan = EvidencePlan::MaaToken(passport);
    let evidence = plan.gather(&runtime(), &challenge(&[EvidenceKind::Maa]));
    let expected = Evidence::Maa {
        token: "aa.bb-_.cc".to_owned(),
    };
    assert_eq!(evidence.unwrap(), Gathered::from(expected));
    assert_eq!(fs::read(written).unwrap(), runtime().as_bytes());
}

#[test]
fn maa_token_that_is_none_is_refused() {
    for text in [
        "",
        "aa.bb",
        "aa.bb.",
        "a a.bb.cc",
        "aa.bb.cc.dd",
        "aä.bb.cc",
    ] {
        let (_directory, passport) = passport(text);
        let plan = EvidencePlan::MaaToken(passport);
        let refused = plan.gather(&runtime(), &challenge(&[EvidenceKind::Maa]));
        assert_matches!(refused, Err(EvidenceError::Token { .. }), "{text:?}");
    }
    let (_directory, mut passport) = passport("");
    passport.token_file.set_extension("absent");
    let refused =
        EvidencePlan::MaaToken(passport).gather(&runtime(), &challenge(&[EvidenceKind::Maa]));
    assert_matches!(refused, Err(EvidenceError::TokenFile { .. }));
}

/// Refuses to be asked before the runtime data and a token were there.
struct AfterToken(MaaPassport);

impl EvidenceSource for AfterToken {
    fn name(&self) -> &'static str {
        "after"
    }

    fn gather(&self, carried: &GuestData) -> Result<Collected, AttesterError> {
        let written = fs::read(self.0.runtime_data_file.as_ref().unwrap()).unwrap();
        assert_eq!(written, runtime().as_bytes());
        assert!(self.0.token_file.exists());
        Ok(Collected::SgxQuote(carried.as_bytes().to_vec()))
    }
}

#[test]
fn maa_token_stands_beside_evidence_over_the_same_runtime_data() {
    let (_directory, passport) = passport("aa.bb.cc\n");
    let source = AfterToken(passport.clone());
    let plan = EvidencePlan::Both {
        source: &source,
        passport,
    };
    let takes = challenge(&[EvidenceKind::Sgx, EvidenceKind::Maa]);
    let quote = AnyB64(runtime().report_data().as_bytes().to_vec());
    let expected = Gathered {
        evidence: Evidence::Sgx { quote },
        maa_token: Some("aa.bb.cc".to_owned()),
    };
    assert_eq!(plan.gather(&runtime(), &takes).unwrap(), expected);
}

#[test]
fn maa_token_that_is_missing_beside_evidence_is_refused_before_evidence_is_asked_for() {
    let (directory, passport) = passport("");
    fs::remove_file(&passport.token_file).unwrap();
    let source = AfterToken(passport.clone());
    let plan = EvidencePlan::Both {
        source: &source,
        passport,
    };
    let takes = challenge(&[EvidenceKind::Sgx, EvidenceKind::Maa]);
    let refused = plan.gather(&runtime(), &takes);
    assert_matches!(refused, Err(EvidenceError::TokenFile { path, .. }) if path == directory.path().join("token"));
}

#[test]
fn both_need_a_server_that_takes_each() {
    let (_directory, passport) = passport("aa.bb.cc");
    let source = AfterToken(passport.clone());
    let plan = EvidencePlan::Both {
        source: &source,
        passport,
    };
    for (takes, missing) in [(EvidenceKind::Sgx, "maa"), (EvidenceKind::Maa, "sgx")] {
        let refused = plan.gather(&runtime(), &challenge(&[takes]));
        assert_matches!(refused, Err(EvidenceError::NotTaken { found, .. }) if found == missing);
    }
}

#[test]
fn no_evidence_is_shown_when_asked_to() {
    let evidence = EvidencePlan::Absent.gather(&runtime(), &challenge(&[]));
    assert_eq!(evidence.unwrap(), Evidence::None {}.into());
}

#[test]
fn certificate_of_a_tpms_key_is_sent_with_its_authorities() {
    let mut machine = vm();
    assert_eq!(chain_of(&machine), None);
    machine.ak_certificate = vec![0x30, 0x82, 0, 0];
    assert_eq!(chain_of(&machine).unwrap(), "MIIAAA==");
    machine.ak_intermediates = b"-----BEGIN CERTIFICATE-----\nAA==\n".to_vec();
    let pem = "-----BEGIN CERTIFICATE-----\nMIIAAA==\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAA==\n";
    assert_eq!(chain_of(&machine).unwrap(), pem);
}

struct Nobody;

impl GuestJudge for Nobody {
    fn submit_guest(
        &self,
        _runtime: &RuntimeData,
        _evidence: &Evidence,
        _attestation_info: &str,
    ) -> Result<String, ClientError> {
        Err(ClientError::CertificateAuthority)
    }
}

#[test]
fn guest_is_not_judged_for_a_server_that_takes_no_tokens() {
    let (tpm, imds) = ("device:/nowhere".parse().unwrap(), "http://127.0.0.1:9");
    let vtpm = AzureVtpm::new(tpm, casque_attester::Imds::new(imds).unwrap());
    let guest = AzureGuest {
        vtpm: &vtpm,
        places: &GuestPlaces::default(),
        judge: &Nobody,
    };
    let plan = EvidencePlan::AzureGuest(guest);
    let refused = plan.gather(&runtime(), &challenge(&[EvidenceKind::AzureSnpVtpm]));
    assert_matches!(refused, Err(EvidenceError::NotTaken { found: "maa", .. }));
    let both = challenge(&[EvidenceKind::Maa, EvidenceKind::AzureSnpVtpm]);
    let refused = plan.gather(&runtime(), &both);
    assert_matches!(refused, Err(EvidenceError::Attester(AttesterError::Tpm(_))));
}
