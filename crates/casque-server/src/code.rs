//! Every stable code of this server's own refusals, in one closed list; `docs/errors-server.md` explains each,
//! with those of attestation, which stand in `casque-core`.
//!
//! A code is a promise: it is never renamed and never given another meaning.

/// Declares the codes, their texts and the list of all of them from one table.
macro_rules! codes {
    ($($name:ident = $text:literal,)+) => {
        /// Why a request was refused or failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $($name,)+
        }

        impl Code {
            /// The code as users see it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// All codes.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

codes! {
    // requests
    RequestMalformed = "request-malformed",
    BodyTooLarge = "body-too-large",
    BodyBrokenOff = "body-broken-off",
    NoSuchRoute = "no-such-route",
    NoSuchMethod = "no-such-method",
    TooManyRequestsInWork = "too-many-requests-in-work",
    RequestTooSlow = "request-too-slow",
    ClientCertificateMissing = "client-certificate-missing",
    NotPermitted = "not-permitted",
    // uploads
    PolicyNotUtf8 = "policy-not-utf8",
    SessionSignerMalformed = "session-signer-malformed",
    SessionSignatureMalformed = "session-signature-malformed",
    SessionSignatureWrong = "session-signature-wrong",
    EncryptionKeyOther = "encryption-key-other",
    EncryptedSessionMalformed = "encrypted-session-malformed",
    EncryptedSessionUnreadable = "encrypted-session-unreadable",
    // policies
    PolicyMalformed = "policy-malformed",
    PolicyExists = "policy-exists",
    PolicyAbsent = "policy-absent",
    ServiceAbsent = "service-absent",
    PredecessorNotCurrent = "predecessor-not-current",
    NamespaceAbsent = "namespace-absent",
    NamespaceOld = "namespace-old",
    NamespaceNotCurrent = "namespace-not-current",
    NamespaceHashOnUpdate = "namespace-hash-on-update",
    RootSealed = "root-sealed",
    CreatorMismatch = "creator-mismatch",
    CreatorAmbiguous = "creator-ambiguous",
    // values
    SecretUnavailable = "secret-unavailable",
    SecretNotMade = "secret-not-made",
    PolicyMakesTooMuch = "policy-makes-too-much",
    SecretNotHere = "secret-not-here",
    SecretValueMalformed = "secret-value-malformed",
    ValueAbsent = "value-absent",
    // the server itself
    StoreUnavailable = "store-unavailable",
    StoredPolicyUnreadable = "stored-policy-unreadable",
    NoRandomness = "no-randomness",
    AnswerUnwritable = "answer-unwritable",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn read(path: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::fs::read_to_string(root.join(path)).unwrap()
    }

    /// The texts in the functions `code` of a file of the core.
    fn codes_of_core(path: &str) -> BTreeSet<String> {
        let text = read(path);
        let functions = text.split("fn code(&self)").skip(1);
        let bodies = functions.map(|rest| rest.split("\n    }\n").next().unwrap());
        let texts = bodies.flat_map(|body| body.split("=> \"").skip(1));
        texts
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn document_lists_exactly_the_codes_of_the_source() {
        let text = read("docs/errors-server.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let documented: Vec<String> = rows
            .map(|row| row.split_once('`').unwrap().0.to_owned())
            .collect();
        let mut source: BTreeSet<String> = Code::ALL
            .iter()
            .map(|code| code.as_str().to_owned())
            .collect();
        assert_eq!(Code::ALL.len(), source.len(), "two codes have one text");
        let error = codes_of_core("crates/casque-core/src/error.rs");
        let nonce = codes_of_core("crates/casque-core/src/challenge.rs");
        assert!(
            error.contains("denied") && nonce.contains("nonce-stale"),
            "{error:?}"
        );
        source.extend(error);
        source.extend(nonce);
        let unique: BTreeSet<String> = documented.iter().cloned().collect();
        assert_eq!(unique, source);
        assert_eq!(documented.len(), source.len(), "a code is listed twice");
    }
}
