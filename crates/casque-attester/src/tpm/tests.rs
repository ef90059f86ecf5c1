use assert_matches::assert_matches;

use super::nv::{read_nv_buffer_bytes, read_nv_public};
use super::scripted::{answer, attest, plain, quote, refusal, registers, sized, tpm, with_session};
use super::*;
use crate::waiter::Never;

fn nv_public(index: u32, attributes: u32, size_bytes: u16) -> Vec<u8> {
    let public = [
        &index.to_be_bytes()[..],
        &[0, 0x0B],
        &attributes.to_be_bytes(),
        &[0, 0],
        &size_bytes.to_be_bytes(),
    ];
    plain(&[sized(&public.concat()), sized(&[7; 34])].concat())
}

fn nv_buffer(size_bytes: u32) -> Vec<u8> {
    let numbers = [6, 1, 0x12C, size_bytes].map(u32::to_be_bytes);
    plain(&[&[0][..], &numbers.concat()].concat())
}

fn all_registers(register: u8) -> [Vec<u8>; 3] {
    [[0xFF, 0, 0], [0, 0xFF, 0], [0, 0, 0xFF]].map(|mask| registers(mask, register))
}

#[test]
fn nv_index_is_read_in_pieces_of_the_size_that_the_tpm_gives() {
    let mut tpm = tpm([
        nv_public(HCL, 1 << 17, 10),
        nv_buffer(4),
        with_session(&sized(b"abcd")),
        with_session(&sized(b"efgh")),
        with_session(&sized(b"ij")),
    ]);
    assert_eq!(tpm.nv_read(HCL, 10).unwrap().unwrap(), b"abcdefghij");
}

#[test]
fn nv_index_that_is_not_defined_is_none() {
    for code in [0x18B, 0x910] {
        assert_eq!(tpm([refusal(code)]).nv_read(HCL, 10).unwrap(), None);
    }
}

#[test]
fn nv_index_that_is_too_long_is_not_read() {
    let refused = tpm([nv_public(HCL, 1 << 17, 11)]).nv_read(HCL, 10);
    assert_matches!(
        refused,
        Err(TpmError::TooLong {
            found_bytes: 11,
            limit_bytes: 10,
            ..
        })
    );
}

#[test]
fn nv_index_of_another_number_or_form_is_refused() {
    let other = nv_public(HCL + 1, 0, 10);
    let mut longer = nv_public(HCL, 0, 10);
    longer.push(0);
    longer[5] += 1;
    for bent in [other, longer, plain(&[]), plain(&[0, 9])] {
        assert_matches!(
            tpm([bent]).nv_read(HCL, 10),
            Err(TpmError::Malformed {
                command: "TPM2_NV_ReadPublic",
                ..
            })
        );
    }
}

#[test]
fn nv_piece_of_another_length_is_refused() {
    for bent in [
        sized(b"abc"),
        sized(b"abcde"),
        [sized(b"abcd"), vec![0]].concat(),
    ] {
        let mut tpm = tpm([nv_public(HCL, 0, 4), nv_buffer(4), with_session(&bent)]);
        assert_matches!(
            tpm.nv_read(HCL, 10),
            Err(TpmError::Malformed {
                command: "TPM2_NV_Read",
                ..
            })
        );
    }
}

#[test]
fn nv_buffer_of_nothing_is_refused() {
    let refused = tpm([nv_public(HCL, 0, 4), nv_buffer(0)]).nv_read(HCL, 10);
    assert_matches!(
        refused,
        Err(TpmError::Malformed {
            command: "TPM2_GetCapability",
            ..
        })
    );
}

#[test]
fn answer_without_its_session_is_refused() {
    for bent in [plain(&sized(b"abcd")), answer(0x8002, 0, &sized(b"abcd"))] {
        let mut tpm = tpm([nv_public(HCL, 0, 4), nv_buffer(4), bent]);
        assert_matches!(
            tpm.nv_read(HCL, 10),
            Err(TpmError::Malformed {
                command: "TPM2_NV_Read",
                ..
            })
        );
    }
}

#[test]
fn busy_tpm_is_asked_again_and_not_for_ever() {
    let busy = || refusal(0x922);
    let mut patient = tpm([busy(), busy(), nv_public(HCL, 0, 4)]);
    assert!(patient.nv_public(HCL).unwrap().is_some());
    let refused = tpm((0..5).map(|_| busy())).nv_public(HCL);
    assert_matches!(
        refused,
        Err(TpmError::Refused {
            code: ResponseCode(0x922),
            ..
        })
    );
    let mut hurried = tpm([busy()]);
    hurried.waiter = &Never;
    assert_matches!(hurried.nv_public(HCL), Err(TpmError::Refused { .. }));
}

#[test]
fn quote_comes_with_the_registers_that_it_quotes() {
    let digest = sha256(&[3; 32 * 24]);
    let message = attest(&[5; 32], digest.as_bytes());
    let mut tpm = tpm([quote(&message)].into_iter().chain(all_registers(3)));
    let expected = TpmQuote {
        message,
        signature: vec![9; 256],
        pcrs: vec![[3; 32]; 24],
    };
    assert_eq!(tpm.quote(AK, &[5; 32]).unwrap(), expected);
}

#[test]
fn quote_is_done_over_when_a_register_changes_in_between() {
    let digest = |register: u8| *sha256(&[register; 32 * 24]).as_bytes();
    let round = |quoted, read| {
        let message = attest(&[5; 32], &digest(quoted));
        [quote(&message)].into_iter().chain(all_registers(read))
    };
    let mut one_change = tpm(round(3, 4).chain(round(4, 4)));
    assert_eq!(one_change.quote(AK, &[5; 32]).unwrap().pcrs, [[4; 32]; 24]);
    let mut always = tpm((0..8).flat_map(|_| round(3, 4)));
    assert_matches!(
        always.quote(AK, &[5; 32]),
        Err(TpmError::Registers { quotes: 8 })
    );
}

#[test]
fn quote_over_other_data_or_registers_is_refused() {
    let good = attest(&[5; 32], &[0; 32]);
    let mut other_registers = good.clone();
    let mask = other_registers.len() - 32 - 2 - 1;
    other_registers[mask] = 0x7F;
    let mut other_kind = good.clone();
    other_kind[5] = 0x17;
    let mut longer = good.clone();
    longer.push(0);
    let cut = good[..good.len() - 1].to_vec();
    let other_data = attest(&[6; 32], &[0; 32]);
    for bent in [other_registers, other_kind, longer, cut, other_data] {
        assert_matches!(
            tpm([quote(&bent)]).quote(AK, &[5; 32]),
            Err(TpmError::Malformed {
                command: "TPM2_Quote",
                ..
            })
        );
    }
}

#[test]
fn quote_signed_in_another_scheme_is_refused() {
    let message = attest(&[5; 32], &[0; 32]);
    let pss = [sized(&message), vec![0, 0x16, 0, 0x0B], sized(&[9; 256])].concat();
    assert_matches!(
        tpm([with_session(&pss)]).quote(AK, &[5; 32]),
        Err(TpmError::Malformed { .. })
    );
}

#[test]
fn registers_of_a_bank_that_is_off_are_refused() {
    let message = attest(&[5; 32], &[0; 32]);
    let off = plain(&[&1_u32.to_be_bytes()[..], &[0; 4], &[0; 4]].concat());
    assert_matches!(
        tpm([quote(&message), off]).quote(AK, &[5; 32]),
        Err(TpmError::Malformed {
            command: "TPM2_PCR_Read",
            ..
        })
    );
}

#[test]
fn quote_of_a_key_that_is_not_there_names_it() {
    let refused = tpm([refusal(0x18B)]).quote(AK, &[5; 32]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the TPM refuses `TPM2_Quote` of key `0x81000003`: the handle is not there, or not of this kind (handle 1, response code `0x18b`)"
    );
}

#[test]
fn answer_that_is_cut_or_too_long_is_no_answer() {
    let mut cut = nv_public(HCL, 0, 4);
    cut.pop();
    let mut longer = nv_public(HCL, 0, 4);
    longer.push(0);
    let mut huge = nv_public(HCL, 0, 4);
    huge[2] = 1;
    for (bent, kind) in [
        (cut, io::ErrorKind::UnexpectedEof),
        (longer, io::ErrorKind::InvalidData),
        (huge, io::ErrorKind::InvalidData),
        (Vec::new(), io::ErrorKind::UnexpectedEof),
    ] {
        assert_matches!(
            tpm([bent]).nv_public(HCL),
            Err(TpmError::Exchange { source, .. }) if source.kind() == kind
        );
    }
}

#[test]
fn tpm_that_is_not_there_says_how_it_was_to_be_reached() {
    let directory = tempfile::tempdir().unwrap();
    let tcti = Tcti::Device(directory.path().join("tpmrm0"));
    let refused = Tpm::open(&tcti, &Never).map(|_| ()).unwrap_err();
    assert_matches!(&refused, TpmError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound);
    assert!(refused.to_string().contains(&tcti.to_string()));
}

const HCL: u32 = 0x0140_0001;
const AK: u32 = 0x8100_0003;

/// Whatever comes, it is an answer or an error; a cut one is always an error.
#[test]
fn answers_that_are_cut_or_flipped_anywhere_are_survived() {
    let message = attest(&[5; 32], &[0; 32]);
    let whole = [
        quote(&message),
        nv_public(HCL, 0, 4),
        nv_buffer(4),
        registers([0xFF, 0, 0], 3),
    ];
    let bodies = whole.iter().map(|answer| &answer[10..]);
    for body in bodies {
        for end in 0..body.len() {
            let parameters = Session::EmptyPassword.parameters(&body[..end]);
            assert_eq!(parameters.and_then(read_signed), None);
            assert_eq!(read_nv_public(&body[..end], HCL), None);
            assert_eq!(read_nv_buffer_bytes(&body[..end]), None);
            assert_eq!(read_registers(&body[..end], [0xFF, 0, 0]), None);
        }
        for at in 0..body.len() {
            let mut bent = body.to_vec();
            bent[at] ^= 0xFF;
            let _parameters = Session::EmptyPassword
                .parameters(&bent)
                .and_then(read_signed)
                .map(|signed| Quote::parse(&signed.message, ALL_REGISTERS).is_some());
            let _public = read_nv_public(&bent, HCL);
            let _size = read_nv_buffer_bytes(&bent);
            let _registers = read_registers(&bent, [0xFF, 0, 0]);
        }
    }
}
