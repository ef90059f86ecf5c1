//! The endorsements file of `casque explain`: what vendors and issuers state, carried beside the evidence.
//!
//! ```json
//! {"intel": {"tcb_info": "…", "…": "…"},
//!  "amd": {"chain": "PEM", "vcek": "PEM", "crl": "base64"},
//!  "maa": {"issuer": "https://…", "jwks": {"keys": []}}}
//! ```
//! Each where it is needed; what is left out or `null` is not stated, and what is stated must be what it is called.
//! `intel` is the form in which `dcap-qvl` writes collateral: chains in PEM, JSON as signed, revocation lists and
//! signatures in hexadecimal digits. Nothing is verified here.

use std::sync::Arc;

use casque_appraise::{
    AmdEndorsements, Endorsements, EndorsementsParseError, IntelEndorsements, MaaKeys,
};
use casque_types::{MaaUrl, UrlParseError};
use casque_wire::AnyB64;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::certificates::{is_of_signing_key, read_der_certificates};

/// The endorsements of one file.
#[derive(Debug, Default)]
pub struct EndorsementsFile {
    /// Of TEE vendors.
    pub endorsements: Endorsements,
    /// Of an instance of Microsoft Azure Attestation.
    pub maa: Option<MaaEndorsement>,
}

/// An instance, and its keys.
#[derive(Debug)]
pub struct MaaEndorsement {
    /// Its address.
    pub issuer: MaaUrl,
    /// The keys that it publishes.
    pub keys: MaaKeys,
}

/// Why a file holds no endorsements.
#[derive(Debug, Error)]
pub enum EndorsementsFileError {
    /// More than is read.
    #[error("expected at most {MAX_BYTES} bytes, found {found_bytes}")]
    TooLong {
        /// How many there are.
        found_bytes: usize,
    },
    /// Not the JSON that is expected.
    #[error("expected a JSON object with `intel`, `amd` or `maa` in it")]
    Json(#[source] serde_json::Error),
    /// A member holds something else.
    #[error("`{member}`: expected {expected}")]
    Member {
        /// Its path, such as `amd.chain`.
        member: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// The issuer is no instance's address.
    #[error("`maa.issuer` is no address of an instance")]
    Issuer(#[from] UrlParseError),
    /// The keys cannot be read.
    #[error("`maa.jwks` holds no keys")]
    Keys(#[from] EndorsementsParseError),
}

/// Reads the file: at most 4 MiB.
///
/// # Errors
/// [`EndorsementsFileError`] names the member that is not as it should be.
pub fn read_endorsements(json: &[u8]) -> Result<EndorsementsFile, EndorsementsFileError> {
    if json.len() > MAX_BYTES {
        return Err(EndorsementsFileError::TooLong {
            found_bytes: json.len(),
        });
    }
    let raw: RawFile<'_> = serde_json::from_slice(json).map_err(EndorsementsFileError::Json)?;
    Ok(EndorsementsFile {
        endorsements: Endorsements {
            intel: raw.intel.map(intel).transpose()?.map(Arc::new),
            amd: raw.amd.as_ref().map(amd).transpose()?.map(Arc::new),
        },
        maa: raw.maa.as_ref().map(maa).transpose()?,
    })
}

fn intel(raw: RawIntel) -> Result<IntelEndorsements, EndorsementsFileError> {
    Ok(IntelEndorsements {
        tcb_info_issuer_chain: raw.tcb_info_issuer_chain,
        tcb_info: raw.tcb_info,
        tcb_info_signature: digits("intel.tcb_info_signature", &raw.tcb_info_signature)?,
        qe_identity_issuer_chain: raw.qe_identity_issuer_chain,
        qe_identity: raw.qe_identity,
        qe_identity_signature: digits("intel.qe_identity_signature", &raw.qe_identity_signature)?,
        pck_crl_issuer_chain: raw.pck_crl_issuer_chain,
        pck_crl: digits("intel.pck_crl", &raw.pck_crl)?,
        root_ca_crl: digits("intel.root_ca_crl", &raw.root_ca_crl)?,
    })
}

fn digits(member: &'static str, text: &str) -> Result<Vec<u8>, EndorsementsFileError> {
    let text: String = text.split_ascii_whitespace().collect();
    let expected = "hexadecimal digits";
    hex::decode(text).map_err(|_| EndorsementsFileError::Member { member, expected })
}

fn amd(raw: &RawAmd) -> Result<AmdEndorsements, EndorsementsFileError> {
    let read = |member, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| certificates(member, text)).transpose()
    };
    let vcek = read("amd.vcek", &raw.vcek)?.map(of_signing_key);
    let chain = read("amd.chain", &raw.chain)?;
    let crl = raw.crl.as_deref().map(|text| base64("amd.crl", text));
    Ok(AmdEndorsements {
        vcek: vcek.flatten(),
        chain: chain.unwrap_or_default(),
        crl: crl.transpose()?,
    })
}

/// At least one certificate.
fn certificates(member: &'static str, text: &str) -> Result<Vec<Vec<u8>>, EndorsementsFileError> {
    let expected = "one to 16 certificates of at most 8 KiB in PEM, or DER in base64";
    read_der_certificates(text).ok_or(EndorsementsFileError::Member { member, expected })
}

/// The certificate of the key that signs reports; its authorities may stand beside it. Where none is of such a key it
/// is the first, so that the appraisal says what is wrong with it.
fn of_signing_key(mut certificates: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let mut all = certificates.iter();
    let at = all.position(|der| is_of_signing_key(der)).unwrap_or(0);
    (at < certificates.len()).then(|| certificates.swap_remove(at))
}

fn base64(member: &'static str, text: &str) -> Result<Vec<u8>, EndorsementsFileError> {
    let expected = "DER in base64";
    let decoded = text.parse::<AnyB64>();
    decoded
        .map(|bytes| bytes.0)
        .map_err(|_| EndorsementsFileError::Member { member, expected })
}

fn maa(raw: &RawMaa<'_>) -> Result<MaaEndorsement, EndorsementsFileError> {
    Ok(MaaEndorsement {
        issuer: raw.issuer.trim_ascii().trim_end_matches('/').parse()?,
        keys: MaaKeys::parse(raw.jwks.get().as_bytes())?,
    })
}

const MAX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile<'a> {
    intel: Option<RawIntel>,
    amd: Option<RawAmd>,
    #[serde(borrow)]
    maa: Option<RawMaa<'a>>,
}

/// Other members of the collateral, such as `pck_certificate_chain`, are of no use here: the quote brings them.
#[derive(Deserialize)]
struct RawIntel {
    pck_crl_issuer_chain: String,
    root_ca_crl: String,
    pck_crl: String,
    tcb_info_issuer_chain: String,
    tcb_info: String,
    tcb_info_signature: String,
    qe_identity_issuer_chain: String,
    qe_identity: String,
    qe_identity_signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAmd {
    chain: Option<String>,
    #[serde(alias = "vek")]
    vcek: Option<String>,
    crl: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMaa<'a> {
    issuer: String,
    #[serde(borrow)]
    jwks: &'a RawValue,
}

#[cfg(test)]
mod tests;
