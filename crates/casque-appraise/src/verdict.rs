//! What signatures prove of evidence, whoever it was made for: an [`Appraisal`](crate::Appraisal) without its request.

use std::borrow::Cow;

use casque_types::{Digest, RuntimeData, Timestamp, ct_eq};

use crate::{Identity, Scope, Tcb, TokenStatement, Verifier};

/// What was proved of evidence, not bound to a request: a recorded one proves as much. Releases nothing.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub(crate) identity: Identity,
    pub(crate) tcb: Tcb,
    pub(crate) verifier: Verifier,
    pub(crate) scope: Scope,
    pub(crate) platform: Option<Digest<16>>,
    pub(crate) bound: Bound,
    pub(crate) token: Option<TokenStatement>,
    pub(crate) valid_until: Option<Timestamp>,
}

impl Verdict {
    /// No evidence: nothing is proved.
    pub(crate) const fn absent() -> Self {
        Self {
            identity: Identity::Unattested,
            tcb: Tcb::unknown(),
            verifier: Verifier::Nobody,
            scope: Scope::Nothing,
            platform: None,
            bound: Bound::Nothing,
            token: None,
            valid_until: None,
        }
    }

    /// Who it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The state of the platform's trusted computing base.
    #[must_use]
    pub const fn tcb(&self) -> &Tcb {
        &self.tcb
    }

    /// Who judged the evidence.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// How much the evidence speaks for.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The machine, by the id of its quoting enclave, which the quote's signature covers. Set for SGX quotes
    /// that Casque judged itself; a token of the attestation service does not say it.
    #[must_use]
    pub const fn platform(&self) -> Option<&Digest<16>> {
        self.platform.as_ref()
    }

    /// What the attester chose for its evidence to be bound to.
    #[must_use]
    pub const fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The token, where the attestation service judged.
    #[must_use]
    pub const fn token(&self) -> Option<&TokenStatement> {
        self.token.as_ref()
    }

    /// When the endorsements or the token behind it run out.
    #[must_use]
    pub const fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }
}

/// What evidence is bound to, as its signature covers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Nothing, or nothing that is said.
    Nothing,
    /// The report data of a TEE.
    ReportData([u8; 64]),
    /// The extra data of a TPM's quote, at most 64 bytes.
    ExtraData(Vec<u8>),
}

impl Bound {
    /// Whether it is `runtime` that the evidence is bound to: the digest, then zeros in report data; exactly
    /// the digest in extra data.
    #[must_use]
    pub fn fits(&self, runtime: &RuntimeData) -> bool {
        match self {
            Self::Nothing => false,
            Self::ReportData(found) => runtime.report_data().is_carried_by(found),
            Self::ExtraData(found) => ct_eq(found, runtime.binding().as_bytes()),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::ReportData(bytes) => bytes,
            Self::ExtraData(bytes) => bytes,
        }
    }
}

/// One statement inside evidence, as text for people; see [`Evidence::claims`](crate::Evidence::claims).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name in the vendor's document, in lower case, such as `mrenclave`, `reported_tcb`, `pcr7`.
    pub name: Cow<'static, str>,
    /// Its value: digests in lower-case hexadecimal digits, numbers in decimal, flags `true` or `false`.
    pub value: String,
}

impl Claim {
    /// A claim with a name of a vendor's document.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what is read from evidence is given away at once, mostly temporaries"
    )]
    pub fn new(name: &'static str, value: impl ToString) -> Self {
        Self {
            name: Cow::Borrowed(name),
            value: value.to_string(),
        }
    }
}
