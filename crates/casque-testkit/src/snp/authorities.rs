//! Root and authorities of a generation (AMD's names with other organizations), and what they sign.
//!
//! ```text
//! ARK ─┬─ ASK ── VCEK
//!      ├─ ASVK ── VLEK
//!      └─ revocation list
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaSignatureEncoding};
use casque_types::{Seconds, Secret, SnpProduct, SnpSigner, Timestamp};

use super::der_text::{
    A_DAY, Critical, TWENTY_YEARS, bit_string, explicit, extension, integer, name, oid, sequence,
    time, tlv,
};
use super::vek::{SoftwareVek, VekFlaw, VekSpec};
use crate::sgx::SoftwareTeeError;

/// Root and authorities of one generation.
#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) ark: Issuer,
    pub(super) ask: Issuer,
    pub(super) asvk: Issuer,
}

/// Somebody who issues certificates.
#[derive(Debug)]
pub(super) struct Issuer {
    name: Vec<u8>,
    key: Arc<KeyPair>,
    /// X.509, DER.
    pub(super) certificate: Vec<u8>,
}

impl Issuer {
    /// `None`: the key is none.
    pub(super) fn of(name: Vec<u8>, key: &Secret, certificate: Vec<u8>) -> Option<Self> {
        // Exposed: the provider needs the key to sign with it.
        let key = KeyPair::from_pkcs8(key.expose()).ok()?;
        Some(Self {
            name,
            key: Arc::new(key),
            certificate,
        })
    }

    /// PKCS#8, DER.
    pub(super) fn key_pkcs8(&self) -> Result<Secret, SoftwareTeeError> {
        let der: Pkcs8V1Der<'_> = self.key.as_der().map_err(|_| SoftwareTeeError::Key)?;
        Ok(Secret::copied_from(der.as_ref()))
    }
}

/// One of those who issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The root.
    Ark,
    /// The authority over VCEKs.
    Ask,
    /// The authority over VLEKs.
    Asvk,
}

/// What a revocation list is to say.
#[derive(Clone, Debug)]
pub struct RevocationSpec {
    /// When it was made.
    pub this_update: Timestamp,
    /// Until when it counts; `None` leaves it out.
    pub next_update: Option<Timestamp>,
    /// Which authorities it names.
    pub authorities: Vec<Authority>,
    /// Which other serial numbers it names, big endian.
    pub serials: Vec<Vec<u8>>,
    /// Who signs it, and is named as its issuer.
    pub signed_by: Authority,
    /// Its signature is of something else.
    pub forged: bool,
}

impl RevocationSpec {
    /// A list that names nobody, for thirty days from `now`.
    #[must_use]
    pub const fn empty(now: Timestamp) -> Self {
        Self {
            this_update: now,
            next_update: Some(now.plus(THIRTY_DAYS)),
            authorities: Vec::new(),
            serials: Vec::new(),
            signed_by: Authority::Ark,
            forged: false,
        }
    }
}

impl Authorities {
    /// Under keys that this process makes once for each generation.
    pub(super) fn shared(product: SnpProduct, now: Timestamp) -> Result<Self, SoftwareTeeError> {
        let mut made = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.iter().find(|(of, _)| *of == product);
        let keys = match known {
            Some((_, keys)) => keys.clone(),
            None => {
                let keys = make_keys()?;
                made.push((product, keys.clone()));
                keys
            }
        };
        drop(made);
        Self::of(product, keys, now)
    }

    /// Under keys of its own.
    pub(super) fn apart(product: SnpProduct, now: Timestamp) -> Result<Self, SoftwareTeeError> {
        Self::of(product, make_keys()?, now)
    }

    fn of(
        product: SnpProduct,
        [ark, ask, asvk]: [Arc<KeyPair>; 3],
        now: Timestamp,
    ) -> Result<Self, SoftwareTeeError> {
        let [root_name, ask_name, asvk_name] = Self::names(product)?;
        let root = |subject: &[u8], key: &KeyPair, serial: u8, path_length: u8| {
            let extensions = authority_extensions(path_length)?;
            let body = Body {
                serial: vec![serial],
                subject: subject.to_vec(),
                spki: spki_of(key)?,
                valid: (now.minus(A_DAY), now.plus(TWENTY_YEARS)),
                extensions,
            };
            body.signed_by(&root_name, &ark, Padding::Amd)
        };
        let issuer = |subject: Vec<u8>, key: &Arc<KeyPair>, serial, path_length| {
            Ok::<_, SoftwareTeeError>(Issuer {
                certificate: root(&subject, key, serial, path_length)?,
                name: subject,
                key: Arc::clone(key),
            })
        };
        Ok(Self {
            ark: issuer(root_name.clone(), &ark, 1, 1)?,
            ask: issuer(ask_name, &ask, 2, 0)?,
            asvk: issuer(asvk_name, &asvk, 3, 0)?,
        })
    }

    /// The names of ARK, ASK and ASVK.
    pub(super) fn names(product: SnpProduct) -> Result<[Vec<u8>; 3], SoftwareTeeError> {
        Ok([
            name(&format!("Casque ARK-{product}"))?,
            name(&format!("Casque SEV-{product}"))?,
            name(&format!("Casque SEV-VLEK-{product}"))?,
        ])
    }

    /// The authority over keys of this kind.
    pub(super) const fn over(&self, signer: SnpSigner) -> &Issuer {
        match signer {
            SnpSigner::Vcek => &self.ask,
            SnpSigner::Vlek => &self.asvk,
        }
    }

    const fn issuer(&self, which: Authority) -> &Issuer {
        match which {
            Authority::Ark => &self.ark,
            Authority::Ask => &self.ask,
            Authority::Asvk => &self.asvk,
        }
    }

    /// A certificate for a fresh key.
    pub(super) fn issue_vek(&self, spec: &VekSpec) -> Result<SoftwareVek, SoftwareTeeError> {
        let issuer = self.issuer(spec.authority);
        let key = SoftwareVek::make_key(spec)?;
        let body = Body {
            serial: spec.serial.clone(),
            subject: name(spec.common_name())?,
            spki: SoftwareVek::spki(&key, spec)?,
            valid: spec.valid,
            extensions: spec.extensions()?,
        };
        let padding = match spec.flaw {
            Some(VekFlaw::ShortSalt) => Padding::Sha256,
            _ => Padding::Amd,
        };
        let mut certificate = body.signed_by(&issuer.name, &issuer.key, padding)?;
        if spec.flaw == Some(VekFlaw::Signature)
            && let Some(last) = certificate.last_mut()
        {
            *last ^= 1;
        }
        Ok(SoftwareVek { key, certificate })
    }

    pub(super) fn revocation_list(
        &self,
        spec: &RevocationSpec,
    ) -> Result<Vec<u8>, SoftwareTeeError> {
        let issuer = self.issuer(spec.signed_by);
        let of_authority = |which: &Authority| match which {
            Authority::Ark => vec![1],
            Authority::Ask => vec![2],
            Authority::Asvk => vec![3],
        };
        let serials = spec.authorities.iter().map(of_authority);
        let date = time(spec.this_update)?;
        let entries: Vec<Vec<u8>> = serials
            .chain(spec.serials.iter().cloned())
            .map(|serial| sequence(&[&integer(&serial), &date]))
            .collect();
        let entries = match entries.as_slice() {
            [] => Vec::new(),
            some => sequence(&[&some.concat()]),
        };
        let next_update = spec.next_update.map(time).transpose()?.unwrap_or_default();
        let algorithm = Padding::Amd.algorithm()?;
        let tbs = sequence(&[
            &integer(&[1]),
            &algorithm,
            &issuer.name,
            &date,
            &next_update,
            &entries,
        ]);
        let signed: &[u8] = if spec.forged { b"something else" } else { &tbs };
        let signature = sign(&issuer.key, Padding::Amd, signed)?;
        Ok(sequence(&[&tbs, &algorithm, &bit_string(&signature)]))
    }
}

/// What a certificate says.
struct Body {
    serial: Vec<u8>,
    subject: Vec<u8>,
    spki: Vec<u8>,
    valid: (Timestamp, Timestamp),
    /// One after the other.
    extensions: Vec<u8>,
}

impl Body {
    fn signed_by(
        &self,
        issuer: &[u8],
        key: &KeyPair,
        padding: Padding,
    ) -> Result<Vec<u8>, SoftwareTeeError> {
        let algorithm = padding.algorithm()?;
        let (from, until) = self.valid;
        let tbs = sequence(&[
            &explicit(0, &integer(&[2])),
            &integer(&self.serial),
            &algorithm,
            issuer,
            &sequence(&[&time(from)?, &time(until)?]),
            &self.subject,
            &self.spki,
            &explicit(3, &sequence(&[&self.extensions])),
        ]);
        let signature = sign(key, padding, &tbs)?;
        Ok(sequence(&[&tbs, &algorithm, &bit_string(&signature)]))
    }
}

/// How the authorities sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt of 48 bytes.
    Amd,
    /// The same with SHA-256 and 32 bytes: nothing of AMD's.
    Sha256,
}

impl Padding {
    /// The algorithm identifier (RFC 4055 section 3.1).
    fn algorithm(self) -> Result<Vec<u8>, SoftwareTeeError> {
        let (hash, salt_bytes) = match self {
            Self::Amd => ("2.16.840.1.101.3.4.2.2", 48),
            Self::Sha256 => ("2.16.840.1.101.3.4.2.1", 32),
        };
        let null = tlv(0x05, &[]);
        let hash = sequence(&[&oid(hash)?, &null]);
        let mask = sequence(&[&oid("1.2.840.113549.1.1.8")?, &hash]);
        let parameters = sequence(&[
            &explicit(0, &hash),
            &explicit(1, &mask),
            &explicit(2, &integer(&[salt_bytes])),
        ]);
        Ok(sequence(&[&oid("1.2.840.113549.1.1.10")?, &parameters]))
    }

    const fn encoding(self) -> &'static RsaSignatureEncoding {
        match self {
            Self::Amd => &RSA_PSS_SHA384,
            Self::Sha256 => &RSA_PSS_SHA256,
        }
    }
}

fn sign(key: &KeyPair, padding: Padding, message: &[u8]) -> Result<Vec<u8>, SoftwareTeeError> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        padding.encoding(),
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .map_err(|_| SoftwareTeeError::Key)?;
    Ok(signature)
}

fn authority_extensions(path_length: u8) -> Result<Vec<u8>, SoftwareTeeError> {
    let is_authority = tlv(0x01, &[&[0xFF]]);
    let constraints = sequence(&[&is_authority, &integer(&[path_length])]);
    // keyCertSign and cRLSign, bits 5 and 6.
    let usage = tlv(0x03, &[&[1, 0x06]]);
    Ok([
        extension("2.5.29.19", Critical::Yes, &constraints)?,
        extension("2.5.29.15", Critical::Yes, &usage)?,
    ]
    .concat())
}

fn spki_of(key: &KeyPair) -> Result<Vec<u8>, SoftwareTeeError> {
    let der: PublicKeyX509Der<'_> = key
        .public_key()
        .as_der()
        .map_err(|_| SoftwareTeeError::Key)?;
    Ok(der.as_ref().to_vec())
}

fn make_keys() -> Result<[Arc<KeyPair>; 3], SoftwareTeeError> {
    let make = || {
        KeyPair::generate(KeySize::Rsa2048)
            .map(Arc::new)
            .map_err(|_| SoftwareTeeError::Key)
    };
    Ok([make()?, make()?, make()?])
}

type Keys = [Arc<KeyPair>; 3];
static SHARED: Mutex<Vec<(SnpProduct, Keys)>> = Mutex::new(Vec::new());
const THIRTY_DAYS: Seconds = Seconds(30 * 86_400);
