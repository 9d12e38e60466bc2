//! The files that the AWS conventions name: read here, with a limit in size and in time, because the SDK has neither.
//! Profile files are handed on in the SDK's grammar, which is stricter than that of botocore.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use crate::error::{Exit, Failure, io_text, printable};
use crate::sys;

/// In bytes. Profile files and tokens are a few kilobytes; all certificates of a system, with their text, about a megabyte.
const LIMIT: u64 = 4 * 1024 * 1024;

/// A profile file and what stands in it.
pub struct ProfileFile {
    kind: EnvConfigFileKind,
    path: PathBuf,
    contents: String,
}

/// Both profile files; one that is not there is empty. CONFIG when one cannot be read by the deadline.
pub fn profile_files(deadline: Instant) -> Result<[ProfileFile; 2], Failure> {
    use EnvConfigFileKind::{Config, Credentials};
    Ok([
        profile_file(Config, "AWS_CONFIG_FILE", ".aws/config", deadline)?,
        profile_file(Credentials, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", deadline)?,
    ])
}

/// As the SDK takes them. What stands in `more`, a credentials file, goes before what stands in the others.
pub fn for_sdk(files: &[ProfileFile], more: &str) -> EnvConfigFiles {
    let none = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, "");
    let all = files.iter().fold(none, |all, file| all.with_contents(file.kind, file.contents.clone()));
    all.with_contents(EnvConfigFileKind::Credentials, more).build()
}

impl ProfileFile {
    pub fn shown(&self) -> String {
        printable(&self.path.to_string_lossy())
    }
}

fn profile_file(
    kind: EnvConfigFileKind,
    variable: &'static str,
    default: &str,
    deadline: Instant,
) -> Result<ProfileFile, Failure> {
    let named = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let path = match (&named, &home) {
        (Some(path), Some(home)) => path.strip_prefix("~").map_or_else(|_| path.clone(), |rest| home.join(rest)),
        (Some(path), None) => path.clone(),
        (None, Some(home)) => home.join(default),
        (None, None) => return Ok(ProfileFile { kind, path: PathBuf::new(), contents: String::new() }),
    };
    let wrong = |why: String| {
        let by = if named.is_some() { format!("{variable}: ") } else { String::new() };
        Failure::new(Exit::Config, format!("{by}{}: {why}", printable(&path.to_string_lossy())))
            .help("mend it, or point AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE elsewhere")
    };
    let bytes = match read(&path, deadline) {
        Ok(bytes) => bytes,
        // Where it is by default, a home that is closed to this user counts as one without it.
        Err(error) if is_absent(&error, named.is_some()) => Vec::new(),
        Err(error) => return Err(wrong(format!("cannot be read: {}", why(&error)))),
    };
    // The SDK would take it for an empty file, and go on as somebody else.
    let text = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8 text".into()))?;
    Ok(ProfileFile { kind, contents: in_grammar_of_sdk(&text), path })
}

fn is_absent(error: &io::Error, is_named: bool) -> bool {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => true,
        ErrorKind::FileTooLarge | ErrorKind::TimedOut => false,
        _ => !is_named,
    }
}

/// The bytes of a file, of at most 4 MiB. A pipe is read to its end, at most until the deadline.
pub fn read(path: &Path, deadline: Instant) -> io::Result<Vec<u8>> {
    sys::read_file(path, LIMIT, deadline.saturating_duration_since(Instant::now())).map(|(bytes, _)| bytes)
}

/// Why [`read`] failed.
pub fn why(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => "nobody wrote it to its end by the deadline".to_owned(),
        ErrorKind::FileTooLarge => "it is larger than 4 MiB".to_owned(),
        _ => io_text(error),
    }
}

/// The file of a web identity's token, which the SDK reads itself, and the variable or key that names it.
pub struct TokenFile {
    pub named_by: &'static str,
    pub path: PathBuf,
}

impl TokenFile {
    /// CONFIG when it is a pipe, a device or too large, which the SDK would read without an end. What else is wrong with it,
    /// the SDK tells.
    pub fn check(&self) -> Result<(), Failure> {
        let why = match std::fs::metadata(&self.path) {
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => "is not a regular file",
            Ok(metadata) if metadata.len() > LIMIT => "is larger than 4 MiB",
            _ => return Ok(()),
        };
        let what = format!("{}: {} {why}", self.named_by, printable(&self.path.to_string_lossy()));
        Err(Failure::new(Exit::Config, what).help("name the file of the token, which is read anew for each renewal"))
    }
}

/// What botocore reads, by the rules of Python's configparser, so that the SDK reads the same: a first line of a section
/// that is indented, a comment that is, text behind the `]`, and `key: value`. Lines keep their numbers.
fn in_grammar_of_sdk(text: &str) -> String {
    let mut lines = Vec::new();
    // The indentation of the last option or section; a line that is indented more continues an option.
    let (mut level, mut in_option) = (0, false);
    for line in text.lines() {
        let bare = line.trim();
        let indentation = line.len() - line.trim_start().len();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            lines.push(String::new());
        } else if in_option && indentation > level {
            lines.push(line.to_owned());
        } else {
            level = indentation;
            in_option = !bare.starts_with('[');
            lines.push(if in_option { option(bare) } else { section(bare) });
        }
    }
    lines.join("\n")
}

/// Without the text behind it. With several `]`, what the name is remains the SDK's to say.
fn section(line: &str) -> String {
    match line.split_once(']') {
        Some((name, behind)) if !behind.contains(']') => format!("{name}]"),
        _ => line.to_owned(),
    }
}

/// The first of `=` and `:` ends the key.
fn option(line: &str) -> String {
    match line.find(['=', ':']) {
        Some(at) => format!("{}={}", &line[..at], &line[at + 1..]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_botocore_reads_the_sdk_reads() {
        for (written, handed_on) in [
            ("[default]\nregion = x", "[default]\nregion = x"),
            ("[a]\n  region = x\n  output = json\n", "[a]\nregion = x\noutput = json"),
            ("[a] behind\nregion=x", "[a]\nregion=x"),
            ("[a] # behind ]\nregion=x", "[a] # behind ]\nregion=x"),
            ("  [a]\n\tregion = x", "[a]\nregion = x"),
            ("[a]\n  # a comment\nregion = x\n  ; another\n", "[a]\n\nregion = x\n"),
            ("[a]\ns3 =\n  size = 1\nregion = x", "[a]\ns3 =\n  size = 1\nregion = x"),
            ("[a]\n  s3 =\n    size = 1\n  region = x", "[a]\ns3 =\n    size = 1\nregion = x"),
            ("[a]\ncredential_process: run --x=y", "[a]\ncredential_process= run --x=y"),
            ("[a]\r\nregion = x\r\n", "[a]\nregion = x"),
            ("[a]\nno option\n", "[a]\nno option"),
        ] {
            assert_eq!(in_grammar_of_sdk(written), handed_on, "{written:?}");
        }
    }
}
