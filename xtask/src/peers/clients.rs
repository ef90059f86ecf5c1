//! The clients' installation, in `target/peers`: done once for each list of versions; those in Rust are built.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::Failure;
use crate::packages::install_debian;
use crate::run::{cargo, is_there, not_started, program, root, target};

/// What the clients are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// azure-identity, azure-keyvault-*, azure-security-attestation.
    Python,
    /// @azure/identity, @azure/keyvault-secrets.
    Node,
    /// schemathesis, in Python too; apart, since it needs much that the others do not.
    OpenApi,
    /// azure-guest-attestation-sdk.
    Rust,
}

impl Language {
    /// Its folder's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::OpenApi => "openapi",
            Self::Rust => "rust",
        }
    }

    /// Where its scripts stand.
    pub(super) fn scripts(self) -> PathBuf {
        let folder = root().join("peers").join(self.name());
        match self {
            Self::Python | Self::Node | Self::OpenApi => folder,
            Self::Rust => folder.join("src"),
        }
    }

    /// How its scripts' names end.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Python | Self::OpenApi => "py",
            Self::Node => "mjs",
            Self::Rust => "rs",
        }
    }

    const fn versions_file(self) -> &'static str {
        match self {
            Self::Python | Self::OpenApi => "requirements.txt",
            Self::Node => "package.json",
            Self::Rust => "Cargo.lock",
        }
    }

    /// Debian's packages that bring what installs its clients.
    const fn debian_packages(self) -> &'static [&'static str] {
        match self {
            Self::Python | Self::OpenApi => &["python3", "python3-venv"],
            Self::Node => &["nodejs", "npm"],
            Self::Rust => &[],
        }
    }
}

/// Whether scripts can be run.
pub(super) enum Clients {
    /// By this.
    Ready(Runner),
    /// Not here; why.
    Unavailable(&'static str),
}

/// What runs a script.
pub(super) enum Runner {
    /// An interpreter, given the script.
    Interpreter(PathBuf),
    /// The script itself, built.
    Program(PathBuf),
}

impl Runner {
    pub(super) fn command(&self, script: &Path) -> Command {
        match self {
            Self::Interpreter(interpreter) => {
                let mut command = program(interpreter);
                command.arg(script);
                command
            }
            Self::Program(built) => program(built),
        }
    }
}

/// Why an installation did not happen.
enum NotInstalled {
    /// The tool that installs is not on this machine.
    NoTool,
    /// The registry does not answer.
    Offline,
    /// Anything else: a defect, to be seen.
    Failed(Failure),
}

/// Installs the clients, unless these versions are there.
pub(super) fn install(language: Language) -> Result<Clients, Failure> {
    let folder = target().join("peers").join(language.name());
    let versions = root()
        .join("peers")
        .join(language.name())
        .join(language.versions_file());
    let wanted = std::fs::read_to_string(&versions).map_err(|error| {
        Failure::new(format!("`{}` cannot be read: {error}", versions.display()))
    })?;
    let stamp = folder.join("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(Clients::Ready(runner(language, &folder)));
    }
    println!("installing the clients of {}", language.name());
    let mut outcome = install_into(language, &folder, &versions);
    if matches!(outcome, Err(NotInstalled::NoTool)) && install_debian(language.debian_packages()) {
        outcome = install_into(language, &folder, &versions);
    }
    match outcome {
        Ok(()) => {
            // Cargo itself knows what it has built.
            if language != Language::Rust {
                std::fs::write(&stamp, wanted).map_err(|error| unwritable(&stamp, &error))?;
            }
            Ok(Clients::Ready(runner(language, &folder)))
        }
        Err(NotInstalled::NoTool) => Ok(Clients::Unavailable("neither there nor to be installed")),
        Err(NotInstalled::Offline) => Ok(Clients::Unavailable("offline")),
        Err(NotInstalled::Failed(failure)) => Err(failure),
    }
}

fn runner(language: Language, folder: &Path) -> Runner {
    match language {
        Language::Python | Language::OpenApi => Runner::Interpreter(folder.join("bin/python")),
        Language::Node => Runner::Interpreter(PathBuf::from("node")),
        Language::Rust => Runner::Program(folder.join("debug/casque-peer")),
    }
}

fn install_into(language: Language, folder: &Path, versions: &Path) -> Result<(), NotInstalled> {
    std::fs::create_dir_all(folder)
        .map_err(|error| NotInstalled::Failed(unwritable(folder, &error)))?;
    match language {
        Language::Python | Language::OpenApi => install_python(folder, versions),
        Language::Node => install_node(folder, versions),
        Language::Rust => build_rust(folder),
    }
}

fn install_python(folder: &Path, versions: &Path) -> Result<(), NotInstalled> {
    let mut make = program("python3");
    make.args(["-m", "venv", "--clear"]).arg(folder);
    // Debian's Python has the module and lacks what it needs, and says so by failing.
    if !is_there(&mut make) {
        return Err(NotInstalled::NoTool);
    }
    let mut pip = program(folder.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    download(pip.arg(versions))
}

fn install_node(folder: &Path, versions: &Path) -> Result<(), NotInstalled> {
    for tool in ["node", "npm"] {
        if !is_there(program(tool).arg("--version")) {
            return Err(NotInstalled::NoTool);
        }
    }
    let list = folder.join("package.json");
    std::fs::copy(versions, &list)
        .map_err(|error| NotInstalled::Failed(unwritable(&list, &error)))?;
    let mut npm = program("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]);
    download(npm.current_dir(folder))
}

/// Builds the clients and the program that uses them, as far as they are not built.
fn build_rust(folder: &Path) -> Result<(), NotInstalled> {
    let mut build = cargo(&["build", "--locked", "--quiet"]);
    build.arg("--manifest-path");
    build.arg(root().join("peers/rust/Cargo.toml"));
    download(build.arg("--target-dir").arg(folder))
}

/// Runs an installer, and tells a registry that does not answer from an installation that fails.
fn download(command: &mut Command) -> Result<(), NotInstalled> {
    let output = command
        .output()
        .map_err(|error| NotInstalled::Failed(not_started(command, &error)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = said(&output);
    if OFFLINE.iter().any(|sign| said.contains(sign)) {
        return Err(NotInstalled::Offline);
    }
    let name = command.get_program().to_string_lossy();
    let sentence = format!("`{name}` did not install the clients:\n{said}");
    Err(NotInstalled::Failed(Failure::new(sentence)))
}

fn said(output: &Output) -> String {
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    said
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("`{}` cannot be written: {error}", path.display()))
}

/// What pip, npm and cargo say when a registry cannot be reached.
const OFFLINE: [&str; 12] = [
    "NewConnectionError",
    "ConnectTimeoutError",
    "NameResolutionError",
    "ProxyError",
    "Temporary failure in name resolution",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ETIMEDOUT",
    "Could not resolve host",
    "Could not connect to server",
    "Timeout was reached",
];
