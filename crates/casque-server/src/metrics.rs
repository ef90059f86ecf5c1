//! What is counted. Labels are routes, outcomes and codes: never names from policies, never secrets.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

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
    pub(crate) fn new() -> Self {
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
