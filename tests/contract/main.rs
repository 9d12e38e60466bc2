//! The contract as a hostile reader would take it: the real binary against the fake, table by table. Each submodule has
//! one matter; what runs a row of their tables is here.

#[path = "../common/old.rs"]
mod common;

mod calls;
mod codes;
mod outputs;
mod precedence;
mod scopes;
mod sources;
mod variables;

use std::collections::BTreeMap;

use common::{Ran, Spec, article, stepzero};
use fake_aws::Fake;

/// What a row of a table gives to stepzero.
#[derive(Clone, Copy, Default)]
struct Given<'a> {
    /// The text of the spec; empty is no spec.
    spec: &'a str,
    args: &'a [&'a str],
    env: &'a [(&'a str, &'a str)],
}

/// The project and the environment of the article, as flags before `args`.
const HOME: [&str; 4] = ["-p", "projectA", "-e", "production"];

impl Given<'_> {
    fn run(self, fake: &Fake, command: &str, tail: &[&str]) -> Ran {
        let spec = (!self.spec.is_empty()).then(|| Spec::new(self.spec));
        let path = spec.as_ref().map(Spec::arg);
        let spec_args = path.iter().flat_map(|path| ["-s", path.as_str()]);
        let args = [command].into_iter().chain(spec_args).chain(self.args.iter().copied());
        let run = stepzero(fake, args.chain(tail.iter().copied()));
        self.env.iter().fold(run, |run, (name, value)| run.env(*name, *value)).output()
    }

    /// `exec` of a command that prints its environment.
    fn exec(self, fake: &Fake) -> Ran {
        self.run(fake, "exec", &["--", "env", "-0"])
    }

    /// The command's environment, without what the harness put there.
    #[track_caller]
    fn environment(self, fake: &Fake) -> BTreeMap<String, String> {
        environment(&self.exec(fake).expect(0))
    }

    /// `plan` as JSON.
    #[track_caller]
    fn plan(self, fake: &Fake) -> serde_json::Value {
        let ran = self.run(fake, "plan", &["--format", "json"]).expect(0);
        serde_json::from_str(&ran.stdout()).expect("JSON")
    }

    /// The names that `plan` would ask for.
    #[track_caller]
    fn names(self, fake: &Fake) -> Vec<String> {
        let plan = self.plan(fake);
        let names = plan["names"].as_array().expect("a list");
        names.iter().map(|name| name.as_str().expect("a string").to_owned()).collect()
    }

    /// `exec`, `plan` and `check` refuse it with the same words, and nobody hears of it.
    #[track_caller]
    fn refused(self, fake: &Fake, code: i32, words: &[&str]) {
        for (command, tail) in [("exec", &["--", "env"][..]), ("plan", &[]), ("check", &[])] {
            let ran = self.run(fake, command, tail).expect(code).says(words);
            assert_eq!(ran.stdout(), "", "{command}");
            assert!(ran.stderr().starts_with("stepzero: "), "{command}: {}", ran.stderr());
        }
        assert_untouched(fake);
    }

    /// `exec` fails after it has asked.
    #[track_caller]
    fn fails(self, fake: &Fake, code: i32, words: &[&str]) -> Ran {
        let ran = self.exec(fake).expect(code).says(words);
        assert_eq!(ran.stdout(), "", "the command did not start");
        ran
    }
}

fn environment(ran: &Ran) -> BTreeMap<String, String> {
    const HARNESS: [&str; 4] = ["PATH", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];
    let text = ran.stdout();
    let entries = text.split_terminator('\0').map(|entry| entry.split_once('=').expect("NAME=VALUE"));
    entries.filter(|(name, _)| !HARNESS.contains(name)).map(|(name, value)| (name.into(), value.into())).collect()
}

/// What `environment` is compared with.
fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// No request and no connection, to AWS or to IMDS.
#[track_caller]
fn assert_untouched(fake: &Fake) {
    assert_eq!(fake.log().len(), 0, "{:#?}", fake.log());
    assert_eq!((fake.connections().accepted, fake.imds_connections().accepted), (0, 0));
}

#[test]
fn the_article_by_flags_and_by_spec() {
    let fake = article();
    let want = "2039402939302293029230923093\ndb_user\nd)Dmfj@)(dJF!hp\n";
    let print = ["--", "printenv", "NEWRELIC_KEY", "DATABASE_USERNAME", "DATABASE_PASSWORD"];
    let keys = ["-k", "newrelic_key", "-k", "database_username", "-k", "database_password"];
    let args: Vec<&str> = HOME.into_iter().chain(keys).collect();
    let by_flags = Given { args: &args, ..Given::default() }.run(&fake, "exec", &print).expect(0);
    assert_eq!(by_flags.stdout(), want);
    assert_eq!(by_flags.stderr(), "");
    assert_eq!(fake.calls("GetParameters").len(), 2, "twelve names");

    let spec = "project = \"projectA\"\nenvironment = \"production\"\n[env]\nNEWRELIC_KEY = \"newrelic_key\"\n\
                DATABASE_USERNAME = { key = \"database_username\" }\nDATABASE_PASSWORD = \"database_password\"\n";
    let by_spec = Given { spec, ..Given::default() }.run(&fake, "exec", &print).expect(0);
    assert_eq!(by_spec.stdout(), want);
}
