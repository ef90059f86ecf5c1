//! Releases under faults, as lists of operations: whatever happens, no release without its record.

use std::collections::BTreeSet;

use casque_core::{AttestError, SourceKind};
use casque_testkit::TestWorld;
use casque_testkit::fakes::{StoreFault, StoreOperation, failure};
use casque_types::Seconds;
use proptest::prelude::*;

use crate::policies::{HARDWARE, world};

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
    /// The process dies, and another one begins on the same store.
    Restart,
}

fn operation() -> impl Strategy<Value = Operation> {
    let store_operation = prop_oneof![
        Just(StoreOperation::Head),
        Just(StoreOperation::Load),
        Just(StoreOperation::Values),
        Just(StoreOperation::AppendAudit),
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
        1 => Just(Operation::Restart),
    ]
}

/// A world, and the bindings of what was released in it.
struct Simulation {
    world: TestWorld,
    released: Vec<String>,
}

impl Simulation {
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

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn release_under_any_faults_is_never_without_its_record(
        operations in prop::collection::vec(operation(), 1..10)
    ) {
        let mut simulation = Simulation { world: world(HARDWARE), released: Vec::new() };
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
            let mut simulation = Simulation {
                world: world(HARDWARE),
                released: Vec::new(),
            };
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
