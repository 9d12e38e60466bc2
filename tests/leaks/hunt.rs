//! The canary hunt: every way to fail, every log level, everything that asks libraries to say more.

use std::process::Output;

use crate::canary;
use crate::cases::{self, ANY, Case, KEY};
use crate::common::stepzero;
use crate::support::{Directory, fake};

const LEVELS: [&[&str]; 4] = [&[], &["-q"], &["-vvvv"], &["-vvv", "--log-format", "json"]];

/// All of it at once: stdout, stderr, and every file below the working, home and temporary directory.
fn hunt(cases: &[Case]) {
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let mine = cases.iter().skip(worker).step_by(4);
            scope.spawn(move || mine.for_each(check));
        }
    });
}

fn check(case: &Case) {
    let fake = fake();
    (case.arrange)(&fake);
    let (directory, given) = (Directory::new(), Directory::new());
    let file = given.file("file", case.file.as_deref().unwrap_or(""));
    let children = LEVELS.map(|level| {
        let args = case.args.iter().flat_map(|arg| match arg.as_str() {
            "LEVEL" => level.iter().map(|arg| (*arg).to_owned()).collect(),
            "FILE" => vec![file.clone()],
            arg => vec![arg.to_owned()],
        });
        let run = stepzero(&fake, args);
        let run = if case.file.is_some() { run.env("AWS_CONFIG_FILE", &file) } else { run };
        let given = |value: &String| if value == "FILE" { file.clone() } else { value.clone() };
        let run = case.env.iter().fold(run, |run, (name, value)| run.env(*name, given(value)));
        let run = [
            ("LOG_SENSITIVE_BODIES", "true"),
            ("LOG_SIGNABLE_BODY", "true"),
            ("RUST_BACKTRACE", "full"),
            ("RUST_LOG", "trace"),
        ]
        .iter()
        .fold(run, |run, (name, value)| run.env(*name, *value));
        let run = ["HOME", "TMPDIR", "XDG_CACHE_HOME"].iter().fold(run, |run, name| run.env(*name, directory.path()));
        let mut command = run.command();
        command.current_dir(directory.path());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        (level, command.spawn().expect("the binary was built by cargo"))
    });
    for (level, child) in children {
        let output = child.wait_with_output().expect("it is our child");
        report(case, level, &output);
    }
    assert_eq!(directory.files(), Vec::<std::path::PathBuf>::new(), "{}: a file was written", case.name);
}

fn report(case: &Case, level: &[&str], output: &Output) {
    let name = format!("{} {level:?}", case.name);
    for (stream, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(canary::found(text), None, "{name}: the canary is on {stream}:\n{shown}");
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(case.code == ANY || output.status.code() == Some(case.code), "{name}: {:?} {stderr}", output.status);
    assert!(case.code <= 0 || !stderr.is_empty(), "{name}: a failure without a word");
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
