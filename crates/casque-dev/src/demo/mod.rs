//! `casque-dev demo`: the whole story on a terminal, with the real programs, in a folder of its own.
//!
//! Every line behind a `$` is a command that is run as it stands. The demo succeeds only if everything went
//! as it is told: the granted start saw its secrets, the denied one saw nothing and was given reasons.

mod stage;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use thiserror::Error;

use crate::cli::report;
use crate::tees::TeeKind;
use crate::up::World;
use stage::{Outcome, Stage};
use world::{Folder, RunningWorld};

/// How to tell it.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder of `casque` and the other programs. Default: where this program is.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// The kind of TEE that the program is run in.
    #[arg(long, value_enum, default_value_t)]
    tee: TeeKind,
}

/// Why the story did not go as told.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// A file or a program could not be used.
    #[error("cannot {action} `{}`", path.display())]
    System {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `casque-dev up` printed no JSON.
    #[error("`casque-dev up` did not start")]
    World,
    /// A command ended otherwise than told.
    #[error("`{command}` ended otherwise than this story tells: {status}")]
    Ended {
        /// Its first words.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The output does not show what it should.
    #[error("the output of the {which} start {problem}")]
    Output {
        /// Granted, denied or explained.
        which: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Tells the story.
#[must_use]
pub fn demo(args: &DemoArgs) -> ExitCode {
    match tell(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn tell(args: &DemoArgs) -> Result<(), DemoError> {
    let folder = Folder::make()?;
    let mut stage = Stage::new(args.programs.as_deref(), folder.path())?;
    stage.say("Casque: a program gets its secrets if it is the program that the policy names.");
    let world = start_world(&mut stage, folder.path())?;
    pin_server(&mut stage, world.endpoints())?;
    let told = Told::of(args.tee);
    let measurement = measure(&mut stage, &folder, &told)?;
    put_policies(&mut stage, world.endpoints(), &measurement, &told)?;
    start_granted(&mut stage, &told)?;
    start_changed(&mut stage, &folder, &told)?;
    explain(&mut stage)?;
    stage.chapter("That was it");
    stage.say("The unchanged program found its secrets in its arguments, environment and files;");
    stage.say("the changed one got nothing, and a reason. Your own: `casque-dev up`, and");
    stage.say("examples/aks. The local world of this demo is stopped and removed.");
    Ok(())
}

fn start_world(stage: &mut Stage, folder: &Path) -> Result<RunningWorld, DemoError> {
    stage.chapter("A local Azure, and a Casque server beside it");
    stage.show(&["casque-dev", "up"]);
    let world = RunningWorld::start(&stage.program("casque-dev"), folder)?;
    let at = world.endpoints();
    for (name, address) in [
        ("Microsoft Entra ID", &at.authority),
        ("Azure Key Vault", &at.vault),
        ("Microsoft Azure Attestation", &at.maa),
        ("casqued", &at.cas),
    ] {
        stage.detail(&format!("{name:<28}{address}"));
    }
    Ok(world)
}

fn pin_server(stage: &mut Stage, at: &World) -> Result<(), DemoError> {
    stage.chapter("The author pins the server: it is known by its key, not by its name");
    let host = at.cas.strip_prefix("https://").unwrap_or(&at.cas);
    stage.run(&[
        "casque",
        "cas",
        "attest",
        host,
        "--key-hash",
        &at.cas_key_hash,
    ])?;
    Ok(())
}

/// What is told otherwise for each kind of TEE.
struct Told {
    /// The word of `--tee`.
    word: &'static str,
    policy: &'static str,
    granted: &'static str,
    /// What the denial of a changed program names.
    denied_by: &'static str,
}

impl Told {
    const fn of(kind: TeeKind) -> Self {
        let (word, policy, granted, denied_by) = match kind {
            TeeKind::Sgx => (
                "sgx",
                "session.yaml",
                "MAA judges its quote, the policy grants",
                "mrenclave",
            ),
            TeeKind::Snp => (
                "snp",
                "session-snp.yaml",
                "MAA and Casque judge its report, the policy grants",
                "snp.measurement",
            ),
            TeeKind::Tdx => (
                "tdx",
                "session-tdx.yaml",
                "MAA and Casque judge its quote, the policy grants",
                "tdx.mrtd",
            ),
            TeeKind::AzureSnp => (
                "azure-snp",
                "session-azure-snp.yaml",
                "Casque judges the TPM's quote and the paravisor's report",
                "azure_vm.snp.measurement",
            ),
            TeeKind::AzureTdx => (
                "azure-tdx",
                "session-azure-tdx.yaml",
                "Casque judges the TPM's quote and the paravisor's TDX quote",
                "azure_vm.tdx.mrtd",
            ),
            TeeKind::Aci => (
                "aci",
                "session-aci.yaml",
                "Casque judges the report, the containers' policy, Microsoft's reference",
                "aci.policy_digest",
            ),
        };
        Self {
            word,
            policy,
            granted,
            denied_by,
        }
    }
}

fn measure(stage: &mut Stage, folder: &Folder, told: &Told) -> Result<String, DemoError> {
    stage.chapter("A program, and its measurement in the software TEE");
    folder.write_program()?;
    for line in world::PROGRAM.lines() {
        stage.detail(&format!("| {line}"));
    }
    let outcome = stage.run(&["casque-dev", "measure", "--tee", told.word, "./web"])?;
    Ok(outcome.stdout.trim().to_owned())
}

fn put_policies(
    stage: &mut Stage,
    at: &World,
    measurement: &str,
    told: &Told,
) -> Result<(), DemoError> {
    stage.chapter(&format!(
        "A namespace, and in it the policy: who gets what (examples/demo/{})",
        told.policy
    ));
    world::write_policies(stage.folder())?;
    stage.run(&[
        "casque",
        "session",
        "create",
        "namespace.yaml",
        "-e",
        "NAMESPACE=team",
    ])?;
    let directory = stage.folder().display().to_string();
    let variables = [
        ("NAMESPACE", "team"),
        ("SESSION", "shop"),
        ("PROGRAM", "./web"),
        ("DIRECTORY", &directory),
        ("MRENCLAVE", measurement),
        ("MEASUREMENT", measurement),
        ("MAA_URL", &at.maa),
        ("AZURE_TENANT_ID", &at.tenant_id),
        ("AZURE_CLIENT_ID", &at.client_id),
        ("AZURE_CLIENT_SECRET", &at.client_secret),
        ("AKV_VAULT", &at.vault),
        ("AKV_SECRET_NAME", "db-password"),
        ("AKV_CERT_SECRET_NAME", "web-cert"),
    ];
    stage.set_variables(&variables);
    stage.run(&["casque", "session", "create", told.policy, "--use-env"])?;
    stage.detail("the policy's hash; its text and its secrets are kept encrypted");
    Ok(())
}

fn start_granted(stage: &mut Stage, told: &Told) -> Result<(), DemoError> {
    let title = format!("The program starts behind the agent: {}", told.granted);
    stage.chapter(&title);
    let outcome = stage.run(&["casque-dev", "run", "--tee", told.word, "team/shop/web"])?;
    for shown in [
        "correct horse battery staple",
        "COOKIE_KEY has 64 digits",
        "-----BEGIN CERTIFICATE-----",
    ] {
        if !outcome.stdout.contains(shown) {
            return Err(DemoError::Output {
                which: "granted",
                problem: "lacks a secret",
            });
        }
    }
    Ok(())
}

fn start_changed(stage: &mut Stage, folder: &Folder, told: &Told) -> Result<(), DemoError> {
    stage.chapter("The same program with one byte added");
    folder.write_changed_program()?;
    stage.run(&["casque-dev", "measure", "--tee", told.word, "./changed"])?;
    let words = ["casque-dev", "run", "--tee", told.word, "team/shop/web"];
    let outcome = stage.run_refused(&[&words[..], &["--", "./changed"]].concat())?;
    expect_denial(&outcome, told)
}

/// What the author sees of both starts.
fn explain(stage: &mut Stage) -> Result<(), DemoError> {
    stage.chapter("The author asks why: every rule, what it expects, what was found");
    // The last attempt was denied, and the exit code says so.
    let words = ["casque", "explain", "team/shop/web", "--last"];
    let outcome = stage.run_refused(&words)?;
    let wrong = |problem| {
        let which = "explained";
        Err(DemoError::Output { which, problem })
    };
    if !outcome.stdout.contains("FAILS") {
        return wrong("shows no rule that failed");
    }
    if !outcome.stdout.contains("granted") {
        return wrong("does not show the granted start");
    }
    Ok(())
}

fn expect_denial(outcome: &Outcome, told: &Told) -> Result<(), DemoError> {
    let wrong = |problem| {
        let which = "denied";
        Err(DemoError::Output { which, problem })
    };
    if !outcome.stdout.is_empty() {
        return wrong("shows that the program was started");
    }
    if !outcome.stderr.contains(told.denied_by) {
        return wrong("gives no reason");
    }
    Ok(())
}
