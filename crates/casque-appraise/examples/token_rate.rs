//! How many tokens are read, verified and bound in a second of one core: `cargo run --release -p casque-appraise
//! --example token_rate`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

use std::time::Instant;

use casque_appraise::{Appraiser, MaaKeys, MaaToken, MaaTrust, SignerDemand, TrustAnchors};
use casque_testkit::maa::{JwksShape, RuntimeClaim, SnpToken, SoftwareMaa, TokenSpec};
use casque_testkit::sgx::software_identity;
use casque_testkit::snp::software_snp_identity;
use casque_types::{
    Kem, KemPublicKey, KeyHash, Nonce, RuntimeData, Seconds, SnpPlatform, SnpTcb, Timestamp,
};

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const ROUNDS: u32 = 50_000;

fn main() {
    let maa = SoftwareMaa::generate("https://maa.example".parse().unwrap(), NOW).unwrap();
    let keys = MaaKeys::parse(maa.jwks(JwksShape::WithNumbers).as_bytes()).unwrap();
    let trust = MaaTrust {
        issuer: maa.url().clone(),
        min_rsa_bits: 2048,
        clock_skew: Seconds(60),
        max_age: Seconds(600),
        signer: SignerDemand::Any,
    };
    let runtime = RuntimeData::new(
        KeyHash::of_spki(b"server"),
        "ns/app/web".parse().unwrap(),
        Nonce::from_bytes(vec![1; 32]).unwrap(),
        KemPublicKey::from_bytes(Kem::XWing, vec![9; 1216]).unwrap(),
    );
    let report_data = *runtime.report_data().as_bytes();
    let claim = || RuntimeClaim::Json(runtime.as_bytes().to_vec());
    let enclave = software_identity([1; 32].into());
    let guest = SnpToken {
        identity: software_snp_identity([1; 48].into()),
        platform: SnpPlatform {
            product: None,
            reported_tcb: SnpTcb {
                fmc: None,
                bootloader: 4,
                tee: 0,
                snp: 24,
                microcode: 219,
            },
            chip_id: None,
            signer: None,
            revocation_judged: false,
        },
        compliance: None,
    };
    for (kind, spec) in [
        ("sgx", TokenSpec::sgx(enclave, report_data, NOW)),
        ("sevsnpvm", TokenSpec::snp(guest, report_data, NOW)),
    ] {
        let text = maa.token(&spec.with_runtime(claim())).unwrap();
        let appraiser = Appraiser::new(TrustAnchors::vendors());
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let token = MaaToken::parse(&text).unwrap();
            let appraised = appraiser.appraise_token(&token, runtime.clone(), &keys, &trust, NOW);
            appraised.unwrap();
        }
        let rate = f64::from(ROUNDS) / start.elapsed().as_secs_f64();
        let start = Instant::now();
        for _ in 0..ROUNDS {
            MaaToken::parse(&text).unwrap();
        }
        let parse = f64::from(ROUNDS) / start.elapsed().as_secs_f64();
        println!(
            "{kind}: {rate:.0} a second ({} bytes); reading alone {parse:.0}",
            text.len()
        );
    }
}
