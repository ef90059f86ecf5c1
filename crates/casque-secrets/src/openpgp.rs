//! OpenPGP keys (RFC 9580, keys and signatures of version 4): made in one shape, and taken apart again.
//!
//! ```text
//! secret key     EdDSA over Ed25519, certifies and signs
//! user id        `casque-` and 16 hexadecimal digits, drawn anew for each key
//! signature      by the key over itself and the user id, with preferences AES-256, SHA-256, ZLIB
//! secret subkey  ECDH over Curve25519, decrypts
//! signature      by the key over itself and the subkey
//! ```
//!
//! The algorithms are those of the years before RFC 9580 (numbers 22 and 18), since GnuPG reads no newer
//! ones under version 4. There is no passphrase and no end of validity. No packet is longer than 191 bytes,
//! so each length is one byte; keys of others are not read (`vectors/secrets/openpgp-key.txt`).
//!
//! Written here because the libraries for OpenPGP bring a second crypto provider with every cipher that
//! OpenPGP ever had. Every operation on a key is the provider's; only the packets are ours.
//!
//! Steps of [`make_pgp_key`]:
//! 1. draw both private keys and the user id;
//! 2. derive the public keys (RFC 9580 sections 5.5.5.5 and 5.5.5.6) and the fingerprint (section 5.5.4.2);
//! 3. sign (section 5.2.4) the user id and the subkey;
//! 4. write the packets in the order of a transferable secret key (section 10.2).

use aws_lc_rs::agreement::{self, X25519};
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use casque_types::{Rng, Secret, Timestamp};
use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use crate::MakeError;
use crate::fields::FieldWriter;
use crate::pem::{pem_bytes, write_framed};

/// A new OpenPGP key made at `now`: a transferable secret key, binary, without passphrase.
///
/// The time of making is kept in 32 bits, so a time past 2106-02-07 is written as that day's.
///
/// # Errors
/// No randomness, or [`MakeError::Provider`].
pub fn make_pgp_key(rng: &dyn Rng, now: Timestamp) -> Result<Secret, MakeError> {
    // 1.
    let (signing, decrypting) = (drawn(rng)?, drawn_x25519(rng)?);
    let mut name = [0_u8; 8];
    rng.fill(&mut name)?;
    let user_id = format!("casque-{}", HEXLOWER.encode(&name));
    // 2.
    let pair = Ed25519KeyPair::from_seed_unchecked(&*signing).map_err(|_| MakeError::Provider)?;
    let created = u32::try_from(now.as_unix_s()).unwrap_or(u32::MAX);
    let public = public_body(created, &EDDSA, pair.public_key().as_ref());
    let subkey = public_body(created, &ECDH, &x25519_public(&decrypting)?);
    let signer = Signer {
        pair,
        created,
        fingerprint: fingerprint(&public)?,
    };
    // 3.
    let key = framed_key(&public)?;
    let named = [
        &[USER_ID_MARK][..],
        &length_4(user_id.len())?,
        user_id.as_bytes(),
    ]
    .concat();
    let certified = signer.sign(CERTIFICATION, PRIMARY_SUBPACKETS, &[&key, &named])?;
    let subkey_framed = framed_key(&subkey)?;
    let bound = signer.sign(SUBKEY_BINDING, SUBKEY_SUBPACKETS, &[&key, &subkey_framed])?;
    // 4.
    let mut writer = FieldWriter::with_capacity(MAX_KEY_BYTES);
    packet(&mut writer, SECRET_KEY, &secret_body(&public, &signing))?;
    packet(&mut writer, USER_ID, user_id.as_bytes())?;
    packet(&mut writer, SIGNATURE, &certified)?;
    // Integers of OpenPGP are big-endian, keys of Curve25519 little-endian.
    let mut reversed = decrypting;
    reversed.reverse();
    packet(&mut writer, SECRET_SUBKEY, &secret_body(&subkey, &reversed))?;
    packet(&mut writer, SIGNATURE, &bound)?;
    Ok(Secret::from(writer.finish()))
}

/// The public half of what [`make_pgp_key`] made, binary; `None` for any other bytes.
pub(crate) fn public_half(key: &Secret) -> Option<Secret> {
    let mut writer = FieldWriter::with_capacity(key.len());
    // Exposed to be taken apart: the private parts are skipped.
    let mut rest = key.expose();
    for expected in [SECRET_KEY, USER_ID, SIGNATURE, SECRET_SUBKEY, SIGNATURE] {
        let (body, more) = read_packet(rest, expected)?;
        rest = more;
        match expected {
            SECRET_KEY => packet(&mut writer, PUBLIC_KEY, public_part(body, &EDDSA)?),
            SECRET_SUBKEY => packet(&mut writer, PUBLIC_SUBKEY, public_part(body, &ECDH)?),
            other => packet(&mut writer, other, body),
        }
        .ok()?;
    }
    rest.is_empty().then(|| Secret::from(writer.finish()))
}

/// Radix-64 of a key (RFC 9580 section 6), with the checksum that older readers expect.
pub(crate) fn armored(half: KeyHalf, binary: &Secret) -> Secret {
    let label = match half {
        KeyHalf::Private => "PGP PRIVATE KEY BLOCK",
        KeyHalf::Public => "PGP PUBLIC KEY BLOCK",
    };
    // Exposed to be written as text into a wiped buffer that has room for it.
    let bytes = binary.expose();
    let [_, checksum @ ..] = crc24(bytes).to_be_bytes();
    let checksum = format!("={}\n", BASE64.encode(&checksum));
    let size = pem_bytes(label, bytes.len()).saturating_add(checksum.len().saturating_add(1));
    let mut text = Zeroizing::new(String::with_capacity(size));
    write_framed(&mut text, label, ("\n", &checksum), bytes);
    Secret::new(std::mem::take(&mut *text).into_bytes())
}

/// Which half of a key a text holds.
#[derive(Clone, Copy)]
pub(crate) enum KeyHalf {
    /// Private and public.
    Private,
    /// Public alone.
    Public,
}

/// How OpenPGP writes public keys of an algorithm.
struct Algorithm {
    number: u8,
    /// The curve's object identifier, without tag and length.
    curve: &'static [u8],
    /// What follows the point.
    parameters: &'static [u8],
}

impl Algorithm {
    /// How many bytes the public part of a key takes: version, time, number, curve, point, parameters.
    const fn public_bytes(&self) -> usize {
        let point = POINT_HEADER.len().saturating_add(KEY_BYTES);
        let around = 1_usize
            .saturating_add(4)
            .saturating_add(1)
            .saturating_add(1);
        around
            .saturating_add(self.curve.len())
            .saturating_add(point)
            .saturating_add(self.parameters.len())
    }
}

/// The private key that signs, with what its signatures say about it.
struct Signer {
    pair: Ed25519KeyPair,
    created: u32,
    fingerprint: [u8; FINGERPRINT_BYTES],
}

impl Signer {
    /// A signature packet's body over `signed`, with more subpackets (RFC 9580 sections 5.2.3 and 5.2.4).
    fn sign(&self, kind: u8, more: &[u8], signed: &[&[u8]]) -> Result<Vec<u8>, MakeError> {
        let time = self.created.to_be_bytes();
        let issuer = [&[22, 33, VERSION][..], &self.fingerprint].concat();
        let hashed = [&[5, 2][..], &time, &issuer, more].concat();
        let length = length_2(hashed.len())?;
        let said = [
            &[VERSION, kind, EDDSA.number, HASH_SHA256][..],
            &length,
            &hashed,
        ]
        .concat();
        let mut context = Context::new(&SHA256);
        for part in signed {
            context.update(part);
        }
        context.update(&said);
        context.update(&[VERSION, 0xff]);
        context.update(&length_4(said.len())?);
        let digest = context.finish();
        let signature = self.pair.try_sign(digest.as_ref());
        let signature = signature.map_err(|_| MakeError::Provider)?;
        let (r, s) = signature
            .as_ref()
            .split_at_checked(KEY_BYTES)
            .ok_or(MakeError::Provider)?;
        let [.., a, b, c, d, e, f, g, h] = self.fingerprint;
        let key_id = [0, 10, 9, 16, a, b, c, d, e, f, g, h];
        let first_two = digest.as_ref().get(..2).ok_or(MakeError::Provider)?;
        Ok([&said[..], &key_id, first_two, &integer(r), &integer(s)].concat())
    }
}

fn drawn(rng: &dyn Rng) -> Result<Zeroizing<[u8; KEY_BYTES]>, MakeError> {
    let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
    rng.fill(&mut *key)?;
    Ok(key)
}

/// A private key of X25519, with the bits set that every use sets (RFC 7748 section 5): OpenPGP keeps it so.
fn drawn_x25519(rng: &dyn Rng) -> Result<Zeroizing<[u8; KEY_BYTES]>, MakeError> {
    let mut key = drawn(rng)?;
    let [first, .., last] = &mut *key;
    *first &= 0b1111_1000;
    *last = (*last & 0b0111_1111) | 0b0100_0000;
    Ok(key)
}

fn x25519_public(private: &[u8; KEY_BYTES]) -> Result<Vec<u8>, MakeError> {
    let key = agreement::PrivateKey::from_private_key(&X25519, private)
        .map_err(|_| MakeError::Provider)?;
    let public = key.compute_public_key().map_err(|_| MakeError::Provider)?;
    Ok(public.as_ref().to_vec())
}

fn public_body(created: u32, algorithm: &Algorithm, point: &[u8]) -> Vec<u8> {
    let mut body = vec![VERSION];
    body.extend_from_slice(&created.to_be_bytes());
    // Both identifiers are shorter than 256 bytes.
    let curve_bytes = u8::try_from(algorithm.curve.len()).unwrap_or(u8::MAX);
    body.extend_from_slice(&[algorithm.number, curve_bytes]);
    body.extend_from_slice(algorithm.curve);
    body.extend_from_slice(&POINT_HEADER);
    body.extend_from_slice(point);
    body.extend_from_slice(algorithm.parameters);
    body
}

/// The public part, then the private number as it stands: no passphrase, with the sum of its bytes.
fn secret_body(public: &[u8], private: &[u8; KEY_BYTES]) -> Zeroizing<Vec<u8>> {
    let number = integer(private);
    let sum = number
        .iter()
        .fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    let size = public.len().saturating_add(number.len()).saturating_add(3);
    let mut body = Zeroizing::new(Vec::with_capacity(size));
    body.extend_from_slice(public);
    body.push(NO_PASSPHRASE);
    body.extend_from_slice(&number);
    body.extend_from_slice(&sum.to_be_bytes());
    body
}

/// An integer (RFC 9580 section 3.2): its bits, then its bytes without zeros before them.
fn integer(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(zeros..).unwrap_or_default();
    let unused = bytes.first().map_or(0, |byte| byte.leading_zeros());
    let unused = u16::try_from(unused).unwrap_or_default();
    // Every caller has 32 bytes.
    let bits = u16::try_from(bytes.len()).unwrap_or_default();
    let bits = bits.saturating_mul(8).saturating_sub(unused);
    let mut written = Zeroizing::new(Vec::with_capacity(bytes.len().saturating_add(2)));
    written.extend_from_slice(&bits.to_be_bytes());
    written.extend_from_slice(bytes);
    written
}

fn fingerprint(public: &[u8]) -> Result<[u8; FINGERPRINT_BYTES], MakeError> {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &framed_key(public)?);
    hash.as_ref().try_into().map_err(|_| MakeError::Provider)
}

/// A public key as signatures and fingerprints take it.
fn framed_key(public: &[u8]) -> Result<Vec<u8>, MakeError> {
    Ok([&[KEY_MARK][..], &length_2(public.len())?, public].concat())
}

fn length_2(length: usize) -> Result<[u8; 2], MakeError> {
    let length = u16::try_from(length).map_err(|_| MakeError::Provider)?;
    Ok(length.to_be_bytes())
}

fn length_4(length: usize) -> Result<[u8; 4], MakeError> {
    let length = u32::try_from(length).map_err(|_| MakeError::Provider)?;
    Ok(length.to_be_bytes())
}

fn packet(writer: &mut FieldWriter, tag: u8, body: &[u8]) -> Result<(), MakeError> {
    let length = u8::try_from(body.len()).ok().filter(|length| *length < 192);
    writer.byte(PACKET | tag);
    writer.byte(length.ok_or(MakeError::Provider)?);
    writer.raw(body);
    Ok(())
}

fn read_packet(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let ([header, length], rest) = bytes.split_first_chunk::<2>()?;
    if *header != PACKET | tag || *length >= 192 {
        return None;
    }
    rest.split_at_checked(usize::from(*length))
}

/// What of a secret key's body is public.
fn public_part<'a>(body: &'a [u8], algorithm: &Algorithm) -> Option<&'a [u8]> {
    let (public, private) = body.split_at_checked(algorithm.public_bytes())?;
    let [version, _, _, _, _, number, ..] = public else {
        return None;
    };
    let is_ours = *version == VERSION
        && *number == algorithm.number
        && private.first() == Some(&NO_PASSPHRASE);
    is_ours.then_some(public)
}

/// RFC 9580 section 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    let mut crc = 0x00b7_04ce_u32;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    crc
}

const VERSION: u8 = 4;
const PACKET: u8 = 0b1100_0000;
const SIGNATURE: u8 = 2;
const SECRET_KEY: u8 = 5;
const PUBLIC_KEY: u8 = 6;
const SECRET_SUBKEY: u8 = 7;
const USER_ID: u8 = 13;
const PUBLIC_SUBKEY: u8 = 14;

/// Positive certification of a user id.
const CERTIFICATION: u8 = 0x13;
const SUBKEY_BINDING: u8 = 0x18;
const KEY_MARK: u8 = 0x99;
const USER_ID_MARK: u8 = 0xb4;
const HASH_SHA256: u8 = 8;
const NO_PASSPHRASE: u8 = 0;

/// Key flags certify and sign; preferred AES-256, SHA-256, ZLIB; packets with modification detection.
const PRIMARY_SUBPACKETS: &[u8] = &[2, 27, 0x03, 2, 11, 9, 2, 21, 8, 2, 22, 2, 2, 30, 0x01];
/// Key flags encrypt communications and storage.
const SUBKEY_SUBPACKETS: &[u8] = &[2, 27, 0x0c];

static EDDSA: Algorithm = Algorithm {
    number: 22,
    // 1.3.6.1.4.1.11591.15.1
    curve: &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01],
    parameters: &[],
};
static ECDH: Algorithm = Algorithm {
    number: 18,
    // 1.3.6.1.4.1.3029.1.5.1
    curve: &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01],
    // Key derivation with SHA-256 and key wrap with AES-128, as RFC 9580 section 11.5.1 pairs them with the curve.
    parameters: &[3, 1, HASH_SHA256, 7],
};
/// 263 bits, and the mark of a point in the curve's own form.
const POINT_HEADER: [u8; 3] = [0x01, 0x07, 0x40];
const KEY_BYTES: usize = 32;
const FINGERPRINT_BYTES: usize = 20;
/// Five packets of at most 191 bytes with their headers: the buffer never grows.
const MAX_KEY_BYTES: usize = 5 * 193;

#[cfg(test)]
mod tests;
