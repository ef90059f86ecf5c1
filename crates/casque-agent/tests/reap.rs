//! Orphans that fall to the agent are reaped; alone in its process, since it becomes a subreaper.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

mod exchange;

use casque_agent::{
    AgentExit, Challenge, EvidenceError, EvidencePlan, Gathered, ReleaseError, Released, Releases,
    SecondFactors, run_with,
};
use casque_types::{ConfigId, Configuration, RuntimeData, Seconds, Secret};
use exchange::settings;
use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};

struct StandIn(String);

impl Releases for StandIn {
    fn release(
        &self,
        _config: ConfigId,
        _factors: &SecondFactors,
        _gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Gathered, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>> {
        let arguments = ["/bin/sh", "-c", &self.0];
        let secret = |text: &str| Secret::copied_from(text.as_bytes());
        Ok(Released {
            configuration: Configuration {
                arguments: arguments.map(|text| secret(text).into()).into(),
                ..Configuration::default()
            },
            refresh_after: Seconds(60),
        })
    }
}

#[test]
fn orphans_of_the_program_are_reaped() {
    set_child_subreaper(Some(getpid())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    // The inner shell leaves an orphan that writes its number and ends; the program reads the number and
    // waits until nobody has it any more: until the agent has reaped it.
    let script = format!(
        "mkfifo {pipe}; /bin/sh -c '(exec /bin/sh -c \"echo \\$\\$ > {pipe}\") &'; \
         read pid < {pipe}; while kill -0 $pid 2>/dev/null; do :; done; exit 5",
        pipe = pipe.display()
    );
    let settings = settings();
    let mut notes = Vec::new();
    let exit = run_with(
        &StandIn(script),
        &settings,
        &EvidencePlan::Absent,
        &mut notes,
    );
    assert_eq!(
        exit,
        AgentExit::Program(5),
        "{}",
        String::from_utf8_lossy(&notes)
    );
    assert_eq!(
        wait(WaitOptions::NOHANG).err(),
        Some(rustix::io::Errno::CHILD)
    );
}
