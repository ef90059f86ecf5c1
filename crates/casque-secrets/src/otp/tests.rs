use std::process::Command;

use assert_matches::assert_matches;
use data_encoding::{BASE32, BASE32_NOPAD};
use proptest::prelude::{any, proptest};

use super::*;
use crate::testing::{NOW, secret};

fn parsed(text: &str) -> Result<OtpSecret, OtpSecretParseError> {
    OtpSecret::parse(&secret(text))
}

fn of_bytes(bytes: &[u8]) -> OtpSecret {
    parsed(&BASE32.encode(bytes)).unwrap()
}

fn code(text: &str) -> OtpCode {
    text.parse().unwrap()
}

fn at(unix_s: u64) -> Timestamp {
    Timestamp::from_unix_s(unix_s)
}

#[test]
fn codes_of_rfc_6238_appendix_b_belong_to_their_steps() {
    // The last 6 of the 8 digits in its SHA-1 column.
    let secret = of_bytes(b"12345678901234567890");
    for (unix_s, digits) in [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ] {
        let found = secret.verify(&code(digits), at(unix_s));
        assert_eq!(found, Some(OtpStep(unix_s / 30)), "{unix_s}");
    }
}

#[test]
fn code_counts_one_step_before_and_after_and_no_further() {
    let secret = of_bytes(b"12345678901234567890");
    // The step of 1111111109 is 37037036: it lasts from …080 to …109.
    let code = code("081804");
    let step = Some(OtpStep(37_037_036));
    assert_eq!(secret.verify(&code, at(1_111_111_049)), None);
    assert_eq!(secret.verify(&code, at(1_111_111_050)), step);
    assert_eq!(secret.verify(&code, at(1_111_111_139)), step);
    assert_eq!(secret.verify(&code, at(1_111_111_140)), None);
    assert_eq!(OtpStep(37_037_036).forgotten_at(), at(1_111_111_140));
}

#[test]
fn code_at_either_end_of_time_is_compared_without_overflow() {
    let secret = of_bytes(&[7; 20]);
    for now in [0, u64::MAX] {
        let step = now / 30;
        let digits = String::from_utf8(secret.code_of(step).to_vec()).unwrap();
        assert_eq!(secret.verify(&code(&digits), at(now)), Some(OtpStep(step)));
    }
}

#[test]
fn code_of_another_secret_is_none() {
    let digits = String::from_utf8(of_bytes(&[7; 20]).code_of(0).to_vec()).unwrap();
    assert_eq!(of_bytes(&[8; 20]).verify(&code(&digits), at(0)), None);
}

#[test]
fn code_text_is_exactly_six_ascii_digits() {
    for bent in ["", "12345", "1234567", "12345a", " 12345", "+12345", "12３"] {
        assert_matches!(bent.parse::<OtpCode>(), Err(OtpCodeParseError), "{bent}");
    }
}

#[test]
fn code_debug_shows_no_digit() {
    assert_eq!(format!("{:?}", code("123456")), "OtpCode { .. }");
}

#[test]
fn secret_text_of_either_case_and_with_or_without_padding_is_the_same() {
    let sound = BASE32.encode(b"12345678901234567");
    let lower = sound.to_lowercase();
    for text in [
        &sound,
        &lower,
        sound.trim_end_matches('='),
        lower.trim_end_matches('='),
    ] {
        let secret = parsed(text).unwrap();
        assert_eq!(secret.0.expose(), b"12345678901234567");
    }
}

#[test]
fn secret_text_with_unused_bits_is_read_as_apps_do() {
    let exact = parsed("ABCDEFGHIJKLMNOPQRSTUVWXYY").unwrap();
    let more = parsed("ABCDEFGHIJKLMNOPQRSTUVWXYZ").unwrap();
    assert_eq!(exact.0.expose(), more.0.expose());
}

#[test]
fn secret_text_bent_is_refused() {
    let sound = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    parsed(sound).unwrap();
    let refused = |text: &str| parsed(text).unwrap_err();
    for (text, position) in [
        (sound.replace('D', " "), 4),
        (sound.replace('B', "-"), 2),
        (sound.replace('A', "1"), 1),
        (sound.replace('7', "0"), 32),
        (sound.replace('C', "="), 3),
    ] {
        assert_eq!(refused(&text), OtpSecretParseError::Character { position });
    }
    let length = |found_letters| OtpSecretParseError::Length { found_letters };
    parsed(sound.trim_end_matches('7')).unwrap();
    assert_eq!(refused(sound.trim_end_matches("67")), length(30));
    assert_eq!(refused(&format!("{sound}=")), length(32));
    assert_eq!(refused("ABCDEFGHIJKLMNOPQRSTUVWXYZ======="), length(26));
    let too_short = OtpSecretParseError::TooShort { found_bits: 120 };
    assert_eq!(refused(&BASE32_NOPAD.encode(&[0; 15])), too_short);
    assert_eq!(refused(""), OtpSecretParseError::TooShort { found_bits: 0 });
    parsed(&BASE32.encode(&[0; 128])).unwrap();
    let too_long = refused(&BASE32.encode(&[0; 129]));
    assert_eq!(too_long, OtpSecretParseError::TooLong);
}

/// `oathtool` of Debian, where it is installed.
fn oathtool(base32: &str, unix_s: u64) -> Option<String> {
    let now = format!("@{unix_s}");
    let arguments = ["--totp", "--base32", "--now", &now, base32];
    let Ok(output) = Command::new("oathtool").args(arguments).output() else {
        println!("skipped: oathtool is not installed");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn codes_of_oathtool_belong_to_their_steps() {
    for (bytes, now) in [
        ([1_u8; 16], 0),
        ([0xfe; 16], 1_795_000_000),
        ([0x5a; 16], 29),
    ] {
        let text = BASE32.encode(&bytes);
        let Some(digits) = oathtool(&text, now) else {
            return;
        };
        let found = parsed(&text).unwrap().verify(&code(&digits), at(now));
        assert_eq!(found, Some(OtpStep(now / 30)));
    }
}

proptest! {
    #[test]
    fn secret_text_of_any_bytes_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 16..=128)) {
        assert_eq!(of_bytes(&bytes).0.expose(), bytes);
        assert_eq!(parsed(&BASE32_NOPAD.encode(&bytes)).unwrap().0.expose(), bytes);
    }

    #[test]
    fn code_of_the_current_step_always_counts(bytes in any::<[u8; 20]>(), later in 0_u64..10_000_000) {
        let secret = of_bytes(&bytes);
        let now = NOW.plus(casque_types::Seconds(later));
        let step = now.as_unix_s() / 30;
        let digits = String::from_utf8(secret.code_of(step).to_vec()).unwrap();
        // The next step has the same code once in a million.
        let found = secret.verify(&code(&digits), now).unwrap();
        assert!([step, step.saturating_add(1)].contains(&found.0));
    }
}

#[test]
fn code_exposes_its_digits_and_hides_them_from_debug() {
    let code: OtpCode = "012345".parse().unwrap();
    assert_eq!(code.expose(), "012345");
    assert!(!format!("{code:?}").contains("012345"));
}
