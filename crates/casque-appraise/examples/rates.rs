//! How many pieces of evidence are appraised in a second of processor time, parsing included, over evidence of the
//! software TEE: `cargo run --release -p casque-appraise --example rates [words of a name…]`.
//!
//! One thread; processor time by `/proc/self/schedstat` (Linux). Cold: a program never seen before, on a platform whose
//! endorsements are at hand. Warm: a program seen before, another request.
//!
//! To add a line, add a function that makes a [`Round`], and name it in [`LINES`].
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program for people who measure"
)]

use std::hint::black_box;
use std::sync::Arc;

use casque_appraise::{Appraiser, Endorsements, Evidence, SgxQuote, TdxQuote, TrustAnchors};
use casque_testkit::sgx::{SoftwareTee, software_identity};
use casque_testkit::tdx::{TdxFormat, TdxQuoteSpec, software_tdx_identity};
use casque_types::{MrEnclave, Timestamp};

/// Appraises [`ROUND`] pieces of evidence.
type Round = Box<dyn FnMut()>;

/// Its name, and what makes its round.
type Line = (&'static str, fn() -> Round);

/// What is measured.
const LINES: &[Line] = &[
    ("sgx cold", || sgx(Programs::Other)),
    ("sgx warm", || sgx(Programs::Same)),
    ("tdx v4 cold", || tdx(TdxFormat::V4, Programs::Other)),
    ("tdx v4 warm", || tdx(TdxFormat::V4, Programs::Same)),
    ("tdx v5 cold", || tdx(TdxFormat::V5Td15, Programs::Other)),
    ("tdx v5 warm", || tdx(TdxFormat::V5Td15, Programs::Same)),
];

/// Whether the programs of a round were seen before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Programs {
    Same,
    Other,
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for (name, make) in LINES {
        if !wanted.iter().all(|word| name.contains(word.as_str())) {
            continue;
        }
        let rate = measure(make());
        println!("{name:<20} {rate:>8} per CPU second");
    }
}

/// Appraisals per second of processor time, over two seconds.
fn measure(mut round: Round) -> u64 {
    round();
    let (begin, mut done) = (cpu_ns(), 0_u64);
    loop {
        round();
        done = done.saturating_add(ROUND);
        let spent_ns = cpu_ns().saturating_sub(begin);
        if spent_ns >= 2 * NS_PER_S {
            let per_s = done.saturating_mul(NS_PER_S).checked_div(spent_ns);
            return per_s.unwrap_or_default();
        }
    }
}

fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    let first = stat.split_whitespace().next().expect("three numbers");
    first.parse().expect("a number")
}

fn sgx(programs: Programs) -> Round {
    let tee = SoftwareTee::generate(NOW).unwrap();
    let endorsements = Endorsements {
        intel: Some(Arc::new(tee.endorsements(NOW).unwrap())),
        amd: None,
    };
    let quotes = numbers(programs).map(|(program, request)| {
        let identity = software_identity(MrEnclave::from([program; 32]));
        tee.quote(&identity, &[request; 64]).unwrap()
    });
    let parse = |bytes: &[u8]| Evidence::Sgx(SgxQuote::parse(bytes).unwrap());
    round(
        anchors(&tee),
        endorsements,
        quotes.collect(),
        parse,
        programs,
    )
}

fn tdx(format: TdxFormat, programs: Programs) -> Round {
    let tee = SoftwareTee::generate(NOW).unwrap();
    let endorsements = Endorsements {
        intel: Some(Arc::new(tee.tdx_endorsements(NOW).unwrap())),
        amd: None,
    };
    let quotes = numbers(programs).map(|(program, request)| {
        let identity = software_tdx_identity([program; 48]);
        let spec = TdxQuoteSpec::new(identity, [request; 64]).with_format(format);
        tee.tdx_quote_of(&spec).unwrap()
    });
    let parse = |bytes: &[u8]| Evidence::Tdx(TdxQuote::parse(bytes).unwrap());
    round(
        anchors(&tee),
        endorsements,
        quotes.collect(),
        parse,
        programs,
    )
}

/// A round over these bytes; what was verified is forgotten before each round where the programs are to be others.
fn round(
    anchors: TrustAnchors,
    endorsements: Endorsements,
    evidence: Vec<Vec<u8>>,
    parse: fn(&[u8]) -> Evidence,
    programs: Programs,
) -> Round {
    let mut appraiser = Appraiser::new(anchors.clone());
    Box::new(move || {
        if programs == Programs::Other {
            appraiser = Appraiser::new(anchors.clone());
        }
        for bytes in &evidence {
            let verdict = appraiser.verify(&parse(black_box(bytes)), &endorsements, NOW);
            black_box(verdict.expect("it is valid"));
        }
    })
}

/// Program and request of each piece of a round.
fn numbers(programs: Programs) -> impl Iterator<Item = (u8, u8)> {
    (0..64).map(move |number| match programs {
        Programs::Same => (1, number),
        Programs::Other => (number, number),
    })
}

fn anchors(tee: &SoftwareTee) -> TrustAnchors {
    TrustAnchors::vendors().dangerous_with_sgx_root(tee.root_der().to_vec())
}

const ROUND: u64 = 64;
const NS_PER_S: u64 = 1_000_000_000;
const NOW: Timestamp = Timestamp::from_unix_s(1_795_478_400);
