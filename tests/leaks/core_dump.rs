//! A crash leaves no core, at no moment of stepzero's life, also where the limit is unlimited, and where cores go to a program.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::canary::{CORE, contains};
use crate::common::{Directory, before_exec, skip};
use crate::moments;

/// The pattern is the machine's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());
const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Lets a process leave a core of any size.
pub fn allow(command: &mut Command) {
    before_exec(command, || Ok(setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY)?));
}

/// Ends a process with a crash, and tells whether the kernel says that it left a core.
fn crash(child: &mut Child) -> bool {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGSEGV).expect("it is our child");
    let status = child.wait().expect("it is our child");
    // A credential is refused even then, and the process ends by itself.
    let code = status.signal().or(status.code().map(|code| code - 128));
    assert_eq!(code, Some(Signal::SIGSEGV as i32), "{status:?}");
    status.core_dumped()
}

/// A crash at each moment, of a process that may leave a core.
fn crash_at_every_moment() {
    for moment in moments::ALL {
        let mut held = moment.hold(allow).expect("it can be started");
        // A refusal would wait for its reader.
        held.peer = None;
        assert!(!crash(&mut held.child), "{moment:?}: the kernel says that it dumped");
        let left: Vec<_> =
            held.directory.files().into_iter().filter(|file| file.to_string_lossy().contains("core")).collect();
        assert!(left.is_empty(), "{moment:?}: {left:?}");
    }
}

fn sleeper(here: &Directory) -> Child {
    let mut command = Command::new("sleep");
    command.arg("1000").env("VALUE", CORE).current_dir(here.path()).stdout(Stdio::null()).stderr(Stdio::null());
    allow(&mut command);
    command.spawn().expect("it can be started")
}

#[test]
fn a_crash_leaves_no_core() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let here = Directory::open();
    if !crash(&mut sleeper(&here)) {
        return skip("a_crash_leaves_no_core", "this machine writes no cores at all");
    }
    crash_at_every_moment();
}

/// Puts the pattern back.
struct Restore(Vec<u8>);

impl Drop for Restore {
    fn drop(&mut self) {
        std::fs::write(PATTERN, &self.0).expect("it could be written before");
    }
}

#[test]
fn a_crash_gives_a_core_handler_nothing() {
    const NAME: &str = "a_crash_gives_a_core_handler_nothing";
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let here = Directory::open();
    let Ok(before) = std::fs::read(PATTERN) else { return skip(NAME, "there is no core pattern") };
    let script = format!("#!/bin/sh\nexec cat > {}/core.$1\n", here.path().display());
    let script = here.file_of_mode("handler", &script, 0o755);
    let restore = Restore(before);
    if std::fs::write(PATTERN, format!("|{script} %p")).is_err() {
        std::mem::forget(restore);
        return skip(NAME, "the core pattern cannot be set (not root, or /proc/sys is read-only)");
    }
    assert!(crash(&mut sleeper(&here)), "the handler is not called at all");
    crash_at_every_moment();
    drop(restore);
    let cores: Vec<_> = here.files().into_iter().filter(|file| file.to_string_lossy().contains("core.")).collect();
    let with_canary =
        |file: &&std::path::PathBuf| std::fs::read(file).is_ok_and(|core| contains(&core, CORE.as_bytes()));
    assert_eq!(cores.iter().filter(with_canary).count(), 1, "the control's alone: {cores:?}");
}
