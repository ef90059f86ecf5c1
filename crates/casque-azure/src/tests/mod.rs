//! The adapters against a local Azure that answers over TLS as each test says, with answers bent in one
//! place at a time.

mod clusters;
mod codes;
mod entra;
mod key_vault;
mod key_vault_set;
mod maa;
mod settings;
mod world;
