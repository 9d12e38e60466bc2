//! The canary hunt: every way to fail, every log level, everything that asks libraries to say more.

use std::process::{Command, Output};

use fake_aws::Fake;

use crate::canary;
use crate::cases::{self, ANY, Case, KEY};
use crate::common::stepzero;
use crate::support::{Directory, fake};

pub const LEVELS: [&[&str]; 4] = [&[], &["-q"], &["-vvvv"], &["-vvv", "--log-format", "json"]];

/// Four at a time: those that are tried again wait most of it.
pub fn each<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let mine = cases.iter().skip(worker).step_by(4);
            scope.spawn(|| mine.for_each(&check));
        }
    });
}

/// All of it at once: stdout, stderr, and every file below the working, home and temporary directory.
fn hunt(cases: &[Case]) {
    each(cases, check);
}

fn check(case: &Case) {
    let fake = fake();
    (case.arrange)(&fake);
    let (directory, given) = (Directory::new(), Directory::new());
    let file = given.file("file", case.file.as_deref().unwrap_or(""));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&file, mode).expect("it is ours");
    let children = LEVELS.map(|level| {
        let args = case.args.iter().flat_map(|arg| match arg.as_str() {
            "LEVEL" => level.iter().map(|arg| (*arg).to_owned()).collect(),
            "FILE" => vec![file.clone()],
            arg => vec![arg.to_owned()],
        });
        let mut command = stepzero(&fake, args).command();
        provoke(&mut command, case, &fake, &file, &directory);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        (level, command.spawn().expect("the binary was built by cargo"))
    });
    for (level, child) in children {
        let output = child.wait_with_output().expect("it is our child");
        report(case, case.code, level, &output);
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

pub fn report(case: &Case, code: i32, level: &[&str], output: &Output) {
    let name = format!("{} {level:?}", case.name);
    for (stream, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(canary::found(text), None, "{name}: the canary is on {stream}:\n{shown}");
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(code == ANY || output.status.code() == Some(code), "{name}: {:?} {stderr}", output.status);
    assert!(code <= 0 || !stderr.is_empty(), "{name}: a failure without a word");
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
