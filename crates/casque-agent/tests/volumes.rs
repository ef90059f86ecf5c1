//! Volumes with the real gocryptfs, where it and FUSE are there, and with stand-ins for it that fail.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on fails, or says that it is skipped"
)]

mod exchange;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use casque_agent::{
    AgentExit, AgentSettings, Challenge, EvidenceError, EvidencePlan, Gathered, ReleaseError,
    Released, Releases, SecondFactors, find_program, run_with,
};
use casque_types::{
    ConfigId, Configuration, ConfigurationFile, ConfigurationVolume, FileMode, RuntimeData,
    Seconds, Secret, UpdatePolicy, VolumeFiles,
};
use exchange::settings;
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};

/// Signals reach every agent of this process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Releases this once.
struct StandIn(Mutex<Option<Configuration>>);

impl Releases for StandIn {
    fn release(
        &self,
        _config: ConfigId,
        _factors: &SecondFactors,
        _gather: &mut dyn FnMut(&RuntimeData, &Challenge) -> Result<Gathered, EvidenceError>,
    ) -> Result<Released, ReleaseError<EvidenceError>> {
        Ok(Released {
            configuration: self.0.lock().unwrap().take().unwrap(),
            refresh_after: Seconds(60),
        })
    }
}

/// A directory for everything, and the only test that runs.
struct World {
    root: tempfile::TempDir,
    search_path: String,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            search_path: SEARCH_PATH.to_owned(),
            _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// With the real gocryptfs; none, said aloud, where it cannot mount.
    fn with_gocryptfs() -> Option<Self> {
        let has = |name: &str| find_program(OsStr::new(name), OsStr::new(SEARCH_PATH)).is_ok();
        if !has("gocryptfs") || !has("fusermount") {
            println!("skipped: gocryptfs or fuse3 is not installed");
            return None;
        }
        if fs::File::open("/dev/fuse").is_err() {
            println!("skipped: /dev/fuse cannot be opened");
            return None;
        }
        // Containers may have the device without the right to mount.
        let probe = Self::new();
        let (exit, notes) = probe.run("exit 0", vec![probe.volume(|_| {})]);
        drop(probe);
        if exit == AgentExit::Volumes && notes.contains("FUSE does not mount") {
            println!("skipped: {notes}");
            return None;
        }
        Some(Self::new())
    }

    /// With a shell script in the place of gocryptfs, of which `-init` succeeds.
    fn with_script(script: &str) -> Option<Self> {
        Self::with_script_and_init(script, "0")
    }

    fn with_script_and_init(script: &str, init: &str) -> Option<Self> {
        if !Path::new("/dev/fuse").exists() {
            println!("skipped: there is no /dev/fuse");
            return None;
        }
        let mut world = Self::new();
        let program = world.at("gocryptfs");
        let text =
            format!("#!/bin/sh\nread key\nif [ \"$2\" = -init ]; then exit {init}; fi\n{script}\n");
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        world.search_path = format!("{}:{SEARCH_PATH}", world.root.path().display());
        Some(world)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn volume(&self, bend: impl FnOnce(&mut ConfigurationVolume)) -> ConfigurationVolume {
        let mut volume = ConfigurationVolume {
            name: "data".parse().unwrap(),
            path: self.at("data").to_str().unwrap().to_owned(),
            key: Secret::new(KEY.to_vec()),
            tag: None,
            update_policy: UpdatePolicy::NoRollbackProtection,
            files: VolumeFiles::Encrypted,
        };
        bend(&mut volume);
        volume
    }

    /// Runs a shell script in the directory with these volumes.
    fn run(&self, script: &str, volumes: Vec<ConfigurationVolume>) -> (AgentExit, String) {
        let arguments = ["/bin/sh", "-c", script];
        let secret = |text: &str| Secret::copied_from(text.as_bytes());
        self.run_configuration(Configuration {
            arguments: arguments.map(|text| secret(text).into()).into(),
            directory: Some(self.root.path().to_str().unwrap().to_owned()),
            volumes,
            ..Configuration::default()
        })
    }

    fn run_configuration(&self, configuration: Configuration) -> (AgentExit, String) {
        let settings = AgentSettings {
            search_path: self.search_path.clone().into(),
            volumes: Some(self.at("volumes")),
            ..settings()
        };
        let server = StandIn(Mutex::new(Some(configuration)));
        let mut notes = Vec::new();
        let exit = run_with(&server, &settings, &EvidencePlan::Absent, &mut notes);
        assert!(!self.is_anything_mounted());
        (exit, String::from_utf8(notes).unwrap())
    }

    fn is_anything_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts.contains(self.root.path().to_str().unwrap())
    }
}

#[test]
fn volume_keeps_what_was_written_for_the_next_run() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    let volume = || world.volume(|_| {});
    let (exit, notes) = world.run("echo plain text > data/file", vec![volume()]);
    assert_eq!((exit, notes.as_str()), (AgentExit::Program(0), ""));
    assert_eq!(fs::read_dir(world.at("data")).unwrap().count(), 0);
    let encrypted = world.at("volumes/data.encrypted");
    assert!(encrypted.join("gocryptfs.conf").is_file());
    for entry in fs::read_dir(encrypted).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(
            !bytes.windows(5).any(|window| window == b"plain"),
            "{path:?}"
        );
        assert_ne!(path.file_name().unwrap(), "file");
    }
    let script = "test \"$(cat data/file)\" = 'plain text' && exit 7";
    let (exit, notes) = world.run(script, vec![volume()]);
    assert_eq!((exit, notes.as_str()), (AgentExit::Program(7), ""));
}

#[test]
fn volume_with_another_key_is_refused_and_the_program_does_not_start() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    let (exit, notes) = world.run("exit 0", vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Program(0), "{notes}");
    let other = world.volume(|volume| volume.key = Secret::new(vec![0xc4; 32]));
    let (exit, notes) = world.run("touch started", vec![other]);
    assert_eq!(exit, AgentExit::Volumes, "{notes}");
    assert!(notes.contains("the volume's key does not open"), "{notes}");
    assert!(!world.at("started").exists());
}

#[test]
fn volume_that_is_to_be_rollback_protected_is_noted() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    let volume = world.volume(|volume| volume.update_policy = UpdatePolicy::RollbackProtected);
    let (exit, notes) = world.run("exit 0", vec![volume]);
    assert_eq!(exit, AgentExit::Program(0), "{notes}");
    let expected =
        "casque-agent: note: going back to an older state is not noticed for volumes: `data`\n";
    assert_eq!(notes, expected);
}

#[test]
fn ephemeral_volume_starts_empty_and_leaves_nothing() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    let (exit, notes) = world.run("echo kept > data/kept", vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Program(0), "{notes}");
    let ephemeral = world.volume(|volume| volume.update_policy = UpdatePolicy::Ephemeral);
    let script = "test -z \"$(ls data)\" && echo lost > data/lost && ls volumes | wc -l > count";
    let (exit, notes) = world.run(script, vec![ephemeral]);
    assert_eq!(exit, AgentExit::Program(0), "{notes}");
    assert!(notes.contains("not seen by an ephemeral volume"), "{notes}");
    assert_eq!(fs::read_to_string(world.at("count")).unwrap().trim(), "2");
    assert_eq!(fs::read_dir(world.at("volumes")).unwrap().count(), 1);
    let (exit, _) = world.run("test -e data/kept", vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Program(0));
}

#[test]
fn volume_key_is_in_no_argument_and_no_environment() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    let script = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ > seen 2>/dev/null; exit 0";
    let (exit, notes) = world.run(script, vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Program(0), "{notes}");
    let seen = String::from_utf8_lossy(&fs::read(world.at("seen")).unwrap()).to_lowercase();
    assert!(seen.contains("gocryptfs") && !seen.contains("a1a1a1"));
}

#[test]
fn volume_is_unmounted_when_a_signal_ends_the_program() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    // The program has the agent told to end, which tells the program.
    let script = "echo x > data/file; kill -TERM $PPID; exec sleep 600";
    let (exit, notes) = world.run(script, vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Program(143), "{notes}");
}

#[test]
fn volume_whose_gocryptfs_dies_is_unmounted_still() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    let script = "for p in /proc/[0-9]*; do \
        if grep -q '^gocryptfs' $p/comm && grep -q \"$PWD/data\" $p/cmdline; \
        then kill -KILL ${p#/proc/}; fi; done 2>/dev/null; \
        while cat data/file 2>/dev/null || test -z \"$(ls data 2>&1)\"; do :; done; exit 4";
    let (exit, notes) = world.run(script, vec![world.volume(|_| {})]);
    assert_eq!((exit, notes.as_str()), (AgentExit::Program(4), ""));
}

#[test]
fn volume_that_an_orphan_uses_still_is_unmounted() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    let script =
        "mkfifo begun end; (cd data && echo > ../begun && exec cat ../end) & read x < begun";
    let (exit, notes) = world.run(script, vec![world.volume(|_| {})]);
    // Nothing is left of the mount, whatever the orphan still does.
    drop(
        fs::File::options()
            .write(true)
            .open(world.at("end"))
            .unwrap(),
    );
    assert_eq!((exit, notes.as_str()), (AgentExit::Program(0), ""));
}

#[test]
fn volume_may_lie_within_another() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    let volumes = || {
        let inner = world.volume(|volume| {
            volume.name = "inner".parse().unwrap();
            volume.path += "/inner";
        });
        vec![inner, world.volume(|_| {})]
    };
    let (exit, notes) = world.run("echo 1 > data/inner/a; echo 2 > data/b", volumes());
    assert_eq!((exit, notes.as_str()), (AgentExit::Program(0), ""));
    let (exit, notes) = world.run("cat data/inner/a data/b > seen", volumes());
    assert_eq!((exit, notes.as_str()), (AgentExit::Program(0), ""));
    assert_eq!(fs::read_to_string(world.at("seen")).unwrap(), "1\n2\n");
}

#[test]
fn file_may_be_placed_on_a_volume_and_a_refused_one_unmounts_it() {
    let Some(world) = World::with_gocryptfs() else {
        return;
    };
    let file = |path: PathBuf| ConfigurationFile {
        path: path.to_str().unwrap().to_owned(),
        mode: FileMode::default(),
        content: Secret::new(b"content".to_vec()).into(),
    };
    let configuration = |path: PathBuf| Configuration {
        arguments: ["/bin/cat", path.to_str().unwrap()]
            .map(|text| Secret::copied_from(text.as_bytes()).into())
            .into(),
        files: vec![file(path)],
        volumes: vec![world.volume(|_| {})],
        ..Configuration::default()
    };
    let (exit, notes) = world.run_configuration(configuration(world.at("data/file")));
    assert_eq!(exit, AgentExit::Program(0), "{notes}");
    let (exit, notes) = world.run_configuration(configuration(world.at("data")));
    assert_eq!(exit, AgentExit::Files, "{notes}");
}

#[test]
fn volume_over_files_is_refused() {
    let Some(world) = World::with_script("exit 99") else {
        return;
    };
    fs::create_dir(world.at("data")).unwrap();
    fs::write(world.at("data/file"), "").unwrap();
    let (exit, notes) = world.run("exit 0", vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Volumes);
    assert!(
        notes.contains("expected an empty directory to mount at"),
        "{notes}"
    );
}

#[test]
fn volume_without_gocryptfs_is_refused_with_what_to_install() {
    let mut world = World::new();
    world.search_path = "/nowhere".to_owned();
    let (exit, notes) = world.run("exit 0", vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Volumes);
    assert!(
        notes.contains("install the packages `gocryptfs` and `fuse3`"),
        "{notes}"
    );
    assert_eq!(exit.code(), 108);
}

#[test]
fn volume_that_fuse_refuses_is_told_from_other_failures() {
    for (script, expected) in [
        ("echo no >&2; exit 19", "FUSE does not mount at"),
        ("exit 12", "the volume's key does not open"),
        (
            "echo a >&2; echo b >&2; exit 11",
            "(exit status: 11); it says: a; b",
        ),
        ("exit 11", "it says: nothing"),
    ] {
        let Some(world) = World::with_script(script) else {
            return;
        };
        let (exit, notes) = world.run("touch started", vec![world.volume(|_| {})]);
        assert_eq!(exit, AgentExit::Volumes);
        assert!(notes.contains(expected), "{notes}");
        assert!(!world.at("started").exists());
    }
}

#[test]
fn volume_that_cannot_be_initialised_is_refused() {
    let Some(world) = World::with_script_and_init("exit 0", "6") else {
        return;
    };
    let (exit, notes) = world.run("touch started", vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Volumes);
    assert!(
        notes.contains("(exit status: 6); it says: nothing"),
        "{notes}"
    );
    assert!(!world.at("started").exists());
}

#[test]
fn signal_before_the_volume_is_there_ends_the_agent() {
    let Some(world) = World::with_script("kill -TERM $PPID; exec sleep 600") else {
        return;
    };
    let (exit, notes) = world.run("touch started", vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Volumes);
    // It was ended and waited for: this process has no other children.
    assert_eq!(wait(WaitOptions::NOHANG).err(), Some(Errno::CHILD));
    assert!(
        notes.contains("signal 15 came before the volume"),
        "{notes}"
    );
    assert!(!world.at("started").exists());
}

#[test]
fn signal_of_somebody_else_is_not_taken_for_the_volume() {
    // It says that the volume is there, and ends without mounting.
    let Some(world) = World::with_script("kill -USR1 $PPID; exit 11") else {
        return;
    };
    let (exit, notes) = world.run("touch started", vec![world.volume(|_| {})]);
    assert_eq!(exit, AgentExit::Volumes, "{notes}");
    assert!(!world.at("started").exists());
}

const SEARCH_PATH: &str = "/usr/bin:/bin";
const KEY: [u8; 32] = [0xa1; 32];
