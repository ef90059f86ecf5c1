//! `cargo xtask bench`: the release build against the budgets of ARCHITECTURE.md, and the rates of appraisal alone
//! ([`rates`]).
//!
//! The scenarios are driven by `casque-dev bench --output json`, which starts the release `casqued` and reads its CPU
//! time from the operating system. It prints one object:
//!
//! ```text
//! {"measurements": [{"name": "release-maa-token", "value": 0.21, "count": 5000}, ...]}
//! ```
//!
//! `name` is one of `BUDGETS`, `value` in that budget's unit and, but where the budget says otherwise, CPU time of
//! the server process for one operation, `count` how many operations it is the mean of. A budget without a
//! measurement is shown as not measured and counts as skipped; one that is exceeded counts as failed.

use std::process::{ExitCode, Stdio};

use serde_json::Value;

use crate::run::{Profile, build_programs, built, not_started, program};
use crate::{Failure, Tally, rates};

/// Builds, measures and prints the table.
///
/// # Errors
/// The programs do not build, or the scenarios cannot be driven.
pub fn command() -> Result<ExitCode, Failure> {
    build_programs(Profile::Release)?;
    let mut measurements = measure()?;
    measurements.extend(agent_size()?);
    let mut tally = print(&measurements);
    tally += rates::measure()?;
    println!("{tally}");
    Ok(tally.exit_code())
}

/// One mean.
#[derive(Clone, Debug, PartialEq)]
struct Measurement {
    name: String,
    value: f64,
    count: u64,
}

/// What an operation may cost.
struct Budget {
    name: &'static str,
    what: &'static str,
    limit: f64,
    unit: &'static str,
}

/// An operation without a budget.
struct Told {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
}

fn measure() -> Result<Vec<Measurement>, Failure> {
    let mut command = program(built(Profile::Release, "casque-dev"));
    command.args(["bench", "--output", "json"]);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| not_started(&command, &error))?;
    if !output.status.success() {
        let sentence = format!("`casque-dev bench` ended with {}", output.status);
        return Err(Failure::new(sentence));
    }
    parse(&output.stdout)
}

fn parse(json: &[u8]) -> Result<Vec<Measurement>, Failure> {
    let unexpected = || {
        let sentence = "expected `{\"measurements\": [{\"name\", \"value\", \"count\"}, ...]}` of `casque-dev bench`";
        Failure::new(sentence.to_owned())
    };
    let json: Value = serde_json::from_slice(json).map_err(|_| unexpected())?;
    let list = json.get("measurements").and_then(Value::as_array);
    let one = |entry: &Value| {
        Some(Measurement {
            name: entry.get("name")?.as_str()?.to_owned(),
            value: entry.get("value")?.as_f64()?,
            count: entry.get("count")?.as_u64()?,
        })
    };
    let list = list.ok_or_else(unexpected)?.iter().map(one);
    list.collect::<Option<_>>().ok_or_else(unexpected)
}

/// The one budget that needs no run.
fn agent_size() -> Result<Option<Measurement>, Failure> {
    let path = built(Profile::Release, "casque-agent");
    let metadata = std::fs::metadata(&path)
        .map_err(|error| Failure::new(format!("`{}` cannot be read: {error}", path.display())))?;
    let kibibytes = u32::try_from(metadata.len() / 1024).ok();
    Ok(kibibytes.map(|kibibytes| Measurement {
        name: "agent-size".to_owned(),
        value: f64::from(kibibytes) / 1024.0,
        count: 1,
    }))
}

fn print(measurements: &[Measurement]) -> Tally {
    println!(
        "{:<52} {:>10} {:>10} {:>6} {:>8}",
        "operation", "budget", "measured", "ratio", "of"
    );
    let mut tally = Tally::default();
    for budget in BUDGETS {
        let found = measurements.iter().find(|found| found.name == budget.name);
        tally += found.map_or(Tally::SKIPPED, |found| judge(budget, found));
        println!("{}", line(budget, found));
    }
    for found in measurements {
        if let Some(told) = TOLD.iter().find(|told| told.name == found.name) {
            let value = format!("{:.3} {}", found.value, told.unit);
            let Measurement { count, .. } = found;
            println!(
                "{:<52} {:>10} {value:>10} {:>6} {count:>8}",
                told.what, "none", ""
            );
        }
    }
    tally
}

fn judge(budget: &Budget, found: &Measurement) -> Tally {
    if found.value <= budget.limit {
        Tally::PASSED
    } else {
        Tally::FAILED
    }
}

fn line(budget: &Budget, found: Option<&Measurement>) -> String {
    let Budget {
        what, limit, unit, ..
    } = budget;
    let limit = format!("{limit} {unit}");
    match found {
        None => format!("{what:<52} {limit:>10} {:>10}", "not measured"),
        Some(Measurement { value, count, .. }) => {
            let ratio = value / budget.limit;
            let value = format!("{value:.3} {unit}");
            format!("{what:<52} {limit:>10} {value:>10} {ratio:>6.2} {count:>8}")
        }
    }
}

const fn budget(name: &'static str, what: &'static str, limit: f64, unit: &'static str) -> Budget {
    Budget {
        name,
        what,
        limit,
        unit,
    }
}

const BUDGETS: &[Budget] = &[
    budget(
        "release-maa-token",
        "release with an MAA token, 10 secrets, kept-alive",
        0.40,
        "ms",
    ),
    budget(
        "release-sgx-quote",
        "release with an SGX quote, 10 secrets, kept-alive",
        0.90,
        "ms",
    ),
    budget(
        "release-snp-report",
        "release with an SNP report, 10 secrets, kept-alive",
        0.60,
        "ms",
    ),
    budget(
        "release-tdx-quote",
        "release with a TDX quote, 10 secrets, kept-alive",
        0.90,
        "ms",
    ),
    budget(
        "tls-connection",
        "a new TLS 1.3 connection on top",
        0.25,
        "ms",
    ),
    budget("read-value", "read one value, kept-alive", 0.06, "ms"),
    budget(
        "first-answer",
        "first answer on a new connection (wall time)",
        2.0,
        "ms",
    ),
    budget("policy-check", "check of a policy of 10 KiB", 1.0, "ms"),
    budget("memory-idle", "idle casqued, resident", 20.0, "MiB"),
    budget(
        "memory-load",
        "casqued under 64 connections, resident",
        40.0,
        "MiB",
    ),
    budget(
        "start",
        "start to first answer, 10,000 policies (wall time)",
        300.0,
        "ms",
    ),
    budget(
        "agent-start",
        "agent: time added to a start (wall time)",
        15.0,
        "ms",
    ),
    budget("agent-size", "agent: size of the program", 8.0, "MiB"),
];

/// What is measured and has no budget.
const TOLD: &[Told] = &[Told {
    name: "release-azure-snp-vtpm",
    what: "release with an Azure vTPM's quote on SNP",
    unit: "ms",
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_read() {
        let json = br#"{"measurements": [{"name": "read-value", "value": 0.03, "count": 10}]}"#;
        let read = parse(json).unwrap();
        let expected = Measurement {
            name: "read-value".to_owned(),
            value: 0.03,
            count: 10,
        };
        assert_eq!(read, [expected]);
    }

    #[test]
    fn measurement_without_its_count_is_refused() {
        let refused = parse(br#"{"measurements": [{"name": "read-value", "value": 0.03}]}"#);
        assert!(refused.unwrap_err().to_string().contains("count"));
    }

    #[test]
    fn measurement_over_its_budget_fails_and_shows_its_ratio() {
        let budget = budget("x", "what", 0.5, "ms");
        let found = Measurement {
            name: "x".to_owned(),
            value: 0.75,
            count: 3,
        };
        assert_eq!(judge(&budget, &found), Tally::FAILED);
        assert!(line(&budget, Some(&found)).contains("1.50"));
        assert!(line(&budget, None).contains("not measured"));
    }
}
