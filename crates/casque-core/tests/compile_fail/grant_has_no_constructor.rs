//! Only `decide` makes a grant.
use casque_appraise::Appraisal;
use casque_policy::Grant;
use casque_types::ServiceName;

fn forge(appraisal: Appraisal, service: ServiceName) -> Grant {
    Grant { appraisal, service }
}

fn main() {
    let _ = forge;
}
