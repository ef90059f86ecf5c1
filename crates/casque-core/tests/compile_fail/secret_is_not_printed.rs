//! A secret has no `Display`.
use casque_types::Secret;

fn main() {
    let secret = Secret::new(Vec::new());
    println!("{secret}");
}
