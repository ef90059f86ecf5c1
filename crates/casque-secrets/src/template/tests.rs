use assert_matches::assert_matches;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::{chain_of_three, secret, shown};

fn values(named: Vec<(&str, SecretValue)>) -> BTreeMap<SecretName, SecretValue> {
    let named = named.into_iter();
    named
        .map(|(name, value)| (name.parse().unwrap(), value))
        .collect()
}

fn some_values() -> BTreeMap<SecretName, SecretValue> {
    values(vec![
        ("password", SecretValue::Ascii(secret("p\"w"))),
        ("key", SecretValue::Binary(Secret::new(vec![0, 0xff]))),
        ("a.hex", SecretValue::Ascii(secret("dotted"))),
        ("a", SecretValue::Binary(Secret::new(vec![1]))),
    ])
}

fn filled(text: &str) -> Result<String, TemplateError> {
    let filled = fill_template(text.as_bytes(), &some_values())?;
    Ok(shown(&filled).to_owned())
}

const fn at(line: usize, column: usize) -> TemplatePlace {
    TemplatePlace { line, column }
}

#[test]
fn template_placeholders_become_values_in_their_formats() {
    let text = "x=$$SCONE::key:hex$$ y=$$SCONE::key.hex$$$$SCONE::password$$\n";
    assert_eq!(filled(text).unwrap(), "x=00ff y=00ffp\"w\n");
    let text =
        r#"{"p":"$$SCONE::password|escape(json)$$","k":"$$SCONE::key:base64|escape(json)$$"}"#;
    assert_eq!(filled(text).unwrap(), r#"{"p":"p\"w","k":"AP8="}"#);
}

#[test]
fn template_name_with_dots_comes_before_the_legacy_suffix() {
    assert_eq!(
        filled("$$SCONE::a.hex$$ $$SCONE::a:hex$$").unwrap(),
        "dotted 01"
    );
    let mut without = some_values();
    without.remove(&"a.hex".parse().unwrap());
    let legacy = fill_template(b"$$SCONE::a.hex$$", &without).unwrap();
    assert_eq!(shown(&legacy), "01");
}

#[test]
fn template_certificate_is_filled_in_whole() {
    let chain = chain_of_three();
    let leaf = crate::testing::pem("CERTIFICATE", chain.leaf());
    let values = values(vec![("web", SecretValue::X509(chain))]);
    let legacy = fill_template(b"$$SCONE::web.crt$$", &values).unwrap();
    assert_eq!(shown(&legacy), leaf);
    let colon = fill_template(b"$$SCONE::web:crt$$", &values).unwrap();
    assert!(colon.ct_eq(&legacy));
}

#[test]
fn template_bytes_outside_placeholders_need_not_be_text() {
    let text = b"\xff\x00$$SCONE::key$$\xfe$$scone::key$$ $$ $$SCONE:key$$";
    let filled = fill_template(text, &some_values()).unwrap();
    let expected = b"\xff\x00\x00\xff\xfe$$scone::key$$ $$ $$SCONE:key$$";
    assert_eq!(filled.expose(), expected);
}

#[test]
fn template_value_is_not_looked_through() {
    let values = values(vec![
        ("a", SecretValue::Ascii(secret("$$SCONE::b$$ $$SCONE::"))),
        ("b", SecretValue::Ascii(secret("never"))),
    ]);
    let filled = fill_template(b"$$SCONE::a$$b$$", &values).unwrap();
    assert_eq!(shown(&filled), "$$SCONE::b$$ $$SCONE::b$$");
}

#[test]
fn template_placeholder_without_end_is_refused_where_it_begins() {
    let refused = filled("one\ntwö $$SCONE::password$ \n");
    assert_eq!(
        refused,
        Err(TemplateError::Unterminated { place: at(2, 5) })
    );
}

#[test]
fn template_unknown_secret_is_refused_with_the_names_there_are() {
    let refused = filled("$$SCONE::key$$ $$SCONE::pasword.hex$$").unwrap_err();
    assert_matches!(&refused, TemplateError::Unknown { place, name, available } => {
        assert_eq!((*place, name.as_str()), (at(1, 16), "pasword"));
        assert_eq!(available, "`a`, `a.hex`, `key`, `password`");
    });
    assert!(refused.to_string().starts_with("1:16: no secret `pasword`"));
    let refused = fill_template(b"$$SCONE::x$$", &BTreeMap::new()).unwrap_err();
    assert_matches!(refused, TemplateError::Unknown { available, .. } if available == "none");
}

#[test]
fn template_message_lists_twenty_names_at_most() {
    let name = |n: i32| format!("s{n:02}").parse().unwrap();
    let values = (0..22)
        .map(|n| (name(n), SecretValue::Ascii(secret("v"))))
        .collect();
    let refused = fill_template(b"$$SCONE::x$$", &values).unwrap_err();
    assert_matches!(refused, TemplateError::Unknown { available, .. } => {
        assert!(available.ends_with("`s19` and 2 more"), "{available}");
    });
}

#[test]
fn template_what_is_no_name_is_refused() {
    for body in ["", ":hex", "a b", "p\nq", "|escape(json)"] {
        let refused = filled(&format!("$$SCONE::{body}$$"));
        assert_matches!(refused, Err(TemplateError::Name { .. }), "{body:?}");
    }
    let refused = fill_template(b"$$SCONE::\xff\x1b$$", &some_values());
    assert_matches!(refused, Err(TemplateError::Name { placeholder, .. }) => {
        assert_eq!(placeholder, "\u{fffd}\u{fffd}");
    });
}

#[test]
fn template_variable_of_the_server_is_refused() {
    let refused = filled("$$SCONE::self::software_identity$$");
    assert_matches!(refused, Err(TemplateError::OfServer { placeholder, .. }) => {
        assert_eq!(placeholder, "self::software_identity");
    });
}

#[test]
fn template_unknown_format_or_encoding_is_refused() {
    let refused = filled("$$SCONE::key:hexx$$").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "1:1: unknown format `:hexx` of `key`; `binary` has none, `:bin`, `:hex`, `:base64`, `:base64url`, `:base32`, `:base32nopad`"
    );
    let refused = filled("$$SCONE::key|escape(xml)$$").unwrap_err();
    assert_matches!(refused, TemplateError::Encoding { encoding, .. } if encoding == "escape(xml)");
}

#[test]
fn template_format_of_another_kind_is_refused_with_its_cause() {
    let refused = filled("\n $$SCONE::key:pem$$").unwrap_err();
    let source = RenderError::Format {
        kind: SecretKind::Binary,
        format: Format::Pem,
    };
    let expected = TemplateError::Render {
        place: at(2, 2),
        name: "key".parse().unwrap(),
        source,
    };
    assert_eq!(refused, expected);
}

#[test]
fn template_too_large_before_or_after_is_refused() {
    let text = vec![b'x'; MAX_TEMPLATE_BYTES + 1];
    let refused = fill_template(&text, &BTreeMap::new()).unwrap_err();
    assert_eq!(refused, TemplateError::TooLarge);
    let large = SecretValue::Binary(Secret::new(vec![0; MAX_TEMPLATE_BYTES / 2]));
    let values = values(vec![("a", large)]);
    assert!(fill_template(b"$$SCONE::a$$$$SCONE::a$$", &values).is_ok());
    let refused = fill_template(b"$$SCONE::a$$$$SCONE::a$$.", &values).unwrap_err();
    assert_eq!(refused, TemplateError::TooLarge);
}

proptest! {
    #[test]
    fn template_without_opening_is_kept_byte_for_byte(text in vec(any::<u8>(), 0..200)) {
        prop_assume!(split_once(&text, OPENING).is_none());
        let filled = fill_template(&text, &some_values()).unwrap();
        prop_assert_eq!(filled.expose(), text);
    }

    #[test]
    fn template_is_the_texts_with_values_between_them(
        texts in vec(vec(any::<u8>(), 0..20), 1..8),
        value in vec(any::<u8>(), 0..40),
    ) {
        prop_assume!(texts.iter().all(|text| !text.contains(&b'$')));
        let values = values(vec![("a", SecretValue::Binary(Secret::new(value.clone())))]);
        let template = texts.join(&b"$$SCONE::a$$"[..]);
        let filled = fill_template(&template, &values).unwrap();
        prop_assert_eq!(filled.expose(), texts.join(&value[..]));
    }

    #[test]
    fn template_of_any_body_is_filled_or_refused_by_place(body in "[a-z.:|$\\n()]{0,20}") {
        let text = format!("\n $$SCONE::{body}$$");
        if let Err(error) = filled(&text) {
            prop_assert!(error.to_string().contains(": "), "{error}");
        }
    }
}
