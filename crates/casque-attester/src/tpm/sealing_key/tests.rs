use assert_matches::assert_matches;

use super::*;
use crate::ResponseCode;
use crate::tpm::scripted::{
    Asked as Commands, MadeKey, answer, attest_of, name, plain, quoted, recorded, refusal, sized,
    tpm, with_session, with_two_sessions,
};

fn attest(made: &MadeKey) -> Result<Attested, TpmError> {
    tpm(made.answers()).attest_sealing_key(AK)
}

/// The command whose answer is refused after `bend`.
fn malformed_after(bend: impl FnOnce(&mut MadeKey)) -> &'static str {
    let mut made = MadeKey::new(3);
    bend(&mut made);
    match attest(&made) {
        Err(TpmError::Malformed { command, .. }) => command,
        other => panic!("{other:?}"),
    }
}

/// The command whose answer is refused when the answer at this place is another.
fn malformed_with(place: usize, answer: Vec<u8>) -> &'static str {
    let mut answers = MadeKey::new(3).answers();
    answers[place] = answer;
    match tpm(answers).attest_sealing_key(AK) {
        Err(TpmError::Malformed { command, .. }) => command,
        other => panic!("{other:?}"),
    }
}

/// Codes and first handles of the commands.
fn commands(asked: &Commands) -> Vec<(u32, u32)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let asked = asked.borrow();
    let each = asked
        .iter()
        .map(|bytes| (number(&bytes[6..10]), number(&bytes[10..14])));
    each.collect()
}

#[test]
fn key_comes_with_what_vouches_for_it() {
    let made = MadeKey::new(3);
    let attested = attest(&made).unwrap();
    assert_eq!(attested.ak_public, sized(&made.ak[0]));
    assert_eq!(attested.key_public, sized(&made.area));
    assert_eq!(attested.registers, [[3; 32]; 8]);
    assert_eq!(attested.quote.message, made.quote);
    assert_eq!(attested.certification.message, made.certification);
    assert_eq!(attested.certification.signature, [9; 256]);
    let register_digest = sha256(&[3; 256]);
    let handle = made.handle;
    let key = SealingKey {
        handle,
        register_digest,
    };
    assert_eq!(attested.key, key);
}

#[test]
fn key_is_made_in_the_owner_hierarchy_from_the_template_of_the_clients() {
    let made = MadeKey::new(3);
    let (mut tpm, asked) = recorded(made.answers());
    tpm.attest_sealing_key(AK).unwrap();
    let public = [&made.area[..made.area.len() - 258], &[0, 0]].concat();
    let parameters = [
        &[0x40, 0, 0, 1][..],
        &[0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0],
        &[0, 4, 0, 0, 0, 0],
        &sized(&public),
        &[0, 0],
        &[0, 0, 0, 1, 0, 0x0B, 3, 0xFF, 0, 0],
    ];
    assert_eq!(asked.borrow()[2][10..], parameters.concat());
}

#[test]
fn key_is_certified_with_two_empty_passwords_and_no_data() {
    let (mut tpm, asked) = recorded(MadeKey::new(3).answers());
    tpm.attest_sealing_key(AK).unwrap();
    let mut expected = vec![0x80, 0, 0, 1, 0x81, 0, 0, 3, 0, 0, 0, 18];
    expected.extend([0x40, 0, 0, 9, 0, 0, 0, 0, 0].repeat(2));
    expected.extend([0, 0, 0, 0x10]);
    assert_eq!(asked.borrow()[3][10..], expected);
    // No qualifying data, the key's own scheme, registers 0 to 7.
    let mut expected = vec![0, 0, 0, 0x10];
    expected.extend([0, 0, 0, 1, 0, 0x0B, 3, 0xFF, 0, 0]);
    assert!(asked.borrow()[4].ends_with(&expected));
}

/// Calculated by Python's hashlib.
#[test]
fn policy_is_the_digest_that_the_tpm_would_make() {
    let registers = sha256(&[0; 256]);
    assert_eq!(policy_of(&registers).to_string(), POLICY_OF_ZEROS);
}

#[test]
fn what_was_made_is_flushed_with_the_tpm() {
    let (mut tpm, asked) = recorded(MadeKey::new(3).answers());
    tpm.attest_sealing_key(AK).unwrap();
    assert_eq!(asked.borrow().len(), 5);
    drop(tpm);
    assert_eq!(commands(&asked)[5..], [(FLUSH, 0x8000_0001)]);
}

#[test]
fn what_was_made_is_flushed_when_the_rest_fails() {
    let mut answers = MadeKey::new(3).answers();
    answers.truncate(3);
    answers.push(refusal(0x9A2));
    let (mut tpm, asked) = recorded(answers);
    assert_matches!(
        tpm.attest_sealing_key(AK),
        Err(TpmError::Refused {
            command: "TPM2_Certify",
            ..
        })
    );
    drop(tpm);
    assert_eq!(commands(&asked)[4..], [(FLUSH, 0x8000_0001)]);
}

#[test]
fn what_was_made_is_flushed_when_its_own_answer_is_malformed() {
    let mut made = MadeKey::new(3);
    made.ticket[0] = 0;
    let (mut tpm, asked) = recorded(made.answers());
    assert_matches!(tpm.attest_sealing_key(AK), Err(TpmError::Malformed { .. }));
    drop(tpm);
    assert_eq!(commands(&asked)[3..], [(FLUSH, 0x8000_0001)]);
}

#[test]
fn handle_of_another_kind_is_refused_and_not_flushed() {
    let mut made = MadeKey::new(3);
    made.handle = 0x8100_0003;
    let (mut tpm, asked) = recorded(made.answers());
    assert_matches!(
        tpm.attest_sealing_key(AK),
        Err(TpmError::Malformed {
            command: "TPM2_CreatePrimary",
            ..
        })
    );
    drop(tpm);
    assert_eq!(asked.borrow().len(), 3);
}

#[test]
fn key_is_made_anew_when_a_register_changes_before_it_is_made() {
    let mut between = MadeKey::new(3);
    between.creation.digest = sha256(&[4; 256]).as_bytes().to_vec();
    made_anew(&between);
}

#[test]
fn key_is_made_anew_when_a_register_changes_before_the_quote() {
    let mut between = MadeKey::new(3);
    between.quote = MadeKey::new(4).quote;
    made_anew(&between);
}

/// `first` is flushed, and the next round counts.
fn made_anew(first: &MadeKey) {
    let next = MadeKey::new(4);
    let mut answers = first.answers();
    answers.push(plain(&[]));
    answers.extend(next.round());
    let (mut tpm, asked) = recorded(answers);
    let attested = tpm.attest_sealing_key(AK).unwrap();
    assert_eq!(attested.registers, [[4; 32]; 8]);
    assert_eq!(attested.key_public, sized(&next.area));
    assert_eq!(commands(&asked)[5], (FLUSH, first.handle));
}

#[test]
fn registers_that_change_all_the_time_are_given_up() {
    let mut between = MadeKey::new(3);
    between.quote = MadeKey::new(4).quote;
    let mut answers = vec![between.answers().remove(0)];
    for _ in 0..8 {
        answers.extend(between.round());
        answers.push(plain(&[]));
    }
    let (mut tpm, asked) = recorded(answers);
    assert_matches!(
        tpm.attest_sealing_key(AK),
        Err(TpmError::Registers { quotes: 8 })
    );
    drop(tpm);
    assert_eq!(asked.borrow().len(), 1 + 8 * 5);
}

#[test]
fn attestation_key_of_another_name_or_kind_is_refused() {
    let other_kind = |made: &mut MadeKey| {
        made.ak[0][1] = 0x23;
        made.ak[1] = name(&made.ak[0]);
    };
    let other_names = |made: &mut MadeKey| {
        made.ak[0][3] = 0x0C;
        made.ak[1] = name(&made.ak[0]);
    };
    let command = "TPM2_ReadPublic";
    assert_eq!(malformed_after(|made| made.ak[1][2] ^= 1), command);
    assert_eq!(malformed_after(|made| made.ak[1][1] = 4), command);
    assert_eq!(malformed_after(other_kind), command);
    assert_eq!(malformed_after(other_names), command);
    let longer = [
        &MadeKey::new(3).ak.map(|part| sized(&part)).concat()[..],
        &[0],
    ]
    .concat();
    assert_eq!(malformed_with(0, plain(&longer)), command);
}

#[test]
fn key_that_is_not_like_its_template_is_refused() {
    let unique = |made: &mut MadeKey, count: usize| {
        made.area.truncate(made.area.len() - 258);
        made.area.extend(sized(&vec![0xC5; count]));
    };
    for bend in [
        // Type, algorithm of names, `userWithAuth`, policy, scheme, bits, exponent.
        |made: &mut MadeKey| made.area[1] = 0x23,
        |made: &mut MadeKey| made.area[3] = 0x0C,
        |made: &mut MadeKey| made.area[7] |= 0x40,
        |made: &mut MadeKey| made.area[20] ^= 1,
        |made: &mut MadeKey| made.area[45] = 0x15,
        |made: &mut MadeKey| made.area[46] = 0x0C,
        |made: &mut MadeKey| made.area[51] = 3,
        |made: &mut MadeKey| made.area.push(0),
    ] {
        assert_eq!(malformed_after(bend), "TPM2_CreatePrimary");
    }
    for count in [0, 255, 257] {
        let command = malformed_after(|made| unique(made, count));
        assert_eq!(command, "TPM2_CreatePrimary", "{count}");
    }
}

#[test]
fn creation_that_is_not_the_one_asked_for_is_refused() {
    for bend in [
        |made: &mut MadeKey| made.creation.mask = [0xFF; 3],
        |made: &mut MadeKey| made.creation.outside = vec![1],
        |made: &mut MadeKey| made.ticket[1] = 0x22,
        |made: &mut MadeKey| made.ticket[5] = 0x0B,
    ] {
        assert_eq!(malformed_after(bend), "TPM2_CreatePrimary");
    }
    let made = MadeKey::new(3);
    let other_digest = made.created(&[0; 32], &name(&made.area));
    assert_eq!(malformed_with(2, other_digest), "TPM2_CreatePrimary");
}

#[test]
fn key_of_another_name_is_refused() {
    let made = MadeKey::new(3);
    let body = &made.round()[1][18..];
    let digest = sized(&name(&made.area));
    let at = body.windows(36).position(|window| window == digest);
    let mut bent = made.round()[1].clone();
    bent[18 + at.unwrap() + 35] ^= 1;
    assert_eq!(malformed_with(2, bent), "TPM2_CreatePrimary");
}

#[test]
fn certification_of_something_else_is_refused() {
    let certified = |name: &[u8]| [sized(name), sized(&[3; 34])].concat();
    let made = MadeKey::new(3);
    let right = certified(&name(&made.area));
    let signer = made.ak[2].clone();
    let mut longer = made.certification.clone();
    longer.push(0);
    let mut not_generated = made.certification.clone();
    not_generated[0] = 0;
    for bent in [
        attest_of(0x8017, &signer, &[], &certified(&name(b"other"))),
        attest_of(0x8017, &[8; 34], &[], &right),
        attest_of(0x8017, &signer, &[1], &right),
        attest_of(0x8018, &signer, &[], &right),
        made.certification[..made.certification.len() - 1].to_vec(),
        longer,
        not_generated,
        made.quote.clone(),
    ] {
        let command = malformed_after(|made| made.certification = bent);
        assert_eq!(command, "TPM2_Certify");
    }
    let pss = [
        sized(&made.certification),
        vec![0, 0x16, 0, 0x0B],
        sized(&[9; 256]),
    ];
    let pss = with_two_sessions(&pss.concat());
    assert_eq!(malformed_with(3, pss), "TPM2_Certify");
    // One acknowledgement of two.
    let one = with_session(&crate::tpm::scripted::signed(&made.certification));
    assert_eq!(malformed_with(3, one), "TPM2_Certify");
}

#[test]
fn quote_of_something_else_is_refused() {
    let digest = sha256(&[3; 256]);
    let signer = MadeKey::new(3).ak[2].clone();
    let all = quoted([0xFF; 3], digest.as_bytes());
    let right = quoted([0xFF, 0, 0], digest.as_bytes());
    for bent in [
        attest_of(0x8018, &signer, &[], &all),
        attest_of(0x8018, &[8; 34], &[], &right),
        attest_of(0x8018, &signer, &[1], &right),
        attest_of(0x8017, &signer, &[], &right),
    ] {
        assert_eq!(malformed_after(|made| made.quote = bent), "TPM2_Quote");
    }
}

/// A TPM with a key in it that answers so to what `decrypt` asks.
fn with_key(answers: impl IntoIterator<Item = Vec<u8>>) -> (Tpm<'static>, SealingKey, Commands) {
    let made = MadeKey::new(3).answers();
    let (mut tpm, asked) = recorded(made.into_iter().chain(answers));
    let key = tpm.attest_sealing_key(AK).unwrap().key;
    asked.borrow_mut().clear();
    (tpm, key, asked)
}

fn session(handle: u32) -> Vec<u8> {
    plain(&[&handle.to_be_bytes()[..], &sized(&[6; 32])].concat())
}

/// What a TPM answers to a whole attempt in this session, during which some register is extended.
fn extended(handle: u32) -> Vec<Vec<u8>> {
    vec![session(handle), plain(&[]), refusal(0x128), plain(&[])]
}

fn decrypted(message: &[u8]) -> Vec<u8> {
    with_session(&sized(message))
}

#[test]
fn message_is_decrypted_in_a_policy_session_and_both_are_flushed() {
    let answers = [session(0x0300_0000), plain(&[]), decrypted(b"key")];
    let (mut tpm, key, asked) = with_key(answers.into_iter().chain([plain(&[]), plain(&[])]));
    let secret = tpm.decrypt(&key, &[7; 256]).unwrap();
    // Exposed to compare it.
    assert_eq!(secret.expose(), b"key");
    drop(tpm);
    let expected = [
        (START_AUTH_SESSION, RH_NULL),
        (POLICY_PCR, 0x0300_0000),
        (RSA_DECRYPT, 0x8000_0001),
        (FLUSH, 0x0300_0000),
        (FLUSH, 0x8000_0001),
    ];
    assert_eq!(commands(&asked), expected);
}

#[test]
fn policy_session_is_asked_for_as_the_library_has_it() {
    let answers = [session(0x0300_0000), plain(&[]), decrypted(b"key")];
    let (mut tpm, key, asked) = with_key(answers);
    tpm.decrypt(&key, &[7; 256]).unwrap();
    let asked = asked.borrow();
    let mut start = vec![0x40, 0, 0, 7, 0x40, 0, 0, 7, 0, 16];
    start.extend([0; 16]);
    start.extend([0, 0, 1, 0, 0x10, 0, 0x0B]);
    assert_eq!(asked[0][10..], start);
    let mut policy = vec![3, 0, 0, 0, 0, 32];
    policy.extend(sha256(&[3; 256]).as_bytes());
    policy.extend([0, 0, 0, 1, 0, 0x0B, 3, 0xFF, 0, 0]);
    assert_eq!(asked[1][10..], policy);
    let mut decrypt = vec![0x80, 0, 0, 1, 0, 0, 0, 9, 3, 0, 0, 0, 0, 0, 1, 0, 0];
    decrypt.extend(sized(&[7; 256]));
    decrypt.extend([0, 0x15, 0, 0]);
    assert_eq!(asked[2][10..], decrypt);
}

#[test]
fn registers_that_changed_are_told_from_other_refusals() {
    for (answers, changed) in [
        (vec![session(0x0300_0000), refusal(0x1C4)], true),
        // The next session's look.
        (
            [
                extended(0x0300_0000),
                vec![session(0x0300_0001), refusal(0x1C4)],
            ]
            .concat(),
            true,
        ),
        (vec![session(0x0300_0000), refusal(0x184 | 0x800)], true),
        (vec![session(0x0300_0000), refusal(0x18B)], false),
        (
            vec![session(0x0300_0000), plain(&[]), refusal(0x99D)],
            false,
        ),
        (vec![refusal(0x923)], false),
    ] {
        let (mut tpm, key, _) = with_key(answers);
        let refused = tpm.decrypt(&key, &[7; 256]).unwrap_err();
        let found = matches!(refused, TpmError::RegistersChanged);
        assert_eq!(found, changed, "{refused}");
    }
}

#[test]
fn message_is_decrypted_in_a_new_session_when_some_register_was_extended() {
    let again = [session(0x0300_0001), plain(&[]), decrypted(b"key")];
    let flushed = [plain(&[]), plain(&[])];
    let answers = extended(0x0300_0000).into_iter().chain(again);
    let (mut tpm, key, asked) = with_key(answers.chain(flushed));
    let secret = tpm.decrypt(&key, &[7; 256]).unwrap();
    // Exposed to compare it.
    assert_eq!(secret.expose(), b"key");
    drop(tpm);
    let expected = [
        (START_AUTH_SESSION, RH_NULL),
        (POLICY_PCR, 0x0300_0000),
        (RSA_DECRYPT, 0x8000_0001),
        (FLUSH, 0x0300_0000),
        (START_AUTH_SESSION, RH_NULL),
        (POLICY_PCR, 0x0300_0001),
        (RSA_DECRYPT, 0x8000_0001),
        (FLUSH, 0x0300_0001),
        (FLUSH, 0x8000_0001),
    ];
    assert_eq!(commands(&asked), expected);
}

#[test]
fn registers_that_are_extended_during_each_decryption_are_given_up() {
    let answers = (0..8).flat_map(|_| extended(0x0300_0000));
    let more = [session(0x0300_0000), plain(&[]), decrypted(b"key")];
    let (mut tpm, key, asked) = with_key(answers.chain(more));
    assert_matches!(
        tpm.decrypt(&key, &[7; 256]),
        Err(TpmError::Registers { quotes: 8 })
    );
    assert_eq!(asked.borrow().len(), 8 * 4);
}

#[test]
fn session_is_flushed_when_the_registers_changed() {
    let answers = [session(0x0300_0000), refusal(0x1C4), plain(&[]), plain(&[])];
    let (mut tpm, key, asked) = with_key(answers);
    assert_matches!(
        tpm.decrypt(&key, &[7; 256]),
        Err(TpmError::RegistersChanged)
    );
    drop(tpm);
    let flushed = [(FLUSH, 0x0300_0000), (FLUSH, 0x8000_0001)];
    assert_eq!(commands(&asked)[2..], flushed);
}

#[test]
fn answers_of_another_form_are_refused() {
    let good = || session(0x0300_0000);
    // An HMAC session; no nonce; more than a nonce.
    let other_kind = session(0x0200_0000);
    let no_nonce = plain(&[3, 0, 0, 0]);
    let longer = plain(&[&[3, 0, 0, 0][..], &sized(&[6; 32]), &[0]].concat());
    let no_session = plain(&sized(b"key"));
    let behind = with_session(&[&sized(b"key")[..], &[0]].concat());
    for (answers, expected) in [
        (vec![other_kind], "TPM2_StartAuthSession"),
        (vec![no_nonce], "TPM2_StartAuthSession"),
        (vec![longer], "TPM2_StartAuthSession"),
        (vec![answer(0x8002, 0, &[])], "TPM2_StartAuthSession"),
        (vec![good(), plain(&[0])], "TPM2_PolicyPCR"),
        (vec![good(), plain(&[]), no_session], "TPM2_RSA_Decrypt"),
        (vec![good(), plain(&[]), behind], "TPM2_RSA_Decrypt"),
        (
            vec![good(), plain(&[]), with_session(&[])],
            "TPM2_RSA_Decrypt",
        ),
    ] {
        let (mut tpm, key, _) = with_key(answers);
        match tpm.decrypt(&key, &[7; 256]) {
            Err(TpmError::Malformed { command, .. }) => assert_eq!(command, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn refusal_to_decrypt_says_which_key() {
    let answers = [session(0x0300_0000), plain(&[]), refusal(0x99D)];
    let (mut tpm, key, _) = with_key(answers);
    let refused = tpm.decrypt(&key, &[7; 256]).unwrap_err();
    assert_matches!(
        &refused,
        TpmError::Refused {
            code: ResponseCode(0x99D),
            ..
        }
    );
    assert_eq!(
        refused.to_string(),
        "the TPM refuses `TPM2_RSA_Decrypt` of key `0x80000001`: the policy of the key is not fulfilled (session 1, response code `0x99d`)"
    );
}

/// Whatever comes, it is an answer or an error; a cut one is always an error.
#[test]
fn answers_that_are_cut_or_flipped_anywhere_are_survived() {
    let made = MadeKey::new(3);
    for place in 0..made.answers().len() {
        let whole = made.answers()[place].clone();
        for end in 0..whole.len() {
            let mut answers = made.answers();
            answers[place].truncate(end);
            assert!(tpm(answers).attest_sealing_key(AK).is_err());
        }
        for at in 0..whole.len() {
            let mut answers = made.answers();
            answers[place][at] ^= 0xFF;
            let _attested = tpm(answers).attest_sealing_key(AK);
        }
    }
}

const AK: u32 = 0x8100_0003;
const FLUSH: u32 = 0x165;
const POLICY_OF_ZEROS: &str = "9a72c2e06a93c453a86efb47532e9c7a91dcab018e675919910c58d6a1a5aa78";
