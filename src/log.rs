//! The only writer of messages: stderr, prefixed `stepzero: `, or one JSON object a line. stdout belongs to the command.
//! The SDK, hyper and rustls log whole answers, values included, by `tracing`: here that is not even compiled in
//! (`Cargo.toml`), whatever `RUST_LOG` says.
#![forbid(unsafe_code)]

use std::fmt::Arguments;
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::{Value as Json, json};

use crate::error::Failures;
use crate::setting::Format;

/// How to log.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub verbose: u8,
    pub quiet: bool,
    pub format: Format,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// Sets the level and the format, before the first message. By default warnings and errors are logged; `-v` adds what won,
/// `-vv` what was tried. Only the first call counts.
pub fn init(settings: Settings) {
    let _ = SETTINGS.set(settings);
}

/// Whether so many `-v` were said at least, and no `-q`.
fn hears(verbose: u8) -> bool {
    !settings().quiet && settings().verbose >= verbose
}

/// What an operator should look at.
pub fn warn(text: Arguments<'_>) {
    if hears(0) {
        write("WARN", &text.to_string(), &[]);
    }
}

/// With `-v`: what won. Described only then; the fields are for the JSON format.
pub fn info(text: impl FnOnce() -> (String, Vec<Field>)) {
    if hears(1) {
        let (text, fields) = text();
        write("INFO", &text, &fields);
    }
}

/// A field of a message, which has no value of a parameter.
pub type Field = (&'static str, Json);

/// With `-vv`: what was tried.
pub fn debug(text: Arguments<'_>) {
    if hears(2) {
        write("DEBUG", &text.to_string(), &[]);
    }
}

/// A line that a person should see at the default level.
pub fn notice(text: &str) {
    if hears(0) {
        write("INFO", text, &[]);
    }
}

/// The help, to somebody who did not ask for it: it is not what a program would read on stdout.
pub fn page(text: &str) {
    // Without a stderr there is nobody to tell.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// The final error; `-q` does not hide it.
pub fn fail(failures: &Failures) {
    for failure in failures.iter() {
        let exit = failure.exit;
        let extra = [("exit_code", json!(exit as u8)), ("exit_name", json!(exit.name()))];
        write("ERROR", &failure.to_string(), &extra);
    }
}

fn settings() -> Settings {
    SETTINGS.get().copied().unwrap_or(Settings { verbose: 0, quiet: false, format: Format::Text })
}

/// One write a message, so that parallel writers do not mix. `extra` is JSON, for the JSON format only.
fn write(level: &str, text: &str, extra: &[Field]) {
    let line = match settings().format {
        Format::Text if level == "ERROR" || level == "INFO" => format!("stepzero: {text}\n"),
        Format::Text => format!("stepzero: {}: {text}\n", level.to_lowercase()),
        Format::Json => {
            let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
            let mut line = json!({ "time": time, "level": level, "message": text });
            for (name, value) in extra {
                line[*name] = value.clone();
            }
            format!("{line}\n")
        }
    };
    // Without a stderr there is nobody to tell.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
