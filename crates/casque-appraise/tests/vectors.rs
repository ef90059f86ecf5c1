//! Real quotes of SGX and TDX (the table of ../shared/spec/evidence.md, section 2.1), found through `CASQUE_VECTORS`
//! (default `../shared/vectors` beside the repository); absent ones are skipped and said so.
//!
//! Tokens are in `maa_vectors.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions that tests call are tests"
)]

mod intel_vectors;

use std::sync::Arc;

use assert_matches::assert_matches;
use casque_appraise::{
    AdvisoryId, AppraiseError, Appraiser, Endorsements, Evidence, EvidenceParseError, Identity,
    IntelEndorsement, IntelEndorsements, IntelTee, QuoteAppraiseError, SgxQuote, TcbStatus,
    TdxQuote, TrustAnchors, Verdict,
};
use casque_types::{Seconds, Timestamp};
use intel_vectors::{endorsements, vector};

/// A row of the table.
struct Row {
    tee: IntelTee,
    quote: &'static str,
    endorsements: &'static str,
    now: u64,
    fmspc: &'static str,
    outcome: Outcome,
    /// Names of claims, and how their values begin and end.
    claims: &'static [(&'static str, &'static str, &'static str)],
}

enum Outcome {
    /// Verified, with these advisories.
    Verified(TcbStatus, &'static [u32]),
    /// Refused.
    Refused(QuoteAppraiseError),
}

use Outcome::{Refused, Verified};

const ROWS: &[Row] = &[
    Row {
        tee: IntelTee::Sgx,
        quote: "sgx-dcap/phala-sgx_quote.bin",
        endorsements: "sgx-dcap/phala-sgx_quote_collateral.json",
        now: 1_750_334_171,
        fmspc: "00a067110000",
        outcome: Verified(TcbStatus::ConfigurationAndSwHardeningNeeded, &[289, 615]),
        claims: &[
            ("mrenclave", "33d8736d", "452fbb"),
            ("mrsigner", "815f42f1", "a3e0e6"),
            ("isvprodid", "0", "0"),
            ("isvsvn", "0", "0"),
            ("attributes", "05", ""),
            ("debug", "false", ""),
            ("report_data", "48656c6c6f2c20776f726c6421", "00"),
            ("fmspc", "00a067110000", ""),
        ],
    },
    Row {
        tee: IntelTee::Tdx,
        quote: "tdx-dcap/phala-tdx_quote.bin",
        endorsements: "tdx-dcap/phala-tdx_quote_collateral.json",
        now: 1_750_332_747,
        fmspc: "b0c06f000000",
        outcome: Verified(TcbStatus::UpToDate, &[]),
        claims: &[
            ("version", "4", ""),
            ("mrtd", "91eb2b44", "3118b7"),
            ("rtmr0", "44c0197b", ""),
            ("rtmr1", "0084452c", ""),
            ("rtmr2", "d833feef", ""),
            ("rtmr3", ZERO, ""),
            ("debug", "false", ""),
        ],
    },
    Row {
        tee: IntelTee::Tdx,
        quote: "tdx-dcap/phala-tdx_quote_outdated.bin",
        endorsements: "tdx-dcap/phala-tdx_quote_outdated_collateral.json",
        now: 1_771_415_931,
        fmspc: "90c06f000000",
        outcome: Refused(QuoteAppraiseError::TcbNotListed),
        claims: &[("version", "5", ""), ("mrtd", "273828c4", "")],
    },
    Row {
        tee: IntelTee::Tdx,
        quote: "tdx-dcap/cos-113-tdx-quote.dat",
        endorsements: "tdx-dcap/collateral_00806f050000.dcap-qvl.json",
        now: 1_739_422_241,
        fmspc: "00806f050000",
        outcome: Verified(TcbStatus::UpToDate, &[]),
        claims: &[("mrtd", "dae67181", ""), ("rtmr0", "3fa2f61f", "")],
    },
    Row {
        tee: IntelTee::Tdx,
        quote: "tdx-dcap/quote_tdx_00806f050000.dat",
        endorsements: "tdx-dcap/collateral_00806f050000.dcap-qvl.json",
        now: 1_739_422_241,
        fmspc: "00806f050000",
        outcome: Verified(TcbStatus::OutOfDate, &[960, 982, 986]),
        claims: &[("mrtd", "935be774", "")],
    },
    Row {
        tee: IntelTee::Tdx,
        quote: "azure-tdx-vtpm/azure-tdx-1764662251380464271.tdquote.bin",
        endorsements: "azure-tdx-vtpm/azure-collateral02.dcap-qvl.json",
        now: 1_771_423_480,
        fmspc: "90c06f000000",
        outcome: Verified(TcbStatus::UpToDate, &[]),
        claims: &[
            ("mrtd", "12bdbc16", "e451"),
            ("rtmr0", ZERO, ""),
            ("rtmr1", ZERO, ""),
            ("rtmr2", ZERO, ""),
            ("rtmr3", ZERO, ""),
        ],
    },
    Row {
        tee: IntelTee::Tdx,
        quote: "azure-tdx-vtpm/azure_failed_dcap_quote_10.bin",
        endorsements: "azure-tdx-vtpm/azure-collateral.dcap-qvl.json",
        now: 1_771_414_156,
        fmspc: "90c06f000000",
        outcome: Refused(QuoteAppraiseError::TcbNotListed),
        claims: &[("version", "5", "")],
    },
    // A domain under debug. The table says "ERR Debug mode" of the verifier called plainly: here the verdict says debug,
    // and a policy denies it unless it tolerates `debug-mode`, with all its other reasons beside it (section 5).
    Row {
        tee: IntelTee::Tdx,
        quote: "tdx-dcap/trustee-tdx_quote_4.dat",
        endorsements: "tdx-dcap/collateral_50806f000000.dcap-qvl.json",
        now: 1_687_081_378,
        fmspc: "50806f000000",
        outcome: Verified(TcbStatus::UpToDate, &[]),
        claims: &[
            ("debug", "true", ""),
            ("tdattributes", "0100001000000000", ""),
            ("mrtd", "705ee938", "f031"),
        ],
    },
];
const ZERO: &str = "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

impl Row {
    /// Evidence and endorsements, if they are there.
    fn read(&self) -> Option<(Evidence, Arc<IntelEndorsements>)> {
        let quote = vector(self.quote)?;
        let evidence = match self.tee {
            IntelTee::Sgx => Evidence::Sgx(SgxQuote::parse(&quote).unwrap()),
            IntelTee::Tdx => Evidence::Tdx(TdxQuote::parse(&quote).unwrap()),
        };
        Some((evidence, endorsements(self.endorsements)?))
    }
}

fn verify(
    appraiser: &Appraiser,
    evidence: &Evidence,
    endorsements: &Arc<IntelEndorsements>,
    now: Timestamp,
) -> Result<Verdict, QuoteAppraiseError> {
    let endorsements = Endorsements {
        intel: Some(Arc::clone(endorsements)),
        amd: None,
    };
    let verdict = appraiser.verify(evidence, &endorsements, now);
    verdict.map_err(|error| match error {
        AppraiseError::Quote(error) => error,
        other => panic!("the quote is judged: {other}"),
    })
}

#[test]
fn real_quotes_give_what_the_table_says_cold_and_warm() {
    for row in ROWS {
        let Some((evidence, endorsements)) = row.read() else {
            continue;
        };
        let appraiser = Appraiser::new(TrustAnchors::vendors());
        let now = Timestamp::from_unix_s(row.now);
        for _ in 0..2 {
            let found = verify(&appraiser, &evidence, &endorsements, now);
            match (&row.outcome, found) {
                (Verified(status, advisories), Ok(verdict)) => {
                    let advisories = advisories.iter().copied();
                    let advisories: Vec<_> = advisories.map(AdvisoryId::from_number).collect();
                    let found = verdict.tcb().advisories.iter().copied().map(Some);
                    assert_eq!(verdict.tcb().status, *status, "{}", row.quote);
                    assert_eq!(found.collect::<Vec<_>>(), advisories, "{}", row.quote);
                    assert_eq!(
                        Some(verdict.identity()),
                        evidence.claimed_identity().as_ref()
                    );
                }
                (Refused(expected), Err(found)) => assert_eq!(found, *expected, "{}", row.quote),
                (_, found) => panic!("{}: {found:?}", row.quote),
            }
        }
    }
}

#[test]
fn real_quotes_state_what_the_table_says() {
    for row in ROWS {
        let Some((evidence, endorsements)) = row.read() else {
            continue;
        };
        let claims = evidence.claims();
        for (name, begin, end) in row.claims {
            let claim = claims.iter().find(|claim| claim.name == *name).unwrap();
            let value = &claim.value;
            assert!(
                value.starts_with(begin) && value.ends_with(end),
                "{}: {name} is {value}",
                row.quote
            );
        }
        let stated = claims.iter().find(|claim| claim.name == "fmspc").unwrap();
        assert_eq!(stated.value, row.fmspc, "{}", row.quote);
        assert_eq!(hex(&endorsements.fmspc().unwrap()), row.fmspc);
        if row.tee == IntelTee::Tdx {
            assert!(
                claims
                    .iter()
                    .filter(|claim| claim.name.starts_with("rtmr"))
                    .count()
                    == 4
            );
        }
    }
}

#[test]
fn real_quotes_later_have_expired_endorsements_with_their_date_cold_and_warm() {
    for row in ROWS {
        let Some((evidence, endorsements)) = row.read() else {
            continue;
        };
        let validity = endorsements.validity().unwrap();
        let late = validity.until.plus(Seconds(1));
        let expected = QuoteAppraiseError::EndorsementsExpired {
            document: validity.first_to_expire,
            expired: Some(validity.until),
        };
        let appraiser = Appraiser::new(TrustAnchors::vendors());
        for _ in 0..2 {
            let refused = verify(&appraiser, &evidence, &endorsements, late).unwrap_err();
            assert_eq!(refused, expected, "{}", row.quote);
            let now = Timestamp::from_unix_s(row.now);
            let then = verify(&appraiser, &evidence, &endorsements, now);
            assert_eq!(then.is_ok(), matches!(row.outcome, Verified(..)));
        }
    }
}

#[test]
fn real_quotes_earlier_have_endorsements_that_are_not_valid_yet() {
    for row in ROWS {
        let Some((evidence, endorsements)) = row.read() else {
            continue;
        };
        let early = endorsements.validity().unwrap().from.minus(Seconds(1));
        let appraiser = Appraiser::new(TrustAnchors::vendors());
        let refused = verify(&appraiser, &evidence, &endorsements, early);
        // The verifier does not look at the beginning of revocation lists: an old list is no danger before its time.
        let dated = [IntelEndorsement::TcbInfo, IntelEndorsement::QeIdentity];
        match refused {
            Err(QuoteAppraiseError::EndorsementsNotYetValid { document, begins }) => {
                assert!(
                    dated.contains(&document) && begins > Some(early),
                    "{}",
                    row.quote
                );
            }
            other => panic!("{}: {other:?}", row.quote),
        }
    }
}

#[test]
fn real_quotes_are_bound_by_the_endorsements_of_their_platform() {
    let (phala, cos) = (&ROWS[1], &ROWS[3]);
    let (Some((quote, _)), Some((_, other))) = (phala.read(), cos.read()) else {
        return;
    };
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    let now = Timestamp::from_unix_s(cos.now);
    let refused = verify(&appraiser, &quote, &other, now).unwrap_err();
    assert_eq!(refused, QuoteAppraiseError::WrongFmspc);
    let sgx = &ROWS[0];
    let (Some((sgx, _)), Some((_, of_tdx))) = (sgx.read(), phala.read()) else {
        return;
    };
    let now = Timestamp::from_unix_s(phala.now);
    let refused = verify(&appraiser, &sgx, &of_tdx, now).unwrap_err();
    assert_matches!(refused, QuoteAppraiseError::EndorsementsOfOtherTee { document, .. }
        if document == IntelEndorsement::QeIdentity);
}

#[test]
fn occlum_quote_is_of_a_debug_enclave() {
    let Some(quote) = vector("sgx-dcap/trustee-occlum_quote.dat") else {
        return;
    };
    let quote = SgxQuote::parse(&quote).unwrap();
    let identity = quote.claimed_identity();
    assert!(identity.debug);
    let enclave = hex(identity.mr_enclave.as_bytes());
    assert!(enclave.starts_with("8f173e46") && enclave.ends_with("011c68"));
    let signer = hex(identity.mr_signer.as_bytes());
    assert!(signer.starts_with("83d719e7") && signer.ends_with("8c7ce9e"));
    assert_eq!(quote.report_data()[..4], *b"test");
    let id = quote.endorsements_id().unwrap();
    assert_eq!(hex(&id.fmspc), "00606a000000");
}

#[test]
fn bad_report_is_refused() {
    let Some(report) = vector("sgx-dcap/sgx_report_bad.bin") else {
        return;
    };
    let refused = SgxQuote::parse(&report);
    assert_matches!(refused, Err(EvidenceParseError::Malformed { expected, .. })
        if expected.starts_with("version 3"));
}

#[test]
fn quotes_of_one_tee_are_refused_as_quotes_of_the_other() {
    for row in ROWS {
        let Some(quote) = vector(row.quote) else {
            continue;
        };
        let refused = match row.tee {
            IntelTee::Sgx => TdxQuote::parse(&quote).map(|_| ()),
            IntelTee::Tdx => SgxQuote::parse(&quote).map(|_| ()),
        };
        assert_matches!(refused, Err(EvidenceParseError::Malformed { .. }));
    }
}

#[test]
fn azure_identity_is_that_of_the_domain() {
    let Some((evidence, _)) = ROWS[5].read() else {
        return;
    };
    let Some(Identity::Tdx(domain)) = evidence.claimed_identity() else {
        panic!("the quote is of TDX");
    };
    assert!(!domain.debug);
    assert_eq!(domain.td_attributes.as_bytes()[3] & 0x10, 0x10);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
