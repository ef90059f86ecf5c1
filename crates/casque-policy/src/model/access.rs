//! `access_policy`: who may do what with a policy, section 8.

use std::collections::BTreeSet;

use casque_types::KeyHash;

/// Who may do what with a policy, section 8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// Who may read its text.
    pub read: Principals,
    /// Who may replace it.
    pub update: Principals,
    /// Who may create policies in its namespace.
    pub create_sessions: Principals,
    /// Who may list the policies of its namespace, besides those who may create them.
    pub list_sessions: Principals,
}

/// What one may want to do with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read its text.
    Read,
    /// Replace it.
    Update,
    /// Create a policy in its namespace.
    CreateSessions,
    /// List the policies of its namespace.
    ListSessions,
}

/// What a caller has proved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The key of its client certificate, whose possession the TLS handshake proved.
    pub tls: Option<KeyHash>,
    /// The keys that signed what it sent.
    pub signers: BTreeSet<KeyHash>,
}

impl Credentials {
    /// Of a caller with a client certificate and no signature.
    #[must_use]
    pub const fn of_tls(key: KeyHash) -> Self {
        Self {
            tls: Some(key),
            signers: BTreeSet::new(),
        }
    }

    /// Whether the caller holds a key, by handshake or by signature.
    #[must_use]
    pub fn hold(&self, key: &KeyHash) -> bool {
        self.tls.as_ref() == Some(key) || self.signers.contains(key)
    }
}

impl AccessPolicy {
    /// A policy for its creator alone.
    #[must_use]
    pub fn creator_alone() -> Self {
        let creator = || Principals::Listed(vec![Principal::Creator]);
        Self {
            read: creator(),
            update: creator(),
            create_sessions: creator(),
            list_sessions: creator(),
        }
    }

    /// A policy for nobody.
    #[must_use]
    pub const fn nobody() -> Self {
        Self {
            read: Principals::Nobody,
            update: Principals::Nobody,
            create_sessions: Principals::Nobody,
            list_sessions: Principals::Nobody,
        }
    }

    /// Who may do `operation`. Those who may create policies may list them too.
    #[must_use]
    pub const fn principals(&self, operation: Operation) -> &Principals {
        match operation {
            Operation::Read => &self.read,
            Operation::Update => &self.update,
            Operation::CreateSessions => &self.create_sessions,
            Operation::ListSessions => &self.list_sessions,
        }
    }

    /// Whether a caller may do `operation`, `creator` being the policy's creator.
    #[must_use]
    pub fn permits(
        &self,
        operation: Operation,
        caller: &Credentials,
        creator: Option<&KeyHash>,
    ) -> bool {
        let asked = self.principals(operation).include(caller, creator);
        asked
            || (operation == Operation::ListSessions
                && self.create_sessions.include(caller, creator))
    }
}

/// A set of key holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principals {
    /// `ANY`: everyone, without any key.
    Any,
    /// `NONE`.
    Nobody,
    /// Whoever one of the entries lets.
    Listed(Vec<Principal>),
}

impl Principals {
    /// Whether a caller is one of them.
    #[must_use]
    pub fn include(&self, caller: &Credentials, creator: Option<&KeyHash>) -> bool {
        match self {
            Self::Any => true,
            Self::Nobody => false,
            Self::Listed(entries) => entries.iter().any(|entry| entry.admits(caller, creator)),
        }
    }

    /// Whether `CREATOR` stands anywhere in them.
    #[must_use]
    pub fn name_creator(&self) -> bool {
        match self {
            Self::Any | Self::Nobody => false,
            Self::Listed(entries) => entries.iter().any(Principal::names_creator),
        }
    }
}

/// One entry of the access policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// `CREATOR`.
    Creator,
    /// The holder of a key: of a PEM certificate, or named by its hash.
    Key(KeyHash),
    /// `signer`: whoever signs with this key.
    Signer(KeyHash),
    /// `require-at-least-N`, and `require-all` with as many as there are.
    AtLeast {
        /// How many entries must admit the caller, at least 1.
        count: usize,
        /// The entries.
        of: Vec<Self>,
    },
}

impl Principal {
    fn admits(&self, caller: &Credentials, creator: Option<&KeyHash>) -> bool {
        match self {
            Self::Creator => creator.is_some_and(|creator| caller.hold(creator)),
            Self::Key(key) => caller.tls.as_ref() == Some(key),
            Self::Signer(key) => caller.signers.contains(key),
            Self::AtLeast { count, of } => {
                let admitting = of.iter().filter(|entry| entry.admits(caller, creator));
                *count > 0 && admitting.count() >= *count
            }
        }
    }

    fn names_creator(&self) -> bool {
        match self {
            Self::Creator => true,
            Self::Key(_) | Self::Signer(_) => false,
            Self::AtLeast { of, .. } => of.iter().any(Self::names_creator),
        }
    }
}
