//! `casque endorsements`: what vendors state of their platforms, fetched and carried in files. `docs/endorsements.md`
//! describes the files.

use std::io;
use std::path::{Path, PathBuf};

use casque_appraise::EvidenceParseError;
use casque_endorse::{
    BundleError, Bundled, Document, DocumentId, EndorserSettings, EndorserSetupError, Endorsers,
    Network, SourceFailure, Stated, TooManyDocuments, Validity, bundle_file, explain_file,
    read_documents, read_explain_file, write_bundle_directory,
};
use casque_explain::evidence_of;
use casque_types::Timestamp;
use serde::Serialize;
use thiserror::Error;

use crate::args::{BundleArgs, Documents, EndorsementsCommand, FetchArgs, Form, TargetArgs};
use crate::console::Console;
use crate::error::CliError;
use crate::exit;
use crate::invocation::Invocation;
use crate::policy_file::{read_text, text_of};

/// Why there are no endorsements.
#[derive(Debug, Error)]
pub(crate) enum EndorsementsError {
    #[error("the sources of endorsements cannot be used")]
    Setup(#[from] EndorserSetupError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Source(#[from] SourceFailure),
    #[error("`{}` holds no evidence", path.display())]
    Evidence {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("the evidence in `{}` cannot be read", path.display())]
    EvidenceParts {
        path: PathBuf,
        #[source]
        source: EvidenceParseError,
    },
    #[error("the evidence in `{}` needs no endorsements", path.display())]
    NothingNeeded { path: PathBuf },
    #[error("these documents do not fit into one file for `casque explain`")]
    TooMany(#[from] TooManyDocuments),
    #[error("--from: expected at most one bundle, found `{}` after `{}`", second.display(), first.display())]
    TwoBundles { first: PathBuf, second: PathBuf },
    #[error("cannot write the bundle into `{}`", directory.display())]
    Write {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot start to fetch")]
    Runtime(#[source] io::Error),
}

impl EndorsementsError {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Source(_) => exit::UNREACHABLE,
            _ => exit::USAGE,
        }
    }

    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Setup(_) | Self::TwoBundles { .. } => "endorsement-sources",
            Self::Bundle(_) => "endorser-bundle-damaged",
            Self::Source(failure) => failure.code,
            Self::Evidence { .. } | Self::EvidenceParts { .. } | Self::NothingNeeded { .. } => {
                "evidence"
            }
            Self::TooMany(_) => "too-many-documents",
            Self::Write { .. } | Self::Runtime(_) => "output",
        }
    }

    pub(crate) const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Source(_) => Some(
                "name other sources with --from: `intel`, `amd`, `azure`, the base URL of a cache, or a bundle",
            ),
            Self::TooMany(_) => Some("fetch for one piece of evidence: --evidence FILE"),
            _ => None,
        }
    }
}

pub(crate) fn run(
    command: &EndorsementsCommand,
    invocation: &Invocation,
    console: &mut Console<'_>,
) -> Result<u8, CliError> {
    match command {
        EndorsementsCommand::Fetch(args) => fetch(args, invocation, console)?,
        EndorsementsCommand::Show { paths } => show(paths, invocation.now, console)?,
        EndorsementsCommand::Bundle(args) => bundle(args, invocation.now, console)?,
    }
    Ok(exit::OK)
}

fn fetch(
    args: &FetchArgs,
    invocation: &Invocation,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let mut ids: Vec<DocumentId> = Vec::new();
    for path in &args.evidence {
        ids.extend(needed_by(path, console)?);
    }
    let asked = args.intel.iter().chain(&args.amd);
    ids.extend(asked.flat_map(|Documents(ids)| ids.iter().cloned()));
    let settings = settings(args)?;
    let endorsers = match args.dangerous_unverified {
        true => Endorsers::dangerous_unverified(&settings),
        false => Endorsers::new(&settings, &invocation.anchors),
    };
    let endorsers = endorsers.map_err(EndorsementsError::from)?;
    let documents = fetch_all(&endorsers, &ids, invocation.now)?;
    write(&documents, &args.target, console)
}

/// What the evidence in a file needs beside what it brings.
fn needed_by(path: &Path, console: &mut Console<'_>) -> Result<Vec<DocumentId>, CliError> {
    let text = read_text(path, console.stdin)?;
    let wire: casque_wire::Evidence = serde_json::from_str(text_of(&text)).map_err(|source| {
        let path = path.to_owned();
        EndorsementsError::Evidence { path, source }
    })?;
    let id = evidence_of(&wire).and_then(|evidence| evidence.endorsements_id());
    let id = id.map_err(|source| {
        let path = path.to_owned();
        EndorsementsError::EvidenceParts { path, source }
    })?;
    let id = id.ok_or_else(|| EndorsementsError::NothingNeeded {
        path: path.to_owned(),
    })?;
    Ok(DocumentId::of(&id))
}

/// `--from` in the words of [`EndorserSettings`]: each source for the vendors that it can serve.
fn settings(args: &FetchArgs) -> Result<EndorserSettings, EndorsementsError> {
    let mut settings = EndorserSettings {
        ca_file: args.ca_file.clone(),
        ..EndorserSettings::default()
    };
    if args.from.is_empty() {
        return Ok(settings);
    }
    settings.intel.clear();
    settings.amd.clear();
    for source in &args.from {
        match source.as_str() {
            "intel" => settings.intel.push(source.clone()),
            "amd" => settings.amd.push(source.clone()),
            text if text == "azure" || text.contains("://") => {
                settings.intel.push(source.clone());
                settings.amd.push(source.clone());
            }
            path => {
                let second = PathBuf::from(path);
                if let Some(first) = settings.bundle.replace(second.clone()) {
                    return Err(EndorsementsError::TwoBundles { first, second });
                }
            }
        }
    }
    if settings.intel.is_empty() && settings.amd.is_empty() {
        settings.network = Network::Offline;
    }
    Ok(settings)
}

fn fetch_all(
    endorsers: &Endorsers,
    ids: &[DocumentId],
    now: Timestamp,
) -> Result<Vec<Document>, EndorsementsError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(EndorsementsError::Runtime)?;
    runtime.block_on(async {
        let mut documents = Vec::new();
        for id in ids {
            let document = endorsers.document(id, now).await?;
            documents.push((*document).clone());
        }
        Ok(documents)
    })
}

/// What has expired stays out.
fn bundle(args: &BundleArgs, now: Timestamp, console: &mut Console<'_>) -> Result<(), CliError> {
    let found = read_all(&args.paths, console)?;
    let (expired, good): (Vec<_>, Vec<_>) =
        (found.into_iter()).partition(|bundled| bundled.document.validity().until < now);
    for Bundled { file, document } in expired {
        let until = document.validity().until;
        console.remark(&format!(
            "left out: `{}` expired at {until}\n",
            file.display()
        ));
    }
    let mut documents: Vec<Document> = good.into_iter().map(|bundled| bundled.document).collect();
    // Of two about the same thing the last one counts: that which stays in force longer.
    documents.sort_by_key(|document| document.validity().until);
    write(&documents, &args.target, console)
}

fn write(
    documents: &[Document],
    target: &TargetArgs,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    if let Some(directory) = &target.directory {
        let written = write_bundle_directory(directory, documents);
        return Ok(written.map_err(|source| EndorsementsError::Write {
            directory: directory.clone(),
            source,
        })?);
    }
    let bytes = match target.form {
        Form::Bundle => bundle_file(documents),
        Form::Explain => explain_file(documents).map_err(EndorsementsError::from)?,
    };
    console.data(&bytes)
}

fn read_all(paths: &[PathBuf], console: &mut Console<'_>) -> Result<Vec<Bundled>, CliError> {
    let mut all = Vec::new();
    for path in paths {
        let found = read_documents(path).map_err(EndorsementsError::from)?;
        for damaged in found.damaged {
            console.remark(&format!("left out: {damaged}\n"));
        }
        all.extend(found.documents);
    }
    all.sort_by_key(|bundled| bundled.document.validity().until);
    Ok(all)
}

/// What is printed with `--output json`; what expires first stands first.
#[derive(Serialize)]
struct Shown {
    documents: Vec<ShownDocument>,
}

#[derive(Serialize)]
struct ShownDocument {
    kind: &'static str,
    id: String,
    file: String,
    not_before: String,
    not_after: String,
    /// What ends then, where a document is several.
    ends: String,
    state: &'static str,
}

impl ShownDocument {
    fn of(file: &Path, stated: Stated, now: Timestamp) -> Self {
        let Stated {
            kind,
            about,
            validity,
        } = stated;
        Self {
            kind,
            id: about,
            file: file.display().to_string(),
            not_before: validity.from.to_string(),
            not_after: validity.until.to_string(),
            state: state_of(&validity, now),
            ends: validity.ends,
        }
    }
}

fn show(paths: &[PathBuf], now: Timestamp, console: &mut Console<'_>) -> Result<(), CliError> {
    let mut all = Vec::new();
    for path in paths {
        let found = match path.is_file() {
            true => read_explain_file(path).map_err(EndorsementsError::from)?,
            false => None,
        };
        let found: Vec<(PathBuf, Stated)> = match found {
            Some(stated) => stated.into_iter().map(|it| (path.clone(), it)).collect(),
            None => read_all(std::slice::from_ref(path), console)?
                .into_iter()
                .map(|Bundled { file, document }| (file, stated_of(&document)))
                .collect(),
        };
        all.extend(found);
    }
    all.sort_by_key(|(_, stated)| stated.validity.until);
    let documents: Vec<_> = all
        .into_iter()
        .map(|(file, stated)| ShownDocument::of(&file, stated, now))
        .collect();
    console.result(&text_of_documents(&documents), &Shown { documents })
}

fn stated_of(document: &Document) -> Stated {
    Stated {
        kind: document.id().kind(),
        about: document.id().subject(),
        validity: document.validity().clone(),
    }
}

fn text_of_documents(found: &[ShownDocument]) -> String {
    let lines = found.iter().map(|it| {
        format!(
            "{:<11}  {}  {}  {} {}\n",
            it.state, it.not_before, it.not_after, it.kind, it.id
        )
    });
    let lines: String = lines.collect();
    let Some(first) = found.first() else {
        return "no documents\n".to_owned();
    };
    format!(
        "{lines}first to expire: {} in `{}`, at {}\n",
        first.ends, first.file, first.not_after
    )
}

fn state_of(validity: &Validity, now: Timestamp) -> &'static str {
    match () {
        () if now < validity.from => "not yet",
        () if now > validity.until => "expired",
        () => "in force",
    }
}
