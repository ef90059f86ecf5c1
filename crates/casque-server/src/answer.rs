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
        code: &'static str,
        message: impl Into<String>,
        hint: Option<&str>,
    ) -> Self {
        Self {
            blame,
            code,
            failure: wire::Failure {
                code: code.to_owned(),
                message: message.into(),
                causes: Vec::new(),
                hint: hint.map(str::to_owned),
                reasons: Vec::new(),
                diagnostics: Vec::new(),
            },
            retry_after: None,
            reasons: Vec::new(),
        }
    }

    fn of(blame: Blame, code: &'static str, error: &dyn Error) -> Self {
        let mut refusal = Self::new(blame, code, error.to_string(), None);
        refusal.failure.causes = causes(error);
        refusal
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

fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

impl From<AttestError> for Refusal {
    fn from(error: AttestError) -> Self {
        let refusal = Self::of(error.blame(), error.code(), &error);
        match &error {
            AttestError::Denied {
                denial,
                expected_is_public,
                ..
            } => refusal.denied(denial, *expected_is_public),
            AttestError::Source(source)
            | AttestError::Secret {
                cause: ResolveError::Source(source),
                ..
            } => refusal.with_source(source),
            AttestError::OtherServer => refusal.with_hint(
                "pin the key hash of the server that you mean to talk to, and send it what was made for it",
            ),
            AttestError::NoService { .. } => refusal.with_hint(
                "check namespace, policy and service in the config id, and that the policy was uploaded to this server",
            ),
            AttestError::NotBound => {
                refusal.with_hint("gather the evidence anew, over the runtime data that is sent with it")
            }
            _ => refusal,
        }
    }
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
        match put_hint(&error) {
            Some(hint) => refusal.with_hint(hint),
            None => refusal,
        }
    }
}

const fn put_code(error: &PutPolicyError) -> &'static str {
    match error {
        PutPolicyError::NoCaller => "client-certificate-missing",
        PutPolicyError::Policy(_) => "policy-malformed",
        PutPolicyError::Exists { .. } => "policy-exists",
        PutPolicyError::NoPredecessor { .. } => "policy-absent",
        PutPolicyError::OtherPredecessor { .. } => "predecessor-not-current",
        PutPolicyError::NoNamespace { .. } => "namespace-absent",
        PutPolicyError::NotPermitted { .. } => "not-permitted",
        PutPolicyError::OtherCreator => "creator-mismatch",
        PutPolicyError::OldNamespace { .. } => "namespace-old",
        PutPolicyError::OtherNamespace { .. } => "namespace-not-current",
        PutPolicyError::NamespaceHashOnUpdate => "namespace-hash-on-update",
        PutPolicyError::RootSealed => "root-sealed",
        PutPolicyError::AmbiguousCreator => "creator-ambiguous",
        PutPolicyError::Secret { .. } => "secret-unavailable",
        PutPolicyError::Make { .. } => "secret-not-made",
        PutPolicyError::NotHere { .. } => "secret-not-here",
        PutPolicyError::Given { .. } => "secret-value-malformed",
        PutPolicyError::Store(_) => "store-unavailable",
        PutPolicyError::StoredPolicy { .. } => "stored-policy-unreadable",
    }
}

const fn put_hint(error: &PutPolicyError) -> Option<&'static str> {
    Some(match error {
        PutPolicyError::NoCaller => {
            "upload with `casque session create`, or give curl --cert and --key"
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
        PutPolicyError::NotPermitted { .. } => {
            "ask those whom its access_policy names, or use the identity that it names"
        }
        PutPolicyError::OtherCreator => {
            "leave `creator` out, or upload with the identity that it names"
        }
        _ => return None,
    })
}

impl From<ReadPolicyError> for Refusal {
    fn from(error: ReadPolicyError) -> Self {
        let code = match &error {
            ReadPolicyError::Absent { .. } => "policy-absent",
            ReadPolicyError::NotPermitted { .. } => "not-permitted",
            ReadPolicyError::Store(_) => "store-unavailable",
            ReadPolicyError::StoredPolicy { .. } => "stored-policy-unreadable",
        };
        let refusal = Self::of(error.blame(), code, &error);
        match error {
            ReadPolicyError::NotPermitted { .. } => {
                refusal.with_hint("use an identity that its access_policy lets read")
            }
            _ => refusal,
        }
    }
}

impl From<ReadValueError> for Refusal {
    fn from(error: ReadValueError) -> Self {
        let code = match &error {
            ReadValueError::Absent { .. } => "value-absent",
            ReadValueError::Secret { .. } => "secret-unavailable",
            ReadValueError::Store(_) => "store-unavailable",
            ReadValueError::StoredPolicy { .. } => "stored-policy-unreadable",
        };
        let refusal = Self::of(error.blame(), code, &error);
        match error {
            ReadValueError::Absent { .. } => refusal.with_hint(
                "only generated or given secrets with `export_public: true` can be read here",
            ),
            _ => refusal,
        }
    }
}

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
