//! What `plan`, `check` and `changed` print: a table for people, or JSON for programs (`docs/json.md`). There is no value to print.
#![forbid(unsafe_code)]

mod changed;
mod check;
mod plan;
mod table;

pub use changed::changed;
pub use check::check;
pub use plan::plan;

use std::io;

use serde_json::Value as Json;

use crate::environment::Target;

/// The version of the JSON formats: raised when a field goes or changes its meaning, not when one is added.
const FORMAT: u32 = 1;

fn target(target: Target) -> &'static str {
    match target {
        Target::Environment => "environment",
        Target::File { .. } => "file",
    }
}

fn pretty(json: &Json) -> String {
    // A Json of strings, numbers and booleans always prints.
    serde_json::to_string_pretty(json).unwrap_or_default() + "\n"
}

/// To stdout. A reader that has gone away is no error.
pub fn print(text: &str) -> io::Result<()> {
    match crate::sys::write_stdout(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
