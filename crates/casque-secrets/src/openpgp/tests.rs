use std::path::PathBuf;
use std::process::{Command, Stdio};

use assert_matches::assert_matches;
use casque_types::{Encoding, Format, Rng, RngError, SecretKind};
use proptest::prelude::*;

use super::*;
use crate::testing::{BrokenRng, CountingRng, shown};
use crate::{RenderError, SecretValue, render};

/// A time in the past for every `gpg` that runs these tests.
const MADE: Timestamp = Timestamp::from_unix_s(1_700_000_000);

fn rendered(key: &Secret, format: Format) -> Secret {
    let value = SecretValue::PgpKey(key.duplicate());
    render(&value, format, Encoding::Verbatim).unwrap()
}

fn counted() -> Secret {
    make_pgp_key(&CountingRng::default(), MADE).unwrap()
}

/// Gives the same bytes again and again.
struct SameRng(u8);

impl Rng for SameRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        out.fill(self.0);
        Ok(())
    }
}

/// A home of `gpg` that goes away, with the agent that `gpg` starts for it.
struct GpgHome(PathBuf);

impl GpgHome {
    /// `None`, said aloud, where `gpg` is not installed.
    fn new(name: &str) -> Option<Self> {
        let installed = Command::new("gpg")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if installed.is_err() {
            println!("skipped: gpg is not installed (Debian package gnupg)");
            return None;
        }
        // Short, since the agent's socket lies in it.
        let path = std::env::temp_dir().join(format!("cq{name}{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&path, mode).unwrap();
        Some(Self(path))
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("gpg")
            .env("GNUPGHOME", &self.0)
            .env("LC_ALL", "C")
            .current_dir(&self.0)
            .args(["--batch", "--yes", "--no-tty", "--trust-model", "always"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.success(), text)
    }

    fn must(&self, arguments: &[&str]) -> String {
        let (succeeded, text) = self.run(arguments);
        assert!(succeeded, "{arguments:?}: {text}");
        text
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }
}

impl Drop for GpgHome {
    fn drop(&mut self) {
        let _stopped = Command::new("gpgconf")
            .env("GNUPGHOME", &self.0)
            .args(["--kill", "all"])
            .status();
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn pgp_key_signs_and_decrypts_with_gpg_in_every_form() {
    let (Some(owner), Some(other)) = (GpgHome::new("own"), GpgHome::new("oth")) else {
        return;
    };
    let key = counted();
    owner.write(
        "key.asc",
        rendered(&key, Format::PgpPrivateArmored).expose(),
    );
    owner.must(&["--import", "key.asc"]);
    other.write("key.asc", rendered(&key, Format::PgpPublicArmored).expose());
    other.must(&["--import", "key.asc"]);
    let id = "casque-4041424344454647";

    owner.write("text", b"for whom it concerns");
    owner.must(&["--local-user", id, "--output", "signed", "--sign", "text"]);
    std::fs::copy(owner.0.join("signed"), other.0.join("signed")).unwrap();
    let said = other.must(&["--verify", "signed"]);
    assert!(said.contains("Good signature"), "{said}");

    other.write("text", b"for the owner's eyes");
    let encrypt = ["--recipient", id, "--output", "sealed", "--encrypt", "text"];
    other.must(&encrypt);
    std::fs::copy(other.0.join("sealed"), owner.0.join("sealed")).unwrap();
    let said = owner.must(&["--verbose", "--decrypt", "sealed"]);
    assert!(said.contains("for the owner's eyes"), "{said}");
    assert!(said.contains("AES256"), "{said}");
    assert!(!other.run(&["--decrypt", "sealed"]).0);
}

#[test]
fn pgp_key_is_what_the_language_says_to_gpg() {
    let Some(home) = GpgHome::new("lst") else {
        return;
    };
    home.write(
        "key",
        rendered(&counted(), Format::PgpPrivateBinary).expose(),
    );
    home.must(&["--import", "key"]);
    let listed = home.must(&["--list-secret-keys", "--with-colons"]);
    let lines: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split(':').collect())
        .collect();
    let line = |kind: &str| lines.iter().find(|line| line[0] == kind).unwrap();
    let (key, subkey) = (line("sec"), line("ssb"));
    assert_eq!((key[3], key[16], key[5]), ("22", "ed25519", "1700000000"));
    assert!(key[11].starts_with("sc"), "{listed}");
    assert_eq!((subkey[3], subkey[16]), ("18", "cv25519"));
    assert_eq!(subkey[11], "e");
    assert_eq!(line("uid")[9], "casque-4041424344454647");
    assert_eq!((key[6], subkey[6]), ("", ""), "no end of validity");
    let packets = home.must(&["--list-packets", "key"]);
    for expected in [
        "(pref-sym-algos: 9)",
        "(pref-hash-algos: 8)",
        "(pref-zip-algos: 2)",
    ] {
        assert!(packets.contains(expected), "{expected} in {packets}");
    }
    let checked = home.must(&["--check-signatures"]);
    assert!(checked.contains("2 good signatures"), "{checked}");
}

#[test]
fn pgp_key_forms_are_the_same_key_to_gpg() {
    let key = counted();
    for (name, format) in [
        ("pub", Format::PgpPublicBinary),
        ("puc", Format::PgpPublicArmored),
        ("prb", Format::PgpPrivateBinary),
        ("pra", Format::PgpPrivateArmored),
    ] {
        let Some(home) = GpgHome::new(name) else {
            return;
        };
        home.write("key", rendered(&key, format).expose());
        home.must(&["--import", "key"]);
        let exported = home.must(&["--list-keys", "--with-colons", "--fingerprint"]);
        let expected = fingerprint_of(&key);
        assert!(exported.contains(&expected), "{format:?}: {exported}");
        let secrets = home.run(&["--list-secret-keys", "--with-colons"]).1;
        let is_private = name.starts_with("pr");
        assert_eq!(secrets.contains(&expected), is_private, "{format:?}");
    }
}

fn fingerprint_of(key: &Secret) -> String {
    let (body, _) = read_packet(key.expose(), SECRET_KEY).unwrap();
    let found = fingerprint(public_part(body, &EDDSA).unwrap()).unwrap();
    data_encoding::HEXUPPER.encode(&found)
}

#[test]
fn pgp_key_of_short_and_long_numbers_works_with_gpg() {
    // The counted key's private number begins with a zero byte, these do not.
    for (name, byte) in [("one", 1), ("ful", 0xff)] {
        let Some(home) = GpgHome::new(name) else {
            return;
        };
        let key = make_pgp_key(&SameRng(byte), MADE).unwrap();
        home.write("key", key.expose());
        let (imported, said) = home.run(&["--import", "key"]);
        assert!(imported, "{said}");
        home.write("text", b"text");
        home.must(&["--output", "signed", "--sign", "text"]);
        home.must(&["--verify", "signed"]);
        let encrypt = [
            "--recipient",
            "casque",
            "--output",
            "sealed",
            "--encrypt",
            "text",
        ];
        home.must(&encrypt);
        home.must(&["--decrypt", "sealed"]);
    }
}

#[test]
fn pgp_key_base64_is_the_binary_form_in_one_line() {
    let key = counted();
    for (text, binary) in [
        (Format::PgpPrivateBase64, Format::PgpPrivateBinary),
        (Format::PgpPublicBase64, Format::PgpPublicBinary),
    ] {
        let text = rendered(&key, text);
        let decoded = BASE64.decode(text.expose()).unwrap();
        assert_eq!(decoded, rendered(&key, binary).expose());
    }
}

#[test]
fn pgp_key_armor_ends_with_its_checksum() {
    let key = counted();
    let text = rendered(&key, Format::PgpPublicArmored);
    let lines: Vec<&str> = shown(&text).lines().collect();
    assert_eq!(lines[0], "-----BEGIN PGP PUBLIC KEY BLOCK-----");
    assert_eq!(lines[1], "");
    assert_eq!(lines[lines.len() - 1], "-----END PGP PUBLIC KEY BLOCK-----");
    assert!(lines[lines.len() - 2].starts_with('='));
    // The check value of CRC-24/OPENPGP.
    assert_eq!(crc24(b"123456789"), 0x0021_cf02);
}

#[test]
fn pgp_key_public_half_holds_no_private_number() {
    let key = counted();
    let public = rendered(&key, Format::PgpPublicBinary);
    let seed: Vec<u8> = (1..32).collect();
    let holds = |bytes: &[u8]| bytes.windows(31).any(|window| window == seed);
    assert!(holds(key.expose()));
    assert!(!holds(public.expose()));
    assert!(public.len() + 2 * 35 < key.len() + 8);
}

#[test]
fn pgp_key_without_randomness_is_refused() {
    let refused = make_pgp_key(&BrokenRng, MADE).unwrap_err();
    assert_matches!(refused, MakeError::Rng(RngError));
}

#[test]
fn pgp_key_made_after_32_bits_of_time_keeps_the_last() {
    let key = make_pgp_key(&CountingRng::default(), Timestamp::from_unix_s(u64::MAX)).unwrap();
    assert_eq!(key.expose()[3..7], [0xff; 4]);
}

#[test]
fn pgp_key_stored_as_something_else_has_no_public_half() {
    let value = SecretValue::PgpKey(Secret::new(vec![0xc5, 1, 4]));
    for format in SecretKind::PgpKey.formats() {
        let outcome = render(&value, *format, Encoding::Verbatim);
        if format.suffix().starts_with(":publickey") {
            assert_eq!(outcome.unwrap_err(), RenderError::PgpKey);
        } else {
            assert!(outcome.is_ok());
        }
    }
}

proptest! {
    #[test]
    fn pgp_key_cut_or_followed_has_no_public_half(at in 0_usize..480) {
        let key = counted();
        let key = key.expose();
        let cut = Secret::copied_from(&key[..at.min(key.len().saturating_sub(1))]);
        prop_assert!(public_half(&cut).is_none());
        let longer = [key, &[0][..]].concat();
        prop_assert!(public_half(&Secret::new(longer)).is_none());
    }

    #[test]
    fn pgp_key_public_half_of_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _half = public_half(&Secret::new(bytes));
    }
}
