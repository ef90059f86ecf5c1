//! What the verifier of quotes remembers never changes an answer: whatever was asked before, an old verifier
//! says what a new one says, to the letter.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the functions that tests call are tests"
)]

use std::sync::{Arc, LazyLock};

use casque_appraise::{
    AppraiseError, Appraiser, Endorsements, Evidence, IntelEndorsements, IntelTee,
    QuoteAppraiseError, SgxQuote, TcbStatus, TdxQuote, TrustAnchors,
};
use casque_testkit::sgx::{EndorsementSpec, QuoteSpec, SoftwareTee, Standing, software_identity};
use casque_testkit::tdx::{TdxFormat, TdxQuoteSpec, software_tdx_identity};
use casque_types::{Seconds, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);
const TEES: [IntelTee; 2] = [IntelTee::Sgx, IntelTee::Tdx];

struct World {
    tee: SoftwareTee,
    /// By TEE, then program and request.
    quotes: [Vec<Vec<u8>>; 2],
    /// By TEE: valid, and others of every kind.
    sets: [Vec<Arc<IntelEndorsements>>; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

impl World {
    fn new() -> Self {
        let tee = SoftwareTee::generate(NOW).unwrap();
        let pairs = || (0..3_u8).flat_map(|program| (0..3_u8).map(move |it| (program, it)));
        let sgx = pairs().map(|(program, request)| {
            let identity = software_identity([program; 32].into());
            let spec = QuoteSpec::new(identity, [request; 64]);
            tee.quote_of(&spec).unwrap()
        });
        let tdx = pairs().map(|(program, request)| {
            let format = TdxFormat::ALL[usize::from(program) + 1];
            let identity = software_tdx_identity([program; 48]);
            let spec = TdxQuoteSpec::new(identity, [request; 64]).with_format(format);
            tee.tdx_quote_of(&spec).unwrap()
        });
        let quotes = [sgx.collect(), tdx.collect()];
        let sets = TEES.map(|of| sets(&tee, of));
        Self { tee, quotes, sets }
    }

    fn appraiser(&self) -> Appraiser {
        let root = self.tee.root_der().to_vec();
        Appraiser::new(TrustAnchors::vendors().dangerous_with_sgx_root(root))
    }
}

/// Valid endorsements first.
fn sets(tee: &SoftwareTee, of: IntelTee) -> Vec<Arc<IntelEndorsements>> {
    type Bend = fn(&mut EndorsementSpec);
    let bends: [Bend; 9] = [
        |_| (),
        |it| it.tcb_status = TcbStatus::OutOfDate,
        |it| it.crl_next_update = NOW.plus(Seconds(60)),
        |it| it.next_update = NOW.plus(Seconds(60)),
        |it| it.issued = NOW.plus(Seconds(60)),
        |it| it.pck = Standing::Revoked,
        |it| it.fmspc = Some([1; 6]),
        |it| it.tcb_info_changed = true,
        |it| it.qe_signer = Some([1; 32].into()),
    ];
    let made = bends.map(|bend| {
        let mut spec = EndorsementSpec::valid_for(of, NOW);
        bend(&mut spec);
        Arc::new(tee.endorsements_of(&spec).unwrap())
    });
    made.into()
}

/// One question: everything that it depends on.
#[derive(Clone, Debug)]
struct Question {
    tee: usize,
    quote: usize,
    set: usize,
    allocation: Allocation,
    now: Timestamp,
    flip: Option<(usize, u8)>,
}

/// Whether the set is the one that was given before, or the same bytes elsewhere.
#[derive(Clone, Copy, Debug)]
enum Allocation {
    Same,
    Other,
}

impl Question {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = WORLD.quotes[self.tee][self.quote].clone();
        if let Some((at, flip)) = self.flip {
            let at = at.checked_rem(bytes.len()).unwrap();
            bytes[at] ^= flip;
        }
        bytes
    }

    fn ask(&self, appraiser: &Appraiser) -> Result<String, AppraiseError> {
        let evidence = parse(TEES[self.tee], &self.bytes())?;
        let set = &WORLD.sets[self.tee][self.set];
        let set = match self.allocation {
            Allocation::Same => Arc::clone(set),
            Allocation::Other => Arc::new(IntelEndorsements::clone(set)),
        };
        verify(appraiser, &evidence, &set, self.now)
    }
}

fn parse(tee: IntelTee, bytes: &[u8]) -> Result<Evidence, AppraiseError> {
    Ok(match tee {
        IntelTee::Sgx => Evidence::Sgx(SgxQuote::parse(bytes)?),
        IntelTee::Tdx => Evidence::Tdx(TdxQuote::parse(bytes)?),
    })
}

/// The whole verdict, as text.
fn verify(
    appraiser: &Appraiser,
    evidence: &Evidence,
    set: &Arc<IntelEndorsements>,
    now: Timestamp,
) -> Result<String, AppraiseError> {
    let endorsements = Endorsements {
        intel: Some(Arc::clone(set)),
        amd: None,
    };
    let verdict = appraiser.verify(evidence, &endorsements, now)?;
    Ok(format!("{verdict:?}"))
}

prop_compose! {
    fn question()(
        tee in 0..2_usize,
        quote in 0..9_usize,
        set in prop_oneof![3 => Just(0_usize), 2 => 1..9_usize],
        other in any::<bool>(),
        now in prop_oneof![
            4 => Just(NOW),
            // Before the issue, at it, around the early ends and the late ones, long after.
            4 => prop::sample::select(vec![-3_601, -3_600, -1, 1, 59, 60, 61, 2_588_399, 2_588_400, 2_588_401, 90_000_000])
                .prop_map(offset),
            2 => (-7_200_i64..2_600_000).prop_map(offset),
        ],
        flip in prop_oneof![
            3 => Just(None),
            2 => (any::<usize>(), 1..=255_u8).prop_map(Some),
            1 => (368..960_usize, 1..=255_u8).prop_map(Some),
        ],
    ) -> Question {
        let allocation = if other { Allocation::Other } else { Allocation::Same };
        Question { tee, quote, set, allocation, now, flip }
    }
}

fn offset(seconds: i64) -> Timestamp {
    let span = Seconds(seconds.unsigned_abs());
    if seconds < 0 {
        NOW.minus(span)
    } else {
        NOW.plus(span)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn old_verifier_says_what_a_new_one_says(questions in prop::collection::vec(question(), 1..24)) {
        let old = WORLD.appraiser();
        for question in questions {
            prop_assert_eq!(question.ask(&old), question.ask(&WORLD.appraiser()), "{:?}", question);
        }
    }
}

#[test]
fn questions_are_of_every_kind() {
    // Else the law above would say little: a fresh look at what its questions are made of.
    let ask = |set: usize, now: Timestamp, tee: usize| {
        let question = Question {
            tee,
            quote: 4,
            set,
            allocation: Allocation::Same,
            now,
            flip: None,
        };
        question.ask(&WORLD.appraiser())
    };
    for tee in 0..2 {
        assert!((0..4).all(|set| ask(set, NOW, tee).is_ok()));
        assert!((4..9).all(|set| ask(set, NOW, tee).is_err()));
        assert!(ask(4, offset(60), tee).is_ok());
        assert!(ask(0, offset(2_588_399), tee).is_ok());
        // The revocation lists end with this second, the documents with the next.
        assert!(ask(0, offset(2_588_400), tee).is_err());
        assert!(ask(3, offset(60), tee).is_ok() && ask(3, offset(61), tee).is_err());
        assert!(ask(0, offset(-3_601), tee).is_err());
    }
}

#[test]
fn warm_quote_with_a_byte_flipped_anywhere_is_judged_as_a_cold_one() {
    for (number, tee) in TEES.into_iter().enumerate() {
        let quote = &WORLD.quotes[number][0];
        let set = &WORLD.sets[number][0];
        let warm = WORLD.appraiser();
        assert!(verify(&warm, &parse(tee, quote).unwrap(), set, NOW).is_ok());
        let chain_at = position(quote, b"-----BEGIN");
        // Every byte before the chain; of the text of the chain every seventh.
        for at in (0..chain_at).chain((chain_at..quote.len()).step_by(7)) {
            let mut bent = quote.clone();
            bent[at] ^= 1 << (at % 8);
            let ask = |appraiser: &Appraiser| {
                let evidence = parse(tee, &bent)?;
                verify(appraiser, &evidence, set, NOW)
            };
            let (found, expected) = (ask(&warm), ask(&WORLD.appraiser()));
            assert_eq!(found, expected, "{tee:?}, byte {at}");
            assert!(at >= chain_at || found.is_err(), "{tee:?}, byte {at}");
        }
        assert!(verify(&warm, &parse(tee, quote).unwrap(), set, NOW).is_ok());
    }
}

#[test]
fn warm_quote_of_another_request_is_verified_by_its_own_signature() {
    for (number, tee) in TEES.into_iter().enumerate() {
        let [first, second] = [0, 1].map(|it| WORLD.quotes[number][it].clone());
        let set = &WORLD.sets[number][0];
        let warm = WORLD.appraiser();
        let verify = |bytes: &[u8]| verify(&warm, &parse(tee, bytes).unwrap(), set, NOW);
        let (one, other) = (verify(&first).unwrap(), verify(&second).unwrap());
        assert_ne!(one, other);
        // The signature of the second quote over the first one's report.
        let signed = match tee {
            IntelTee::Sgx => 432,
            IntelTee::Tdx => 638,
        };
        let mut spliced = first;
        spliced[signed + 4..signed + 68].copy_from_slice(&second[signed + 4..signed + 68]);
        let refused = verify(&spliced).unwrap_err();
        assert_eq!(
            refused,
            AppraiseError::Quote(QuoteAppraiseError::QuoteSignature)
        );
    }
}

fn position(bytes: &[u8], part: &[u8]) -> usize {
    let found = bytes.windows(part.len()).position(|it| it == part);
    found.unwrap()
}
