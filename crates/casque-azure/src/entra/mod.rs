//! Entra ID: access tokens for applications, by OAuth 2.0 client credentials (v2.0 endpoint).
//!
//! Source: Microsoft identity platform, "OAuth 2.0 client credentials flow" and "Application certificate
//! credentials"; RFC 6749 section 4.4, RFC 7523. Tokens are opaque here: nothing is read out of them.
//! Not here: managed identities and federated credentials.

mod answer;
mod assertion;
mod cache;
mod form;
mod key;
mod refusal;

#[cfg(test)]
pub(crate) use refusal::table_numbers;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use casque_core::{AccessToken, SourceFailure, SourceKind, TokenPurpose, TokenSource};
use casque_types::{ClientProof, EntraCredential, Rng, Timestamp};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use crate::clouds::{Cloud, Clouds};
use crate::code::Code;
use crate::failure::{ENTRA, lasting};
use crate::http::Call;
use crate::issued::Issued;
use crate::slots::{Slot, Slots};
use assertion::Assertion;
use cache::{Look, Need, TokenKey, TokenState};
use form::Form;
use key::SigningKey;

/// The source of access tokens; cached by cloud, tenant, application and credential.
pub struct Entra {
    clouds: Arc<Clouds>,
    rng: Arc<dyn Rng>,
    issued: Arc<Issued>,
    slots: Slots<TokenKey, TokenState>,
}

impl Entra {
    pub(crate) fn new(clouds: Arc<Clouds>, issued: Arc<Issued>, rng: Arc<dyn Rng>) -> Self {
        Self {
            clouds,
            rng,
            issued,
            slots: Slots::new(MAX_CACHED_TOKENS),
        }
    }

    fn look(&self, slot: &Slot<TokenState>, need: Need, now: Timestamp) -> Look {
        let mut state = slot.state();
        state.forget_if(|token| self.issued.was_refused(token));
        state.look(need, now)
    }

    /// Asks Entra ID, once, and notes the outcome in the slot.
    async fn renew(
        &self,
        asked: &Asked<'_>,
        slot: &Slot<TokenState>,
        need: Need,
        now: Timestamp,
    ) -> Result<Arc<AccessToken>, SourceFailure> {
        let fetched = self.fetch(asked, now).await.map(Arc::new);
        if let Ok(token) = &fetched {
            self.issued.note(token, asked.cloud.shared_name());
        }
        if let Err(failure) = &fetched {
            tracing::warn!(
                code = failure.code,
                application = asked.client(),
                "no Entra token"
            );
        }
        slot.state().settle(fetched, need, now)
    }

    async fn fetch(&self, asked: &Asked<'_>, now: Timestamp) -> Result<AccessToken, SourceFailure> {
        let call = self.call(asked, now)?;
        let answer = asked.cloud.http().exchange(&call).await;
        let answer =
            answer.map_err(|error| ENTRA.failure(&asked.sentence(), asked.host(), &error))?;
        if answer.status != StatusCode::OK {
            return Err(refusal::failure(asked, &answer, now));
        }
        answer::read_token(&answer.body, now)
            .ok_or_else(|| ENTRA.malformed(&asked.sentence(), asked.host(), answer::EXPECTED))
    }

    fn call(&self, asked: &Asked<'_>, now: Timestamp) -> Result<Call, SourceFailure> {
        let endpoint = asked.endpoint();
        let body = self.body(asked, &endpoint, now)?;
        // The parts were parsed, so that they make a URL; if not, it is Casque's own fault.
        let url = Url::parse(&endpoint)
            .map_err(|_| ENTRA.malformed(&asked.sentence(), asked.host(), "a token endpoint"))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM_TYPE));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Call {
            method: Method::POST,
            url,
            headers,
            body,
            limit_bytes: MAX_TOKEN_ANSWER_BYTES,
        })
    }

    fn body(
        &self,
        asked: &Asked<'_>,
        endpoint: &str,
        now: Timestamp,
    ) -> Result<Bytes, SourceFailure> {
        let mut form = Form::new();
        form.add("grant_type", b"client_credentials");
        form.add("client_id", asked.client().as_bytes());
        form.add("scope", asked.cloud.vault_scope().as_bytes());
        match &asked.credential.proof {
            // Exposed to be sent to the authority that it proves the application to.
            ClientProof::Secret(secret) => form.add("client_secret", secret.expose()),
            ClientProof::Certificate {
                private_key,
                thumbprint,
            } => {
                let key = SigningKey::parse(private_key, thumbprint)?;
                let assertion = Assertion {
                    audience: endpoint,
                    client: asked.client(),
                    id: self.assertion_id()?,
                    now,
                };
                let token = assertion.sign(&key, thumbprint)?;
                form.add("client_assertion_type", ASSERTION_TYPE);
                form.add("client_assertion", token.as_bytes());
            }
        }
        Ok(form.into_bytes())
    }

    fn assertion_id(&self) -> Result<[u8; 16], SourceFailure> {
        let mut id = [0_u8; 16];
        self.rng.fill(&mut id).map_err(|error| {
            lasting(
                SourceKind::Entra,
                Code::EntraRandomnessFailed,
                format!("making a client assertion: {error}"),
                "check the machine that Casque runs on",
            )
        })?;
        Ok(id)
    }
}

impl fmt::Debug for Entra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entra({:?})", self.clouds)
    }
}

impl TokenSource for Entra {
    async fn token(
        &self,
        credential: &EntraCredential,
        purpose: TokenPurpose<'_>,
        now: Timestamp,
    ) -> Result<Arc<AccessToken>, SourceFailure> {
        let (cloud, need) = match purpose {
            TokenPurpose::Vault(vault) => (self.clouds.for_vault(vault)?.0, Need::VAULT),
            TokenPurpose::Workload => (self.clouds.default_cloud(), Need::WORKLOAD),
        };
        let asked = Asked { cloud, credential };
        let slot = self.slots.slot(&TokenKey::of(&asked), now);
        let flights = slot.state().flights();
        let flight = match self.look(&slot, need, now) {
            Look::Serve(token) => return Ok(token),
            Look::Refuse(failure) => return Err(failure),
            Look::Fetch => slot.flight.lock().await,
            // Somebody else renews it: the old one does meanwhile.
            Look::Renew(token) => match slot.flight.try_lock() {
                Ok(flight) => flight,
                Err(_) => return Ok(token),
            },
        };
        let landed = slot.state().landed_since(flights, now);
        let outcome = match landed {
            Some(outcome) => outcome,
            None => self.renew(&asked, &slot, need, now).await,
        };
        drop(flight);
        outcome
    }
}

/// Who asks which authority for a token.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    cloud: &'a Cloud,
    credential: &'a EntraCredential,
}

impl<'a> Asked<'a> {
    fn client(&self) -> &'a str {
        self.credential.client.as_str()
    }

    fn tenant(&self) -> &'a str {
        self.credential.tenant.as_str()
    }

    fn host(&self) -> &'a str {
        let authority = self.cloud.authority();
        authority.strip_prefix("https://").unwrap_or(authority)
    }

    fn endpoint(&self) -> String {
        let (authority, tenant) = (self.cloud.authority(), self.tenant());
        format!("{authority}/{tenant}/oauth2/v2.0/token")
    }

    fn sentence(&self) -> String {
        format!(
            "asked `{}` for a token of application `{}` in tenant `{}`",
            self.host(),
            self.client(),
            self.tenant()
        )
    }
}

/// The most tokens that are kept; 2 KiB each.
const MAX_CACHED_TOKENS: usize = 4096;
const MAX_TOKEN_ANSWER_BYTES: usize = 64 * 1024;
const FORM_TYPE: &str = "application/x-www-form-urlencoded";
const ASSERTION_TYPE: &[u8] = b"urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
