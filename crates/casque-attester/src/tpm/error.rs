//! Why a TPM did not do what it was asked for, in sentences (TCG TPM 2.0 Library part 2, section 6.6).

use std::fmt;
use std::io;

use thiserror::Error;

use super::Tcti;

/// Why a TPM did not do what it was asked for.
#[derive(Debug, Error)]
pub enum TpmError {
    /// It cannot be reached.
    #[error("cannot open the TPM `{tcti}`{}", hint(source))]
    Open {
        /// How it was to be reached.
        tcti: Tcti,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// No answer, or no whole one.
    #[error("the TPM `{tcti}` does not answer `{command}`")]
    Exchange {
        /// How it is reached.
        tcti: Tcti,
        /// The command.
        command: &'static str,
        /// What the operating system met.
        #[source]
        source: io::Error,
    },
    /// The answer has another form.
    #[error("the TPM's answer to `{command}`: expected {expected}")]
    Malformed {
        /// The command.
        command: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// It refused.
    #[error("the TPM refuses `{command}` of {object}: {code}")]
    Refused {
        /// The command.
        command: &'static str,
        /// What it was for, such as ``NV index `0x01400001` ``.
        object: String,
        /// Why.
        code: ResponseCode,
    },
    /// An NV index is too large to be what it should be.
    #[error(
        "NV index `{index:#010x}` of the TPM: expected at most {limit_bytes} bytes, found {found_bytes}"
    )]
    TooLong {
        /// The index.
        index: u32,
        /// Its size.
        found_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Something extends registers all the time.
    #[error(
        "the registers (PCRs) of the TPM changed during each of {quotes} attempts: try again when the machine has started"
    )]
    Registers {
        /// How many quotes were made, or how many times a message was to be decrypted.
        quotes: u32,
    },
    /// The registers are not those any more that a key is bound to.
    #[error(
        "registers (PCRs) 0 to 7 of the TPM were extended since the request was made, and the key of its answer is bound to what they were: attest again when the machine has started"
    )]
    RegistersChanged,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ": give the process the device's group (mostly `tss`), and a container the device"
        }
        io::ErrorKind::ResourceBusy => ": another program has it; use `device:/dev/tpmrm0`",
        _ => "",
    }
}

/// A TPM's response code that is not success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseCode(pub u32);

impl ResponseCode {
    /// Whether the same command may succeed a little later: `TPM_RC_RETRY`, `YIELDED`, `TESTING`, `NV_RATE`, and
    /// full memories, which other programs empty.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self.0, 0x902..=0x904 | 0x908 | 0x90A | 0x920 | 0x922)
    }

    /// Whether the handle or index is not there (`TPM_RC_HANDLE` for a handle, `TPM_RC_REFERENCE_Hn`).
    #[must_use]
    pub const fn is_absent(self) -> bool {
        matches!(self.0 & 0x8FF, 0x08B) && self.0 & 0x040 == 0 || matches!(self.0, 0x910..=0x916)
    }

    /// Whether a value is not the one that the TPM has (`TPM_RC_VALUE`).
    pub(crate) const fn is_other_value(self) -> bool {
        self.base() == 0x084
    }

    /// Whether it cannot be decrypted: `TPM_RC_VALUE` and `TPM_RC_SIZE`; libtpms says `TPM_RC_FAILURE`, and goes on.
    pub(crate) const fn is_undecryptable(self) -> bool {
        matches!(self.base(), 0x084 | 0x095) || self.is_failure()
    }

    /// Whether the TPM failed (`TPM_RC_FAILURE`), or a command did in such a way.
    pub(crate) const fn is_failure(self) -> bool {
        self.0 == 0x101
    }

    /// Whether any register was extended since a policy session looked at some (`TPM_RC_PCR_CHANGED`).
    pub(crate) const fn is_register_extended(self) -> bool {
        self.0 == 0x128
    }

    /// The code without the number of the parameter, handle or session that it is about.
    const fn base(self) -> u32 {
        if self.0 & 0x080 == 0 {
            self.0
        } else {
            self.0 & 0x0BF
        }
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0;
        let known = SENTENCES.iter().find(|(base, _)| *base == self.base());
        let sentence = known.map_or("unknown response", |(_, sentence)| sentence);
        let number = (code >> 8) & 0xF;
        match (code & 0x080, code & 0x040, number) {
            (0, _, _) | (_, _, 0) => write!(f, "{sentence} (response code `{code:#05x}`)"),
            (_, 0, 8..) => {
                let session = number & 7;
                write!(
                    f,
                    "{sentence} (session {session}, response code `{code:#05x}`)"
                )
            }
            (_, 0, _) => write!(
                f,
                "{sentence} (handle {number}, response code `{code:#05x}`)"
            ),
            (_, _, _) => write!(
                f,
                "{sentence} (parameter {number}, response code `{code:#05x}`)"
            ),
        }
    }
}

const SENTENCES: &[(u32, &str)] = &[
    (0x01E, "it speaks TPM 1.2, and a TPM 2.0 is needed"),
    (
        0x100,
        "it was not started: `TPM2_Startup` is the firmware's, for swtpm give `--flags startup-clear`",
    ),
    (0x101, "it is in failure mode: restart the machine"),
    (0x120, "the command is disabled"),
    (
        0x128,
        "registers were extended since the policy was looked at",
    ),
    (0x12F, "authorisation by password is not available for this"),
    (0x142, "the command has a wrong size"),
    (0x143, "it does not know the command"),
    (0x146, "the range lies outside the NV index"),
    (0x148, "the NV index is locked"),
    (0x149, "the NV index may not be read so"),
    (0x14A, "the NV index was never written"),
    (0x082, "an attribute forbids it"),
    (0x084, "a value is out of range"),
    (0x085, "the hierarchy is not enabled"),
    (0x08B, "the handle is not there, or not of this kind"),
    (0x08E, "the authorisation failed: the password is not empty"),
    (0x092, "the key has another signature scheme"),
    (0x095, "a size is wrong: too long for this TPM"),
    (0x09A, "too few bytes"),
    (0x09D, "the policy of the key is not fulfilled"),
    (0x0A2, "the authorisation failed: the password is not empty"),
    (
        0x902,
        "out of memory for objects: flush contexts, or use `device:/dev/tpmrm0`",
    ),
    (
        0x903,
        "out of memory for sessions: flush contexts, or use `device:/dev/tpmrm0`",
    ),
    (
        0x904,
        "out of memory: flush contexts, or use `device:/dev/tpmrm0`",
    ),
    (
        0x908,
        "it put the command aside; the same command may succeed later",
    ),
    (0x909, "the command was cancelled"),
    (
        0x90A,
        "it is testing itself; the same command may succeed later",
    ),
    (0x910, "the first handle is not loaded"),
    (0x911, "the second handle is not loaded"),
    (
        0x920,
        "it limits how often its memory is written; the same command may succeed later",
    ),
    (0x921, "it is locked out after wrong passwords"),
    (
        0x922,
        "it could not begin; the same command may succeed later",
    ),
    (0x923, "its memory is not there"),
];

#[cfg(test)]
mod tests;
