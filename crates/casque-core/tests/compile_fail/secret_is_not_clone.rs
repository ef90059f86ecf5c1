//! A secret is not copied by accident.
use casque_types::Secret;

fn needs_clone<T: Clone>() {}

fn main() {
    needs_clone::<Secret>();
}
