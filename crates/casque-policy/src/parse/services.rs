//! `services`, section 2.

use casque_types::ServiceName;

use super::clauses::Scope;
use super::secrets::name_of;
use super::{attestation, expect_unique, factors, platforms};
use crate::codes;
use crate::command;
use crate::fields::{Fields, Keys, expect_text, not_a, not_yet, parse_text};
use crate::findings::{Findings, nearest_hint, quoted};
use crate::placeholder::{self, Declarations, template};
use crate::yaml::{Entry, Node, Places, Text, Value};
use crate::{Diagnostic, Mode, Service, Template, Variable};

/// Reads all services.
pub(super) fn read(
    policy: &Fields<'_, '_>,
    mode: Option<&Mode>,
    scope: &mut Scope<'_, '_, '_>,
    findings: &mut Findings,
) -> Vec<Service> {
    let items = policy.items("services", findings);
    let images = policy.value("images").map_or(&[][..], Node::one_or_more);
    let image_names: Vec<&str> = images
        .iter()
        .filter_map(|image| name_of(image).map(|(name, _)| name))
        .collect();
    let mut reader = Reader {
        image_names: &image_names,
        declarations: scope.secrets.declarations,
        mode,
        scope,
        findings,
    };
    let services = items
        .iter()
        .filter_map(|item| reader.service(item))
        .collect();
    expect_unique("service", items.iter().filter_map(name_of), findings);
    services
}

struct Reader<'r, 's, 'n, 'a> {
    image_names: &'r [&'r str],
    declarations: &'r Declarations<'n>,
    /// The policy's, unless secrets say it.
    mode: Option<&'r Mode>,
    scope: &'r mut Scope<'s, 'n, 'a>,
    findings: &'r mut Findings,
}

impl Reader<'_, '_, '_, '_> {
    fn service(&mut self, node: &Node<'_>) -> Option<Service> {
        let fields = Fields::open(node, &KEYS, self.findings)?;
        let name = fields.required("name", "a service", self.findings);
        let name = name.and_then(|text| {
            let name = parse_text::<ServiceName>(text, codes::BAD_NAME, "name");
            self.findings.ok(name)
        });
        let attestation = attestation::read(&fields, self.mode, self.scope, self.findings);
        let platforms = platforms::read(&fields, self.mode, self.scope, self.findings);
        let one_time_password = factors::of_service(&fields, &self.scope.secrets, self.findings);
        let command = self.command(&fields);
        let environment = self.environment(&fields);
        let directory = self.directory(&fields);
        let image = self.image(&fields);
        Some(Service {
            name: name?,
            attestation,
            platforms,
            one_time_password,
            file_protection: None,
            command,
            environment,
            directory,
            image,
            position: node.position,
        })
    }

    fn command(&mut self, fields: &Fields<'_, '_>) -> Vec<Template> {
        let Some(node) = fields.value("command") else {
            return Vec::new();
        };
        match &node.value {
            Value::List(items) => items
                .iter()
                .filter_map(|item| self.argument(item))
                .collect(),
            _ => {
                let Some(text) = expect_text(node, "command", self.findings) else {
                    return Vec::new();
                };
                self.split_command(text)
            }
        }
    }

    fn split_command(&mut self, text: &Text<'_>) -> Vec<Template> {
        let arguments = match command::split(text.as_str()) {
            Ok(arguments) => arguments,
            Err(command::UnbalancedQuote(quote)) => {
                let message = format!("`command`: nothing closes the quote `{quote}`");
                let code = codes::UNBALANCED_QUOTE;
                let found = Diagnostic::error(code, text.position(), message);
                let hint = "write the arguments as a list to need no quotes";
                self.findings.push(found.hint(hint));
                return Vec::new();
            }
        };
        self.refuse_host_arguments(text);
        if self.findings.is_full() {
            return Vec::new();
        }
        let mut places = text.places();
        arguments
            .iter()
            .map(|argument| self.read(argument, &mut places))
            .collect()
    }

    fn read(&mut self, argument: &str, places: &mut Places<'_>) -> Template {
        placeholder::read(argument, places, self.declarations, self.findings)
    }

    fn argument(&mut self, item: &Node<'_>) -> Option<Template> {
        let text = expect_text(item, "command", self.findings)?;
        self.refuse_host_arguments(text);
        Some(template(text, self.declarations, self.findings))
    }

    /// `@@N`, section 10.
    fn refuse_host_arguments(&mut self, text: &Text<'_>) {
        let mut places = text.places();
        for (offset, marker) in text.as_str().match_indices("@@") {
            if self.findings.is_full() {
                return;
            }
            let position = places.next(marker);
            let behind = offset.saturating_add(marker.len());
            let rest = text.as_str().get(behind..).unwrap_or_default();
            if rest.starts_with(|c: char| c.is_ascii_digit()) {
                self.findings.push(not_yet(position, "a host argument"));
            }
        }
    }

    fn environment(&mut self, fields: &Fields<'_, '_>) -> Vec<(String, Variable)> {
        let Some(node) = fields.value("environment") else {
            return Vec::new();
        };
        let Value::Map(entries) = &node.value else {
            self.findings.push(not_a(node, "a map", "`environment`"));
            return Vec::new();
        };
        entries
            .iter()
            .filter_map(|entry| self.variable(entry))
            .collect()
    }

    fn variable(&mut self, entry: &Entry<'_>) -> Option<(String, Variable)> {
        let name = &*entry.key;
        if name.starts_with("@@") || name.starts_with("\\@\\@") {
            self.findings
                .push(not_yet(entry.position, "a variable of the host"));
            return None;
        }
        if name.is_empty() || name.contains(['=', '\0']) {
            let found = quoted(name);
            let message = format!("expected a variable's name without `=` and NUL, found {found}");
            let code = codes::ENVIRONMENT_NAME;
            self.findings
                .push(Diagnostic::error(code, entry.position, message));
            return None;
        }
        if entry.value.is_null() {
            let empty = Variable::Value(Template { parts: Vec::new() });
            return Some((name.to_owned(), empty));
        }
        let text = expect_text(&entry.value, name, self.findings)?;
        let value = template(text, self.declarations, self.findings);
        Some((name.to_owned(), Variable::Value(value)))
    }

    fn directory(&mut self, fields: &Fields<'_, '_>) -> Option<String> {
        let text = fields.text("pwd", self.findings)?;
        if text.as_str().starts_with('/') {
            return Some(text.as_str().to_owned());
        }
        let found = quoted(text.as_str());
        let message = format!("`pwd`: expected an absolute path, found {found}");
        self.findings.push(Diagnostic::error(
            codes::FILE_PATH,
            text.position(),
            message,
        ));
        None
    }

    fn image(&mut self, fields: &Fields<'_, '_>) -> Option<String> {
        let text = fields.text("image_name", self.findings)?;
        let name = text.as_str();
        if self.image_names.contains(&name) {
            return Some(name.to_owned());
        }
        let message = format!("no image is named {}", quoted(name));
        let mut found = Diagnostic::error(codes::UNKNOWN_IMAGE, text.position(), message);
        found.hint = nearest_hint(name, self.image_names.iter().copied())
            .or_else(|| Some("add it under `images`".to_owned()));
        self.findings.push(found);
        None
    }
}

const KEYS: Keys = Keys {
    place: "a service",
    read: &[
        "name",
        "attestation",
        "mrenclaves",
        "command",
        "environment",
        "pwd",
        "image_name",
        "platforms",
        "one_time_password_shared_secret",
    ],
    not_yet: &[
        "fspf_path",
        "fspf_key",
        "fspf_tag",
        "fspf_update_policy",
        "refresh",
        "import",
    ],
    legacy: &["tags", "persistency"],
};
