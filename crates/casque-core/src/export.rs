//! Values that policies here export to policies of another CAS.

use casque_types::{KeyHash, Secret, Timestamp};

use crate::casque::LoadedPolicy;
use crate::resolve::{Context, Importer, Source, exports_to};
use crate::{
    AuditAction, AuditEvent, Casque, Clock as _, ExportRequest, Ports, ReadValueError,
    ResolveError, Store as _,
};

impl<P: Ports> Casque<P> {
    /// The value that a policy here exports to a policy of the CAS whose identity key is `caller`, as
    /// `casque_secrets` writes stored values. That CAS is believed which of its policies asks: who exports to
    /// a CAS by its key trusts that CAS.
    ///
    /// # Errors
    /// [`ReadValueError`]: absent or not exported to it, not told apart; or the value cannot be had.
    pub async fn export_value(
        &self,
        request: &ExportRequest,
        caller: &KeyHash,
    ) -> Result<Secret, ReadValueError> {
        let now = self.ports.clock().now();
        let importer = Importer {
            policy: &request.importer,
            hash: &request.importer_hash,
            cas: caller,
            here: self.identity.key_hash(),
        };
        let exporter = self.exporter(&request.session, request.session_hash, &request.secret);
        let exporter = exporter.await;
        let exporter = exporter.map_err(|cause| fault(request, cause))?;
        let context = context_for(&exporter, request, importer, now);
        let value = self.exported_value(&exporter, &request.secret, importer, context);
        let value = value.await.map_err(|cause| fault(request, cause))?;
        let event = AuditEvent {
            at: now,
            action: AuditAction::ValueExported,
            subject: exporter.policy.name.to_string(),
            policy: exporter.hash,
            caller: Some(*caller),
            facts: [
                ("secret", request.secret.to_string()),
                ("importer", request.importer.to_string()),
            ]
            .into_iter()
            .chain(value.sources.into_iter().map(Source::into_fact))
            .collect(),
        };
        self.ports.store().append_audit(event).await?;
        Ok(value.value.to_stored())
    }
}

/// Azure is asked for a CAS that the exporter names, and not for one that takes what everybody may have.
fn context_for(
    exporter: &LoadedPolicy,
    request: &ExportRequest,
    importer: Importer<'_>,
    now: Timestamp,
) -> Context<'static> {
    let secret = exporter.policy.secret(&request.secret);
    match secret.is_some_and(|secret| exports_to(secret, importer)) {
        true => Context::of_export(now),
        false => Context::of_stranger(now),
    }
}

fn fault(request: &ExportRequest, cause: ResolveError) -> ReadValueError {
    match cause {
        ResolveError::NotExported { .. } | ResolveError::OtherVersion { .. } => {
            ReadValueError::Absent {
                name: request.session.clone(),
            }
        }
        ResolveError::Store(error) => ReadValueError::Store(error),
        cause => ReadValueError::Secret {
            secret: request.secret.clone(),
            cause,
        },
    }
}
