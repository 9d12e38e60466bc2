//! The Python tools that judge what we generate: linters and validators that nobody here wrote. `tests/run` makes the
//! virtual environment from `tests/requirements.txt` and says where it is in `STEPZERO_VENV`.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::path::PathBuf;
use std::process::Command;

use crate::common::{Ran, fed, skip};

/// A program of the virtual environment; `None`, said aloud, when there is none.
pub fn tool(name: &str) -> Option<PathBuf> {
    let Some(venv) = std::env::var_os("STEPZERO_VENV") else {
        skip(name, "STEPZERO_VENV does not say where its virtual environment is (tests/requirements.txt)");
        return None;
    };
    let program = PathBuf::from(venv).join("bin").join(name);
    if !program.exists() {
        skip(name, &format!("{} is not there", program.display()));
        return None;
    }
    Some(program)
}

/// Runs a program with this on its standard input.
pub fn feed(program: &PathBuf, args: &[&str], input: &str) -> Ran {
    let mut command = Command::new(program);
    command.args(args);
    fed(&mut command, input.as_bytes())
}
