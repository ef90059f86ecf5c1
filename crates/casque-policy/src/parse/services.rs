//! `services`, section 2.

use std::collections::BTreeSet;

use casque_types::ServiceName;

use super::clauses::Scope;
use super::host::HostArguments;
use super::secrets::name_of;
use super::{attestation, expect_unique, factors, platforms, protection};
use crate::codes;
use crate::command;
use crate::fields::{Fields, Keys, expect_text, not_a, parse_text};
use crate::findings::{Findings, nearest_hint, quoted};
use crate::placeholder::{self, Declarations, template};
use crate::yaml::{Entry, Node, Places, Text, Value};
use crate::{Diagnostic, Security, Service, Template, Variable};

/// Reads all services.
pub(super) fn read(
    policy: &Fields<'_, '_>,
    security: Option<&Security>,
    scope: &mut Scope<'_, '_, '_>,
    findings: &mut Findings,
) -> Vec<Service> {
    let items = policy.items("services", findings);
    let images = policy.value("images").map_or(&[][..], Node::one_or_more);
    let image_names: BTreeSet<&str> = images
        .iter()
        .filter_map(|image| name_of(image).map(|(name, _)| name))
        .collect();
    let mut reader = Reader {
        image_names: &image_names,
        declarations: scope.secrets.declarations,
        security,
        scope,
        findings,
    };
    let mut services = Vec::new();
    for item in items {
        if reader.findings.is_full() {
            break;
        }
        services.extend(reader.service(item));
    }
    expect_unique("service", items.iter().filter_map(name_of), findings);
    services
}

struct Reader<'r, 's, 'n, 'a> {
    image_names: &'r BTreeSet<&'r str>,
    declarations: &'r Declarations<'n>,
    /// The policy's, unless secrets say it.
    security: Option<&'r Security>,
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
        let mode = self.security.map(|security| &security.mode);
        let attestation = attestation::read(&fields, mode, self.scope, self.findings);
        let platforms = platforms::read(&fields, mode, self.scope, self.findings);
        let one_time_password = factors::of_service(&fields, &self.scope.secrets, self.findings);
        let command = self.command(&fields);
        let environment = self.environment(&fields);
        let directory = self.directory(&fields);
        let image = self.image(&fields);
        let file_protection = protection::read(&fields, self.declarations, self.findings);
        refuse_import(&fields, "a service", self.findings);
        let service = Service {
            name: name?,
            attestation,
            platforms,
            one_time_password,
            file_protection,
            command,
            environment,
            directory,
            image,
            position: node.position,
        };
        attestation::lints::judge(&service, self.security, self.findings);
        Some(service)
    }

    fn command(&mut self, fields: &Fields<'_, '_>) -> Vec<Template> {
        let Some(node) = fields.value("command") else {
            return Vec::new();
        };
        let mut hosts = HostArguments::default();
        match &node.value {
            Value::List(items) => items
                .iter()
                .filter_map(|item| self.argument(item, &mut hosts))
                .collect(),
            _ => {
                let Some(text) = expect_text(node, "command", self.findings) else {
                    return Vec::new();
                };
                self.split_command(text, &mut hosts)
            }
        }
    }

    fn split_command(&mut self, text: &Text<'_>, hosts: &mut HostArguments) -> Vec<Template> {
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
        let (mut places, mut host_places) = (text.places(), text.places());
        arguments
            .iter()
            .map(|argument| {
                let template = self.read(argument, &mut places);
                hosts.find(template, &mut host_places, self.findings)
            })
            .collect()
    }

    fn read(&mut self, argument: &str, places: &mut Places<'_>) -> Template {
        placeholder::read(argument, places, self.declarations, self.findings)
    }

    fn argument(&mut self, item: &Node<'_>, hosts: &mut HostArguments) -> Option<Template> {
        let text = expect_text(item, "command", self.findings)?;
        let template = template(text, self.declarations, self.findings);
        Some(hosts.find(template, &mut text.places(), self.findings))
    }

    fn environment(&mut self, fields: &Fields<'_, '_>) -> Vec<(String, Variable)> {
        let Some(node) = fields.value("environment") else {
            return Vec::new();
        };
        let Value::Map(entries) = &node.value else {
            self.findings.push(not_a(node, "a map", "`environment`"));
            return Vec::new();
        };
        let variables: Vec<(String, Variable)> = entries
            .iter()
            .filter_map(|entry| match self.findings.is_full() {
                true => None,
                false => self.variable(entry),
            })
            .collect();
        let names = entries.iter().map(|entry| {
            let name = host_name(&entry.key).unwrap_or(&entry.key);
            (name, entry.position)
        });
        expect_unique("variable", names, self.findings);
        variables
    }

    fn variable(&mut self, entry: &Entry<'_>) -> Option<(String, Variable)> {
        let host = host_name(&entry.key);
        let name = host.unwrap_or(&entry.key);
        if name.is_empty() || name.contains(['=', '\0']) {
            let found = quoted(name);
            let message = format!("expected a variable's name without `=` and NUL, found {found}");
            let code = codes::ENVIRONMENT_NAME;
            self.findings
                .push(Diagnostic::error(code, entry.position, message));
            return None;
        }
        if host.is_some() {
            return Some((name.to_owned(), Variable::Host));
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
        if self.image_names.contains(name) {
            return Some(name.to_owned());
        }
        let message = format!("no image is named {}", quoted(name));
        if self.image_names.is_empty() {
            // Published policies write the container's image there; nothing can be missed.
            let found = Diagnostic::warning(codes::UNKNOWN_IMAGE, text.position(), message);
            let hint = "the policy has no `images`, so the service gets no files and no volumes";
            self.findings.push(found.hint(hint));
            return None;
        }
        let mut found = Diagnostic::error(codes::UNKNOWN_IMAGE, text.position(), message);
        found.hint = nearest_hint(name, self.image_names.iter().copied())
            .or_else(|| Some("add it under `images`".to_owned()));
        self.findings.push(found);
        None
    }
}

/// The name of a variable whose value the host's environment says, section 10.
fn host_name(key: &str) -> Option<&str> {
    key.strip_prefix("\\@\\@")
        .or_else(|| key.strip_prefix("@@"))
}

/// `import` of a whole service or image, which no language after 0.1 has.
pub(super) fn refuse_import(fields: &Fields<'_, '_>, place: &str, findings: &mut Findings) {
    if let Some(entry) = fields.entry("import") {
        let message = format!("`import` of {place} is of language 0.1, and no policy exports one");
        let found = Diagnostic::error(codes::WHOLE_IMPORT, entry.position, message);
        findings.push(found.hint("copy it here; secrets and volumes can be imported"));
    }
}

pub(super) const KEYS: Keys = Keys {
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
        "fspf_path",
        "fspf_key",
        "fspf_tag",
        "fspf_update_policy",
        "import",
    ],
    not_yet: &["refresh"],
    legacy: &["tags", "persistency"],
};
