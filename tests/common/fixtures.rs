//! Fakes that are furnished, and who may ask them for what.

use std::ffi::OsStr;

use fake_aws::{Builder, Fake};
use serde_json::{Value, json};

use super::run::{Run, stepzero};

/// The article's three parameters, and one that is overridden.
pub const ARTICLE: [(&str, &str); 4] = [
    ("shared.newrelic_key", "2039402939302293029230923093"),
    ("projectA.shared.database_username", "db_user"),
    ("projectA.production.database_password", "d)Dmfj@)(dJF!hp"),
    ("shared.database_password", "the wrong one"),
];

/// The value of the parameter `app.key`; it may be in the output of the command and nowhere else.
pub const VALUE: &str = "correct-horse-battery-staple";

/// The role of the instance.
pub const ROLE: &str = "projectA-production";

/// The user whose keys are `KEYS`.
pub const USER: &str = "somebody";

pub const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")];

/// A `credential_process` of the user `process`, whom `users` makes.
pub const PROCESS: &str = r#"printf '{"Version":1,"AccessKeyId":"AKIDPROCESS","SecretAccessKey":"secret"}'"#;

pub fn article() -> Fake {
    store(&ARTICLE)
}

/// A fake with these parameters.
pub fn store(parameters: &[(&str, &str)]) -> Fake {
    let fake = Fake::start();
    parameters.iter().for_each(|(name, value)| _ = fake.put(name, "SecureString", value));
    fake
}

/// A fake without TLS that knows one user and one parameter.
pub fn plain() -> Fake {
    furnished(Fake::builder().tls(false))
}

/// The same over TLS.
pub fn secure() -> Fake {
    furnished(Fake::builder())
}

pub fn furnished(builder: Builder) -> Fake {
    let fake = builder.start();
    fake.static_credentials(KEYS[0].1, KEYS[1].1, USER);
    fake.put("app.key", "SecureString", VALUE);
    fake
}

/// A run with keys in its environment, so that Parameter Store is all that is asked.
pub fn keyed<S: AsRef<OsStr>>(fake: &Fake, args: impl IntoIterator<Item = S>) -> Run {
    stepzero(fake, args).envs(KEYS).env("AWS_REGION", "us-east-1")
}

/// `exec` of a command that prints `app.key`, under a deadline.
pub fn one(timeout: &str) -> Vec<String> {
    one_with(timeout, &[])
}

/// The same with more options.
pub fn one_with(timeout: &str, options: &[&str]) -> Vec<String> {
    let exec = ["exec", "--timeout", timeout];
    let line = [&exec, options, &["--parameter", "KEY=app.key", "--", "printenv", "KEY"]].concat();
    line.into_iter().map(str::to_owned).collect()
}

/// Puts the parameters `p.00`, `p.01` and so on, and returns the options that ask for them as P0, P1 and so on.
pub fn many(fake: &Fake, count: usize) -> Vec<String> {
    let put = |at| _ = fake.put(&format!("p.{at:02}"), "SecureString", VALUE);
    (0..count).for_each(put);
    (0..count).flat_map(|at| ["--parameter".to_owned(), format!("P{at}=p.{at:02}")]).collect()
}

/// `VERB OPTIONS` with `many` parameters, and for `exec` a command that prints the last one.
pub fn asking(fake: &Fake, count: usize, line: &[&str]) -> Vec<String> {
    let last = format!("P{}", count - 1);
    let command: &[&str] = if line[0] == "exec" { &["--", "printenv", &last] } else { &[] };
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    [owned(line), many(fake, count), owned(command)].concat()
}

/// Users with the keys AKIDX and `secret`, who are called x.
pub fn users(fake: &Fake, ids: &[&str]) {
    ids.iter().for_each(|id| fake.static_credentials(&format!("AKID{id}"), "secret", &id.to_ascii_lowercase()));
}

/// The ARN of a parameter.
pub fn parameter(name: &str) -> String {
    format!("arn:aws:ssm:us-east-1:123456789012:parameter/{name}")
}

/// Nothing is allowed but these actions.
pub fn allowing(actions: &[&str]) -> Value {
    json!({"Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})
}

/// Everything is allowed but these actions on these resources.
pub fn denying(actions: &[&str], resources: &[impl AsRef<str>]) -> Value {
    let resources: Vec<&str> = resources.iter().map(AsRef::as_ref).collect();
    json!({"Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": actions, "Resource": resources},
    ]})
}

/// No request and no connection, to AWS or to IMDS.
#[track_caller]
pub fn assert_untouched(fake: &Fake) {
    assert_eq!(fake.log().len(), 0, "{:#?}", fake.log());
    assert_eq!((fake.connections().accepted, fake.imds_connections().accepted), (0, 0));
}
