//! The Python tools that judge what we generate: linters and validators that nobody here wrote. `tests/run` makes the
//! virtual environment from `tests/requirements.txt` and says where it is in `STEPZERO_VENV`.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A program of the virtual environment; `None`, said aloud, when there is none.
pub fn tool(name: &str) -> Option<PathBuf> {
    let Some(venv) = std::env::var_os("STEPZERO_VENV") else {
        crate::common::skip(
            name,
            "STEPZERO_VENV does not say where its virtual environment is (tests/requirements.txt)",
        );
        return None;
    };
    let program = PathBuf::from(venv).join("bin").join(name);
    if !program.exists() {
        crate::common::skip(name, &format!("{} is not there", program.display()));
        return None;
    }
    Some(program)
}

/// Runs a program with this on its standard input.
pub fn feed(program: &PathBuf, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(program);
    command.args(args);
    feed_command(command, input)
}

/// The same for one that has more to it.
pub fn feed_command(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the tool is there");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("the tool reads it");
    child.wait_with_output().expect("the tool ends")
}
