//! Small policies: one service `s` of the world's program, its variables, and secrets below.

use casque_core::{AttestError, PutPolicyError, ResolveError};
use casque_testkit::TestWorld;
use casque_types::{Configuration, Seconds};

/// A policy of the newest language whose service `s` has these variables; `rest` are further keys, mostly
/// `secrets`.
pub(crate) fn policy(name: &str, variables: &[(&str, &str)], rest: &str) -> String {
    let measurement = TestWorld::program().mr_enclave;
    let variables: String = variables
        .iter()
        .map(|(variable, template)| format!("      {variable}: \"{template}\"\n"))
        .collect();
    let environment = match variables.is_empty() {
        true => String::new(),
        false => format!("    environment:\n{variables}"),
    };
    format!(
        "name: {name}\nversion: \"0.3.12\"\nservices:\n  - name: s\n    mrenclaves: [\"{measurement}\"]\n    command: s\n{environment}{rest}\n"
    )
}

/// A policy without services.
pub(crate) fn shelf(name: &str, rest: &str) -> String {
    format!("name: {name}\nversion: \"0.3.12\"\n{rest}\n")
}

/// The same as the successor of a version.
pub(crate) fn after(predecessor: impl std::fmt::Display, text: &str) -> String {
    format!("{text}predecessor: {predecessor}\n")
}

/// The secret at fault, and the fault.
pub(crate) fn fault<T: std::fmt::Debug>(answer: Result<T, AttestError>) -> (String, ResolveError) {
    match answer {
        Err(AttestError::Secret { secret, cause, .. }) => (secret.as_str().to_owned(), cause),
        other => panic!("expected a secret at fault, found {other:?}"),
    }
}

/// What made a put fail for one secret.
pub(crate) fn put_fault<T: std::fmt::Debug>(
    answer: Result<T, PutPolicyError>,
) -> (String, ResolveError) {
    match answer {
        Err(PutPolicyError::Secret { secret, cause }) => (secret.as_str().to_owned(), cause),
        other => panic!("expected a secret at fault, found {other:?}"),
    }
}

/// The value of the only variable that `policy/s` has.
pub(crate) fn value(world: &TestWorld, policy: &str) -> String {
    let configuration = world.attest(&format!("{policy}/s")).unwrap();
    text(&configuration, 0)
}

/// The value of a variable by its number.
pub(crate) fn text(configuration: &Configuration, index: usize) -> String {
    let (_, value) = &configuration.environment[index];
    let value = value.value().unwrap().expose_text().unwrap();
    value.to_owned()
}

/// When the agent of `policy/s` is told to ask again.
pub(crate) fn refresh(world: &TestWorld, policy: &str) -> Seconds {
    let attempt = world.attempt(&format!("{policy}/s"));
    let released = world.send(&attempt, world.quote(&attempt)).unwrap();
    released.refresh_after
}

/// An Entra application.
pub(crate) const AAD: &str = "  - name: aad
    kind: aad-token
    tenant_id: e7cac514-f1aa-4e0d-b207-50b1d9a89d21
    client_id: 3f2c210e-83b4-4217-9eee-4f747d8aeeb3
    application_secret: \"s3cret~value\"
";
