//! An appraisal cannot be made without appraising.
use casque_appraise::{Appraisal, Verdict};

fn forge(verdict: Verdict, runtime: casque_types::RuntimeData) -> Appraisal {
    Appraisal::new(verdict, runtime)
}

fn main() {
    let _ = forge;
}
