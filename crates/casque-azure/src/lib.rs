//! Entra ID, Azure Key Vault and Microsoft Azure Attestation on the wire: adapters of ring 3 for the ports
//! `TokenSource`, `VaultSource` and `MaaSource` of `casque-core`; and the keys of Kubernetes clusters ([`Clusters`], for
//! `ClusterSource`), of AKS or of the operator's list.
//!
//! [`Azure::new`] makes all three from the operator's [`AzureSettings`]. Each party is spoken to over HTTPS
//! by this crate's own thin clients, which believe a host only if a cloud of the operator allows it, send a
//! token only to hosts of the cloud that issued it, follow neither redirects nor challenges, and read
//! nothing past a bound. Every failure has a stable code; `docs/errors-azure.md` explains them all.
//! Not here: managed identities, federated credentials, keys and certificates of vaults, policies of
//! attestation instances.

mod azure;
mod clouds;
mod clusters;
mod code;
mod dns;
mod entra;
mod failure;
mod http;
mod issued;
mod json;
mod key_cache;
mod key_vault;
mod maa;
mod slots;
mod throttle;

pub use azure::{Azure, AzureSettings};
pub use clouds::{Cloud, CloudSettings, CloudSettingsError, Clouds, HostRefused};
pub use clusters::{ClusterSettings, ClusterSettingsError, Clusters};
pub use entra::Entra;
pub use key_vault::KeyVault;
pub use maa::Maa;

#[cfg(test)]
mod tests;
