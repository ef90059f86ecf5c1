//! What must not compile: no release without an appraisal, no secret by accident.

#[test]
fn proofs_and_secrets_cannot_be_forged_or_leaked() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
