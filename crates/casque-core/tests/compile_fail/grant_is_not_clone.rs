//! A grant permits one release.
use casque_policy::Grant;

fn twice(grant: &Grant) -> Grant {
    Clone::clone(grant)
}

fn needs_clone<T: Clone>() {}

fn main() {
    needs_clone::<Grant>();
    let _ = twice;
}
