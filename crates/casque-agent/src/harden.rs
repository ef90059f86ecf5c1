//! Before secrets arrive: nothing of this process is to be written or read from outside.
//!
//! The limit on core dumps is inherited: the program, which holds the same secrets, makes none either.
//! That the process is not dumpable is not inherited (execve resets it). Against the host's root, or in a
//! guest without a TEE, none of this protects.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Switches core dumps off, for the program to come too, and `ptrace` by the same user for this process.
pub(crate) fn harden() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
