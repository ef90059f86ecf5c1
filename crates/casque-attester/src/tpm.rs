//! A TPM 2.0, spoken to in its own bytes (TCG TPM 2.0 Library part 3).
//!
//! | command | for |
//! |---|---|
//! | `TPM2_GetCapability` | how many bytes of NV memory come at once |
//! | `TPM2_NV_ReadPublic`, `TPM2_NV_Read` | NV indexes, authorised by the owner's or the index's empty password |
//! | `TPM2_Quote` | the attestation key's signature over all registers |
//! | `TPM2_PCR_Read` | the registers, eight at a time |
//! | `TPM2_FlushContext` | what was loaded |
//! | others | a key that is bound to registers, and certified ([`sealing_key`]) |
//!
//! For evidence nothing is loaded or made in the TPM. What is loaded for a sealed token is flushed when the [`Tpm`] is
//! dropped, on success and on errors. A process that is killed in between drops nothing: a resource manager
//! (`/dev/tpmrm0`) flushes for it then, and without one (`/dev/tpm0`, swtpm) the key, and a session, stay loaded until
//! somebody flushes them or the machine restarts. Such a TPM has room for three objects. Answers are at most 4 KiB, and
//! every byte of them must be where it belongs.

pub(crate) mod attest;
mod error;
mod nv;
pub(crate) mod sealing_key;
mod tcti;
pub(crate) mod wire;

use std::io;

use casque_types::sha256;
use zeroize::Zeroizing;

pub use error::{ResponseCode, TpmError};
pub use tcti::{Tcti, TctiParseError};

use crate::{TpmQuote, Wait, Waiter};
use attest::Quote;
use tcti::{Stream, exchange};
use wire::{ALG_NULL, ALG_RSASSA, ALG_SHA256, ALL_REGISTERS, HEADER_BYTES};
use wire::{Reader, Session, command};

/// A TPM that was opened.
pub(crate) struct Tpm<'a> {
    tcti: Tcti,
    stream: Box<dyn Stream>,
    waiter: &'a dyn Waiter,
    /// Handles of objects and sessions that are flushed on drop.
    loaded: Vec<u32>,
}

/// What a TPM signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// `TPMS_ATTEST`.
    pub(crate) message: Vec<u8>,
    /// RSASSA-PKCS1-v1_5 with SHA-256, without `TPMT_SIGNATURE` around it.
    pub(crate) signature: Vec<u8>,
}

/// One command, for its errors.
struct Asked {
    name: &'static str,
    object: String,
    session: Session,
    bytes: Vec<u8>,
}

impl<'a> Tpm<'a> {
    /// Opens it; tries again while another program has it.
    pub(crate) fn open(tcti: &Tcti, waiter: &'a dyn Waiter) -> Result<Self, TpmError> {
        let mut attempts = 0_u32;
        loop {
            let source = match tcti.open() {
                Ok(stream) => return Ok(Self::over(stream, tcti, waiter)),
                Err(error) => error,
            };
            attempts = attempts.saturating_add(1);
            let is_busy = source.kind() == io::ErrorKind::ResourceBusy;
            if !is_busy || waiter.wait(attempts) == Wait::GiveUp {
                let tcti = tcti.clone();
                return Err(TpmError::Open { tcti, source });
            }
        }
    }

    /// One that was opened already, named `tcti` in errors.
    pub(crate) fn over(stream: Box<dyn Stream>, tcti: &Tcti, waiter: &'a dyn Waiter) -> Self {
        let tcti = tcti.clone();
        Self {
            tcti,
            stream,
            waiter,
            loaded: Vec::new(),
        }
    }

    /// A quote by the persistent key `key` over all registers of the SHA-256 bank, with registers that have the
    /// quoted digest: they are read after it, and it is done over when one was extended in between.
    pub(crate) fn quote(&mut self, key: u32, extra_data: &[u8; 32]) -> Result<TpmQuote, TpmError> {
        for _ in 0..MAX_QUOTES {
            let Signed { message, signature } = self.quote_once(key, extra_data, ALL_REGISTERS)?;
            let pcrs = self.registers()?;
            let digest = sha256(&pcrs.concat());
            let is_of_pcrs = |quote: Quote<'_>| quote.pcr_digest == digest.as_bytes();
            if Quote::parse(&message, ALL_REGISTERS).is_some_and(is_of_pcrs) {
                return Ok(TpmQuote {
                    message,
                    signature,
                    pcrs,
                });
            }
        }
        Err(TpmError::Registers { quotes: MAX_QUOTES })
    }

    fn quote_once(
        &mut self,
        key: u32,
        extra_data: &[u8],
        mask: [u8; 3],
    ) -> Result<Signed, TpmError> {
        let mut parameters = wire::sized(extra_data).unwrap_or_default();
        // The key's own scheme.
        parameters.extend(ALG_NULL.to_be_bytes());
        parameters.extend(wire::selection(mask));
        let session = Session::EmptyPassword;
        let asked = Asked {
            name: "TPM2_Quote",
            object: key_name(key),
            session,
            bytes: command(QUOTE, &[key], session, &parameters),
        };
        let answer = self.execute(&asked)?;
        let is_asked = |signed: &Signed| {
            let quote = Quote::parse(&signed.message, mask);
            quote.is_some_and(|quote| quote.extra_data == extra_data)
        };
        let quote = read_signed(&answer).filter(is_asked);
        let expected = "a quote over the registers of the SHA-256 bank and the data that were given, signed by RSASSA with SHA-256";
        quote.ok_or_else(|| asked.malformed(expected))
    }

    /// The registers of the SHA-256 bank from 0 to 23.
    fn registers(&mut self) -> Result<Vec<[u8; 32]>, TpmError> {
        let mut registers = Vec::new();
        for mask in [[0xFF, 0, 0], [0, 0xFF, 0], [0, 0, 0xFF]] {
            registers.extend(self.eight_registers(mask)?);
        }
        Ok(registers)
    }

    fn eight_registers(&mut self, mask: [u8; 3]) -> Result<Vec<[u8; 32]>, TpmError> {
        let asked = Asked {
            name: "TPM2_PCR_Read",
            object: "the SHA-256 bank".to_owned(),
            session: Session::None,
            bytes: command(PCR_READ, &[], Session::None, &wire::selection(mask)),
        };
        let answer = self.execute(&asked)?;
        let eight = read_registers(&answer, mask);
        let expected = "the eight registers that were asked for (is the SHA-256 bank switched on?)";
        eight.ok_or_else(|| asked.malformed(expected))
    }

    fn flush(&mut self, handle: u32) -> Result<(), TpmError> {
        self.loaded.retain(|loaded| *loaded != handle);
        let asked = Asked {
            name: "TPM2_FlushContext",
            object: format!("handle `{handle:#010x}`"),
            session: Session::None,
            bytes: command(FLUSH_CONTEXT, &[handle], Session::None, &[]),
        };
        let answer = self.execute(&asked)?;
        let nothing = Reader::new(&answer).end();
        nothing.ok_or_else(|| asked.malformed("an answer without parameters"))
    }

    /// What a command loaded, to be flushed on drop, and the answer's parameters. `kind` is the handle's first byte.
    fn load(&mut self, asked: &Asked, kind: u8) -> Result<(u32, Zeroizing<Vec<u8>>), TpmError> {
        let body = self.run(asked)?;
        let mut reader = Reader::new(&body);
        let handle = reader
            .u32()
            .filter(|handle| handle.to_be_bytes()[0] == kind);
        let expected = "a handle of the kind that was asked for";
        let handle = handle.ok_or_else(|| asked.malformed(expected))?;
        self.loaded.push(handle);
        Ok((handle, asked.parameters(reader.rest())?))
    }

    /// The answer's parameters.
    fn execute(&mut self, asked: &Asked) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let body = self.run(asked)?;
        asked.parameters(&body)
    }

    /// The answer without its header; tries again while the TPM says that this may help.
    fn run(&mut self, asked: &Asked) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let mut attempts = 0_u32;
        loop {
            let answer = exchange(&mut *self.stream, &asked.bytes).map_err(|source| {
                let (tcti, command) = (self.tcti.clone(), asked.name);
                TpmError::Exchange {
                    tcti,
                    command,
                    source,
                }
            })?;
            let code = asked.response_code(&answer)?;
            if code == ResponseCode(0) {
                let body = answer.get(HEADER_BYTES..).unwrap_or_default();
                return Ok(Zeroizing::new(body.to_vec()));
            }
            attempts = attempts.saturating_add(1);
            if !code.is_passing() || self.waiter.wait(attempts) == Wait::GiveUp {
                return Err(TpmError::Refused {
                    command: asked.name,
                    object: asked.object.clone(),
                    code,
                });
            }
        }
    }
}

impl Drop for Tpm<'_> {
    /// Flushes what was loaded, the last first. A TPM that does not even do that is not asked twice: it keeps what was
    /// loaded.
    fn drop(&mut self) {
        while let Some(handle) = self.loaded.pop() {
            let _flushed = self.flush(handle);
        }
    }
}

impl Asked {
    /// What stands in an answer, behind its handles, for those who asked.
    fn parameters(&self, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let parameters = self.session.parameters(body);
        let expected = "an answer with the session that was given";
        let parameters = parameters.ok_or_else(|| self.malformed(expected))?;
        Ok(Zeroizing::new(parameters.to_vec()))
    }

    /// The code in the header, whose length was seen to be the answer's.
    fn response_code(&self, answer: &[u8]) -> Result<ResponseCode, TpmError> {
        let mut reader = Reader::new(answer);
        let header = (reader.u16(), reader.u32(), reader.u32());
        let (Some(tag), Some(_), Some(code)) = header else {
            return Err(self.malformed("a header of 10 bytes"));
        };
        if code == 0 && tag != self.session.tag() {
            return Err(self.malformed("the tag of the command"));
        }
        Ok(ResponseCode(code))
    }

    const fn malformed(&self, expected: &'static str) -> TpmError {
        TpmError::Malformed {
            command: self.name,
            expected,
        }
    }
}

fn key_name(handle: u32) -> String {
    format!("key `{handle:#010x}`")
}

/// `TPM2B_ATTEST`, `TPMT_SIGNATURE`: the message and the bare signature.
fn read_signed(answer: &[u8]) -> Option<Signed> {
    let mut reader = Reader::new(answer);
    let message = reader.sized()?.to_vec();
    reader.expect_u16(ALG_RSASSA)?;
    reader.expect_u16(ALG_SHA256)?;
    let signature = reader.sized()?.to_vec();
    reader.end()?;
    Some(Signed { message, signature })
}

/// The update counter, the selection, `TPML_DIGEST` of eight.
fn read_registers(answer: &[u8], mask: [u8; 3]) -> Option<Vec<[u8; 32]>> {
    let mut reader = Reader::new(answer);
    let _update_counter = reader.u32()?;
    (wire::read_selection(&mut reader)? == mask).then_some(())?;
    reader.expect_u32(8)?;
    let registers: Option<Vec<_>> = (0..8)
        .map(|_| <[u8; 32]>::try_from(reader.sized()?).ok())
        .collect();
    reader.end()?;
    registers
}

const QUOTE: u32 = 0x158;
const FLUSH_CONTEXT: u32 = 0x165;
const PCR_READ: u32 = 0x17E;
const RH_OWNER: u32 = 0x4000_0001;
const MAX_QUOTES: u32 = 8;

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
