//! Releases under faults, as lists of operations: whatever happens, no release without its record.

use std::collections::BTreeSet;

use casque_core::{AttestError, Clock, SourceKind};
use casque_policy::Credentials;
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation, failure};
use casque_types::Seconds;
use pollster::block_on;
use proptest::prelude::*;

use crate::factors::{SHARED, code, send};
use crate::policies::{HARDWARE, world};
use crate::support::{after, policy, shelf, text};

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A valid workload asks.
    Attest,
    /// A valid workload sends the same request twice.
    Replay,
    /// Another program asks.
    AttestChanged,
    /// A valid workload asks too late.
    AttestLate,
    /// The store fails at the next such call.
    StoreFails(StoreOperation, StoreFault),
    /// The next request to the vault fails.
    VaultFails,
    /// The next request for a token fails.
    EntraFails,
    /// The next request for endorsements fails.
    EndorserFails,
    /// Half a minute passes.
    NextStep,
    /// A valid workload asks with the one-time password of this step, perhaps for the second time.
    AttestWithCode,
    /// The author changes a value that another policy imports.
    Update,
    /// A valid workload asks for the policy that imports it.
    AttestImporter,
    /// The process dies, and another one begins on the same store.
    Restart,
}

fn operation() -> impl Strategy<Value = Operation> {
    let store_operation = prop_oneof![
        Just(StoreOperation::Head),
        Just(StoreOperation::Load),
        Just(StoreOperation::Values),
        Just(StoreOperation::AppendAudit),
        Just(StoreOperation::Put),
        Just(StoreOperation::Spend),
    ];
    let fault = prop_oneof![
        Just(StoreFault::Before),
        Just(StoreFault::After),
        Just(StoreFault::Damaged),
    ];
    prop_oneof![
        4 => Just(Operation::Attest),
        1 => Just(Operation::Replay),
        1 => Just(Operation::AttestChanged),
        1 => Just(Operation::AttestLate),
        4 => (store_operation, fault).prop_map(|(o, f)| Operation::StoreFails(o, f)),
        1 => Just(Operation::VaultFails),
        1 => Just(Operation::EntraFails),
        1 => Just(Operation::EndorserFails),
        1 => Just(Operation::NextStep),
        3 => Just(Operation::AttestWithCode),
        2 => Just(Operation::Update),
        2 => Just(Operation::AttestImporter),
        1 => Just(Operation::Restart),
    ]
}

/// A world, and the bindings of what was released in it.
struct Simulation {
    world: TestWorld,
    released: Vec<String>,
    /// The one-time passwords that something was released for.
    codes: BTreeSet<String>,
}

impl Simulation {
    fn begin() -> Self {
        let world = world(HARDWARE);
        let guard =
            format!("security:\n  attestation:\n    one_time_password_shared_secret: {SHARED}\n");
        let _ = world.put(&policy("guarded", &[], &guard));
        let _ = world.put(&exporter(0));
        let import = "secrets:\n  - {name: y, import: {session: exporter, secret: x}}\n";
        let _ = world.put(&policy("importer", &[("Y", "$$SCONE::y$$")], import));
        Self {
            world,
            released: Vec::new(),
            codes: BTreeSet::new(),
        }
    }

    /// The law: no one-time password releases anything twice.
    fn attest_with_code(&mut self) {
        let code = code(&self.world, SHARED, 0);
        if send(&self.world, "guarded/s", &code).is_ok() {
            let step = Clock::now(&self.world.ports.clock).as_unix_s() / 30;
            assert!(self.codes.insert(format!("{step}")), "a code counted twice");
        }
    }

    /// How many versions the exporter has; its value says the number of its version.
    fn versions(&self) -> usize {
        self.world
            .ports
            .store
            .versions(&"exporter".parse().unwrap())
    }

    /// The law: an update is whole or not at all, and the answer is never a false yes.
    fn update(&self) {
        let before = self.versions();
        let caller = Credentials::of_tls(self.world.author);
        let name = "exporter".parse().unwrap();
        let Ok(hash) = block_on(self.world.casque.hash_of_policy(&name, &caller)) else {
            return;
        };
        let text = after(hash, &exporter(before));
        let is_put = self.world.try_put(&text).is_ok();
        let added = self.versions() - before;
        assert!(added <= 1 && usize::from(is_put) <= added);
    }

    /// The law: an import is the value of the version that is current.
    fn attest_importer(&self) {
        if let Ok(configuration) = self.world.attest("importer/s") {
            let expected = format!("value {}", self.versions() - 1);
            assert_eq!(text(&configuration, 0), expected);
        }
    }

    fn apply(&mut self, operation: Operation) {
        let ports = &self.world.ports;
        match operation {
            Operation::Attest => self.attest(1),
            Operation::Replay => self.attest(2),
            Operation::AttestChanged => self.attest_refused(|world| {
                let mut attempt = world.attempt("app/web");
                attempt.identity.mr_enclave = [0x66; 32].into();
                world.send(&attempt, world.quote(&attempt)).map(drop)
            }),
            Operation::AttestLate => self.attest_refused(|world| {
                let attempt = world.attempt("app/web");
                world.ports.clock.advance(Seconds(61));
                world.send(&attempt, world.quote(&attempt)).map(drop)
            }),
            Operation::StoreFails(at, fault) => ports.store.fail_once(at, fault),
            Operation::VaultFails => {
                ports
                    .vaults
                    .calls
                    .fail_once(failure(SourceKind::KeyVault, "vault-timeout"));
            }
            Operation::EntraFails => {
                ports
                    .tokens
                    .calls
                    .fail_once(failure(SourceKind::Entra, "entra-timeout"));
            }
            Operation::EndorserFails => {
                let failure = failure(SourceKind::Endorser, "endorser-timeout");
                ports.endorsements.calls.fail_once(failure);
            }
            Operation::NextStep => ports.clock.advance(Seconds(30)),
            Operation::AttestWithCode => self.attest_with_code(),
            Operation::Update => self.update(),
            Operation::AttestImporter => self.attest_importer(),
            Operation::Restart => self.world.restart(),
        }
        self.check();
    }

    fn attest(&mut self, times: usize) {
        let world = &self.world;
        let attempt = world.attempt("app/web");
        for _ in 0..times {
            if world.send(&attempt, world.quote(&attempt)).is_ok() {
                self.released.push(attempt.runtime.binding().to_string());
            }
        }
    }

    fn attest_refused(&self, attest: impl FnOnce(&TestWorld) -> Result<(), AttestError>) {
        assert!(attest(&self.world).is_err());
    }

    /// The law: every release is on record, once for each.
    fn check(&self) {
        let mut recorded: Vec<String> = (self.world.ports.store.releases().iter())
            .flat_map(|event| event.facts.clone())
            .filter_map(|(name, value)| (name == "binding").then_some(value))
            .collect();
        for binding in &self.released {
            let position = recorded.iter().position(|found| found == binding);
            recorded.remove(position.expect("every release is on record"));
        }
    }

    /// Faults that were asked for and not yet met are used up; then a valid workload must be served.
    fn end(mut self) {
        for _ in 0..64 {
            let before = self.released.len();
            self.attest(1);
            self.check();
            if self.released.len() > before {
                return;
            }
        }
        panic!("a valid workload is not served after all faults are over");
    }
}

/// A version of the policy that exports to the importer.
fn exporter(number: usize) -> String {
    let secrets = format!(
        "secrets:\n  - {{name: x, kind: ascii, value: value {number}, export: {{session: importer}}}}"
    );
    shelf("exporter", &secrets)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn release_under_any_faults_is_never_without_its_record(
        operations in prop::collection::vec(operation(), 1..16)
    ) {
        let mut simulation = Simulation::begin();
        for operation in operations {
            simulation.apply(operation);
        }
        simulation.end();
    }
}

#[test]
fn release_store_fault_at_each_call_is_never_without_its_record() {
    let operations = [
        StoreOperation::Head,
        StoreOperation::Load,
        StoreOperation::Values,
        StoreOperation::AppendAudit,
    ];
    let mut met = BTreeSet::new();
    for at in operations {
        for fault in [StoreFault::Before, StoreFault::After, StoreFault::Damaged] {
            let mut simulation = Simulation::begin();
            simulation.world.restart();
            simulation.apply(Operation::StoreFails(at, fault));
            simulation.apply(Operation::Attest);
            assert_eq!(simulation.released.len(), 0, "{at:?} {fault:?}");
            let recorded = simulation.world.ports.store.releases().len();
            let expected =
                usize::from((at, fault) == (StoreOperation::AppendAudit, StoreFault::After));
            assert_eq!(recorded, expected, "{at:?} {fault:?}");
            met.insert(format!("{at:?} {fault:?}"));
            simulation.end();
        }
    }
    assert_eq!(met.len(), 12);
}
