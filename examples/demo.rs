//! The demo: a fake AWS on this machine, the article's three parameters in it, and the real stepzero reading them with the
//! credentials of an instance profile (IMDSv2), over TLS. Nothing leaves this machine. `cargo run --example demo`

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fake_aws::{Fake, Put};
use serde_json::json;

const ROLE: &str = "projectA-production";
const HOME: [&str; 4] = ["-p", "projectA", "-e", "production"];
const KEYS: [&str; 6] = ["-k", "newrelic_key", "-k", "database_username", "-k", "database_password"];

fn main() {
    let stepzero = build();
    let fake = aws();
    let run = |args: &[&[&str]]| show(&stepzero, &fake, &args.concat());

    say("Three parameters are in the store, encrypted. Each is in the scope of those who may read it:");
    println!("  shared.newrelic_key                        everyone");
    println!("  projectA.shared.database_username          projectA, in every environment");
    println!("  projectA.production.database_password      projectA, in production\n");

    say(
        "exec: ask for three keys, then become the command. It keeps the process id, and finds the values in its environment.",
    );
    let command = ["--", "sh", "-c", "echo I am process $$; printenv NEWRELIC_KEY DATABASE_USERNAME DATABASE_PASSWORD"];
    run(&[&["exec"], &HOME, &KEYS, &command]);
    say("What the fake AWS has seen of it (each key is looked for in four scopes, ten names a call):");
    for entry in fake.log() {
        let names = match entry.operation.as_str() {
            "GetParameters" => format!(", {} names", entry.names.len()),
            _ => String::new(),
        };
        println!("  {:?} {}{names}", entry.service, entry.operation);
    }

    println!();
    say("plan: offline, what would be asked for. The first name that exists wins.");
    run(&[&["plan"], &HOME, &KEYS[4..]]);

    say("check: online, what won and where it came from. Never a value.");
    run(&[&["check"], &HOME, &KEYS]);

    say("A parameter that does not exist: the command does not start.");
    run(&[&["exec"], &HOME, &KEYS, &["-k", "sentry_dsn", "--", "echo", "never printed"]]);

    say("A parameter that this machine may not read: the role is projectA's, and the policy knows no projectB.");
    run(&[&["exec", "-p", "projectB", "-e", "production"], &KEYS[..2], &["--", "echo", "never printed"]]);
}

/// The article's parameters under its four keys, and its policy for the role of this machine.
fn aws() -> Fake {
    let fake = Fake::builder().role(ROLE).start();
    for (name, value, key) in [
        ("shared.newrelic_key", "2039402939302293029230923093", "alias/shared"),
        ("projectA.shared.database_username", "db_user", "alias/projectA"),
        ("projectA.production.database_password", "d)Dmfj@)(dJF!hp", "alias/projectA/production"),
    ] {
        fake.put_with(&Put::secure(name, value).key(key));
    }
    let scopes = ["shared", "production", "projectA.shared", "projectA.production"];
    let parameters = scopes.map(|scope| format!("arn:aws:ssm:us-east-1:123456789012:parameter/{scope}.*"));
    let keys = ["shared", "production", "projectA", "projectA/production"].map(|key| fake.key(&format!("alias/{key}")));
    let statement = json!([
        {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": parameters},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": keys},
    ]);
    fake.policy(ROLE, json!({"Statement": statement}));
    fake
}

/// The line as one would type it, what it prints, and its exit code.
fn show(stepzero: &PathBuf, fake: &Fake, args: &[&str]) {
    let typed: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
    println!("{}", bold(&format!("$ stepzero {}", typed.join(" "))));
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let mut command = Command::new(stepzero);
    command.args(args).env_clear().env("PATH", path).envs(fake.env()).stdin(Stdio::null());
    let mut child = command.spawn().expect("stepzero was built a moment ago");
    let id = child.id();
    let status = child.wait().expect("it is our child");
    let code = status.code().map_or_else(|| status.to_string(), |code| code.to_string());
    println!("{}\n", dim(&format!("process {id} ended with exit code {code}")));
}

/// As a shell would take it back.
fn quoted(arg: &str) -> String {
    let plain = !arg.is_empty() && arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:".contains(c));
    if plain { arg.to_owned() } else { format!("'{}'", arg.replace('\'', r"'\''")) }
}

fn say(text: &str) {
    println!("{text}");
}

fn bold(text: &str) -> String {
    styled("1", text)
}

fn dim(text: &str) -> String {
    styled("2", text)
}

fn styled(style: &str, text: &str) -> String {
    let plain = !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain { text.to_owned() } else { format!("\x1b[{style}m{text}\x1b[0m") }
}

/// cargo builds no binary for an example. Naming the example too keeps the features of the dependencies, and so the build.
fn build() -> PathBuf {
    let demo = std::env::current_exe().expect("Linux says it");
    let profile = demo.ancestors().nth(2).expect("it is in target/PROFILE/examples");
    let name = profile.file_name().map(|name| name.to_string_lossy().replace("debug", "dev")).unwrap_or_default();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--bin", "stepzero", "--example", "demo", "--profile", &name]);
    // cargo says which package it runs; the build script of ring would take that for a change, and be built anew, and all on it.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|begin| name.to_string_lossy().starts_with(begin)) {
            build.env_remove(name);
        }
    }
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(built.is_ok_and(|status| status.success()), "cargo build --bin stepzero failed");
    profile.join("stepzero")
}
