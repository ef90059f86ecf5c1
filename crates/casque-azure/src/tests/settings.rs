//! The public constructor.

use std::sync::Arc;

use assert_matches::assert_matches;

use super::world::CountedRng;
use crate::{Azure, AzureSettings, CloudSettingsError};

#[test]
fn azure_of_default_settings_is_made_without_a_runtime() {
    let azure = Azure::new(AzureSettings::default(), Arc::new(CountedRng::default()));
    assert_matches!(azure, Ok(_));
}

#[test]
fn azure_with_unknown_default_cloud_is_refused() {
    let settings = AzureSettings {
        default_cloud: "mars".to_owned(),
        ..AzureSettings::default()
    };
    let refused = Azure::new(settings, Arc::new(CountedRng::default())).map(drop);
    assert_matches!(refused, Err(CloudSettingsError::Default { .. }));
}
