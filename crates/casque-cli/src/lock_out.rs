//! Whether a policy lets whoever puts it update it again: an author who locks the door from outside is told
//! before, not after.

use std::collections::BTreeSet;

use casque_policy::{AccessPolicy, Clause, Credentials, Operation, Policy, Principal, Principals};
use casque_types::KeyHash;
use casque_wire::Diagnostic;

/// What the next update will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The author can do it alone.
    Alone,
    /// The author can do it with others who sign too.
    WithOthers,
    /// The author cannot do it.
    LockedOut,
    /// Secrets say it, which only the server knows.
    Open,
}

/// What `policy` says of an author with this TLS key and these signers, `creator` being its creator.
pub(crate) fn standing(
    policy: &Policy,
    own: &KeyHash,
    signers: &BTreeSet<KeyHash>,
    creator: Option<&KeyHash>,
) -> Standing {
    let Clause::Stated(access) = &policy.access else {
        return Standing::Open;
    };
    // Whoever has a key for TLS can sign with it too.
    let mut signers = signers.clone();
    signers.insert(*own);
    let credentials = Credentials {
        tls: Some(*own),
        signers,
    };
    judged(access, &credentials, creator)
}

fn judged(access: &AccessPolicy, own: &Credentials, creator: Option<&KeyHash>) -> Standing {
    if access.permits(Operation::Update, own, creator) {
        return Standing::Alone;
    }
    let Principals::Listed(entries) = access.principals(Operation::Update) else {
        return Standing::LockedOut;
    };
    let takes_part = |entry: &Principal| takes_part(entry, own, creator);
    match entries.iter().any(takes_part) {
        true => Standing::WithOthers,
        false => Standing::LockedOut,
    }
}

/// Whether the author is among those whom an entry asks; as deep as the policy's tree, which is bounded.
fn takes_part(entry: &Principal, own: &Credentials, creator: Option<&KeyHash>) -> bool {
    match entry {
        Principal::Creator => creator.is_some_and(|creator| own.hold(creator)),
        Principal::Key(key) => own.tls.as_ref() == Some(key),
        Principal::Signer(key) => own.signers.contains(key),
        Principal::AtLeast { of, .. } => of.iter().any(|entry| takes_part(entry, own, creator)),
    }
}

/// That only the server can tell.
pub(crate) fn open_warning(policy: &Policy) -> Diagnostic {
    let position = policy.access.asks().first().map(|asked| asked.position);
    Diagnostic {
        severity: "warning".to_owned(),
        code: "access-open".to_owned(),
        message: "secrets say who may update this policy: it is not known here whether you may"
            .to_owned(),
        line: position.map_or(1, |position| position.line),
        column: position.map_or(1, |position| position.column),
        hint: Some("see to it that the secret lets you in before you depend on it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: &str) -> KeyHash {
        KeyHash::of_spki(seed.as_bytes())
    }

    fn standing_of(update: &str) -> Standing {
        let text = format!("name: a\nversion: \"0.3.12\"\naccess_policy: {{update: {update}}}\n");
        let policy = Policy::parse(&text).unwrap().policy;
        let mine = key("mine");
        standing(&policy, &mine, &BTreeSet::new(), Some(&mine))
    }

    #[test]
    fn standing_is_what_the_entries_say() {
        let (mine, other) = (key("mine"), key("other"));
        for (update, expected) in [
            ("CREATOR".to_owned(), Standing::Alone),
            ("ANY".to_owned(), Standing::Alone),
            ("NONE".to_owned(), Standing::LockedOut),
            (format!("[{mine}]"), Standing::Alone),
            (format!("[{other}]"), Standing::LockedOut),
            (format!("[{other}, CREATOR]"), Standing::Alone),
            (
                format!("[require-all: [{other}, CREATOR]]"),
                Standing::WithOthers,
            ),
            (
                format!("[require-at-least-1: [{other}, CREATOR]]"),
                Standing::Alone,
            ),
            (format!("[require-all: [{other}]]"), Standing::LockedOut),
        ] {
            assert_eq!(standing_of(&update), expected, "{update}");
        }
    }

    #[test]
    fn signatures_of_the_upload_count() {
        let other = key("other");
        let text = format!("name: a\nversion: \"0.3.12\"\naccess_policy: {{update: [{other}]}}\n");
        let policy = Policy::parse(&text).unwrap().policy;
        let signers = BTreeSet::from([other]);
        let judged = standing(&policy, &key("mine"), &signers, None);
        assert_eq!(judged, Standing::LockedOut, "a key hash is of a TLS key");
    }

    #[test]
    fn open_policy_is_warned_of_where_it_asks() {
        let text = "name: a\nversion: \"0.3.12\"\naccess_policy: $$SCONE::who$$\nsecrets:\n- name: who\n  \
            import: {session: b, secret: who}\n";
        let policy = Policy::parse(text).unwrap().policy;
        let mine = key("mine");
        let judged = standing(&policy, &mine, &BTreeSet::new(), Some(&mine));
        assert_eq!(judged, Standing::Open);
        let warning = open_warning(&policy);
        assert_eq!((warning.line, warning.column), (3, 16));
    }
}
