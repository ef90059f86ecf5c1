//! Whatever of certificates and endorsements is signed is refused with any byte of it changed, and nothing that is
//! refused panics.
#![expect(
    clippy::unwrap_used,
    reason = "the functions that tests call are tests"
)]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_appraise::{
    AppraiseError, Appraiser, Endorsements, Evidence, IntelEndorsements, IntelTee, SgxQuote,
    TdxQuote, TrustAnchors,
};
use casque_testkit::sgx::{EndorsementSpec, SoftwareTee, software_identity};
use casque_testkit::tdx::software_tdx_identity;
use casque_types::Timestamp;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const TEES: [IntelTee; 2] = [IntelTee::Sgx, IntelTee::Tdx];

/// A quote with what vouches for it, and a verifier that has seen it.
struct World {
    kind: IntelTee,
    quote: Vec<u8>,
    endorsements: IntelEndorsements,
    appraiser: Appraiser,
}

impl World {
    fn new(kind: IntelTee) -> Self {
        let tee = SoftwareTee::generate(NOW).unwrap();
        let quote = match kind {
            IntelTee::Sgx => tee.quote(&software_identity([1; 32].into()), &[7; 64]),
            IntelTee::Tdx => tee.tdx_quote(&software_tdx_identity([1; 48]), &[7; 64]),
        };
        let endorsements = tee.endorsements_of(&EndorsementSpec::valid_for(kind, NOW));
        let root = tee.root_der().to_vec();
        let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(root);
        let world = Self {
            kind,
            quote: quote.unwrap(),
            endorsements: endorsements.unwrap(),
            appraiser: Appraiser::new(anchors),
        };
        let verified = world.verify(&world.quote, world.endorsements.clone());
        assert_eq!(verified, Ok(()));
        world
    }

    fn verify(&self, quote: &[u8], endorsements: IntelEndorsements) -> Result<(), AppraiseError> {
        let evidence = match self.kind {
            IntelTee::Sgx => Evidence::Sgx(SgxQuote::parse(quote)?),
            IntelTee::Tdx => Evidence::Tdx(TdxQuote::parse(quote)?),
        };
        let endorsements = Endorsements {
            intel: Some(Arc::new(endorsements)),
            amd: None,
        };
        let verdict = self.appraiser.verify(&evidence, &endorsements, NOW);
        verdict.map(|_| ())
    }
}

/// The certificates of a chain, DER.
fn certificates(pem: &str) -> Vec<Vec<u8>> {
    pem.split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .map(|it| {
            let (text, _) = it.split_once("-----END").unwrap();
            STANDARD
                .decode(text.split_whitespace().collect::<String>())
                .unwrap()
        })
        .collect()
}

/// A chain as the software TEE writes it.
fn pem(certificates: &[Vec<u8>]) -> String {
    let one = |der: &Vec<u8>| {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(64)
            .map(|it| str::from_utf8(it).unwrap())
            .collect();
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            lines.join("\n")
        )
    };
    certificates.iter().map(one).collect()
}

#[test]
fn certificate_of_the_platform_with_any_byte_changed_is_refused() {
    for world in TEES.map(World::new) {
        let begin = b"-----BEGIN";
        let at = world
            .quote
            .windows(begin.len())
            .position(|it| it == begin)
            .unwrap();
        let text = str::from_utf8(&world.quote[at..]).unwrap();
        let chain = certificates(text);
        assert_eq!(pem(&chain), text);
        // The root is not taken from there.
        for (which, byte) in
            (0..2).flat_map(|which| (0..chain[which].len()).map(move |byte| (which, byte)))
        {
            let mut bent = chain.clone();
            bent[which][byte] ^= 1 << (byte % 8);
            let quote = [&world.quote[..at], pem(&bent).as_bytes()].concat();
            let refused = world.verify(&quote, world.endorsements.clone());
            assert!(refused.is_err(), "certificate {which}, byte {byte}");
        }
    }
}

#[test]
fn endorsements_with_any_signed_byte_changed_are_refused() {
    type Part = fn(&mut IntelEndorsements) -> &mut Vec<u8>;
    let parts: [(&str, Part); 4] = [
        ("signature of the TCB info", |it| &mut it.tcb_info_signature),
        ("signature of the QE identity", |it| {
            &mut it.qe_identity_signature
        }),
        ("list of the PCK authority", |it| &mut it.pck_crl),
        ("list of the root", |it| &mut it.root_ca_crl),
    ];
    for world in TEES.map(World::new) {
        for (name, part) in parts {
            let mut endorsements = world.endorsements.clone();
            for byte in 0..part(&mut endorsements).len() {
                let mut bent = world.endorsements.clone();
                part(&mut bent)[byte] ^= 1 << (byte % 8);
                let refused = world.verify(&world.quote, bent);
                assert!(refused.is_err(), "{name}, byte {byte}");
            }
        }
    }
}

#[test]
fn documents_with_any_byte_changed_are_refused() {
    type Part = fn(&mut IntelEndorsements) -> &mut String;
    let parts: [(&str, Part); 2] = [
        ("TCB info", |it| &mut it.tcb_info),
        ("QE identity", |it| &mut it.qe_identity),
    ];
    for world in TEES.map(World::new) {
        for (name, part) in parts {
            let text = part(&mut world.endorsements.clone()).clone();
            for byte in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[byte] ^= 1 << (byte % 7);
                let mut bent = world.endorsements.clone();
                *part(&mut bent) = String::from_utf8(bytes).unwrap();
                let refused = world.verify(&world.quote, bent);
                assert!(refused.is_err(), "{name}, byte {byte}");
            }
        }
    }
}

#[test]
fn certificate_of_the_signer_with_any_byte_changed_is_refused() {
    for world in TEES.map(World::new) {
        let chain = certificates(&world.endorsements.tcb_info_issuer_chain);
        for byte in 0..chain[0].len() {
            let mut bent = chain.clone();
            bent[0][byte] ^= 1 << (byte % 8);
            for both in [true, false] {
                let mut endorsements = world.endorsements.clone();
                endorsements.tcb_info_issuer_chain = pem(&bent);
                if both {
                    endorsements.qe_identity_issuer_chain = pem(&bent);
                }
                let refused = world.verify(&world.quote, endorsements);
                assert!(refused.is_err(), "byte {byte}");
            }
        }
    }
}
