//! A JSON text of claims in one walk: borrowed where it can be, each member once at any depth.
//!
//! The names of an object are kept in their order, so that a claim is found by bisection. The service writes
//! them so; others are sorted. Depth is bounded by `serde_json` (128), size by the token's.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Flag(bool),
    /// A whole number from 0.
    Number(u64),
    /// A whole number below 0.
    Negative(i64),
    /// Any other number; `1.0` is one.
    Fraction(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(Object<'a>),
}

/// An object: members by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object<'a>(Vec<(Name<'a>, Json<'a>)>);

/// A member's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(Cow<'a, str>);

impl<'a> Object<'a> {
    /// Reads a whole text that is an object.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        match serde_json::from_str(text) {
            Ok(Json::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// The member of this name.
    pub(super) fn member(&self, name: &str) -> Option<&Json<'a>> {
        let at = self.0.binary_search_by(|(known, _)| (*known.0).cmp(name));
        at.ok()
            .and_then(|at| self.0.get(at))
            .map(|(_, value)| value)
    }

    /// The member of this name, if it is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.member(name) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The member of this name, if it is an object.
    pub(super) fn object(&self, name: &str) -> Option<&Self> {
        match self.member(name) {
            Some(Json::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// All members, by name.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(name, value)| (&*name.0, value))
    }

    fn of(mut members: Vec<(Name<'a>, Json<'a>)>) -> Option<Self> {
        let ascends = |members: &[(Name<'a>, Json<'a>)]| {
            members.windows(2).all(|two| match two {
                [(one, _), (next, _)] => one < next,
                _ => true,
            })
        };
        if !ascends(&members) {
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            if !ascends(&members) {
                return None;
            }
        }
        Some(Self(members))
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        let object = Object::of(members);
        let object = object.ok_or_else(|| A::Error::custom("a member stands twice"))?;
        Ok(Json::Object(object))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Flag(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(u64::try_from(value).map_or(Json::Negative(value), Json::Number))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Fraction(value))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_gives_its_members_whatever_their_order() {
        let object = Object::parse(r#"{"b":1,"a":{"\u0061":"x"},"c":-1,"d":1.0}"#).unwrap();
        assert_eq!(object.member("b"), Some(&Json::Number(1)));
        assert_eq!(object.object("a").and_then(|a| a.text("a")), Some("x"));
        assert_eq!(object.member("c"), Some(&Json::Negative(-1)));
        assert_eq!(object.member("d"), Some(&Json::Fraction(1.0)));
        assert_eq!(object.member("e"), None);
    }

    #[test]
    fn object_with_a_member_twice_at_any_depth_is_refused() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":1,"a":1}"#,
            r#"{"b":[{"a":1,"a":2}]}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(Object::parse(text), None, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_object_or_too_deep_is_refused() {
        for text in ["", "[]", "1", "{}{}", "{} x"] {
            assert_eq!(Object::parse(text), None, "{text}");
        }
        let deep = format!(r#"{{"a":{}}}"#, "[".repeat(100_000));
        assert_eq!(Object::parse(&deep), None);
    }
}
