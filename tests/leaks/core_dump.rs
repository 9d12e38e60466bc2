//! A crash while values are held leaves no core, also where the limit is unlimited, and where cores go to a program.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use fake_aws::{Action, Fault, Gate};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::canary::{CORE, contains};
use crate::common::stepzero;
use crate::support::{Directory, fake, skip};

/// The pattern is the machine's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());
const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Lets a process leave a core of any size.
pub fn allow(command: &mut Command) {
    // SAFETY: setrlimit(2) is async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(|| Ok(setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY)?));
    }
}

/// Ends with a crash, and tells whether the kernel says that it left a core.
fn crash(mut command: Command, ready: impl FnOnce(&std::process::Child)) -> bool {
    allow(&mut command);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be started");
    ready(&child);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGSEGV).expect("it is our child");
    let status = child.wait().expect("it is our child");
    assert_eq!(status.signal(), Some(Signal::SIGSEGV as i32), "{status:?}");
    status.core_dumped()
}

/// A crash while the second batch is held back, and the first is in memory.
fn crash_with_secrets(here: &Directory) -> bool {
    let fake = fake();
    let gate = Gate::new();
    fake.fault(Fault::once(Action::Hold(gate.clone())).operation("GetParameters").nth(2));
    let keys = (0..20).flat_map(|number| ["-k".to_owned(), format!("n{number}")]);
    let args = ["exec", "--scope", "shared"].map(str::to_owned).into_iter().chain(keys).chain(["/bin/true".into()]);
    let mut command = stepzero(&fake, args).command();
    command.current_dir(here.path());
    let dumped = crash(command, |child| {
        fake.wait_until(|log| log.iter().any(|entry| entry.fault.as_deref() == Some("Hold")));
        crate::memory::wait_for_canary(child.id());
    });
    gate.release();
    dumped
}

fn sleeper(here: &Directory) -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000").env("VALUE", CORE).current_dir(here.path());
    command
}

#[test]
fn a_crash_during_the_fetch_leaves_no_core() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let here = Directory::new();
    if !crash(sleeper(&here), |_| {}) {
        return skip("a_crash_during_the_fetch_leaves_no_core", "this machine writes no cores at all");
    }
    let control = here.files().len();
    assert!(!crash_with_secrets(&here), "the kernel says that it dumped");
    assert_eq!(here.files().len(), control, "{:?}", here.files());
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
    let here = Directory::new();
    let Ok(before) = std::fs::read(PATTERN) else { return skip(NAME, "there is no core pattern") };
    let script = here.file("handler", &format!("#!/bin/sh\nexec cat > {}/core.$1\n", here.path().display()));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("it is ours");
    let restore = Restore(before);
    if std::fs::write(PATTERN, format!("|{script} %p")).is_err() {
        std::mem::forget(restore);
        return skip(NAME, "the core pattern cannot be set (not root, or /proc/sys is read-only)");
    }
    assert!(crash(sleeper(&here), |_| {}), "the handler is not called at all");
    assert!(!crash_with_secrets(&here), "the kernel says that it dumped");
    drop(restore);
    let cores: Vec<_> = here.files().into_iter().filter(|file| file.to_string_lossy().contains("core.")).collect();
    let with_canary =
        |file: &&std::path::PathBuf| std::fs::read(file).is_ok_and(|core| contains(&core, CORE.as_bytes()));
    assert_eq!(cores.iter().filter(with_canary).count(), 1, "the control's alone: {cores:?}");
}
