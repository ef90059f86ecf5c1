//! What is counted; `docs/http.md` lists it. Labels are routes, outcomes and codes: never names from policies, never
//! secrets, and never what a stranger can make up.

mod endorsements;

use std::fmt;
use std::sync::atomic::AtomicU64;

use casque_endorse::EndorserCounts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use endorsements::Endorsements;

/// All metrics of one server.
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<AnswerLabels, Counter>,
    denials: Family<ReasonLabels, Counter>,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Connections that never became one: TLS refused, too slow.
    pub(crate) failed_handshakes: Counter<u64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    route: &'static str,
    status: u16,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    code: &'static str,
}

impl Metrics {
    /// `endorsers` tells what became of fetches of endorsements: Intel's, then AMD's.
    pub(crate) fn new(
        endorsers: impl Fn() -> (EndorserCounts, EndorserCounts) + Send + Sync + 'static,
    ) -> Self {
        let mut registry = Registry::with_prefix("casque");
        let answers = Family::default();
        let denials = Family::default();
        let connections = Gauge::default();
        let failed_handshakes = Counter::default();
        registry.register(
            "answers",
            "Answers by route, HTTP status and code",
            answers.clone(),
        );
        registry.register(
            "denial_reasons",
            "Rules of policies that failed",
            denials.clone(),
        );
        registry.register("connections", "Open connections", connections.clone());
        registry.register(
            "failed_handshakes",
            "Connections that failed before a request",
            failed_handshakes.clone(),
        );
        registry.register_collector(Box::new(Endorsements(endorsers)));
        Self {
            registry,
            answers,
            denials,
            connections,
            failed_handshakes,
        }
    }

    /// Counts an answer; `code` is `ok` or the failure's.
    pub(crate) fn count_answer(&self, route: &'static str, status: u16, code: &'static str) {
        let labels = AnswerLabels {
            route,
            status,
            code,
        };
        self.answers.get_or_create(&labels).inc();
    }

    /// Counts one failed rule of a denial.
    pub(crate) fn count_reason(&self, code: &'static str) {
        self.denials.get_or_create(&ReasonLabels { code }).inc();
    }

    /// The OpenMetrics text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEL: EndorserCounts = EndorserCounts {
        fetched: 1,
        unknown: 2,
        busy: 3,
        failed: 4,
        kept: 5,
        passing: 6,
    };
    const AMD: EndorserCounts = EndorserCounts {
        fetched: 11,
        unknown: 12,
        busy: 13,
        failed: 14,
        kept: 15,
        passing: 16,
    };

    /// Every name and label that can be had, so that a new one does not come unseen.
    #[test]
    fn text_is_openmetrics_of_all_that_is_counted() {
        let metrics = Metrics::new(|| (INTEL, AMD));
        metrics.count_answer("attest", 403, "denied");
        metrics.count_reason("otp-wrong");
        metrics.connections.inc();
        metrics.failed_handshakes.inc();
        let text = metrics.text().unwrap();
        assert_eq!(text, include_str!("metrics/all.txt"));
    }

    /// What is counted stands in the documentation, and nothing else does.
    #[test]
    fn documentation_lists_exactly_what_is_counted() {
        let text = include_str!("metrics/all.txt");
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let named = types.map(|line| match line.split_once(' ') {
            Some((name, "counter")) => format!("{name}_total"),
            Some((name, _)) => name.to_owned(),
            None => panic!("{line}"),
        });
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/http.md");
        let document = std::fs::read_to_string(path).unwrap();
        let rows = document
            .lines()
            .filter_map(|line| line.strip_prefix("| `casque_"));
        let listed = rows.filter_map(|row| Some(format!("casque_{}", row.split_once('`')?.0)));
        assert_eq!(named.collect::<Vec<_>>(), listed.collect::<Vec<_>>());
    }
}
