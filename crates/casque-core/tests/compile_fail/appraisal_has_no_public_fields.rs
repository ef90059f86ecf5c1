//! Neither an appraisal nor the verdict in it can be written down field by field.
use casque_appraise::{Appraisal, Identity, Verdict};

fn bend(mut appraisal: Appraisal, mut verdict: Verdict) {
    verdict.identity = Identity::Unattested;
    appraisal.verdict = verdict;
}

fn main() {
    let _ = bend;
}
