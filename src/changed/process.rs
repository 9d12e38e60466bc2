//! What a process was started with: the environment that the kernel has of it, and the sealed memory of `[files]`.

use std::collections::HashMap;

use super::unit::main_pid;
use crate::cli::ProcessOptions;
use crate::environment::{Binding, Target, Value};
use crate::error::{Exit, Failure, io_text};
use crate::secret::Secret;
use crate::sys::Process;

const OVERWRITTEN: &str = "the process has written over its environment";

/// The environment that a process was started with, as far as its memory still shows it (proc_pid_environ(5)).
pub struct Started {
    process: Process,
    values: HashMap<Vec<u8>, Secret>,
    /// Whether it is as execve(2) made it. nginx, PostgreSQL, sshd and others write their title over it.
    is_intact: bool,
}

impl Started {
    /// Of the process that was named.
    pub fn of(process: &ProcessOptions) -> Result<Self, Failure> {
        match (process.pid, &process.unit) {
            (Some(pid), _) => Self::read(pid),
            (None, Some(unit)) => Self::read(main_pid(unit)?),
            // clap asks for one of them.
            (None, None) => Err(Failure::new(Exit::Usage, "which process? say --pid or --unit")),
        }
    }

    /// OSERR when there is no such process, when it may not be looked into, or when it is still stepzero.
    fn read(pid: u32) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            let failure =
                Failure::new(Exit::OsErr, format!("process {pid} cannot be looked into: {}", io_text(&error)));
            match error.raw_os_error() {
                Some(libc::ENOENT | libc::ESRCH) => failure.help("there is no such process, or /proc hides it"),
                Some(libc::EACCES | libc::EPERM) => {
                    failure.help("its own user may look into it while it allows that (PR_SET_DUMPABLE), and root")
                }
                _ => failure,
            }
        };
        let process = Process::open(pid).map_err(failed)?;
        if process.is_stepzero().map_err(failed)? {
            let what = format!("process {pid} is stepzero itself: the command has not started yet");
            return Err(Failure::new(Exit::OsErr, what));
        }
        let block = process.environment().map_err(failed)?;
        let entries = if block.is_empty() { Vec::new() } else { block.environment_entries() };
        let is_intact = entries.iter().all(|(name, value)| !name.is_empty() && value.is_some());
        let mut values = HashMap::new();
        for (name, value) in entries {
            // The first of a name, as getenv(3) finds it.
            if let Some(value) = value {
                values.entry(name).or_insert(value);
            }
        }
        Ok(Started { process, values, is_intact })
    }

    /// Whether the process has another value than the binding, or why that cannot be told.
    pub fn differs_from(&self, binding: &Binding) -> Result<bool, &'static str> {
        let name = binding.variable.as_str();
        let absent = if self.is_intact { "the process was started without it" } else { OVERWRITTEN };
        let held = self.values.get(name.as_bytes()).ok_or(absent)?;
        if let Target::File { .. } = binding.target {
            return Ok(!is_same(&binding.value, &self.file(name, held)?));
        }
        match is_same(&binding.value, held) {
            true => Ok(false),
            false if !self.is_intact => Err(OVERWRITTEN),
            // Parameter Store has no empty values, and a mask is what a program writes over a secret that it has read.
            false if held.is_empty() || held.is_masked() => {
                Err("the process has wiped it, or was started with an empty one")
            }
            false => Ok(true),
        }
    }

    /// The sealed memory behind the path that the variable holds.
    fn file(&self, name: &str, path: &Secret) -> Result<Secret, &'static str> {
        let descriptor = path.descriptor().ok_or("the process has no path to sealed memory in it")?;
        match self.process.memory_file(descriptor, name) {
            Ok(Some(content)) => Ok(content),
            Ok(None) => Err("its descriptor is another file now"),
            Err(_) => Err("the process has closed its sealed memory, or does not let it be read"),
        }
    }
}

fn is_same(value: &Value, held: &Secret) -> bool {
    match value {
        Value::Fetched(secret) => secret.equals(held),
        Value::Default(text) => Secret::new(text.clone()).equals(held),
    }
}
