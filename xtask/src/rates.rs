//! How many pieces of evidence are appraised in a second of processor time, against the floors of the project.
//!
//! The example `rates` of `casque-appraise` measures, in the release build; this reads its lines:
//!
//! ```text
//! sgx cold                 2466 per CPU second
//! ```

use std::process::Stdio;

use crate::run::{cargo, not_started};
use crate::{Failure, Tally};

/// One line of the example.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rate {
    name: String,
    per_s: u32,
}

/// Builds, measures, and prints each rate, with its floor where it has one.
///
/// # Errors
/// The example does not build, or prints something else.
pub fn measure() -> Result<Tally, Failure> {
    let mut command = cargo(&[
        "run",
        "--release",
        "--quiet",
        "--package",
        "casque-appraise",
        "--example",
        "rates",
    ]);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| not_started(&command, &error))?;
    let rates = parse(&String::from_utf8_lossy(&output.stdout));
    if !output.status.success() || rates.is_empty() {
        let sentence = format!("the example `rates` ended with {}", output.status);
        return Err(Failure::new(sentence));
    }
    Ok(print(&rates))
}

fn parse(text: &str) -> Vec<Rate> {
    let one = |line: &str| {
        let (name, per_s) = line.strip_suffix(UNIT)?.trim_end().rsplit_once(' ')?;
        Some(Rate {
            name: name.trim_end().to_owned(),
            per_s: per_s.parse().ok()?,
        })
    };
    text.lines().filter_map(one).collect()
}

fn print(rates: &[Rate]) -> Tally {
    println!(
        "{:<52} {:>10} {:>10} {:>6}",
        "appraisals in a second of one core", "floor", "measured", "ratio"
    );
    let mut tally = Tally::default();
    for rate in rates {
        println!("{}", line(rate));
        tally += judge(rate);
    }
    for (name, _) in FLOORS {
        if !rates.iter().any(|rate| rate.name == *name) {
            println!("{name:<52} {:>21}", "not measured");
            tally += Tally::SKIPPED;
        }
    }
    tally
}

fn floor_of(name: &str) -> Option<u32> {
    let found = FLOORS.iter().find(|(floor, _)| *floor == name);
    found.map(|(_, floor)| *floor)
}

/// A rate without a floor is told and not judged.
fn judge(rate: &Rate) -> Tally {
    match floor_of(&rate.name) {
        None => Tally::default(),
        Some(floor) if rate.per_s >= floor => Tally::PASSED,
        Some(_) => Tally::FAILED,
    }
}

fn line(rate: &Rate) -> String {
    let Rate { name, per_s } = rate;
    match floor_of(name) {
        None => format!("{name:<52} {:>10} {per_s:>10}", "none"),
        Some(floor) => {
            let ratio = f64::from(*per_s) / f64::from(floor);
            format!("{name:<52} {floor:>10} {per_s:>10} {ratio:>6.2}")
        }
    }
}

const UNIT: &str = " per CPU second";
/// Endorsements at hand. Of machines and groups never seen before more must be verified: their lines are told.
const FLOORS: &[(&str, u32)] = &[
    ("sgx cold", 2300),
    ("sgx warm", 2300),
    ("tdx v4 cold", 2300),
    ("tdx v4 warm", 2300),
    ("tdx v5 cold", 2300),
    ("tdx v5 warm", 2300),
    ("snp cold", 4500),
    ("snp warm", 4500),
    ("azure-snp warm", 4000),
    ("azure-tdx warm", 4000),
    ("token sgx", 25_000),
    ("token sevsnpvm", 25_000),
    ("token tdxvm", 25_000),
    ("token azurevm", 25_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_example_are_read_and_others_are_not() {
        let read = parse("tdx v4 cold          2459 per CPU second\nsomething else\n");
        let expected = Rate {
            name: "tdx v4 cold".to_owned(),
            per_s: 2459,
        };
        assert_eq!(read, [expected]);
    }

    #[test]
    fn rate_below_its_floor_fails_and_shows_its_ratio() {
        let rate = |name: &str, per_s| Rate {
            name: name.to_owned(),
            per_s,
        };
        let slow = rate("snp warm", 2250);
        assert_eq!(judge(&slow), Tally::FAILED);
        assert!(line(&slow).ends_with("0.50"), "{}", line(&slow));
        assert_eq!(judge(&rate("snp warm", 4500)), Tally::PASSED);
        assert_eq!(judge(&rate("aci cold", 1)), Tally::default());
    }
}
