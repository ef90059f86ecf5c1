//! The three adapters of one Casque, made together since they share clouds and the record of tokens.

use std::sync::Arc;

use casque_types::Rng;

use crate::clouds::{CloudSettings, CloudSettingsError, Clouds};
use crate::entra::Entra;
use crate::http::{Pause, TimerPause};
use crate::issued::Issued;
use crate::key_vault::KeyVault;
use crate::maa::Maa;

/// What the operator configures of Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureSettings {
    /// Clouds beside the built-in ones ([`CloudSettings::built_in`]); one with the name of a built-in
    /// replaces it.
    pub clouds: Vec<CloudSettings>,
    /// The name of the cloud of vaults that are written as a name alone, and of tokens for workloads.
    pub default_cloud: String,
}

impl Default for AzureSettings {
    /// The built-in clouds, with `public` as the default one.
    fn default() -> Self {
        Self {
            clouds: Vec::new(),
            default_cloud: "public".to_owned(),
        }
    }
}

/// The adapters: each implements one port of `casque-core`.
#[derive(Debug)]
pub struct Azure {
    /// Implements `TokenSource`.
    pub tokens: Entra,
    /// Implements `VaultSource`; takes tokens of `tokens` alone.
    pub vaults: KeyVault,
    /// Implements `MaaSource`.
    pub maa: Maa,
}

impl Azure {
    /// Checks the settings, reads the CA files, and makes an HTTPS client for each cloud. Connects to
    /// nothing yet.
    ///
    /// # Errors
    /// [`CloudSettingsError`] names the cloud, and what is wrong with it.
    pub fn new(settings: AzureSettings, rng: Arc<dyn Rng>) -> Result<Self, CloudSettingsError> {
        let pause: Arc<dyn Pause> = Arc::new(TimerPause);
        Self::with_pause(settings, rng, &pause)
    }

    pub(crate) fn with_pause(
        settings: AzureSettings,
        rng: Arc<dyn Rng>,
        pause: &Arc<dyn Pause>,
    ) -> Result<Self, CloudSettingsError> {
        let clouds = Clouds::new(settings.clouds, &settings.default_cloud, pause)?;
        let clouds = Arc::new(clouds);
        let issued = Arc::new(Issued::default());
        Ok(Self {
            tokens: Entra::new(Arc::clone(&clouds), Arc::clone(&issued), rng),
            vaults: KeyVault::new(Arc::clone(&clouds), issued),
            maa: Maa::new(clouds),
        })
    }
}
