//! Everything a scope can say, with the real binary against the fake: loads, references, secrets, shapes of values,
//! files, the policy and the preflight. One file for each.

#[path = "../common/mod.rs"]
mod common;

mod coming_from;
mod files;
mod loads;
mod policy;
mod preflight;
mod references;
mod schema;
mod spec_errors;
mod values;
mod venv;
mod writer_policy;
mod writing;

use std::collections::BTreeMap;

use common::{Ran, Spec, stepzero};
use fake_aws::Fake;

/// `stepzero exec` with this spec, and `env` as the command.
fn exec(fake: &Fake, spec: &str) -> Ran {
    exec_with(fake, spec, &[], &[])
}

/// The same with more flags and an environment.
fn exec_with(fake: &Fake, spec: &str, flags: &[&str], env: &[(&str, &str)]) -> Ran {
    let spec = Spec::new(spec);
    let path = spec.arg();
    let line = ["exec", "-s", &path].iter().chain(flags).chain(&["--", "env"]).copied().collect::<Vec<_>>();
    env.iter().fold(stepzero(fake, line), |run, (name, value)| run.env(name, value)).output()
}

/// The environment that `env` printed.
fn variables(ran: &Ran) -> BTreeMap<String, String> {
    let lines = ran.stdout();
    lines.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

/// What the command got for one variable, if anything.
#[track_caller]
fn variable(ran: &Ran, name: &str) -> Option<String> {
    assert_eq!(ran.code(), 0, "{}", ran.stderr());
    variables(ran).remove(name)
}
