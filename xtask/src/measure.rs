//! `cargo xtask measure`: the measures of production code that people look at. It decides nothing.
//!
//! Production code is `crates/*/src` without the two crates that are not shipped, without files of tests and without
//! items behind `#[cfg(test)]`. The wished-for values are those of the project's style.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::Failure;
use crate::run::root;
use crate::source::{Function, code_of, functions, is_test_file, rust_files, without_tests};

/// Prints the measures.
///
/// # Errors
/// A source file cannot be read.
pub fn command() -> Result<ExitCode, Failure> {
    let files = production_files()?;
    print_functions(&files);
    print_files(&files);
    print_escapes(&files);
    print_tests(&files)?;
    Ok(ExitCode::SUCCESS)
}

/// One file of production code.
struct Source {
    /// From the root.
    path: PathBuf,
    /// Lines that are not only for tests, blank ones and comments too.
    lines: usize,
    /// Its code without tests.
    code: String,
    functions: Vec<Function>,
}

fn production_files() -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in rust_files(&root().join("crates"))? {
        let relative = path.strip_prefix(root()).unwrap_or(&path).to_owned();
        let is_source = relative.iter().nth(2).is_some_and(|part| part == "src");
        let is_shipped = !NOT_SHIPPED.iter().any(|krate| relative.starts_with(krate));
        if is_source && is_shipped && !is_test_file(&relative) {
            sources.push(read(&path, relative)?);
        }
    }
    Ok(sources)
}

fn read(path: &Path, relative: PathBuf) -> Result<Source, Failure> {
    let code = without_tests(&code_of(&read_text(path)?));
    Ok(Source {
        path: relative,
        lines: code.lines().count(),
        functions: functions(&code),
        code,
    })
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("`{}` cannot be read: {error}", path.display())))
}

fn print_functions(files: &[Source]) {
    let mut all: Vec<(&Path, &Function)> = Vec::new();
    for file in files {
        all.extend(
            file.functions
                .iter()
                .map(|function| (file.path.as_path(), function)),
        );
    }
    all.sort_by_key(|(_, function)| function.lines);
    let at = |percent: usize| {
        let index = all.len().saturating_sub(1) * percent / 100;
        all.get(index).map_or(0, |(_, function)| function.lines)
    };
    let over = |limit: usize| {
        all.iter()
            .filter(|(_, function)| function.lines > limit)
            .count()
    };
    println!("functions                       {:>6}", all.len());
    println!(
        "  median length in lines        {:>6}   wished for: at most 8",
        at(50)
    );
    println!("  90th percentile               {:>6}   at most 28", at(90));
    println!(
        "  over 50 lines, %              {:>6}   at most 3",
        percent(over(50), all.len())
    );
    println!("  over 100 lines                {:>6}   none", over(100));
    for (path, function) in all.iter().rev().take(SHOWN) {
        println!(
            "    {:>4}  {}:{} {}",
            function.lines,
            path.display(),
            function.line,
            function.name
        );
    }
}

fn print_files(files: &[Source]) {
    let mut longest: Vec<&Source> = files.iter().collect();
    longest.sort_by_key(|file| file.lines);
    let over = files.iter().filter(|file| file.lines > 600).count();
    println!("files                           {:>6}", files.len());
    println!("  over 600 lines without tests  {over:>6}   none");
    for file in longest.iter().rev().take(SHOWN) {
        println!("    {:>4}  {}", file.lines, file.path.display());
    }
}

fn print_escapes(files: &[Source]) {
    let lines: usize = files.iter().map(|file| file.lines).sum();
    let count = |file: &Source| {
        file.code.matches(".unwrap()").count() + file.code.matches(".expect(").count()
    };
    let escapes: usize = files.iter().map(count).sum();
    println!("production lines                {lines:>6}");
    println!(
        "  unwrap, expect per 1,000      {:>6}   at most 0.5",
        per_thousand(escapes, lines)
    );
}

/// Test lines per production line of rings 0 to 2; lines of code, without blank ones and comments.
fn print_tests(files: &[Source]) -> Result<(), Failure> {
    println!("test lines per production line           at least 0.8");
    for krate in INNER_RINGS {
        let folder = Path::new("crates").join(krate);
        let production: usize = files
            .iter()
            .filter(|file| file.path.starts_with(&folder))
            .map(|file| code_lines(&file.code))
            .sum();
        let mut all = 0;
        for path in rust_files(&root().join(&folder))? {
            all += code_lines(&code_of(&read_text(&path)?));
        }
        let tests = all.saturating_sub(production);
        println!(
            "  {krate:<28}  {:>6}",
            per_thousand(tests, production * 1000)
        );
    }
    Ok(())
}

fn code_lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

fn percent(part: usize, whole: usize) -> String {
    per_thousand(part, whole * 10)
}

/// `part` per thousand of `whole`, with one digit.
fn per_thousand(part: usize, whole: usize) -> String {
    let tenths = (part * 10_000 + whole / 2).checked_div(whole).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

const SHOWN: usize = 5;
const NOT_SHIPPED: [&str; 2] = ["crates/casque-testkit", "crates/casque-dev"];
const INNER_RINGS: [&str; 5] = [
    "casque-types",
    "casque-appraise",
    "casque-secrets",
    "casque-policy",
    "casque-core",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_is_rounded_to_one_digit() {
        assert_eq!(percent(1, 3), "33.3");
        assert_eq!(per_thousand(1, 2000), "0.5");
        assert_eq!(per_thousand(0, 0), "0.0");
    }
}
