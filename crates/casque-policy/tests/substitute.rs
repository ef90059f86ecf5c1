//! Variables of the CLI: what is filled in, what is left alone, and what a value can never do.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "test code: a panic is a failure, and a table may be long"
)]

use casque_policy::{Diagnostic, Policy, Position, substitute};
use proptest::prelude::*;

fn filled(text: &str, values: &[(&str, &str)]) -> Result<String, Vec<Diagnostic>> {
    substitute(text, &|name| {
        let found = values.iter().find(|(known, _)| *known == name)?;
        Some(found.1.to_owned())
    })
}

fn ok(text: &str, values: &[(&str, &str)]) -> String {
    filled(text, values).unwrap()
}

fn refused(text: &str, values: &[(&str, &str)]) -> (&'static str, Position) {
    let found = &filled(text, values).unwrap_err()[0];
    (found.code, found.position)
}

const fn at(line: usize, column: usize) -> Position {
    Position { line, column }
}

#[test]
fn substitute_both_forms_are_filled_in() {
    let text = "a: $A/x-${B}.y # $C\n";
    assert_eq!(ok(text, &[("A", "1"), ("B", "2")]), "a: 1/x-2.y # $C\n");
}

#[test]
fn substitute_keys_comments_and_placeholders_are_left_alone() {
    let text = "$A: $$SCONE::token$$ # $B\n? ${C}\n: \"$$SCONE::x:hex$$\"\n";
    assert_eq!(ok(text, &[]), text);
}

#[test]
fn substitute_variable_inside_a_placeholder_is_filled_in() {
    let text = "a: $$SCONE::key-${ID}:pem$$\nb: $$SCONE::$ID$$\n";
    assert_eq!(
        ok(text, &[("ID", "7")]),
        "a: $$SCONE::key-7:pem$$\nb: $$SCONE::7$$\n"
    );
}

#[test]
fn substitute_escapes_become_what_they_mean() {
    let text = "a: \\$A \\@\\@1 $5 $ \\n\n";
    assert_eq!(ok(text, &[]), "a: \"$A @@1 $5 $ \\\\n\"\n");
}

#[test]
fn substitute_tilde_is_null_when_it_is_all() {
    assert_eq!(ok("predecessor: $P\n", &[("P", "~")]), "predecessor: ~\n");
    let text = ok("name: a\nversion: 0.3\npredecessor: $P\n", &[("P", "~")]);
    assert_eq!(Policy::parse(&text).unwrap().policy.predecessor, None);
}

#[test]
fn substitute_empty_and_null_words_stay_texts() {
    assert_eq!(ok("a: $A\n", &[("A", "")]), "a: \"\"\n");
    assert_eq!(ok("a: $A\n", &[("A", "null")]), "a: \"null\"\n");
}

#[test]
fn substitute_structure_in_a_value_stays_text() {
    for value in [
        "x\nmode: none",
        "{a: b}",
        "a: b",
        "- x",
        "x # y",
        "\"",
        "'",
        "&a",
        "*a",
        "!t",
    ] {
        let block = ok("a: $A\nb: 1\n", &[("A", value)]);
        assert!(
            block.starts_with("a: \"") && block.ends_with("\"\nb: 1\n"),
            "{block}"
        );
        let flow = ok("a: [$A, 1]\n", &[("A", value)]);
        assert!(
            flow.starts_with("a: [\"") && flow.ends_with("\", 1]\n"),
            "{flow}"
        );
    }
}

#[test]
fn substitute_quoted_text_stays_quoted() {
    let text = "a: 'it''s $A'\nb: \"x $A\\n\"\n";
    assert_eq!(
        ok(text, &[("A", "\"1\"")]),
        "a: \"it's \\\"1\\\"\"\nb: \"x \\\"1\\\"\\n\"\n"
    );
}

#[test]
fn substitute_block_lines_are_indented() {
    let text = "a:\n  b: |\n    key: $A\n    end\nc: 1\n";
    assert_eq!(
        ok(text, &[("A", "1\n2")]),
        "a:\n  b: |\n    key: 1\n    2\n    end\nc: 1\n"
    );
}

#[test]
fn substitute_block_that_would_change_its_indentation_is_quoted() {
    let text = "a: |- # note | x\n  $A\n  end\nc: 1\n";
    assert_eq!(ok(text, &[("A", "  x")]), "a: \"  x\\nend\"\nc: 1\n");
}

#[test]
fn substitute_folded_block_keeps_what_the_value_says() {
    let text = ok("a: >\n  x $A\n  y\nc: 1\n", &[("A", "1\n2")]);
    assert_eq!(text, "a: \"x 1\\n2 y\\n\"\nc: 1\n");
}

#[test]
fn substitute_tagged_text_keeps_its_tag() {
    assert_eq!(ok("a: !!str $A\n", &[("A", "b: c")]), "a: !!str \"b: c\"\n");
}

#[test]
fn substitute_value_is_not_looked_through_again() {
    assert_eq!(ok("a: $A\n", &[("A", "$B")]), "a: $B\n");
}

#[test]
fn substitute_unknown_variables_are_all_found_in_place() {
    let found = filled("a: é $A\nb: |\n  x\n  $A ${B}\n", &[]).unwrap_err();
    let places: Vec<(&str, Position)> = found.iter().map(|f| (f.code, f.position)).collect();
    let code = "unknown-variable";
    assert_eq!(
        places,
        [(code, at(1, 6)), (code, at(4, 3)), (code, at(4, 6))]
    );
    assert_eq!(found[2].hint.as_deref(), Some("give it: `-e B=VALUE`"));
}

#[test]
fn substitute_escaped_dollar_does_not_shift_places() {
    assert_eq!(refused("a: \\$A $A\n", &[]), ("unknown-variable", at(1, 8)));
}

#[test]
fn substitute_open_brace_is_a_bad_variable() {
    assert_eq!(refused("a: ${A:-x}\n", &[]), ("bad-variable", at(1, 4)));
}

#[test]
fn substitute_broken_yaml_is_refused() {
    assert_eq!(refused("a: [\n", &[]).0, "yaml-syntax");
}

#[test]
fn substitute_result_of_more_than_a_mebibyte_is_refused() {
    let big = "x".repeat(700_000);
    assert_eq!(refused("a: $A$A\n", &[("A", &big)]).0, "text-too-long");
    assert_eq!(refused("a: $A\nb: $A\n", &[("A", &big)]).0, "text-too-long");
}

proptest! {
    /// Whatever a value holds, the text around it means what it meant, and the value is whole.
    #[test]
    fn substitute_any_value_is_one_value(value in "\\PC{0,12}|[ -~\n\t]{0,12}") {
        let template = "name: a\nversion: 0.3\nsecrets:\n  - {name: s, kind: ascii, value: 'a$V'}\n  - name: t\n    kind: ascii\n    value: |\n      x $V\n       y\n";
        prop_assume!(!value.contains("$$SCONE"));
        let text = ok(template, &[("V", &value)]);
        let policy = Policy::parse(&text).unwrap().policy;
        let given: Vec<String> = policy.secrets.iter().map(|secret| match &secret.origin {
            casque_policy::Origin::Given { value, .. } => value.expose_text().unwrap().to_owned(),
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(&given[0], &format!("a{value}"));
        prop_assert_eq!(&given[1], &format!("x {value}\n y\n"));
    }

    /// No text makes it fail badly.
    #[test]
    fn substitute_any_text_answers(text in "[\\[\\]{}:,|>&*!?#\"'$A-C \n\t\\\\@-]{0,60}") {
        let filled = substitute(&text, &|_| Some("v: [\n - w".to_owned()));
        prop_assert!(filled.is_ok() || !filled.unwrap_err().is_empty());
    }
}
