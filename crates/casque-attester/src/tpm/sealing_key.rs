//! A key of the TPM that others seal to, usable only while the registers are what they are now, and what vouches for
//! it. TCG TPM 2.0 Library: part 1, section 16 (names); part 2, section 12.2 (public areas), 15.1 (creation data);
//! part 3, the commands.
//!
//! | command | for |
//! |---|---|
//! | `TPM2_ReadPublic` | the attestation key's public area and names |
//! | `TPM2_CreatePrimary` | an RSA key in the owner hierarchy, whose policy is the registers' digest |
//! | `TPM2_Certify` | the attestation key's statement that the key is in the same TPM |
//! | `TPM2_StartAuthSession`, `TPM2_PolicyPCR` | a session that fulfils the policy |
//! | `TPM2_RSA_Decrypt` | what was encrypted to the key (RSAES-PKCS1-v1_5) |
//!
//! 1. read registers 0 to 7 of the SHA-256 bank; the key's policy is that they have these values
//!    ([`policy_of`]);
//! 2. make the key; the TPM notes the registers' digest in its creation data;
//! 3. have the attestation key certify it;
//! 4. have the attestation key quote the registers;
//! 5. flush the key, and do it all over, when one of the digests is another: a register was extended in between.
//!
//! The same policy gives the same key, as long as the owner hierarchy's seed stays. What the TPM decrypts comes over
//! the stream in the clear: whoever listens between guest and TPM, on Azure the paravisor, reads it.

use casque_types::{Digest, Secret, sha256};

use super::attest::{Certification, Quote};
use super::wire::{self, ALG_NULL, ALG_SHA256, BOOT_REGISTERS, Reader, Session, command};
use super::{Asked, MAX_QUOTES, RH_OWNER, Signed, Tpm, TpmError, key_name, read_signed};

/// What an attestation key says of its TPM: its registers, and a key that is bound to them.
#[derive(Debug)]
pub(crate) struct Attested {
    /// The attestation key: `TPM2B_PUBLIC`.
    pub(crate) ak_public: Vec<u8>,
    /// The quote over the registers, without extra data.
    pub(crate) quote: Signed,
    /// Registers 0 to 7 of the SHA-256 bank.
    pub(crate) registers: Vec<[u8; 32]>,
    /// The certification of the key.
    pub(crate) certification: Signed,
    /// The key: `TPM2B_PUBLIC`.
    pub(crate) key_public: Vec<u8>,
    pub(crate) key: SealingKey,
}

/// A key that is loaded, until its [`Tpm`] is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealingKey {
    handle: u32,
    /// Of the registers that it is bound to.
    register_digest: Digest<32>,
}

/// A public area that has the name which the TPM says.
struct Public {
    /// `TPM2B_PUBLIC`.
    sized: Vec<u8>,
    name: Vec<u8>,
}

/// A key that was made, as the TPM tells of it.
struct Created {
    handle: u32,
    public: Public,
    register_digest: Vec<u8>,
}

impl Tpm<'_> {
    /// A new key, bound to registers 0 to 7, that the persistent key `ak` certifies, and a quote of the same registers.
    pub(crate) fn attest_sealing_key(&mut self, ak: u32) -> Result<Attested, TpmError> {
        let (ak_public, ak_name) = self.read_public(ak)?;
        for _ in 0..MAX_QUOTES {
            // 1.
            let registers = self.eight_registers(BOOT_REGISTERS)?;
            let digest = sha256(&registers.concat());
            // 2. to 4.
            let created = self.create_key(&policy_of(&digest))?;
            let certification = self.certify(&created, ak, &ak_name)?;
            let (quote, quoted) = self.quote_boot(ak, &ak_name)?;
            if created.register_digest == digest.as_bytes() && quoted == digest.as_bytes() {
                return Ok(Attested {
                    ak_public: ak_public.sized,
                    quote,
                    registers,
                    certification,
                    key_public: created.public.sized,
                    key: SealingKey {
                        handle: created.handle,
                        register_digest: digest,
                    },
                });
            }
            // 5.
            self.flush(created.handle)?;
        }
        Err(TpmError::Registers { quotes: MAX_QUOTES })
    }

    /// What was encrypted to the key, if the registers are what they were. The session stays until the TPM is dropped.
    ///
    /// Between a policy session's look at the registers and its use, nothing may be extended: the TPM compares a counter
    /// that moves with any register (Linux's IMA extends 10 all the time), and then refuses. That says nothing of
    /// registers 0 to 7, and so the next session looks again. It alone says that they are others
    /// ([`TpmError::RegistersChanged`]).
    pub(crate) fn decrypt(
        &mut self,
        key: &SealingKey,
        encrypted: &[u8; KEY_BYTES],
    ) -> Result<Secret, TpmError> {
        for _ in 0..MAX_QUOTES {
            let session = self.start_policy_session()?;
            self.policy_pcr(session, &key.register_digest)?;
            match self.decrypt_in(session, key, encrypted) {
                Err(TpmError::Refused { code, .. }) if code.is_register_extended() => {
                    self.flush(session)?;
                }
                done => return done,
            }
        }
        Err(TpmError::Registers { quotes: MAX_QUOTES })
    }

    fn decrypt_in(
        &mut self,
        session: u32,
        key: &SealingKey,
        encrypted: &[u8; KEY_BYTES],
    ) -> Result<Secret, TpmError> {
        let mut parameters = wire::sized(encrypted).unwrap_or_default();
        parameters.extend(ALG_RSAES.to_be_bytes());
        // No label.
        parameters.extend([0, 0]);
        let session = Session::Policy(session);
        let asked = Asked {
            name: "TPM2_RSA_Decrypt",
            object: key_name(key.handle),
            session,
            bytes: command(RSA_DECRYPT, &[key.handle], session, &parameters),
        };
        let answer = self.execute(&asked)?;
        let mut reader = Reader::new(&answer);
        let message = reader.sized().filter(|_| reader.end().is_some());
        let message = message.ok_or_else(|| asked.malformed("one decrypted message"))?;
        Ok(Secret::copied_from(message))
    }

    /// The public area of a loaded or persistent key, and its qualified name.
    fn read_public(&mut self, key: u32) -> Result<(Public, Vec<u8>), TpmError> {
        let asked = Asked {
            name: "TPM2_ReadPublic",
            object: key_name(key),
            session: Session::None,
            bytes: command(READ_PUBLIC, &[key], Session::None, &[]),
        };
        let answer = self.execute(&asked)?;
        let expected = "the public area of an RSA key, and the name that its SHA-256 digest makes";
        read_public(&answer).ok_or_else(|| asked.malformed(expected))
    }

    fn create_key(&mut self, policy: &Digest<32>) -> Result<Created, TpmError> {
        let template = template(policy);
        // Neither password nor data.
        let mut parameters = vec![0, 4, 0, 0, 0, 0];
        let public = [&template[..], &[0, 0]].concat();
        parameters.extend(wire::sized(&public).unwrap_or_default());
        // Nothing from outside.
        parameters.extend([0, 0]);
        parameters.extend(wire::selection(BOOT_REGISTERS));
        let session = Session::EmptyPassword;
        let asked = Asked {
            name: "TPM2_CreatePrimary",
            object: "an RSA key in the owner hierarchy".to_owned(),
            session,
            bytes: command(CREATE_PRIMARY, &[RH_OWNER], session, &parameters),
        };
        let (handle, answer) = self.load(&asked, HT_TRANSIENT)?;
        let expected = "a key of 2048 bits that is like its template, with the registers' digest in its creation data";
        let created = read_created(&answer, &template);
        let (public, register_digest) = created.ok_or_else(|| asked.malformed(expected))?;
        Ok(Created {
            handle,
            public,
            register_digest,
        })
    }

    fn certify(&mut self, key: &Created, ak: u32, ak_name: &[u8]) -> Result<Signed, TpmError> {
        // No qualifying data, the key's own scheme.
        let mut parameters = vec![0, 0];
        parameters.extend(ALG_NULL.to_be_bytes());
        let session = Session::TwoEmptyPasswords;
        let asked = Asked {
            name: "TPM2_Certify",
            object: format!("a new key by {}", key_name(ak)),
            session,
            bytes: command(CERTIFY, &[key.handle, ak], session, &parameters),
        };
        let answer = self.execute(&asked)?;
        let is_asked = |signed: &Signed| {
            let said = Certification::parse(&signed.message);
            said.is_some_and(|said| {
                said.name == key.public.name && said.signer == ak_name && said.extra_data.is_empty()
            })
        };
        let certification = read_signed(&answer).filter(is_asked);
        let expected =
            "a certification of the new key by the attestation key, signed by RSASSA with SHA-256";
        certification.ok_or_else(|| asked.malformed(expected))
    }

    /// A quote of registers 0 to 7, and their digest in it.
    fn quote_boot(&mut self, ak: u32, ak_name: &[u8]) -> Result<(Signed, Vec<u8>), TpmError> {
        let signed = self.quote_once(ak, &[], BOOT_REGISTERS)?;
        let quote = Quote::parse(&signed.message, BOOT_REGISTERS);
        let quote = quote.filter(|quote| quote.signer == ak_name);
        let quoted = quote.map(|quote| quote.pcr_digest.to_vec());
        let quoted = quoted.ok_or(TpmError::Malformed {
            command: "TPM2_Quote",
            expected: "a quote by the attestation key",
        })?;
        Ok((signed, quoted))
    }

    /// A policy session that has no key and no password, and so no HMAC.
    fn start_policy_session(&mut self) -> Result<u32, TpmError> {
        // Neither a key for a salt nor an object to be bound to.
        let handles = [RH_NULL, RH_NULL];
        // The nonces of a session count in HMACs and encrypted parameters alone. This one has neither: the policy is
        // fulfilled by the registers, which no caller's nonce makes fresher. It is of the shortest size that a TPM
        // takes, and of zeros, so that nothing looks like protection.
        let mut parameters = wire::sized(&[0; 16]).unwrap_or_default();
        // No salt.
        parameters.extend([0, 0]);
        parameters.push(SE_POLICY);
        parameters.extend(ALG_NULL.to_be_bytes());
        parameters.extend(ALG_SHA256.to_be_bytes());
        let asked = Asked {
            name: "TPM2_StartAuthSession",
            object: "a policy".to_owned(),
            session: Session::None,
            bytes: command(START_AUTH_SESSION, &handles, Session::None, &parameters),
        };
        let (session, answer) = self.load(&asked, HT_POLICY_SESSION)?;
        let mut reader = Reader::new(&answer);
        let nonce = reader.sized().filter(|_| reader.end().is_some());
        nonce.ok_or_else(|| asked.malformed("the TPM's nonce"))?;
        Ok(session)
    }

    /// Makes the session fulfil [`policy_of`], if the registers have that digest.
    fn policy_pcr(&mut self, session: u32, registers: &Digest<32>) -> Result<(), TpmError> {
        let mut parameters = wire::sized(registers.as_bytes()).unwrap_or_default();
        parameters.extend(wire::selection(BOOT_REGISTERS));
        let asked = Asked {
            name: "TPM2_PolicyPCR",
            object: "registers 0 to 7".to_owned(),
            session: Session::None,
            bytes: command(POLICY_PCR, &[session], Session::None, &parameters),
        };
        let answer = self.execute(&asked).map_err(|error| match error {
            TpmError::Refused { code, .. } if code.is_other_value() => TpmError::RegistersChanged,
            error => error,
        })?;
        let nothing = Reader::new(&answer).end();
        nothing.ok_or_else(|| asked.malformed("an answer without parameters"))
    }
}

/// `policyDigest` of `TPM2_PolicyPCR` in a new session: SHA-256 over 32 zeros, the command's code, the selection, and
/// the registers' digest (part 3, "TPM2_PolicyPCR").
fn policy_of(registers: &Digest<32>) -> Digest<32> {
    sha256(
        &[
            &[0; 32][..],
            &POLICY_PCR.to_be_bytes(),
            &wire::selection(BOOT_REGISTERS),
            registers.as_bytes(),
        ]
        .concat(),
    )
}

/// `TPMT_PUBLIC` without `unique`, as the official clients make it: RSA, names by SHA-256, attributes, policy; neither
/// symmetric algorithm nor scheme, so that it decrypts what it is told to; 2048 bits, exponent 65537 (0: the default).
fn template(policy: &Digest<32>) -> Vec<u8> {
    [
        &ALG_RSA.to_be_bytes()[..],
        &ALG_SHA256.to_be_bytes(),
        &SEALING_KEY_ATTRIBUTES.to_be_bytes(),
        &wire::sized(policy.as_bytes()).unwrap_or_default(),
        &ALG_NULL.to_be_bytes(),
        &ALG_NULL.to_be_bytes(),
        &2048_u16.to_be_bytes(),
        &0_u32.to_be_bytes(),
    ]
    .concat()
}

/// `TPM2B_PUBLIC`, the name, the qualified name.
fn read_public(answer: &[u8]) -> Option<(Public, Vec<u8>)> {
    let mut reader = Reader::new(answer);
    let area = reader.sized()?;
    let name = reader.sized()?;
    let qualified_name = reader.sized()?.to_vec();
    reader.end()?;
    Some((Public::named(area, name)?, qualified_name))
}

/// `TPM2B_PUBLIC`, `TPM2B_CREATION_DATA`, its digest, `TPMT_TK_CREATION`, the name: the public area, and the digest of
/// the registers in the creation data.
fn read_created(answer: &[u8], template: &[u8]) -> Option<(Public, Vec<u8>)> {
    let mut reader = Reader::new(answer);
    let area = reader.sized()?;
    let creation = reader.sized()?;
    (reader.sized()? == sha256(creation).as_bytes()).then_some(())?;
    reader.expect_u16(ST_CREATION)?;
    reader.expect_u32(RH_OWNER)?;
    let _ticket = reader.sized()?;
    let public = Public::named(area, reader.sized()?)?;
    reader.end()?;
    let mut unique = Reader::new(area.strip_prefix(template)?);
    (unique.sized()?.len() == KEY_BYTES).then_some(())?;
    unique.end()?;
    Some((public, read_creation(creation)?.to_vec()))
}

/// `TPMS_CREATION_DATA`: the digest of registers 0 to 7.
fn read_creation(creation: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(creation);
    (wire::read_selection(&mut reader)? == BOOT_REGISTERS).then_some(())?;
    let digest = reader.sized()?;
    let _locality = reader.u8()?;
    let _parents_name_algorithm = reader.u16()?;
    let _parents_name = reader.sized()?;
    let _parents_qualified_name = reader.sized()?;
    reader.sized()?.is_empty().then_some(())?;
    reader.end()?;
    Some(digest)
}

impl Public {
    /// `TPMT_PUBLIC` of an RSA key whose name is the one that it must have: algorithm and digest.
    fn named(area: &[u8], name: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(area);
        reader.expect_u16(ALG_RSA)?;
        reader.expect_u16(ALG_SHA256)?;
        let digest = sha256(area);
        let expected = [&ALG_SHA256.to_be_bytes()[..], digest.as_bytes()].concat();
        (name == expected).then_some(())?;
        Some(Self {
            sized: wire::sized(area)?,
            name: expected,
        })
    }
}

/// What a key of 2048 bits takes and has.
pub(crate) const KEY_BYTES: usize = 256;
const CREATE_PRIMARY: u32 = 0x131;
const CERTIFY: u32 = 0x148;
const RSA_DECRYPT: u32 = 0x159;
const READ_PUBLIC: u32 = 0x173;
const START_AUTH_SESSION: u32 = 0x176;
const POLICY_PCR: u32 = 0x17F;
const RH_NULL: u32 = 0x4000_0007;
const HT_POLICY_SESSION: u8 = 0x03;
const HT_TRANSIENT: u8 = 0x80;
const SE_POLICY: u8 = 0x01;
const ST_CREATION: u16 = 0x8021;
const ALG_RSA: u16 = 0x0001;
const ALG_RSAES: u16 = 0x0015;
/// `fixedTPM`, `fixedParent`, `sensitiveDataOrigin`, `noDA`, `decrypt`. Without `userWithAuth` nothing but the policy
/// lets the key decrypt.
const SEALING_KEY_ATTRIBUTES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 10 | 1 << 17;

#[cfg(test)]
mod tests;
