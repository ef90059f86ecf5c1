//! A TPM for unit tests: it answers by a script, and keeps what it was asked.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

use casque_types::sha256;

use super::{Tcti, Tpm, wire};
use crate::testing::Impatient;

/// A TPM that answers as it is told, whatever it is asked for.
struct Script {
    answers: VecDeque<Vec<u8>>,
    open: Vec<u8>,
    asked: Asked,
}

/// The commands that a scripted TPM was given.
pub(crate) type Asked = Rc<RefCell<Vec<Vec<u8>>>>;

impl Write for Script {
    fn write(&mut self, command: &[u8]) -> io::Result<usize> {
        self.asked.borrow_mut().push(command.to_vec());
        // No panic: a test that ends flushes.
        let Some(answer) = self.answers.pop_front() else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        self.open.extend(answer);
        Ok(command.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // In pieces, as a socket may.
        let count = self.open.len().min(buffer.len()).min(700);
        buffer[..count].copy_from_slice(&self.open[..count]);
        self.open.drain(..count);
        Ok(count)
    }
}

pub(crate) fn tpm(answers: impl IntoIterator<Item = Vec<u8>>) -> Tpm<'static> {
    recorded(answers).0
}

pub(crate) fn recorded(answers: impl IntoIterator<Item = Vec<u8>>) -> (Tpm<'static>, Asked) {
    let asked = Asked::default();
    let script = Script {
        answers: answers.into_iter().collect(),
        open: Vec::new(),
        asked: Rc::clone(&asked),
    };
    let tpm = Tpm::over(Box::new(script), &Tcti::default(), &Impatient);
    (tpm, asked)
}

pub(crate) fn answer(tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).unwrap().checked_add(10).unwrap();
    let header = [
        &tag.to_be_bytes()[..],
        &size.to_be_bytes(),
        &code.to_be_bytes(),
    ];
    [&header.concat()[..], body].concat()
}

pub(crate) fn plain(body: &[u8]) -> Vec<u8> {
    answer(0x8001, 0, body)
}

pub(crate) fn with_session(parameters: &[u8]) -> Vec<u8> {
    let size = u32::try_from(parameters.len()).unwrap();
    let body = [&size.to_be_bytes()[..], parameters, &[0, 0, 1, 0, 0]];
    answer(0x8002, 0, &body.concat())
}

pub(crate) fn refusal(code: u32) -> Vec<u8> {
    answer(0x8001, code, &[])
}

pub(crate) fn sized(bytes: &[u8]) -> Vec<u8> {
    wire::sized(bytes).unwrap()
}

/// `TPMS_ATTEST` of a quote over all registers.
pub(crate) fn attest(extra_data: &[u8], digest: &[u8]) -> Vec<u8> {
    attest_of(0x8018, &[1; 34], extra_data, &quoted([0xFF; 3], digest))
}

/// `TPMS_ATTEST` of this kind.
pub(crate) fn attest_of(kind: u16, signer: &[u8], extra_data: &[u8], attested: &[u8]) -> Vec<u8> {
    let parts = [
        vec![0xFF, 0x54, 0x43, 0x47],
        kind.to_be_bytes().to_vec(),
        sized(signer),
        sized(extra_data),
        vec![0; 25],
        attested.to_vec(),
    ];
    parts.concat()
}

/// `TPMS_QUOTE_INFO`
pub(crate) fn quoted(mask: [u8; 3], digest: &[u8]) -> Vec<u8> {
    [wire::selection(mask), sized(digest)].concat()
}

pub(crate) fn quote(message: &[u8]) -> Vec<u8> {
    with_session(&signed(message))
}

/// `TPM2B_ATTEST`, `TPMT_SIGNATURE` of RSASSA with SHA-256.
pub(crate) fn signed(message: &[u8]) -> Vec<u8> {
    [sized(message), vec![0, 0x14, 0, 0x0B], sized(&[9; 256])].concat()
}

pub(crate) fn registers(mask: [u8; 3], register: u8) -> Vec<u8> {
    let digests = sized(&[register; 32]).repeat(8);
    let parts = [
        1_u32.to_be_bytes().to_vec(),
        wire::selection(mask),
        8_u32.to_be_bytes().to_vec(),
        digests,
    ];
    plain(&parts.concat())
}

/// What a TPM answers while it makes a sealing key; whole and right, to be bent.
#[derive(Clone)]
pub(crate) struct MadeKey {
    /// `TPM2_ReadPublic` of the attestation key: public area, name, qualified name.
    pub(crate) ak: [Vec<u8>; 3],
    /// What each register has.
    pub(crate) register: u8,
    pub(crate) handle: u32,
    /// The key's public area.
    pub(crate) area: Vec<u8>,
    pub(crate) creation: Creation,
    /// Tag, hierarchy, digest.
    pub(crate) ticket: Vec<u8>,
    /// `TPMS_ATTEST`
    pub(crate) certification: Vec<u8>,
    /// `TPMS_ATTEST`
    pub(crate) quote: Vec<u8>,
}

/// `TPMS_CREATION_DATA`
#[derive(Clone)]
pub(crate) struct Creation {
    pub(crate) mask: [u8; 3],
    pub(crate) digest: Vec<u8>,
    pub(crate) outside: Vec<u8>,
}

impl MadeKey {
    /// With registers that are all `register`.
    pub(crate) fn new(register: u8) -> Self {
        let digest = sha256(&[register; 32 * 8]).as_bytes().to_vec();
        let ak_area = [&[0, 1, 0, 0x0B][..], &[5; 300]].concat();
        // In the order of `TPMT_PUBLIC`, written out: the code under test has its own.
        let mut policy = vec![0; 32];
        policy.extend([0, 0, 1, 0x7F, 0, 0, 0, 1, 0, 0x0B, 3, 0xFF, 0, 0]);
        policy.extend(&digest);
        let area = [
            &[0, 1, 0, 0x0B, 0, 2, 4, 0x32][..],
            &sized(sha256(&policy).as_bytes()),
            &[0, 0x10, 0, 0x10, 8, 0, 0, 0, 0, 0],
            &sized(&[0xC5; 256]),
        ];
        let area = area.concat();
        let certified = [sized(&name(&area)), sized(&[3; 34])].concat();
        Self {
            ak: [ak_area.clone(), name(&ak_area), SIGNER.to_vec()],
            register,
            handle: 0x8000_0001,
            area,
            creation: Creation {
                mask: [0xFF, 0, 0],
                digest: digest.clone(),
                outside: Vec::new(),
            },
            ticket: [&[0x80, 0x21, 0x40, 0, 0, 1][..], &sized(&[4; 32])].concat(),
            certification: attest_of(0x8017, &SIGNER, &[], &certified),
            quote: attest_of(0x8018, &SIGNER, &[], &quoted([0xFF, 0, 0], &digest)),
        }
    }

    /// `TPM2_ReadPublic`, then the round.
    pub(crate) fn answers(&self) -> Vec<Vec<u8>> {
        let mut answers = vec![plain(&self.ak.each_ref().map(|part| sized(part)).concat())];
        answers.extend(self.round());
        answers
    }

    /// `TPM2_PCR_Read`, `TPM2_CreatePrimary`, `TPM2_Certify`, `TPM2_Quote`.
    pub(crate) fn round(&self) -> [Vec<u8>; 4] {
        [
            registers([0xFF, 0, 0], self.register),
            self.created(
                &sha256(&self.creation.bytes()).as_bytes()[..],
                &name(&self.area),
            ),
            with_two_sessions(&signed(&self.certification)),
            quote(&self.quote),
        ]
    }

    /// `TPM2_CreatePrimary`, with this digest of the creation data and this name.
    pub(crate) fn created(&self, creation_digest: &[u8], name: &[u8]) -> Vec<u8> {
        let parameters = [
            sized(&self.area),
            sized(&self.creation.bytes()),
            sized(creation_digest),
            self.ticket.clone(),
            sized(name),
        ];
        with_handle(self.handle, &parameters.concat())
    }
}

impl Creation {
    fn bytes(&self) -> Vec<u8> {
        let parts = [
            quoted(self.mask, &self.digest),
            // Locality; the parent's algorithm, name and qualified name.
            vec![1, 0, 0x10],
            sized(&[0x40, 0, 0, 1]),
            sized(&[0x40, 0, 0, 1]),
            sized(&self.outside),
        ];
        parts.concat()
    }
}

/// The name of a public area.
pub(crate) fn name(area: &[u8]) -> Vec<u8> {
    [&[0, 0x0B][..], sha256(area).as_bytes()].concat()
}

/// The answer of a command with a session that loads something.
pub(crate) fn with_handle(handle: u32, parameters: &[u8]) -> Vec<u8> {
    let rest = with_session(parameters);
    answer(
        0x8002,
        0,
        &[&handle.to_be_bytes()[..], &rest[10..]].concat(),
    )
}

pub(crate) fn with_two_sessions(parameters: &[u8]) -> Vec<u8> {
    let one = with_session(parameters);
    answer(0x8002, 0, &[&one[10..], &[0, 0, 1, 0, 0]].concat())
}

/// The attestation key's qualified name.
pub(crate) const SIGNER: [u8; 34] = [2; 34];
