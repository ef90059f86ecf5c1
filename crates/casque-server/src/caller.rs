//! Who is at the other end of a connection.

use casque_types::KeyHash;

/// The key of the client's certificate, if it showed one. The TLS handshake proved that it holds the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) Option<KeyHash>);
