use casque_types::Timestamp;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);

#[test]
fn paravisor_with_a_kept_key_is_the_same() {
    let vtpm = SoftwareVtpm::generate(NOW).unwrap();
    let again = SoftwareVtpm::from_key_bytes(&vtpm.key_to_bytes(), NOW).unwrap();
    let spec = HclSpec::default();
    assert_eq!(vtpm.report_data(&spec), again.report_data(&spec));
}

#[test]
fn quote_is_as_long_as_a_real_one() {
    let vtpm = SoftwareVtpm::generate(NOW).unwrap();
    let quote = vtpm.quote(&TpmQuoteSpec::new(b"challenge")).unwrap();
    assert_eq!((quote.message.len(), quote.signature.len()), (122, 256));
}
