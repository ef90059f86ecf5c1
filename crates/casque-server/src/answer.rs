//! Answers: the one place where blame becomes an HTTP status, and where outcomes are counted.

use std::error::Error;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use casque_appraise::EvidenceParseError;
use casque_core::{
    AttestError, Blame, PutPolicyError, ReadPolicyError, ReadValueError, ResolveError,
    SourceFailure,
};
use casque_policy::{Denial, Diagnostic, Reason};
use casque_types::Seconds;
use casque_wire as wire;

use crate::code::Code;

/// A failure on its way out.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) blame: Blame,
    pub(crate) code: &'static str,
    failure: wire::Failure,
    retry_after: Option<Seconds>,
    /// Codes of the rules that failed, for the metrics.
    pub(crate) reasons: Vec<&'static str>,
}

/// The only map from blame to HTTP status.
pub(crate) const fn status_of(blame: Blame) -> StatusCode {
    match blame {
        Blame::Malformed => StatusCode::BAD_REQUEST,
        Blame::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Blame::Unauthenticated => StatusCode::UNAUTHORIZED,
        Blame::Denied => StatusCode::FORBIDDEN,
        Blame::Absent => StatusCode::NOT_FOUND,
        Blame::Conflict => StatusCode::CONFLICT,
        Blame::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Blame::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Which clients a route has: SCONE's read `msg`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Casque,
    Scone,
}

impl Refusal {
    /// A refusal with its message and what to do next.
    pub(crate) fn new(
        blame: Blame,
        code: Code,
        message: impl Into<String>,
        hint: Option<&str>,
    ) -> Self {
        let refusal = Self::coded(blame, code.as_str(), message.into());
        match hint {
            Some(hint) => refusal.with_hint(hint),
            None => refusal,
        }
    }

    fn of(blame: Blame, code: Code, error: &dyn Error) -> Self {
        let refusal = Self::coded(blame, code.as_str(), error.to_string());
        refusal.with_causes(error)
    }

    fn coded(blame: Blame, code: &'static str, message: String) -> Self {
        Self {
            blame,
            code,
            failure: wire::Failure {
                code: code.to_owned(),
                message,
                causes: Vec::new(),
                hint: None,
                reasons: Vec::new(),
                diagnostics: Vec::new(),
            },
            retry_after: None,
            reasons: Vec::new(),
        }
    }

    fn with_causes(mut self, error: &dyn Error) -> Self {
        self.failure.causes = causes(error);
        self
    }

    fn with_source(mut self, source: &SourceFailure) -> Self {
        self.failure.hint = Some(source.mend.clone());
        self.retry_after = source.retry_after;
        self
    }

    fn with_hint(mut self, hint: &str) -> Self {
        self.failure.hint = Some(hint.to_owned());
        self
    }

    /// What was expected and what was found.
    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.failure.message
    }

    /// The HTTP answer.
    pub(crate) fn response(self, dialect: Dialect) -> Response {
        let msg = match dialect {
            Dialect::Casque => Vec::new(),
            Dialect::Scone => scone_messages(&self.failure),
        };
        let answer = wire::ErrorAnswer {
            error: self.failure,
            msg,
        };
        let mut response = (status_of(self.blame), Json(answer)).into_response();
        if let Some(Seconds(seconds)) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// SCONE's list: the message, then each finding or cause.
fn scone_messages(failure: &wire::Failure) -> Vec<String> {
    let findings = failure
        .diagnostics
        .iter()
        .filter(|found| found.severity == "error");
    let findings = findings.map(|found| {
        format!(
            "{}:{}: {} [{}]",
            found.line, found.column, found.message, found.code
        )
    });
    let mut messages = vec![failure.message.clone()];
    messages.extend(findings);
    messages.extend(failure.causes.iter().cloned());
    messages.extend(failure.hint.clone());
    messages
}

/// What led to an error, without what its message says already.
fn causes(error: &dyn Error) -> Vec<String> {
    let message = error.to_string();
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let causes = causes.map(ToString::to_string);
    causes.filter(|cause| !message.contains(cause)).collect()
}

impl From<AttestError> for Refusal {
    fn from(error: AttestError) -> Self {
        let refusal = Self::coded(error.blame(), error.code(), error.to_string());
        let refusal = refusal.with_causes(&error);
        match &error {
            AttestError::Denied {
                denial,
                expected_is_public,
                ..
            } => refusal.denied(denial, *expected_is_public),
            other => match (other.source_failure(), attest_hint(other)) {
                (Some(source), _) => refusal.with_source(source),
                (None, Some(hint)) => refusal.with_hint(hint),
                (None, None) => refusal,
            },
        }
    }
}

const fn attest_hint(error: &AttestError) -> Option<&'static str> {
    Some(match error {
        AttestError::OtherServer => {
            "pin the key hash of the server that you mean to talk to, and send it what was made for it"
        }
        AttestError::NoService { .. } => {
            "check namespace, policy and service in the config id, and that the policy was uploaded to this server"
        }
        AttestError::NoGuestJudge { .. } => {
            "attest without `--azure-guest`, or set `mode: maa` or `require: [maa, evidence]` in the policy's `security.attestation`"
        }
        AttestError::NotBound => {
            "gather the evidence anew, over the runtime data that is sent with it"
        }
        AttestError::Nonce(_) => "ask for a new challenge, and answer it at once",
        AttestError::RuntimeData(_) => "docs/http.md and vectors/wire show runtime data",
        AttestError::Clause { .. } => {
            "the policy's author should look at the secrets that stand in `security`, `attestation` or `platforms`"
        }
        AttestError::Factor { .. } => {
            "the policy's author should look at the secret that stands there"
        }
        AttestError::Secret { .. } | AttestError::Volume { .. } => {
            "the policy's author should mend what is said of it; nothing was released"
        }
        AttestError::Seal(_) => "make a new X-Wing key pair, and send its public half",
        AttestError::Store(_) => STORE_HINT,
        AttestError::StoredPolicy { .. } => STORED_POLICY_HINT,
        AttestError::Evidence(_)
        | AttestError::Appraise(_)
        | AttestError::Denied { .. }
        | AttestError::Source(_) => return None,
    })
}

impl Refusal {
    fn denied(mut self, denial: &Denial, expected_is_public: bool) -> Self {
        let reason = |reason: &Reason| wire::Reason {
            code: reason.code.as_str().to_owned(),
            path: reason.path.clone(),
            expected: expected_is_public.then(|| reason.expected.clone()),
            found: reason.found.clone(),
            hint: reason.hint.clone(),
        };
        self.failure.reasons = denial.reasons.iter().map(reason).collect();
        self.reasons = denial
            .reasons
            .iter()
            .map(|reason| reason.code.as_str())
            .collect();
        self
    }
}

impl From<EvidenceParseError> for Refusal {
    fn from(error: EvidenceParseError) -> Self {
        AttestError::Evidence(error).into()
    }
}

impl From<PutPolicyError> for Refusal {
    fn from(error: PutPolicyError) -> Self {
        let mut refusal = Self::of(error.blame(), put_code(&error), &error);
        if let PutPolicyError::Policy(diagnostics) = &error {
            refusal.failure.diagnostics = diagnostics.iter().map(diagnostic).collect();
        }
        match &error {
            PutPolicyError::Secret {
                cause: ResolveError::Source(source),
                ..
            } => refusal.with_source(source),
            other => refusal.with_hint(put_hint(other)),
        }
    }
}

const fn put_code(error: &PutPolicyError) -> Code {
    match error {
        PutPolicyError::NoCaller => Code::ClientCertificateMissing,
        PutPolicyError::Policy(_) => Code::PolicyMalformed,
        PutPolicyError::Exists { .. } => Code::PolicyExists,
        PutPolicyError::NoPredecessor { .. } => Code::PolicyAbsent,
        PutPolicyError::OtherPredecessor { .. } => Code::PredecessorNotCurrent,
        PutPolicyError::NoNamespace { .. } => Code::NamespaceAbsent,
        PutPolicyError::NotPermitted { .. } => Code::NotPermitted,
        PutPolicyError::OtherCreator => Code::CreatorMismatch,
        PutPolicyError::OldNamespace { .. } => Code::NamespaceOld,
        PutPolicyError::OtherNamespace { .. } => Code::NamespaceNotCurrent,
        PutPolicyError::NamespaceHashOnUpdate => Code::NamespaceHashOnUpdate,
        PutPolicyError::RootSealed => Code::RootSealed,
        PutPolicyError::AmbiguousCreator => Code::CreatorAmbiguous,
        PutPolicyError::Secret { .. } => Code::SecretUnavailable,
        PutPolicyError::Make { .. } => Code::SecretNotMade,
        PutPolicyError::TooMuch { .. } => Code::PolicyMakesTooMuch,
        PutPolicyError::NotHere { .. } => Code::SecretNotHere,
        PutPolicyError::Given { .. } => Code::SecretValueMalformed,
        PutPolicyError::Store(_) => Code::StoreUnavailable,
        PutPolicyError::StoredPolicy { .. } => Code::StoredPolicyUnreadable,
    }
}

const fn put_hint(error: &PutPolicyError) -> &'static str {
    match error {
        PutPolicyError::NoCaller => {
            "upload with `casque session create`, or give curl --cert and --key, or sign the policy with `casque session sign`"
        }
        PutPolicyError::Policy(_) => {
            "mend the findings; `casque session check` shows them in their places"
        }
        PutPolicyError::Exists { .. } => {
            "choose another name, or set `predecessor` to the hash of the current version (`casque session update` does)"
        }
        PutPolicyError::NoPredecessor { .. } => {
            "leave `predecessor` out to create the policy, or check the name"
        }
        PutPolicyError::OtherPredecessor { .. } => {
            "read the current version, merge, and set `predecessor` to its hash"
        }
        PutPolicyError::NoNamespace { .. } => "create the policy of the namespace first",
        PutPolicyError::OldNamespace { .. } => {
            "update the namespace to `version: 0.3` or later, or choose another one"
        }
        PutPolicyError::OtherNamespace { .. } => {
            "look at what changed in the namespace, then set `namespace_hash` to its current hash, or leave it out"
        }
        PutPolicyError::NamespaceHashOnUpdate => "leave `namespace_hash` out of the update",
        PutPolicyError::RootSealed => {
            "create a policy with a name of its own, and other policies in it"
        }
        PutPolicyError::NotPermitted { .. } => {
            "ask those whom its access_policy names, or use the identity that it names"
        }
        PutPolicyError::OtherCreator => {
            "leave `creator` out, or upload with the identity that it names"
        }
        PutPolicyError::AmbiguousCreator => {
            "name one of the signers in `creator`, or upload with a client certificate"
        }
        PutPolicyError::Make { .. } | PutPolicyError::StoredPolicy { .. } => STORED_POLICY_HINT,
        PutPolicyError::TooMuch { .. } => {
            "split the policy, and share its secrets by export and import"
        }
        PutPolicyError::Secret { .. } => "mend what is said of it in the policy; nothing was put",
        PutPolicyError::NotHere { .. } => "nothing was put; the message says what to change",
        PutPolicyError::Given { .. } => {
            "give a value of the kind that is stated, or state the kind of the value"
        }
        PutPolicyError::Store(_) => STORE_HINT,
    }
}

impl From<ReadPolicyError> for Refusal {
    fn from(error: ReadPolicyError) -> Self {
        let (code, hint) = match &error {
            ReadPolicyError::Absent { .. } => (
                Code::PolicyAbsent,
                "check the name with its namespace, and the hash if one was given",
            ),
            ReadPolicyError::NoService { .. } => (
                Code::ServiceAbsent,
                "check the service's name in the policy",
            ),
            ReadPolicyError::NotPermitted { .. } => (
                Code::NotPermitted,
                "use an identity that its access_policy lets do it",
            ),
            ReadPolicyError::Store(_) => (Code::StoreUnavailable, STORE_HINT),
            ReadPolicyError::StoredPolicy { .. } => {
                (Code::StoredPolicyUnreadable, STORED_POLICY_HINT)
            }
        };
        Self::of(error.blame(), code, &error).with_hint(hint)
    }
}

impl From<ReadValueError> for Refusal {
    fn from(error: ReadValueError) -> Self {
        let (code, hint) = match &error {
            ReadValueError::Secret {
                cause: ResolveError::Source(source),
                ..
            } => {
                let refusal = Self::of(error.blame(), Code::SecretUnavailable, &error);
                return refusal.with_source(source);
            }
            ReadValueError::Absent { .. } => (
                Code::ValueAbsent,
                "only generated or given secrets with `export_public: true` can be read here",
            ),
            ReadValueError::Secret { .. } => (
                Code::SecretUnavailable,
                "the policy's author should mend what is said of it",
            ),
            ReadValueError::Store(_) => (Code::StoreUnavailable, STORE_HINT),
            ReadValueError::StoredPolicy { .. } => {
                (Code::StoredPolicyUnreadable, STORED_POLICY_HINT)
            }
        };
        Self::of(error.blame(), code, &error).with_hint(hint)
    }
}

const STORE_HINT: &str = "try again; if it stays so, the operator should look at the store";
const STORED_POLICY_HINT: &str = "this is a defect of Casque: please report it with the message";

/// A finding, for the wire.
pub(crate) fn diagnostic(found: &Diagnostic) -> wire::Diagnostic {
    wire::Diagnostic {
        severity: found.severity.as_str().to_owned(),
        code: found.code.to_owned(),
        message: found.message.clone(),
        line: found.position.line,
        column: found.position.column,
        hint: found.hint.clone(),
    }
}
