//! A secret is not serialized.
use casque_types::Secret;

fn needs_serialize<T: serde::Serialize>() {}

fn main() {
    needs_serialize::<Secret>();
}
