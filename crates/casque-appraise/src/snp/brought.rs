//! The certificates that come with a report: DER, PEM, or the host's table.
//!
//! The table (GHCB specification, SNP extended guest request; `auxblob` of configfs-tsm): entries of GUID 16,
//! offset 4, length 4, little endian, offsets from the table's start; an entry of zeros ends it. GUIDs stand in
//! the order of their text. Each certificate is DER or PEM. Unknown entries are skipped.

use casque_types::SnpSigner;

use super::vek::{Vek, malformed};
use crate::EvidenceParseError;
use crate::bytes::Reader;
use crate::x509::{
    BUNDLE_CERTIFICATES, CERTIFICATE_BYTES, Certificate, CertificateError, parse_pem_bundle,
};

/// What was brought.
#[derive(Clone, Debug, Default)]
pub(super) struct Brought {
    /// The certificate of the key that signed.
    pub(super) vek: Option<Vek>,
    /// Certificates that claim to be of authorities; untrusted.
    pub(super) authorities: Vec<Certificate>,
}

impl Brought {
    /// Reads it; of a VCEK and a VLEK in one table, the one that `signer` names counts.
    ///
    /// # Errors
    /// [`EvidenceParseError`]
    pub(super) fn parse(
        bytes: &[u8],
        signer: Option<SnpSigner>,
    ) -> Result<Self, EvidenceParseError> {
        match bytes.first() {
            Some(0x30) | Some(b'-') | Some(b' ' | b'\r' | b'\n') => {
                Self::of(certificates_of(bytes)?)
            }
            Some(_) => Self::of_table(bytes, signer),
            None => Err(malformed("a certificate, or none at all")),
        }
    }

    /// The first one of a signing key; the others are authorities.
    fn of(mut certificates: Vec<Certificate>) -> Result<Self, EvidenceParseError> {
        let Some(at) = certificates.iter().position(Vek::is_one) else {
            return Err(malformed(
                "a certificate with AMD's extension 1.3.6.1.4.1.3704.1.2",
            ));
        };
        let vek = Vek::of(certificates.remove(at))?;
        Ok(Self {
            vek: Some(vek),
            authorities: certificates,
        })
    }

    fn of_table(bytes: &[u8], signer: Option<SnpSigner>) -> Result<Self, EvidenceParseError> {
        if bytes.len() > TABLE_BYTES {
            return Err(EvidenceParseError::TooLong {
                kind: "certificate table of the host",
                limit_bytes: TABLE_BYTES,
                found_bytes: bytes.len(),
            });
        }
        let mut brought = Self::default();
        let mut reader = Reader::new(bytes);
        for _ in 0..TABLE_ENTRIES {
            let entry = reader.array::<24>().ok_or(TABLE_END)?;
            let Some(entry) = Entry::read(entry, bytes)? else {
                return Ok(brought);
            };
            brought.take(&entry, signer)?;
        }
        Err(TABLE_END)
    }

    fn take(
        &mut self,
        entry: &Entry<'_>,
        signer: Option<SnpSigner>,
    ) -> Result<(), EvidenceParseError> {
        match *entry.guid {
            VCEK if signer != Some(SnpSigner::Vlek) => self.vek = Some(entry.vek()?),
            VLEK if signer != Some(SnpSigner::Vcek) => self.vek = Some(entry.vek()?),
            ASK | ARK => {
                let room = BUNDLE_CERTIFICATES.saturating_sub(self.authorities.len());
                let more = certificates_of(entry.contents)?;
                self.authorities.extend(more.into_iter().take(room));
            }
            _ => {}
        }
        Ok(())
    }
}

/// One entry of the table.
struct Entry<'a> {
    guid: &'a [u8; 16],
    contents: &'a [u8],
}

impl<'a> Entry<'a> {
    /// `None` ends the table.
    fn read(header: &'a [u8; 24], table: &'a [u8]) -> Result<Option<Self>, EvidenceParseError> {
        let mut reader = Reader::new(header);
        let guid = reader.array().ok_or(TABLE_END)?;
        let offset = reader.length_u32_le().ok_or(TABLE_END)?;
        let length = reader.length_u32_le().ok_or(TABLE_END)?;
        if *guid == [0; 16] {
            return Ok(None);
        }
        let contents = offset
            .checked_add(length)
            .and_then(|end| table.get(offset..end))
            .ok_or(malformed("entries of the host's table inside the table"))?;
        Ok(Some(Self { guid, contents }))
    }

    fn vek(&self) -> Result<Vek, EvidenceParseError> {
        Brought::of(certificates_of(self.contents)?)?
            .vek
            .ok_or(TABLE_END)
    }
}

/// One certificate in DER, or a bundle in PEM.
pub(super) fn certificates_of(bytes: &[u8]) -> Result<Vec<Certificate>, EvidenceParseError> {
    let read = match bytes.first() {
        Some(0x30) => Certificate::from_der(bytes, CERTIFICATE_BYTES).map(|one| vec![one]),
        _ => parse_pem_bundle(bytes, BUNDLE_CERTIFICATES, CERTIFICATE_BYTES),
    };
    read.map_err(|error| match error {
        CertificateError::TooLong {
            limit_bytes,
            found_bytes,
        } => EvidenceParseError::TooLong {
            kind: "certificate of an SNP signing key",
            limit_bytes,
            found_bytes,
        },
        CertificateError::TooMany { .. } => malformed("at most 8 certificates"),
        CertificateError::Malformed { expected } => malformed(expected),
        _ => malformed("a certificate"),
    })
}

const TABLE_END: EvidenceParseError =
    malformed("a table of at most 16 certificates that an entry of zeros ends");
const TABLE_BYTES: usize = 64 * 1024;
const TABLE_ENTRIES: usize = 16;
/// `63da758d-e664-4564-adc5-f4b93be8accd`
const VCEK: [u8; 16] = 0x63da_758d_e664_4564_adc5_f4b9_3be8_accd_u128.to_be_bytes();
/// `a8074bc2-a25a-483e-aae6-39c045a0b8a1`
const VLEK: [u8; 16] = 0xa807_4bc2_a25a_483e_aae6_39c0_45a0_b8a1_u128.to_be_bytes();
/// `4ab7b379-bbac-4fe4-a02f-05aef327c782`
const ASK: [u8; 16] = 0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782_u128.to_be_bytes();
/// `c0b406a4-a803-4952-9743-3fb6014cd0ae`
const ARK: [u8; 16] = 0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae_u128.to_be_bytes();
