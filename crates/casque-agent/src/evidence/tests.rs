use assert_matches::assert_matches;
use casque_types::{Kem, KemPublicKey, KeyHash, Nonce, ReportData, Timestamp};

use super::*;

struct FakeSource(Collected);

impl EvidenceSource for FakeSource {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn gather(&self, _report_data: &ReportData) -> Result<Collected, AttesterError> {
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

#[test]
fn sgx_quote_is_handed_over_as_it_is() {
    let source = FakeSource(Collected::SgxQuote(vec![3, 0]));
    let plan = EvidencePlan::Source(&source);
    let evidence = plan.gather(&runtime(), &challenge(&[EvidenceKind::Sgx]));
    assert_matches!(evidence, Ok(Evidence::Sgx { quote }) if quote.0 == [3, 0]);
}

#[test]
fn evidence_that_the_server_does_not_take_is_refused_by_kind() {
    let takes = challenge(&[EvidenceKind::Sgx, EvidenceKind::Maa]);
    let source = FakeSource(Collected::TdxQuote(vec![4]));
    let refused = EvidencePlan::Source(&source).gather(&runtime(), &takes);
    assert_matches!(refused, Err(EvidenceError::NotTaken { found: "tdx", taken }) if taken == "`sgx`, `maa`");
    let source = FakeSource(Collected::SgxQuote(vec![3]));
    let refused = EvidencePlan::Source(&source).gather(&runtime(), &challenge(&[]));
    assert_matches!(refused, Err(EvidenceError::NotTaken { found: "sgx", .. }));
}

#[test]
fn maa_token_is_read_after_the_runtime_data_is_written() {
    let (_directory, passport) = passport("aa.bb-_.cc\n");
    let written = passport.runtime_data_file.clone().unwrap();
    let plan = EvidencePlan::MaaToken(passport);
    let evidence = plan.gather(&runtime(), &challenge(&[EvidenceKind::Maa]));
    assert_matches!(evidence, Ok(Evidence::Maa { token }) if token == "aa.bb-_.cc");
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

#[test]
fn no_evidence_is_shown_when_asked_to() {
    let evidence = EvidencePlan::Absent.gather(&runtime(), &challenge(&[]));
    assert_matches!(evidence, Ok(Evidence::None {}));
}
