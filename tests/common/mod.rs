//! What the suites share, by concern: the real binary against the fake, in an environment of the test's own.
#![allow(dead_code, unused_imports, reason = "each suite uses a part of it")]

mod directory;
mod fixtures;
mod given;
mod guard;
pub mod network;
mod outcome;
pub mod peer;
mod run;

pub use directory::{Directory, TempFile, set_mode};
pub use fixtures::*;
pub use given::{Given, HOME, map};
pub use guard::{Guard, NOBODY, can_unshare, has_program, is_root, skip, terminal};
pub use outcome::Ran;
pub use run::{
    Run, STEPZERO, before_exec, block_signals, close, fed, offline, piped, program, set_signal, stepzero, tested,
    together,
};
