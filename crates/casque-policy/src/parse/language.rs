//! Which keys the language has, and where: for the documents, which must have an example of each, and for
//! editors.
//!
//! The lists are those that the parser reads by; only the entries of an access policy, which have no list, are
//! written out.

use super::{
    CREATOR_KEYS, KEYS, access, attestation, azure, images, jwt, secret_config, secrets, security,
    services, sharing, volumes,
};
use crate::fields::Keys;

/// The keys of one kind of map.
#[derive(Clone, Copy, Debug)]
pub struct LanguageMap {
    /// Where such maps stand: keys from the root of a policy on, joined by dots, lists passed through. Empty for
    /// the root itself.
    pub path: &'static str,
    /// The keys that Casque reads, some of them to be refused with a reason.
    pub keys: &'static [&'static str],
    /// The keys that are known, and not supported yet.
    pub not_yet: &'static [&'static str],
    /// The keys of language 0.1 that are accepted with a warning, and have no effect.
    pub legacy: &'static [&'static str],
}

/// Every map of the language whose keys are fixed; two of one path are two forms of a map.
///
/// Not among them are maps with keys of the author's own: `environment`, `payload`, the `value` of a
/// config-fragment; and `pcrs`, whose keys are numbers.
pub const LANGUAGE_MAPS: &[LanguageMap] = &[
    map("", &KEYS),
    map("creator", &CREATOR_KEYS),
    map("services", &services::KEYS),
    map("services.attestation", &attestation::KEYS),
    map("services.attestation.signer", &attestation::SIGNER_KEYS),
    map("services.attestation.snp", &attestation::SNP_KEYS),
    map("services.attestation.snp.tcb", &attestation::FLOORS_KEYS),
    map(
        "services.attestation.snp.tcb.milan",
        &attestation::FLOOR_KEYS,
    ),
    map(
        "services.attestation.snp.tcb.genoa",
        &attestation::FLOOR_KEYS,
    ),
    map(
        "services.attestation.snp.tcb.turin",
        &attestation::TURIN_FLOOR_KEYS,
    ),
    map("services.attestation.tdx", &attestation::TDX_KEYS),
    map("services.attestation.azure_vm", &attestation::AZURE_VM_KEYS),
    map("services.attestation.azure_vm.snp", &attestation::SNP_KEYS),
    map("services.attestation.azure_vm.tdx", &attestation::TDX_KEYS),
    map("services.attestation.aci", &attestation::ACI_KEYS),
    map("services.attestation.aci.tcb", &attestation::FLOORS_KEYS),
    map("services.attestation.maa", &attestation::MAA_KEYS),
    map("services.attestation.maa.claims", &attestation::CLAIM_KEYS),
    map(
        "services.attestation.maa.claims.equals",
        &attestation::CONSTANT_KEYS,
    ),
    map(
        "services.attestation.kubernetes",
        &attestation::KUBERNETES_KEYS,
    ),
    map("secrets", &secrets::keys::KEYS),
    map("secrets.validity", &jwt::VALIDITY_KEYS),
    map("secrets.export", &sharing::TARGET_KEYS),
    map("secrets.import", &sharing::IMPORT_KEYS),
    map("secrets.import_akv", &azure::IMPORT_KEYS),
    map("volumes", &volumes::KEYS),
    map("volumes.export", &volumes::TARGET_KEYS),
    map("volumes.export", &volumes::EXPORT_KEYS),
    map("volumes.export.to", &volumes::TARGET_KEYS),
    map("volumes.import", &volumes::IMPORT_KEYS),
    map("images", &images::KEYS),
    map("images.injection_files", &images::FILE_KEYS),
    map("images.volumes", &images::MOUNT_KEYS),
    map("access_policy", &access::KEYS),
    entries("access_policy.update"),
    entries("access_policy.create_sessions"),
    map("security", &security::KEYS),
    map("security.attestation", &security::ATTESTATION_KEYS),
    map("secret_config", &secret_config::KEYS),
    map("secret_config.store_in", &secret_config::AKV_KEYS),
];

const fn map(path: &'static str, keys: &Keys) -> LanguageMap {
    LanguageMap {
        path,
        keys: keys.read,
        not_yet: keys.not_yet,
        legacy: keys.legacy,
    }
}

/// The maps among the entries of an operation; N is a number.
const fn entries(path: &'static str) -> LanguageMap {
    LanguageMap {
        path,
        keys: &["signer", "require-all", "require-at-least-N"],
        not_yet: &[],
        legacy: &[],
    }
}
