//! The words of Casque, ring 0: what every other crate says, and nothing that does I/O.
//!
//! Names, digests, key hashes, times, the runtime data that binds one piece of evidence to one
//! request, and [`Secret`], the only owner of plaintext secret bytes. It is deliberately not a place
//! for wire formats (see `casque-wire`) nor for policy (see `casque-policy`): its types are neither
//! `Serialize` nor `Deserialize`. What every reader of outside text must agree on is here, too: JSON has
//! each member once ([`strict_json`]), and what has the form of a token.

mod azure;
mod azure_vm;
mod configuration;
mod digest;
mod jws;
mod key_hash;
mod name;
mod placeholder;
mod rng;
mod runtime_data;
mod secret;
mod sgx;
mod snp;
pub mod strict_json;
mod tdx;
mod timestamp;

pub use azure::{
    AzureIdParseError, CertificateThumbprint, ClientId, ClientProof, EntraCredential, MaaUrl,
    TenantId, UrlParseError, VaultAddress, VaultName, VaultSecretName,
};
pub use azure_vm::{AciIdentity, AttestationKeyProof, AzureVmIdentity, AzureVmTee, UvmIdentity};
pub use configuration::{
    Argument, ArgumentPart, Configuration, ConfigurationFile, ConfigurationVolume, FileContent,
    FileMode, FileSystemProtection, UpdatePolicy, VariableValue, VolumeFiles,
};
pub use digest::{Digest, DigestParseError, PolicyHash};
pub use jws::is_compact_jws;
pub use key_hash::{KeyHash, KeyHashParseError};
pub use name::{ConfigId, NameParseError, PolicyName, SecretName, ServiceName, VolumeName};
pub use placeholder::{Encoding, Format, SecretKind};
pub use rng::{Rng, RngError};
pub use runtime_data::{Kem, KemPublicKey, Nonce, ReportData, RuntimeData, RuntimeDataError};
pub use secret::Secret;
pub use sgx::{MrEnclave, MrSigner, SgxIdentity};
pub use snp::{SnpIdentity, SnpPlatform, SnpProduct, SnpProductParseError, SnpSigner, SnpTcb};
pub use tdx::TdxIdentity;
pub use timestamp::{Seconds, Timestamp};

/// The SHA-256 digest of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest<32> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0_u8; 32];
    out.copy_from_slice(digest.as_ref());
    Digest::from(out)
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
#[must_use]
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}
