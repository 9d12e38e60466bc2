//! What a test needs of the machine, and what it must not leave behind.

use std::fs::File;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};

/// A user who is not root.
pub const NOBODY: u32 = 65534;

/// Says why a test cannot run here, and panics where nothing may be skipped. Not by a macro, whose output the test harness
/// keeps to itself when a test passes.
#[track_caller]
pub fn skip(name: &str, why: &str) {
    let may_skip = std::env::var_os("STEPZERO_NO_SKIP").is_none_or(|value| value.is_empty());
    assert!(may_skip, "{name} must not be skipped here: {why}");
    let line = format!("SKIPPED {name}: {why}\n");
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).expect("stdout is open");
}

/// Skips unless this holds.
#[track_caller]
fn or_skip(holds: bool, name: &str, why: &str) -> bool {
    if !holds {
        skip(name, why);
    }
    holds
}

/// Whether root runs the tests. Skips when not.
#[track_caller]
pub fn is_root(name: &str, why: &str) -> bool {
    or_skip(nix::unistd::geteuid().is_root(), name, why)
}

/// Whether there is such a program. Skips when not.
#[track_caller]
pub fn has_program(program: &str, name: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    or_skip(found, name, &format!("{program} is not installed"))
}

/// Whether namespaces of our own are possible. Skips when not.
#[track_caller]
pub fn can_unshare(name: &str, flags: &[&str]) -> bool {
    let tried = Command::new("unshare").args(flags).arg("true").output();
    or_skip(tried.is_ok_and(|output| output.status.success()), name, &format!("no `unshare {}`", flags.join(" ")))
}

/// Ends a child that a failing test would leave behind.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The two ends of a terminal of so many columns.
pub fn terminal(width: u16) -> (File, OwnedFd) {
    let (mut near, mut far) = (-1, -1);
    let none = std::ptr::null_mut();
    let size = libc::winsize { ws_row: 24, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: openpty(3) writes two descriptors and reads the size; the name and the settings may be null.
    let made = unsafe { libc::openpty(&raw mut near, &raw mut far, none, none.cast(), &raw const size) };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both are open, and nobody else has them.
    unsafe { (File::from_raw_fd(near), OwnedFd::from_raw_fd(far)) }
}
