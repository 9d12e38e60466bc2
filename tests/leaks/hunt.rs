//! The canary hunt: every way to fail, every log level, everything that asks libraries to say more.

use std::process::Command;

use fake_aws::Fake;

use crate::canary;
use crate::cases::{self, ANY, Case, KEY};
use crate::common::{Directory, Ran, piped, stepzero, together};
use crate::support::fake;

pub const LEVELS: [&[&str]; 4] = [&[], &["-q"], &["-vvvv"], &["-vvv", "--log-format", "json"]];

/// All of it at once: stdout, stderr, and every file below the working, home and temporary directory. Four cases at a time:
/// those that are tried again wait most of it.
fn hunt(cases: &[Case]) {
    together(4, cases, check);
}

fn check(case: &Case) {
    let fake = fake();
    (case.arrange)(&fake);
    let (directory, given) = (Directory::open(), Directory::open());
    let file = given.file_of_mode("file", case.file.as_deref().unwrap_or(""), 0o755);
    let children = LEVELS.map(|level| {
        let args = case.args.iter().flat_map(|arg| match arg.as_str() {
            "LEVEL" => level.iter().map(|arg| (*arg).to_owned()).collect(),
            "FILE" => vec![file.clone()],
            arg => vec![arg.to_owned()],
        });
        let mut command = stepzero(&fake, args).command();
        provoke(&mut command, case, &fake, &file, &directory);
        (level, piped(&mut command))
    });
    for (level, child) in children {
        report(Ran::of_child(child).case(format_args!("{} {level:?}", case.name)), case.code);
    }
    assert_eq!(directory.files(), Vec::<std::path::PathBuf>::new(), "{}: a file was written", case.name);
}

/// The environment of a case, with everything that asks libraries to say more or to write files, and a directory for those.
pub fn provoke(command: &mut Command, case: &Case, fake: &Fake, file: &str, directory: &Directory) {
    let here = directory.path();
    command.current_dir(here).envs(["HOME", "TMPDIR", "XDG_CACHE_HOME"].map(|name| (name, here)));
    command.envs([("LOG_SENSITIVE_BODIES", "true"), ("LOG_SIGNABLE_BODY", "true")]);
    command.envs([("RUST_BACKTRACE", "full"), ("RUST_LIB_BACKTRACE", "1"), ("RUST_LOG", "trace")]);
    // The keys of TLS would open a recording of it.
    command.env("SSLKEYLOGFILE", here.join("keys"));
    if case.file.is_some() {
        command.env("AWS_CONFIG_FILE", file);
    }
    for (name, value) in &case.env {
        match value.as_str() {
            "FILE" => command.env(name, file),
            "CONTAINER" => command.env(name, fake.container_url()),
            "PROXY" => command.env(name, fake.proxy()),
            value => command.env(name, value),
        };
    }
}

/// It ended with this code, said why, and did not tell the canary.
pub fn report(ran: Ran, code: i32) -> Ran {
    for (stream, text) in [("stdout", &ran.output.stdout), ("stderr", &ran.output.stderr)] {
        assert_eq!(canary::found(text), None, "the canary is on {stream}: {ran}");
    }
    let ran = if code == ANY { ran } else { ran.expect(code) };
    assert!(code <= 0 || !ran.stderr().is_empty(), "a failure without a word: {ran}");
    ran
}

#[test]
fn garbled_answers_are_not_repeated() {
    hunt(&cases::garbled());
}

#[test]
fn refusals_are_not_repeated() {
    hunt(&cases::refused());
}

#[test]
fn values_that_do_not_fit_are_not_repeated() {
    hunt(&cases::shapes());
}

#[test]
fn what_is_made_of_values_is_not_repeated() {
    hunt(&cases::made());
}

#[test]
fn what_fails_late_is_not_repeated() {
    hunt(&cases::late());
}

#[test]
fn credentials_are_not_repeated() {
    hunt(&cases::credentials());
}

#[test]
fn configuration_files_are_not_repeated() {
    hunt(&cases::profiles());
}

#[test]
fn files_that_are_no_specs_are_not_repeated() {
    hunt(&cases::not_specs());
}

/// The control: the hunt ends badly where the command itself prints the value.
#[test]
#[should_panic(expected = "the canary is on stdout")]
fn the_hunt_finds_what_is_printed() {
    check(&Case::new("a command that prints it", &format!("exec LEVEL {KEY} -- printenv CANARY"), 0));
}
