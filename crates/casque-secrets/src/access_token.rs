//! Proofs that one end knows a service's access token, without sending it.
//!
//! In SCONE, `security.service_access_token` and the environment variable `SCONE_SERVICE_ACCESS_TOKEN` of
//! the workload must be the same: each end shows the other that it has the token
//! (spec/policy-language.md section 9). How SCONE does that is not published; here a proof is
//!
//! ```text
//! HMAC-SHA-256(key = token, "casque-access-token-1" | side, 1 byte | binding, 32 bytes)
//!
//! side: 01 attester, 02 server
//! ```
//!
//! The binding is that of the runtime data, with the server's nonce, its key hash, the service and the key
//! that the answer is sealed to in it: a proof counts for one request, and the side keeps either from
//! answering with what it was sent.
//!
//! What it does not protect: whoever sees a proof and its binding can try tokens against it offline. A token
//! that can be guessed is found so; a generated one of 128 bits or more is not. No proof without a token:
//! an empty one is nothing that anybody has to know.
//!
//! Vectors: `vectors/wire/access-token-*.txt`.

use aws_lc_rs::hmac;
use casque_types::{Digest, Secret};

/// Which end a proof is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofSide {
    /// The workload's, which asks.
    Attester,
    /// The server's, which answers.
    Server,
}

/// The proof of `side` that it knows `token`, for the request of this binding (`RuntimeData::binding`).
#[must_use]
pub fn access_token_proof(token: &Secret, side: ProofSide, binding: &Digest<32>) -> [u8; 32] {
    let mut proof = [0_u8; 32];
    // The tag of HMAC-SHA-256 has 32 bytes.
    proof.copy_from_slice(computed(token, side, binding).as_ref());
    proof
}

/// Whether `proof` is the one of `side` for this token and binding, compared in constant time.
///
/// Never for an empty token.
#[must_use]
pub fn is_access_token_proof(
    proof: &[u8],
    token: &Secret,
    side: ProofSide,
    binding: &Digest<32>,
) -> bool {
    !token.is_empty() && casque_types::ct_eq(computed(token, side, binding).as_ref(), proof)
}

fn computed(token: &Secret, side: ProofSide, binding: &Digest<32>) -> hmac::Tag {
    // Exposed to become the key of the MAC.
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.expose());
    let mut context = hmac::Context::with_key(&key);
    context.update(LABEL);
    context.update(&[side.byte()]);
    context.update(binding.as_bytes());
    context.sign()
}

impl ProofSide {
    const fn byte(self) -> u8 {
        match self {
            Self::Attester => 1,
            Self::Server => 2,
        }
    }
}

const LABEL: &[u8] = b"casque-access-token-1";

#[cfg(test)]
mod tests;
