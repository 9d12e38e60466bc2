//! The main process of a systemd unit, as systemctl(1) tells it.

use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Exit, Failure, io_text, printable};
use crate::sys;

/// systemd answers in milliseconds, or hangs.
const LIMIT: Duration = Duration::from_secs(10);

/// The name as systemd has it: `.service` where no suffix stands.
pub fn full_name(name: &str) -> String {
    if name.ends_with(".service") { name.to_owned() } else { format!("{name}.service") }
}

/// OSERR when there is no such unit, when it does not run, or when systemd cannot be asked.
pub fn main_pid(name: &str) -> Result<u32, Failure> {
    let name = &full_name(name);
    let shown = printable(name);
    let failed = |why: String| {
        Failure::new(Exit::OsErr, format!("cannot ask systemd for the main process of {shown}: {why}"))
            .help("say --pid where there is no systemd")
    };
    let text = ask(name).map_err(failed)?;
    let property = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or("");
    if property("LoadState") == "not-found" {
        return Err(
            Failure::new(Exit::OsErr, format!("there is no unit {shown}")).help("look at `systemctl list-units`")
        );
    }
    match property("MainPID").parse() {
        Ok(pid) if pid > 0 => Ok(pid),
        Ok(_) => {
            let state = printable(property("ActiveState"));
            Err(Failure::new(Exit::OsErr, format!("{shown} has no main process: it is {state}")))
        }
        Err(_) => Err(failed("it names none".into())),
    }
}

/// Runs systemctl, and returns what it prints.
fn ask(name: &str) -> Result<String, String> {
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["show", "--property=LoadState,ActiveState,MainPID", "--", name]);
    systemctl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = systemctl.spawn().map_err(|error| format!("systemctl cannot be started: {}", io_text(&error)))?;
    let printed = read(&mut child);
    if printed.is_err() {
        // It has ended, or hangs.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| io_text(&error))?;
    let text = printed?;
    if status.success() { Ok(text) } else { Err("systemctl failed".into()) }
}

fn read(child: &mut Child) -> Result<String, String> {
    const MOST: usize = 4096;
    let mut stdout = child.stdout.take().expect("it was asked for above");
    let (begun, mut bytes, mut buffer) = (Instant::now(), Vec::new(), [0; 512]);
    loop {
        let left = LIMIT.saturating_sub(begun.elapsed());
        if !sys::wait_for(stdout.as_raw_fd(), libc::POLLIN, Some(left)).map_err(|error| io_text(&error))? {
            return Err(format!("no answer in {} s", LIMIT.as_secs()));
        }
        match stdout.read(&mut buffer).map_err(|error| io_text(&error))? {
            0 => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            _ if bytes.len() > MOST => return Err("it says too much".into()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
