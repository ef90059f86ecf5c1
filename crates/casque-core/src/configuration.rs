//! The configuration of one service: its templates filled, its volumes, what its own templates may use.

use casque_policy::{Content, Image, InjectionFile, Part, Service, Template, Variable};
use casque_types::{
    Argument, ArgumentPart, Configuration, ConfigurationFile, FileContent, Secret, SecretName,
    VariableValue,
};

use crate::ResolveError;
use crate::fill::{Nul, Rendered, joined};
use crate::resolve::{Resolved, SecretFault};

impl Resolved {
    /// Fills a service's templates; volumes and second factors are added by the caller.
    pub(crate) fn configuration<'p>(
        &self,
        service: &Service,
        image: Option<&Image>,
        provided: impl Iterator<Item = &'p SecretName>,
    ) -> Result<Configuration, SecretFault> {
        let arguments = service
            .command
            .iter()
            .map(|template| self.argument(template));
        let environment = (service.environment.iter())
            .map(|(name, variable)| Ok((name.clone(), self.variable(variable)?)));
        let files = image.map_or(&[][..], |image| &image.injection_files);
        Ok(Configuration {
            arguments: arguments.collect::<Result<_, _>>()?,
            environment: environment.collect::<Result<_, _>>()?,
            directory: service.directory.clone(),
            files: (files.iter().map(|file| self.file(file))).collect::<Result<_, _>>()?,
            template_secrets: provided
                .map(|name| self.provided(name))
                .collect::<Result<_, _>>()?,
            ..Configuration::default()
        })
    }

    /// Texts and values between two arguments of the host become one part.
    fn argument(&self, template: &Template) -> Result<Argument, SecretFault> {
        let mut parts = Vec::new();
        let mut open: Vec<Rendered<'_>> = Vec::new();
        for part in &template.parts {
            match part {
                Part::Text(text) => open.push(Rendered::Text(text)),
                Part::Secret(placeholder) => {
                    open.push(Rendered::Value(self.value(placeholder, Nul::Refused)?));
                }
                Part::Host(number) => {
                    close(&mut open, &mut parts);
                    parts.push(ArgumentPart::Host(*number));
                }
            }
        }
        close(&mut open, &mut parts);
        if parts.is_empty() {
            parts.push(ArgumentPart::Value(Secret::new(Vec::new())));
        }
        Ok(Argument { parts })
    }

    fn variable(&self, variable: &Variable) -> Result<VariableValue, SecretFault> {
        match variable {
            Variable::Host => Ok(VariableValue::Host),
            Variable::Value(template) => Ok(self.fill(template, Nul::Refused)?.into()),
        }
    }

    fn file(&self, file: &InjectionFile) -> Result<ConfigurationFile, SecretFault> {
        let content = match &file.content {
            Content::Given(template) => self.fill(template, Nul::Allowed)?.into(),
            Content::OfContainer => FileContent::Template,
        };
        Ok(ConfigurationFile {
            path: file.path.clone(),
            mode: file.mode,
            content,
        })
    }

    fn provided(&self, name: &SecretName) -> Result<(SecretName, Secret), SecretFault> {
        let value = self.values.get(name);
        let value = value.ok_or_else(|| (name.clone(), ResolveError::Missing))?;
        Ok((name.clone(), value.to_stored()))
    }
}

fn close(open: &mut Vec<Rendered<'_>>, parts: &mut Vec<ArgumentPart>) {
    if !open.is_empty() {
        parts.push(ArgumentPart::Value(joined(open)));
        open.clear();
    }
}
