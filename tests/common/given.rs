//! A row of a table: what is given to stepzero, and what has to come of it.

use std::collections::BTreeMap;

use fake_aws::Fake;

use super::directory::TempFile;
use super::fixtures::assert_untouched;
use super::outcome::Ran;
use super::run::{Run, offline, stepzero};

/// What a row of a table gives to stepzero.
#[derive(Clone, Copy, Default)]
pub struct Given<'a> {
    /// The text of the spec; empty is no spec.
    pub spec: &'a str,
    pub args: &'a [&'a str],
    pub env: &'a [(&'a str, &'a str)],
}

/// The project and the environment of the article, as flags before `args`.
pub const HOME: [&str; 4] = ["-p", "projectA", "-e", "production"];

impl<'a> Given<'a> {
    pub fn spec(spec: &'a str) -> Self {
        Given { spec, ..Given::default() }
    }

    pub fn args(args: &'a [&'a str]) -> Self {
        Given { args, ..Given::default() }
    }

    pub fn and_args(self, args: &'a [&'a str]) -> Self {
        Given { args, ..self }
    }

    pub fn and_env(self, env: &'a [(&'a str, &'a str)]) -> Self {
        Given { env, ..self }
    }

    pub fn run(self, fake: &Fake, command: &str, tail: &[&str]) -> Ran {
        self.output(command, tail, |line| stepzero(fake, line))
    }

    /// With nobody to talk to.
    pub fn offline(self, command: &str, tail: &[&str]) -> Ran {
        self.output(command, tail, |line| offline(line))
    }

    fn output(self, command: &str, tail: &[&str], run: impl FnOnce(Vec<&str>) -> Run) -> Ran {
        let spec = (!self.spec.is_empty()).then(|| TempFile::spec(self.spec));
        let path = spec.as_ref().map(TempFile::arg);
        let spec_args = path.iter().flat_map(|path| ["-s", path.as_str()]);
        let line = [command].into_iter().chain(spec_args).chain(self.args.iter().copied()).chain(tail.iter().copied());
        let ran = run(line.collect()).envs(self.env.iter().copied()).output();
        ran.case(format_args!("{command} {:?} {:?}\n{}", self.args, self.env, self.spec))
    }

    /// `exec` of a command that prints its environment.
    pub fn exec(self, fake: &Fake) -> Ran {
        self.run(fake, "exec", &["--", "env", "-0"])
    }

    /// The command's environment, without what the harness put there.
    #[track_caller]
    pub fn environment(self, fake: &Fake) -> BTreeMap<String, String> {
        self.exec(fake).expect(0).environment()
    }

    /// `plan` as JSON.
    #[track_caller]
    pub fn plan(self, fake: &Fake) -> serde_json::Value {
        self.run(fake, "plan", &["--format", "json"]).expect(0).json()
    }

    /// The names that `plan` would ask for.
    #[track_caller]
    pub fn names(self, fake: &Fake) -> Vec<String> {
        let plan = self.plan(fake);
        let names = plan["names"].as_array().expect("a list");
        names.iter().map(|name| name.as_str().expect("a string").to_owned()).collect()
    }

    /// `exec`, `plan` and `check` refuse it with the same words, and nobody hears of it.
    #[track_caller]
    pub fn refused(self, fake: &Fake, code: i32, words: &[&str]) {
        for (command, tail) in [("exec", &["--", "env"][..]), ("plan", &[]), ("check", &[])] {
            self.run(fake, command, tail).refused(code, words);
        }
        assert_untouched(fake);
    }

    /// `exec` fails after it has asked; the command does not start.
    #[track_caller]
    pub fn fails(self, fake: &Fake, code: i32, words: &[&str]) -> Ran {
        self.exec(fake).refused(code, words)
    }
}

/// What an environment is compared with.
pub fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
