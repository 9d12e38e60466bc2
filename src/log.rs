//! The only writer of messages: stderr, prefixed `stepzero: `, or one JSON object a line. stdout belongs to the command.
//! The SDK, hyper and rustls log whole answers, values included, by `tracing`: here that is not even compiled in
//! (`Cargo.toml`), whatever `RUST_LOG` says.
#![forbid(unsafe_code)]

use std::fmt::{Arguments, Write as _};
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::Format;
use crate::error::Failures;

/// How to log.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub verbose: u8,
    pub quiet: bool,
    pub format: Format,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// Once, before anything is logged. By default warnings; `-v` adds what won, `-vv` what was tried.
pub fn init(settings: Settings) {
    // Who comes second has parsed the same line.
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

/// With `-v`: what won. Described only then.
pub fn info(text: impl FnOnce() -> String) {
    if hears(1) {
        write("INFO", &text(), &[]);
    }
}

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

/// The final error; `-q` does not hide it.
pub fn fail(failures: &Failures) {
    for failure in failures.iter() {
        let exit = failure.exit;
        write(
            "ERROR",
            &failure.to_string(),
            &[("exit_code", (exit as u8).to_string()), ("exit_name", format!("\"{}\"", exit.name()))],
        );
    }
}

fn settings() -> Settings {
    SETTINGS.get().copied().unwrap_or(Settings { verbose: 0, quiet: false, format: Format::Text })
}

/// One write a message, so that parallel writers do not mix. `extra` is JSON, for the JSON format only.
fn write(level: &str, text: &str, extra: &[(&str, String)]) {
    let line = match settings().format {
        Format::Text if level == "ERROR" || level == "INFO" => format!("stepzero: {text}\n"),
        Format::Text => format!("stepzero: {}: {text}\n", level.to_lowercase()),
        Format::Json => {
            let mut line = format!("{{\"time\":\"{}\",\"level\":\"{level}\",\"message\":{}", now(), json(text));
            for (name, value) in extra {
                // Writing to a String cannot fail.
                let _ = write!(line, ",\"{name}\":{value}");
            }
            line + "}\n"
        }
    };
    // Without a stderr there is nobody to tell.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Seconds and milliseconds since 1970, UTC, as RFC 3339 has it.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// A day since 1970 to a date, by the proleptic Gregorian calendar.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_780), (2026, 11, 23));
    }
}
