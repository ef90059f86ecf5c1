//! An appraisal cannot be made without appraising.
use casque_appraise::{Appraisal, Identity, Scope, Tcb, Verifier};

fn forge(runtime: casque_types::RuntimeData) -> Appraisal {
    Appraisal::new(
        Identity::Unattested,
        Tcb::unknown(),
        Verifier::Casque,
        Scope::Process,
        runtime,
        None,
    )
}

fn main() {
    let _ = forge;
}
