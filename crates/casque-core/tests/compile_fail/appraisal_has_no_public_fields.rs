//! An appraisal cannot be written down field by field.
use casque_appraise::{Appraisal, Identity};

fn bend(mut appraisal: Appraisal) {
    appraisal.identity = Identity::Unattested;
}

fn main() {
    let _ = bend;
}
