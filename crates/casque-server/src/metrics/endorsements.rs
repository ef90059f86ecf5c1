//! What became of fetches of endorsements, as it is when somebody asks: labels are the vendor and one of few words, never
//! a platform.

use std::fmt;

use casque_endorse::EndorserCounts;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Asks for the counts of Intel's documents, then of AMD's.
pub(super) struct Endorsements<F>(pub(super) F);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    vendor: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DocumentLabels {
    vendor: &'static str,
    state: &'static str,
}

impl<F> Collector for Endorsements<F>
where
    F: Fn() -> (EndorserCounts, EndorserCounts) + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (intel, amd) = (self.0)();
        let vendors = [("intel", intel), ("amd", amd)];
        let help = "Fetches of endorsements by what became of them.";
        let name = "endorsement_fetches";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (vendor, counts) in &vendors {
            for (outcome, count) in outcomes(counts) {
                let labels = FetchLabels { vendor, outcome };
                let mut counter = family.encode_family(&labels)?;
                counter.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        let help = "Endorsements in memory; passing: what is remembered of platforms that nothing has proved.";
        let name = "endorsements";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (vendor, counts) in &vendors {
            for (state, count) in [("kept", counts.kept), ("passing", counts.passing)] {
                let labels = DocumentLabels { vendor, state };
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                family.encode_family(&labels)?.encode_gauge(&count)?;
            }
        }
        Ok(())
    }
}

impl<F> fmt::Debug for Endorsements<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endorsements")
    }
}

/// In the words of the codes of failures (`docs/errors-endorsements.md`).
const fn outcomes(counts: &EndorserCounts) -> [(&'static str, u64); 4] {
    let EndorserCounts {
        fetched,
        unknown,
        busy,
        failed,
        ..
    } = *counts;
    [
        ("fetched", fetched),
        ("unknown-platform", unknown),
        ("busy", busy),
        ("failed", failed),
    ]
}
