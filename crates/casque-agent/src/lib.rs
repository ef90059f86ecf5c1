//! `casque-agent`, ring 4: stands in front of a workload, gets its configuration, and starts it.
//!
//! Steps of [`run`] (ARCHITECTURE.md section 4):
//! 1. core dumps are switched off, and the process is made unreadable for its user's other processes;
//! 2. challenge, key pair, runtime data, evidence, answer, opened against the pinned server
//!    (`casque_client::Client::release`);
//! 3. the volumes are mounted, and the files are placed or filled in, all or none;
//! 4. the program is started with exactly the environment and directory that were released;
//! 5. signals are forwarded, children are reaped; when the program has ended the volumes are unmounted, and
//!    its exit status is returned.
//!
//! | exit code | meaning ([`AgentExit`]) |
//! |---|---|
//! | the program's, or 128 + n | it ended, or signal n ended it |
//! | 100 | the command line or the settings are wrong |
//! | 101 | the server cannot be reached, or failed |
//! | 102 | no evidence could be gathered |
//! | 103 | the server refused; a denial's reasons are on standard error |
//! | 104 | the server, or its answer, is not the pinned one's, or it does not know the access token |
//! | 105 | the files cannot be placed |
//! | 106 | the program cannot be started |
//! | 107 | the agent itself failed |
//! | 108 | a volume cannot be mounted |
//!
//! What it does not protect: the program's arguments and environment are in `/proc` for the same user, as
//! for any program; the copies that the operating system and the standard library make to start it are not
//! wiped; swap must be off or encrypted. Files stay when the program ends. The exchange is not yet repeated
//! before what was released runs out: start the agent anew for that.

mod cli;
mod error;
mod evidence;
mod exit;
mod harden;
mod host;
mod intermediates;
mod place;
mod program;
mod report;
mod run;
mod settings;
mod show;
mod sources;
mod supervise;
mod template;
mod volumes;

pub use casque_attester::{
    AttesterError, AzureVtpm, Collected, EvidenceSource, GuestData, GuestPlaces, TeeKind,
};
pub use casque_client::{
    Challenge, ClientError, EvidenceKind, FactorError, Gathered, ReleaseError, Released,
    SecondFactors, ServerAddress, Timeouts,
};
pub use cli::{AgentCli, main_with};
pub use error::AgentError;
pub use evidence::{AzureGuest, EvidenceError, EvidencePlan, GuestJudge, MaaPassport};
pub use exit::AgentExit;
pub use host::HostEnvironment;
pub use place::{PlaceError, Placed, place_files};
pub use program::{ProgramError, find_program};
pub use run::{Releases, run, run_with};
pub use settings::{AgentSettings, SettingsError, split_otp};
pub use supervise::SuperviseError;
pub use volumes::VolumeError;
