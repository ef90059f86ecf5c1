//! Who is at the other end of a connection.

use casque_policy::Credentials;
use casque_types::KeyHash;

/// The key of the client's certificate, if it showed one. The TLS handshake proved that it holds the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) Option<KeyHash>);

impl Caller {
    /// What a caller proved who sent nothing that could be signed.
    pub(crate) fn credentials(self) -> Credentials {
        self.0
            .map_or_else(Credentials::default, Credentials::of_tls)
    }
}
