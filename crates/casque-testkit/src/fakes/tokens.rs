//! Entra ID that gives everybody a token.

use std::sync::Arc;

use casque_core::{AccessToken, SourceFailure, TokenPurpose, TokenSource};
use casque_types::{
    ClientId, ClientProof, EntraCredential, Seconds, Secret, TenantId, Timestamp, VaultAddress,
};

use super::Calls;

/// Gives tokens with the text `token of <client> for <vault or workload>`, good for an hour.
#[derive(Clone, Debug, Default)]
pub struct FakeTokens {
    /// What was asked, and failures to come.
    pub calls: Calls<TokenCall>,
}

/// One request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCall {
    /// The tenant.
    pub tenant: TenantId,
    /// The application.
    pub client: ClientId,
    /// Whether it proved itself with a certificate's key, not with a secret.
    pub by_certificate: bool,
    /// The vault that the token is for; none when it is for the workload.
    pub vault: Option<VaultAddress>,
}

impl TokenSource for FakeTokens {
    async fn token(
        &self,
        credential: &EntraCredential,
        purpose: TokenPurpose<'_>,
        now: Timestamp,
    ) -> Result<Arc<AccessToken>, SourceFailure> {
        let vault = match purpose {
            TokenPurpose::Vault(vault) => Some(vault.clone()),
            TokenPurpose::Workload => None,
        };
        let text = token_text(&credential.client, vault.as_ref());
        self.calls.record(TokenCall {
            tenant: credential.tenant.clone(),
            client: credential.client.clone(),
            by_certificate: matches!(credential.proof, ClientProof::Certificate { .. }),
            vault,
        })?;
        Ok(Arc::new(AccessToken {
            token: Secret::new(text.into_bytes()),
            expires: now.plus(AN_HOUR),
        }))
    }
}

/// The text of the token that is given to an application.
pub(super) fn token_text(client: &ClientId, vault: Option<&VaultAddress>) -> String {
    let purpose = vault.map_or_else(|| "workload".to_owned(), ToString::to_string);
    format!("token of {} for {purpose}", client.as_str())
}

const AN_HOUR: Seconds = Seconds(3_600);
