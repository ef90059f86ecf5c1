//! Secrets are compared in constant time or not at all.
use casque_types::Secret;

fn main() {
    let _ = Secret::new(Vec::new()) == Secret::new(Vec::new());
}
