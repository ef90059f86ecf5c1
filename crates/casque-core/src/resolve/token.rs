//! Tokens of kind `jwt`, signed for each release (spec/policy-language.md section 3).

use casque_policy::{ClaimValue, JwtSpec};
use casque_secrets::{JwtRequest, SecretValue, sign_jwt};
use casque_types::{Secret, SecretKind};

use super::{Context, Place, Reach, Source, Value};
use crate::casque::LoadedPolicy;
use crate::{Casque, Ports, ResolveError};

impl<P: Ports> Casque<P> {
    /// A token, signed now.
    pub(super) async fn signed_token(
        &self,
        loaded: &LoadedPolicy,
        spec: &JwtSpec,
        context: Context<'_>,
    ) -> Result<Value, ResolveError> {
        if context.place == Place::Claim {
            return Err(ResolveError::NestedToken);
        }
        // Nor does this server sign anything for a stranger.
        context.expect(Reach::Azure)?;
        let signer = self.value_named(loaded, &spec.signer, context).await?;
        let SecretValue::PrivateKey(private_key) = &signer.value else {
            let (expected, found) = (SecretKind::PrivateKey, signer.value.kind());
            return Err(ResolveError::Kind { expected, found });
        };
        let mut sources = signer.sources;
        let mut claims = Vec::with_capacity(spec.payload.len());
        for (claim, value) in &spec.payload {
            let text = self.claim(loaded, value, context, &mut sources).await?;
            claims.push((claim.clone(), text));
        }
        let token = sign_jwt(&JwtRequest {
            private_key,
            claims: &claims,
            valid_for: spec.valid_for,
            now: context.now,
        })?;
        Ok(Value {
            expires: Some(context.now.plus(spec.valid_for)),
            sources,
            ..Value::from(SecretValue::Jwt(token))
        })
    }

    async fn claim(
        &self,
        loaded: &LoadedPolicy,
        value: &ClaimValue,
        context: Context<'_>,
        sources: &mut Vec<Source>,
    ) -> Result<Secret, ResolveError> {
        match value {
            ClaimValue::SoftwareIdentity => {
                let identity = context.software_identity.ok_or(ResolveError::NoIdentity)?;
                Ok(Secret::copied_from(identity.as_bytes()))
            }
            ClaimValue::Text(template) => {
                let filled = self.filled(loaded, template, context.in_claim()).await?;
                sources.extend(filled.sources);
                Ok(filled.text)
            }
        }
    }
}
