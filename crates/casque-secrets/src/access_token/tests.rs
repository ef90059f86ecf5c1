use proptest::prelude::{any, proptest};

use super::*;
use crate::testing::secret;
use crate::vectors::Vector;

const BINDING: [u8; 32] = [0x22; 32];

fn holds(proof: &[u8], token: &str, side: ProofSide, binding: [u8; 32]) -> bool {
    is_access_token_proof(proof, &secret(token), side, &binding.into())
}

#[test]
fn proof_holds_for_its_token_side_and_binding_alone() {
    let token = "p7Qm3vXz";
    let side = ProofSide::Attester;
    let proof = access_token_proof(&secret(token), side, &BINDING.into());
    assert!(holds(&proof, token, side, BINDING));
    assert!(!holds(&proof, "p7Qm3vXy", side, BINDING));
    assert!(!holds(&proof, token, ProofSide::Server, BINDING));
    assert!(!holds(&proof, token, side, [0x23; 32]));
    assert!(!holds(&proof[..31], token, side, BINDING));
    assert!(!holds(&[], token, side, BINDING));
}

#[test]
fn proof_of_an_empty_token_never_holds() {
    let side = ProofSide::Server;
    let proof = access_token_proof(&secret(""), side, &BINDING.into());
    assert!(!holds(&proof, "", side, BINDING));
}

#[test]
fn access_token_vectors_come_out_as_expected() {
    for text in [
        include_str!("../../../../vectors/wire/access-token-attester.txt"),
        include_str!("../../../../vectors/wire/access-token-server.txt"),
        include_str!("../../../../vectors/wire/access-token-other-side.txt"),
        include_str!("../../../../vectors/wire/access-token-other-binding.txt"),
        include_str!("../../../../vectors/wire/access-token-flipped.txt"),
    ] {
        let vector = Vector::read(text, &["token", "side", "binding", "proof"]);
        let side = match vector.text("side") {
            "attester" => ProofSide::Attester,
            "server" => ProofSide::Server,
            other => panic!("unknown side {other}"),
        };
        let binding: [u8; 32] = vector.bytes("binding").try_into().unwrap();
        let holds = holds(&vector.bytes("proof"), vector.text("token"), side, binding);
        let outcome = if holds { "holds" } else { "refused" };
        assert_eq!(outcome, vector.text("expect"), "{}", vector.text("about"));
    }
}

proptest! {
    #[test]
    fn proof_with_any_byte_flipped_is_refused(
        token in proptest::collection::vec(any::<u8>(), 1..80),
        position in 0_usize..32,
        flip in 1_u8..,
    ) {
        let token = Secret::new(token);
        let binding = BINDING.into();
        let mut proof = access_token_proof(&token, ProofSide::Server, &binding);
        assert!(is_access_token_proof(&proof, &token, ProofSide::Server, &binding));
        proof[position] ^= flip;
        assert!(!is_access_token_proof(&proof, &token, ProofSide::Server, &binding));
    }
}
