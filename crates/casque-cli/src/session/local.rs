//! `casque session check`, `verify`, `calculate-hash` and `schema`: without a server.

use std::path::Path;

use casque_policy::{Policy, policy_hash};
use casque_types::PolicyHash;
use casque_wire::Diagnostic;
use serde::Serialize;

use super::scopes::{self, ServiceScopes};
use super::{Hashed, Session};
use crate::args::{CalculateHashArgs, CheckArgs, LocalArgs};
use crate::console::Style;
use crate::error::CliError;
use crate::exit;
use crate::policy_file::PolicyFile;
use crate::portable;
use crate::report::Findings;
use crate::schema::SCHEMA;
use crate::upload::Upload;

/// What `check` prints with `--output json`.
#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    hash: Option<String>,
    diagnostics: &'a [Diagnostic],
    /// How much the evidence for each service speaks for; absent for a text that is no policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<ServiceScopes<'a>>>,
}

impl Session<'_, '_> {
    pub(super) fn check(&mut self, args: &CheckArgs) -> Result<u8, CliError> {
        let (text, identity) = (&args.local.text, &args.local.identity);
        let loaded = Upload::load(
            &text.file,
            &text.change,
            self.invocation,
            self.console.stdin,
        )
        .and_then(|upload| upload.into_readable(&text.file));
        let mut file = match loaded {
            Err(CliError::Policy(findings)) if self.console.style == Style::Json => {
                return self.checked(None, None, &findings, exit::POLICY);
            }
            other => other?.file,
        };
        if args.portable {
            let found = portable::findings(file.text());
            file.warnings.add_sorted(found);
        }
        self.console.findings(&file.warnings);
        let hash = self.hash_of(&file, identity.path())?;
        let failed = text.change.fail_on_warning && !file.warnings.found.is_empty();
        let code = if failed { exit::WARNINGS } else { exit::OK };
        if self.console.style == Style::Json {
            let scopes = Some(scopes::of(&file.policy));
            return self.checked(Some(hash), scopes, &file.warnings, code);
        }
        match args.normalised {
            true => {
                let normal = Policy::normalised(file.text()).map_err(|found| {
                    let source = file.warnings.source.clone_without_excerpts();
                    CliError::Policy(Findings::new(source, found).into())
                })?;
                // exposed: the author's own text is shown to the author
                self.console.data(normal.expose())?;
            }
            false => self.console.data(file.text().as_bytes())?,
        }
        let name = &file.policy.name;
        if !failed {
            self.console
                .note(&format!("ok: policy `{name}`, hash {hash}\n"));
            self.console.note(&scopes::told(&file.policy));
        }
        Ok(code)
    }

    fn checked(
        &mut self,
        hash: Option<PolicyHash>,
        scopes: Option<Vec<ServiceScopes<'_>>>,
        findings: &Findings,
        code: u8,
    ) -> Result<u8, CliError> {
        let document = Checked {
            ok: code == exit::OK,
            hash: hash.map(|hash| hash.to_string()),
            scopes,
            diagnostics: &findings.found,
        };
        self.console.result("", &document)?;
        Ok(code)
    }

    pub(super) fn verify(&mut self, args: &LocalArgs) -> Result<u8, CliError> {
        let file = self.loaded(&args.text.file, &args.text.change)?.file;
        let hash = self.hash_of(&file, args.identity.path())?;
        self.hashed(&file, &hash)
    }

    pub(super) fn calculate_hash(&mut self, args: &CalculateHashArgs) -> Result<u8, CliError> {
        let file = self
            .loaded(&args.local.text.file, &args.local.text.change)?
            .file;
        let hash = match args.with_self_as_creator {
            Some(_) => self.hash_of(&file, args.local.identity.path())?,
            None => hash_without_us(&file)?,
        };
        self.hashed(&file, &hash)
    }

    fn hashed(&mut self, file: &PolicyFile, hash: &PolicyHash) -> Result<u8, CliError> {
        let document = Hashed {
            name: Some(file.policy.name.as_str()),
            hash: hash.to_string(),
            warnings: &file.warnings.found,
        };
        self.console.result(&format!("{hash}\n"), &document)?;
        Ok(exit::OK)
    }

    /// The hash that the policy has once this identity has put it.
    fn hash_of(&self, file: &PolicyFile, identity: Option<&Path>) -> Result<PolicyHash, CliError> {
        if file.policy.creator.is_some() {
            return Ok(policy_hash(&file.policy, None));
        }
        let identity = self.identity(identity)?;
        Ok(policy_hash(&file.policy, Some(identity.key_hash())))
    }

    pub(super) fn schema(&mut self) -> Result<u8, CliError> {
        self.console.data(SCHEMA.as_bytes())?;
        Ok(exit::OK)
    }
}

/// The hash that the text alone has, if it does not depend on who puts it.
fn hash_without_us(file: &PolicyFile) -> Result<PolicyHash, CliError> {
    let policy = &file.policy;
    let hash = policy_hash(policy, None);
    // Without a creator in the text, a hash that another one would change is nobody's.
    let somebody = casque_types::KeyHash::of_spki(b"");
    match policy.creator.is_none() && policy_hash(policy, Some(&somebody)) != hash {
        true => Err(CliError::CreatorUnknown),
        false => Ok(hash),
    }
}
