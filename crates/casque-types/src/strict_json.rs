//! JSON from outside, where a member that stands twice is an error at any depth, known or not.
//!
//! `serde` refuses duplicates only of the members that a struct names; another reader of the same text
//! may take the other value (RFC 8259 section 4). Depth is bounded by `serde_json` (128).

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads `T` from a whole text.
///
/// # Errors
/// Not JSON, something behind it, a member twice, or not a `T`.
pub fn from_str<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<EachOnce>(text)?;
    serde_json::from_str(text)
}

/// Any value whose objects have each member once; the value itself is not kept.
struct EachOnce;

impl<'de> Deserialize<'de> for EachOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = EachOnce;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EachOnce, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a member stands twice"));
            }
            map.next_value::<EachOnce>()?;
        }
        Ok(EachOnce)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<EachOnce, A::Error> {
        while seq.next_element::<EachOnce>()?.is_some() {}
        Ok(EachOnce)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<EachOnce, E> {
        Ok(EachOnce)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<EachOnce, E> {
        Ok(EachOnce)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<EachOnce, E> {
        Ok(EachOnce)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<EachOnce, E> {
        Ok(EachOnce)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<EachOnce, E> {
        Ok(EachOnce)
    }

    fn visit_unit<E: Error>(self) -> Result<EachOnce, E> {
        Ok(EachOnce)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    fn is_read(text: &str) -> bool {
        from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn json_with_each_member_once_is_read() {
        assert!(is_read(
            r#"{"a":[1,-2,0.5,null,true,"x",{"a":{}}],"b":{"a":1}}"#
        ));
    }

    #[test]
    fn json_with_a_member_twice_at_any_depth_is_refused() {
        assert!(!is_read(r#"{"a":1,"a":1}"#));
        assert!(!is_read(r#"{"b":[{"a":1,"a":2}]}"#));
        assert!(!is_read(r#"{"a":1,"\u0061":2}"#));
    }

    #[test]
    fn json_with_something_behind_is_refused() {
        assert!(!is_read("{}{}"));
    }

    #[test]
    fn json_nested_past_the_limit_is_refused() {
        assert!(!is_read(&"[".repeat(100_000)));
    }
}
