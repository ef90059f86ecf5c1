//! Quotes of the virtual TPM, valid or bent in one place; for the layout see the verifier's module `azure_vm::tpm`.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use casque_types::{Secret, sha256};

use super::{SoftwareVtpm, SoftwareVtpmError};

/// What a quote is to say.
#[derive(Clone, Debug)]
pub struct TpmQuoteSpec {
    /// What it is for.
    pub extra_data: Vec<u8>,
    /// The registers of the SHA-256 bank.
    pub pcrs: [[u8; 32]; 24],
    /// Which of them, register 0 in bit 0 of the first byte.
    pub select: Vec<u8>,
    /// What is wrong with it.
    pub flaw: Option<TpmQuoteFlaw>,
}

/// One thing wrong with a quote; it is signed as it stands, unless the signature is it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TpmQuoteFlaw {
    /// Another magic: not made inside the TPM.
    Magic,
    /// Another type, such as 8017 (`TPM_ST_ATTEST_CERTIFY`).
    Type(u16),
    /// This bank.
    Bank(u16),
    /// The same selection twice.
    TwoSelections,
    /// No selection.
    NoSelection,
    /// This many selections, and one of them there.
    Selections(u32),
    /// The digest is over other registers.
    PcrDigest,
    /// The length of the digest is this.
    DigestLength(u16),
    /// `safe` is neither yes nor no.
    Safe,
    /// A byte stands behind it.
    TrailingByte,
    /// Its last byte is missing.
    CutOff,
    /// Changed after it was signed.
    Signature,
    /// Signed by another key.
    ForeignKey,
}

/// A quote, as an agent sends it.
#[derive(Clone, Debug)]
pub struct TpmQuote {
    /// `TPMS_ATTEST`.
    pub message: Vec<u8>,
    /// RSASSA-PKCS1 with SHA-256.
    pub signature: Vec<u8>,
    /// All registers.
    pub pcrs: Vec<[u8; 32]>,
}

impl TpmQuoteSpec {
    /// A valid quote of all registers; register `n` is filled with `n`.
    #[must_use]
    pub fn new(extra_data: &[u8]) -> Self {
        let number = |register| u8::try_from(register).unwrap_or_default();
        Self {
            extra_data: extra_data.to_vec(),
            pcrs: std::array::from_fn(|register| [number(register); 32]),
            select: vec![0xFF; 3],
            flaw: None,
        }
    }

    /// The same over these registers alone.
    #[must_use]
    pub fn with_select(mut self, select: &[u8]) -> Self {
        self.select = select.to_vec();
        self
    }

    /// The same with one thing wrong.
    #[must_use]
    pub const fn with_flaw(mut self, flaw: TpmQuoteFlaw) -> Self {
        self.flaw = Some(flaw);
        self
    }

    fn pcr_digest(&self) -> [u8; 32] {
        let selected = |register: &usize| {
            let byte = self.select.get(register / 8);
            byte.is_some_and(|byte| byte >> (register % 8) & 1 == 1)
        };
        let registers = (self.pcrs.iter().enumerate()).filter(|(register, _)| selected(register));
        let registers: Vec<[u8; 32]> = registers.map(|(_, value)| *value).collect();
        let mut digest = *sha256(&registers.concat()).as_bytes();
        if self.flaw == Some(TpmQuoteFlaw::PcrDigest) {
            digest[0] ^= 1;
        }
        digest
    }

    fn message(&self) -> Vec<u8> {
        let mut head = StatementHead {
            extra_data: &self.extra_data,
            ..StatementHead::of(ATTEST_QUOTE)
        };
        match self.flaw {
            Some(TpmQuoteFlaw::Magic) => head.magic[0] = 0,
            Some(TpmQuoteFlaw::Type(other)) => head.kind = other,
            Some(TpmQuoteFlaw::Safe) => head.safe = 2,
            _ => {}
        }
        let mut message = head.to_bytes();
        message.extend(self.selections());
        let digest = self.pcr_digest();
        match self.flaw {
            Some(TpmQuoteFlaw::DigestLength(length)) => {
                message.extend(length.to_be_bytes());
                message.extend(digest);
            }
            _ => message.extend(sized(&digest)),
        }
        match self.flaw {
            Some(TpmQuoteFlaw::TrailingByte) => message.push(0),
            Some(TpmQuoteFlaw::CutOff) => drop(message.pop()),
            _ => {}
        }
        message
    }

    fn selections(&self) -> Vec<u8> {
        let mut bank = SHA_256;
        let (mut count, mut times) = (1_u32, 1);
        match self.flaw {
            Some(TpmQuoteFlaw::Bank(other)) => bank = other,
            Some(TpmQuoteFlaw::TwoSelections) => (count, times) = (2, 2),
            Some(TpmQuoteFlaw::NoSelection) => (count, times) = (0, 0),
            Some(TpmQuoteFlaw::Selections(number)) => count = number,
            _ => {}
        }
        let size = u8::try_from(self.select.len()).unwrap_or(u8::MAX);
        let mut selections = count.to_be_bytes().to_vec();
        for _ in 0..times {
            selections.extend(bank.to_be_bytes());
            selections.push(size);
            selections.extend(&self.select);
        }
        selections
    }
}

/// What every statement of the TPM begins with, `TPMS_ATTEST` up to `attested`.
pub(super) struct StatementHead<'a> {
    magic: [u8; 4],
    pub(super) kind: u16,
    pub(super) extra_data: &'a [u8],
    safe: u8,
}

impl StatementHead<'_> {
    /// A valid one of this type (`TPM_ST_ATTEST_…`), for nothing.
    pub(super) const fn of(kind: u16) -> Self {
        Self {
            magic: MAGIC,
            kind,
            extra_data: &[],
            safe: 1,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut head = self.magic.to_vec();
        head.extend(self.kind.to_be_bytes());
        head.extend(sized(
            &[&SHA_256.to_be_bytes(), [0xA7; 32].as_slice()].concat(),
        ));
        head.extend(sized(self.extra_data));
        head.extend(1_234_567_u64.to_be_bytes());
        head.extend([0, 0, 0, 2, 0, 0, 0, 0, self.safe]);
        head.extend(0x2020_0312_0012_0003_u64.to_be_bytes());
        head
    }
}

impl SoftwareVtpm {
    /// A quote as specified.
    ///
    /// # Errors
    /// [`SoftwareVtpmError::Key`]: the provider failed.
    pub fn quote(&self, spec: &TpmQuoteSpec) -> Result<TpmQuote, SoftwareVtpmError> {
        let mut message = spec.message();
        let signature = match spec.flaw {
            Some(TpmQuoteFlaw::ForeignKey) => {
                let other = Self::generate(casque_types::Timestamp::from_unix_s(1_795_500_000))?;
                sign(&other.attestation_key, &message)?
            }
            _ => sign(&self.attestation_key, &message)?,
        };
        if spec.flaw == Some(TpmQuoteFlaw::Signature)
            && let Some(byte) = message.get_mut(CLOCK_END)
        {
            *byte ^= 1;
        }
        Ok(TpmQuote {
            message,
            signature,
            pcrs: spec.pcrs.to_vec(),
        })
    }
}

pub(super) fn sign(key: &Secret, message: &[u8]) -> Result<Vec<u8>, SoftwareVtpmError> {
    // Exposed: the provider needs the key to sign with it.
    let pair = RsaKeyPair::from_pkcs8(key.expose()).map_err(|_| SoftwareVtpmError::Key)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .map_err(|_| SoftwareVtpmError::Key)?;
    Ok(signature)
}

/// With its length before it, two bytes.
pub(super) fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

const MAGIC: [u8; 4] = [0xFF, b'T', b'C', b'G'];
const ATTEST_QUOTE: u16 = 0x8018;
pub(super) const SHA_256: u16 = 0x000B;
/// The last byte of the clock of a quote without extra data: inside the statement wherever it ends.
const CLOCK_END: usize = 4 + 2 + 36 + 2 + 7;
