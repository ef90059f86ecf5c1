//! A SCONE id in any of its shapes: which policy, which version, on which CAS.

use std::fmt::Display;
use std::str::FromStr;

use casque_types::{KeyHash, PolicyHash, PolicyName, SecretName, VolumeName};

use crate::codes;
use crate::fields::{Fields, Keys, expect_text};
use crate::findings::{Findings, nearest_hint, quoted};
use crate::parse::secrets::exclusive;
use crate::placeholder::OPENING;
use crate::yaml::{Node, Text, Value};
use crate::{CasKey, Diagnostic, Position, RemoteCas};

/// What an id says, each with its place.
#[derive(Default)]
pub(in crate::parse) struct Id {
    pub(in crate::parse) session: Option<Said<PolicyName>>,
    pub(in crate::parse) hash: Option<Said<PolicyHash>>,
    pub(in crate::parse) namespace: Option<Said<PolicyName>>,
    pub(in crate::parse) secret: Option<Said<SecretName>>,
    pub(in crate::parse) volume: Option<Said<VolumeName>>,
    address: Option<Said<String>>,
    identity: Option<Said<KeyHash>>,
    software: Option<Said<KeyHash>>,
    /// Whether something in it has an error already, which a missing part may come from.
    pub(in crate::parse) is_refused: bool,
}

/// A value with its place.
pub(in crate::parse) struct Said<T> {
    pub(in crate::parse) value: T,
    pub(in crate::parse) position: Position,
}

impl Id {
    /// The other CAS that may ask; `None` outside when what is said of it is wrong.
    #[expect(
        clippy::option_option,
        reason = "no other CAS is a valid answer, a wrong one is none"
    )]
    pub(in crate::parse) fn cas_that_asks(
        &self,
        findings: &mut Findings,
    ) -> Option<Option<RemoteCas>> {
        if let (Some(_), Some(second)) = (&self.identity, &self.software) {
            findings.push(exclusive("cas_key", "cas_software_key", second.position));
            return None;
        }
        if let Some(key) = &self.software {
            let message =
                "`cas_software_key` is not checked yet: every release that needs it fails";
            let code = codes::SOFTWARE_KEY_UNCHECKED;
            let found = Diagnostic::warning(code, key.position, message);
            findings.push(found.hint("pin the CAS by `cas_key`, its identity"));
        }
        let identity = (self.identity.as_ref()).map(|key| CasKey::Identity(key.value));
        let software = (self.software.as_ref()).map(|key| CasKey::Software(key.value));
        let address = self.address.as_ref();
        match (identity.or(software), address) {
            (Some(key), address) => Some(Some(RemoteCas {
                address: address.map(|address| address.value.clone()),
                key,
            })),
            (None, None) => Some(None),
            (None, Some(address)) => {
                if !self.is_refused {
                    let message = "another CAS must have `cas_key` or `cas_software_key`";
                    let code = codes::CAS_KEY_MISSING;
                    let found = Diagnostic::error(code, address.position, message);
                    findings.push(found.hint("a CAS is known by its key, never by its address"));
                }
                None
            }
        }
    }

    /// The other CAS that is asked, and so needs an address; as [`Self::cas_that_asks`].
    #[expect(
        clippy::option_option,
        reason = "no other CAS is a valid answer, a wrong one is none"
    )]
    pub(in crate::parse) fn cas_to_ask(
        &self,
        findings: &mut Findings,
    ) -> Option<Option<RemoteCas>> {
        let cas = self.cas_that_asks(findings)?;
        let key = self.identity.as_ref().or(self.software.as_ref());
        if let (Some(key), None) = (key, &self.address) {
            if !self.is_refused {
                let message = "a key of another CAS needs `cas_url`, where that CAS is asked";
                let found = Diagnostic::error(codes::MISSING_KEY, key.position, message);
                findings.push(found.hint("`cas_url: HOST` or `HOST:PORT`"));
            }
            return None;
        }
        Some(cas)
    }

    /// Where it speaks of another CAS, or of keys of one.
    pub(in crate::parse) fn place_of_cas(&self) -> Option<Position> {
        let address = self.address.as_ref().map(|said| said.position);
        let identity = self.identity.as_ref().map(|said| said.position);
        let software = self.software.as_ref().map(|said| said.position);
        address.or(identity).or(software)
    }
}

/// Reads an id that may have `keys`, in a policy named `here`; `None` when it is nothing like one.
pub(in crate::parse) fn read_id(
    node: &Node<'_>,
    keys: &Keys,
    here: &PolicyName,
    findings: &mut Findings,
) -> Option<Id> {
    if !matches!(node.value, Value::Text(_)) {
        let fields = Fields::open(node, keys, findings)?;
        return Some(of_map(fields, keys, here, findings));
    }
    let text = expect_text(node, keys.place, findings)?;
    if text.as_str().contains(OPENING) {
        let message = format!("{}: a placeholder cannot stand here", keys.place);
        let found = Diagnostic::error(codes::BAD_REFERENCE, text.position(), message);
        findings.push(found.hint("write the name of the policy"));
        return None;
    }
    match text.as_str().contains('=') {
        true => of_url(text, keys, findings),
        false => of_name(text, here, findings),
    }
}

struct Reader<'r> {
    id: Id,
    /// What relative names start from; none where they cannot stand.
    here: Option<&'r PolicyName>,
    findings: &'r mut Findings,
}

fn of_map(fields: Fields<'_, '_>, keys: &Keys, here: &PolicyName, findings: &mut Findings) -> Id {
    let mut reader = Reader {
        id: Id::default(),
        here: Some(here),
        findings,
    };
    for entry in fields.entries() {
        if entry.value.is_null() || !keys.read.contains(&&*entry.key) {
            reader.id.is_refused |= !keys.read.contains(&&*entry.key);
            continue;
        }
        match expect_text(&entry.value, &entry.key, reader.findings) {
            Some(text) => reader.say(&entry.key, text.as_str(), text.position()),
            None => reader.id.is_refused = true,
        }
    }
    reader.id
}

/// `host/key=value,…`; without a host, of this CAS.
fn of_url(text: &Text<'_>, keys: &Keys, findings: &mut Findings) -> Option<Id> {
    let position = text.position();
    let Some((authority, parts)) = text.as_str().split_once('/') else {
        let found = quoted(text.as_str());
        let message = format!("expected `HOST/key=value,…` or `/key=value,…`, found {found}");
        findings.push(Diagnostic::error(codes::BAD_REFERENCE, position, message));
        return None;
    };
    let mut reader = Reader {
        id: Id::default(),
        here: None,
        findings,
    };
    if !authority.is_empty() {
        reader.say("cas_url", authority, position);
    }
    let mut seen: Vec<&str> = Vec::new();
    for part in parts.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let is_known = keys.read.contains(&key) && key != "cas_url";
        if !is_known || seen.contains(&key) {
            let message = format!(
                "{}: expected `key=value` parts, each key once, found {}",
                keys.place,
                quoted(part)
            );
            let mut found = Diagnostic::error(codes::BAD_REFERENCE, position, message);
            found.hint = nearest_hint(key, keys.read.iter().copied());
            reader.findings.push(found);
            return None;
        }
        seen.push(key);
        reader.say(key, value, position);
    }
    Some(reader.id)
}

/// `name` or `name:hash`, as language 0.2 has it.
fn of_name(text: &Text<'_>, here: &PolicyName, findings: &mut Findings) -> Option<Id> {
    let (name, hash) = match text.as_str().split_once(':') {
        Some((name, hash)) => (name, Some(hash)),
        None => (text.as_str(), None),
    };
    let mut reader = Reader {
        id: Id::default(),
        here: Some(here),
        findings,
    };
    reader.say("session", name, text.position());
    if let Some(hash) = hash {
        reader.say("session_hash", hash, text.position());
    }
    (!reader.id.is_refused).then_some(reader.id)
}

impl Reader<'_> {
    fn say(&mut self, key: &str, text: &str, position: Position) {
        match key {
            "session" => self.id.session = self.name(key, text, position),
            "namespace" => self.id.namespace = self.name(key, text, position),
            "session_hash" => self.id.hash = self.parsed(key, text, codes::BAD_HASH, position),
            "secret" => self.id.secret = self.parsed(key, text, codes::BAD_NAME, position),
            "volume" => self.id.volume = self.parsed(key, text, codes::BAD_NAME, position),
            "cas_key" => self.id.identity = self.parsed(key, text, codes::BAD_KEY_HASH, position),
            "cas_software_key" => {
                self.id.software = self.parsed(key, text, codes::BAD_KEY_HASH, position);
            }
            "cas_url" => self.id.address = self.address(text, position),
            _ => {}
        }
    }

    fn name(&mut self, key: &str, text: &str, position: Position) -> Option<Said<PolicyName>> {
        let parsed = match self.here {
            Some(here) => here.resolve(text),
            None => text.parse(),
        };
        let refused = parsed.as_ref().err().map(ToString::to_string);
        let value = parsed
            .ok()
            .filter(|_| self.here.is_some() || !is_relative(text));
        if value.is_none() {
            let why = refused.unwrap_or_else(|| "a URL has no relative names".to_owned());
            let message = format!("`{key}`: {why}, in {}", quoted(text));
            self.refuse(Diagnostic::error(codes::BAD_NAME, position, message));
        }
        value.map(|value| Said { value, position })
    }

    fn parsed<T>(
        &mut self,
        key: &str,
        text: &str,
        code: &'static str,
        position: Position,
    ) -> Option<Said<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        match text.parse() {
            Ok(value) => Some(Said { value, position }),
            Err(error) => {
                let message = format!("`{key}`: {error}, in {}", quoted(text));
                self.refuse(Diagnostic::error(code, position, message));
                None
            }
        }
    }

    fn address(&mut self, text: &str, position: Position) -> Option<Said<String>> {
        if is_address(text) {
            let value = text.to_ascii_lowercase();
            return Some(Said { value, position });
        }
        let found = quoted(text);
        let message = format!("`cas_url`: expected `HOST` or `HOST:PORT`, found {found}");
        let found = Diagnostic::error(codes::BAD_CAS_URL, position, message);
        self.refuse(found.hint("no scheme and no path: the protocol is always TLS"));
        None
    }

    fn refuse(&mut self, found: Diagnostic) {
        self.id.is_refused = true;
        self.findings.push(found);
    }
}

fn is_relative(text: &str) -> bool {
    text.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// `HOST` or `HOST:PORT`.
fn is_address(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(fits)
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    host.len() <= 253 && host.split('.').all(is_label) && port.is_none_or(is_port)
}
