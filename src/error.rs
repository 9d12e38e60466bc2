//! How stepzero fails: an exit code of `sysexits.h`, what happened, and the way out. Printed in one place, `log::fail`.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};

/// The exit codes, an interface: `RestartPreventExitStatus=` of a unit names them (`sysexits.h`; 126 and 127 as in POSIX `env`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command line is wrong.
    Usage = 64,
    /// A fetched value or name cannot be used.
    DataErr = 65,
    /// A required parameter does not exist, or the spec file cannot be read.
    NoInput = 66,
    /// A bug in stepzero.
    Software = 70,
    /// A system call failed, or memory ran out.
    OsErr = 71,
    /// The deadline passed while the store could not answer.
    TempFail = 75,
    /// Credentials are missing or rejected, or an action is denied.
    NoPerm = 77,
    /// The spec or a setting is wrong.
    Config = 78,
    /// The command exists but cannot be executed.
    CannotExecute = 126,
    /// The command does not exist.
    NotFound = 127,
}

impl Exit {
    /// Of several failures the gravest speaks: what the operator wrote, then what AWS denied, then what is missing, then
    /// what cannot be used. `TempFail` only when nothing permanent was found.
    fn gravity(self) -> u8 {
        match self {
            Exit::Software => 9,
            Exit::Usage => 8,
            Exit::Config => 7,
            Exit::OsErr => 6,
            Exit::NoPerm => 5,
            Exit::NoInput => 4,
            Exit::DataErr => 3,
            Exit::NotFound => 2,
            Exit::CannotExecute => 1,
            Exit::TempFail => 0,
        }
    }

    /// The name that `sysexits.h` and systemd use.
    pub fn name(self) -> &'static str {
        match self {
            Exit::Usage => "USAGE",
            Exit::DataErr => "DATAERR",
            Exit::NoInput => "NOINPUT",
            Exit::Software => "SOFTWARE",
            Exit::OsErr => "OSERR",
            Exit::TempFail => "TEMPFAIL",
            Exit::NoPerm => "NOPERM",
            Exit::Config => "CONFIG",
            Exit::CannotExecute => "CANNOT_EXECUTE",
            Exit::NotFound => "NOT_FOUND",
        }
    }
}

/// One thing that went wrong. It has no field that could hold a parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    what: String,
    details: Vec<String>,
    help: Option<String>,
    /// Line and column in the spec, so that several come in its order.
    place: Option<(usize, usize)>,
}

impl Failure {
    /// `what` happened, in one line, without a full stop.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Failure { exit, what: what.into(), details: Vec::new(), help: None, place: None }
    }

    /// Adds a line of evidence.
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Says what to do about it.
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.help = Some(line.into());
        self
    }

    /// Says where in the spec it is.
    pub fn at(mut self, line: usize, column: usize) -> Self {
        self.place = Some((line, column));
        self
    }

    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for line in &self.details {
            write!(f, "\n  {line}")?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that went wrong, so that one run reports all of it. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failures(Vec<Failure>);

impl Failures {
    /// `Ok` when there is nothing to report. One cause that was found in several places is one message, with the evidence of
    /// all of them.
    pub fn check(found: Vec<Failure>) -> Result<(), Failures> {
        let mut each: Vec<Failure> = Vec::with_capacity(found.len());
        // Maps, because a spec can be wrong in many thousand places.
        let (mut places, mut told) = (HashMap::new(), HashSet::new());
        for failure in found {
            let cause = (failure.exit as u8, failure.what.clone(), failure.help.clone());
            let at = *places.entry(cause).or_insert(each.len());
            if at == each.len() {
                each.push(Failure { details: Vec::new(), ..failure.clone() });
            }
            let new = failure.details.into_iter().filter(|line| told.insert((at, line.clone())));
            each[at].details.extend(new);
        }
        if each.is_empty() { Ok(()) } else { Err(Failures(each)) }
    }

    /// In the order of the spec; what has no place stays first.
    pub fn in_order(mut self) -> Self {
        self.0.sort_by_key(|failure| failure.place);
        self
    }

    pub fn exit(&self) -> Exit {
        let gravest = self.0.iter().max_by_key(|failure| failure.exit.gravity());
        gravest.map_or(Exit::Software, |failure| failure.exit)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.0.iter()
    }

    /// Changes each of them.
    pub fn map(self, change: impl FnMut(Failure) -> Failure) -> Self {
        Failures(self.0.into_iter().map(change).collect())
    }
}

impl From<Failure> for Failures {
    fn from(failure: Failure) -> Self {
        Failures(vec![failure])
    }
}

/// Text of somebody else (a server, a file name, an argument), made safe for a terminal and a journal: control and
/// direction-changing characters are escaped, and it is cut after 300 characters.
pub fn printable(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((end, _)) => escaped(&text[..end]) + "…",
        None => escaped(text),
    }
}

/// The same in full, for what is bounded otherwise, or to be copied: a name that is cut is another one.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_steering(c) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Whether a character steers a terminal: a control character, or one that changes the direction or is not seen.
pub fn is_steering(c: char) -> bool {
    let redirects =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    c.is_control() || redirects
}

/// The operating system's words, without Rust's "(os error N)".
pub fn io_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// `1 name`, `2 names`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_failure_gives_the_code() {
        let order = [Exit::TempFail, Exit::DataErr, Exit::NoInput, Exit::NoPerm];
        for pair in order.windows(2) {
            let both = Failures(pair.iter().map(|exit| Failure::new(*exit, "x")).collect());
            assert_eq!(both.exit(), pair[1]);
        }
    }

    #[test]
    fn one_cause_is_one_message_with_every_place() {
        let at = |place: &str| Failure::new(Exit::Config, "nothing fills it").detail(place).help("say it");
        let other = at("c").help("say another");
        let merged = Failures::check(vec![at("a"), other.clone(), at("b"), at("a")]).expect_err("there are some");
        assert_eq!(merged.0, [at("a").detail("b"), other]);
    }

    #[test]
    fn a_message_shows_what_the_evidence_and_the_way_out() {
        let failure = Failure::new(Exit::Config, "no region").detail("looked in AWS_REGION").help("say --region");
        assert_eq!(failure.to_string(), "no region\n  looked in AWS_REGION\n  help: say --region");
    }

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(printable("a\x1b[31mb\nc\u{202e}d"), "a\\u{1b}[31mb\\nc\\u{202e}d");
        assert_eq!(printable(&"é".repeat(400)).chars().count(), 301);
        assert_eq!(printable(&"é".repeat(300)), "é".repeat(300));
        assert_eq!(escaped(&"\n".repeat(400)), "\\n".repeat(400));
    }

    #[test]
    fn the_system_s_words_are_in_the_style_of_the_others() {
        assert_eq!(io_text(&std::io::Error::from_raw_os_error(libc::ENOSPC)), "no space left on device");
        assert_eq!(io_text(&std::io::ErrorKind::FileTooLarge.into()), "file too large");
    }
}
