//! The tools that are compared, and how each is told to do the same work.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Case;
use crate::fake::{Fake, KEY, SECRET, address};
use crate::request::{self, Keys};

/// How a tool is started for a piece of work. `None`: not for this one.
type Start = fn(&Bench, &Case) -> Option<Command>;

/// A tool, by the name of its binary.
#[derive(Clone, Copy)]
pub struct Tool {
    pub name: &'static str,
    start: Start,
    /// A tool that takes long is run less often.
    pub slow: bool,
}

pub const BARE: &str = "/bin/true";
pub const FLOOR: &str = "floor";
pub const STEPZERO: &str = "stepzero";
/// Another build, to be compared in turn.
pub const BEFORE: &str = "stepzero-before";

pub const TOOLS: &[Tool] = &[
    Tool { name: BARE, start: bare, slow: false },
    Tool { name: FLOOR, start: floor, slow: false },
    Tool { name: STEPZERO, start: stepzero, slow: false },
    Tool { name: BEFORE, start: before, slow: false },
    Tool { name: "chamber", start: chamber, slow: false },
    Tool { name: "ssm-env", start: ssm_env, slow: false },
    Tool { name: "ssm-parent", start: ssm_parent, slow: false },
    Tool { name: "teller", start: teller, slow: false },
    Tool { name: "secretspec", start: secretspec, slow: false },
    Tool { name: "fnox", start: fnox, slow: false },
    Tool { name: "aws", start: aws, slow: true },
];

/// What all runs share.
pub struct Bench {
    pub fake: Fake,
    pub directory: PathBuf,
    pub stepzero: PathBuf,
    pub floor: PathBuf,
    /// Of the floor client, in the case at hand.
    pub floor_connections: usize,
}

impl Tool {
    pub fn command(&self, bench: &Bench, case: &Case) -> Option<Command> {
        // That nothing is to be fetched is said in a spec: the others have none.
        let can = case.size > 0 || [BARE, STEPZERO, BEFORE].contains(&self.name);
        if can { (self.start)(bench, case) } else { None }
    }

    /// Whether it can be run at all.
    pub fn is_there(&self) -> bool {
        match self.name {
            BARE | FLOOR | STEPZERO => true,
            peer => on_path(peer),
        }
    }
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// A command in an environment with what the tool needs, and nothing else.
fn command(program: impl AsRef<std::ffi::OsStr>, bench: &Bench, case: &Case) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", &bench.directory);
    command.env("AWS_ENDPOINT_URL", &bench.fake.service);
    command.env("AWS_CA_BUNDLE", &bench.fake.ca).env("SSL_CERT_FILE", &bench.fake.ca);
    if case.imds {
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &bench.fake.imds);
    } else {
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_REGION", "us-east-1");
    }
    command
}

/// A peer is told the Region, because not all of them ask IMDS for it.
fn peer(program: &str, bench: &Bench, case: &Case) -> Command {
    let mut command = command(program, bench, case);
    command.env("AWS_REGION", "us-east-1").env("AWS_DEFAULT_REGION", "us-east-1");
    command
}

/// One with version 1 of the AWS SDK for Go, which knows no `AWS_ENDPOINT_URL`: it finds the fake where AWS would be, at the
/// price of a connection's way through a proxy.
fn peer_of_old(program: &str, bench: &Bench, case: &Case) -> Command {
    let mut command = peer(program, bench, case);
    command.env("HTTPS_PROXY", &bench.fake.proxy);
    command
}

fn bare(bench: &Bench, case: &Case) -> Option<Command> {
    Some(command(BARE, bench, case))
}

fn floor(bench: &Bench, case: &Case) -> Option<Command> {
    let mut command = command(&bench.floor, bench, case);
    let imds = if case.imds { address(&bench.fake.imds) } else { "-" };
    command.args([imds, address(&bench.fake.service), &bench.fake.ca]);
    command.arg(bench.directory.join("requests")).arg(bench.floor_connections.to_string()).arg(BARE);
    Some(command)
}

/// Signed anew for each case: a signature lives for five minutes.
pub fn prepare_floor(bench: &Bench, case: &Case) {
    let keys = if case.imds {
        let document = bench.fake.role_credentials();
        let text = |key: &str| document[key].as_str().expect("credentials are complete").to_owned();
        Keys { id: text("AccessKeyId"), secret: text("SecretAccessKey"), token: Some(text("Token")) }
    } else {
        Keys { id: KEY.into(), secret: SECRET.into(), token: None }
    };
    write(&bench.directory, "requests", &request::file(&keys, address(&bench.fake.service), case.size));
}

fn stepzero(bench: &Bench, case: &Case) -> Option<Command> {
    Some(with_spec(&bench.stepzero, bench, case))
}

fn before(bench: &Bench, case: &Case) -> Option<Command> {
    Some(with_spec(Path::new(BEFORE), bench, case))
}

fn with_spec(program: &Path, bench: &Bench, case: &Case) -> Command {
    let names = (0..case.size).map(|at| format!("K{at} = {{ parameter = \"/bench/{}/k{at}\" }}\n", case.size));
    let spec = write(&bench.directory, "spec.toml", format!("[env]\n{}", names.collect::<String>()).as_bytes());
    let mut command = command(program, bench, case);
    command.args(["exec", "--spec"]).arg(spec).args(["--", BARE]);
    command
}

fn chamber(bench: &Bench, case: &Case) -> Option<Command> {
    let mut command = peer("chamber", bench, case);
    command.args(["exec", &format!("bench/{}", case.size), "--", BARE]);
    Some(command)
}

fn ssm_env(bench: &Bench, case: &Case) -> Option<Command> {
    let mut command = peer_of_old("ssm-env", bench, case);
    command.envs((0..case.size).map(|at| (format!("K{at}"), format!("ssm:///bench/{}/k{at}", case.size))));
    command.args(["-with-decryption", BARE]);
    Some(command)
}

fn ssm_parent(bench: &Bench, case: &Case) -> Option<Command> {
    let mut command = peer_of_old("ssm-parent", bench, case);
    // `--path` is for values that are JSON.
    command.args(["run", "-r", "--plain-path", &format!("/bench/{}/", case.size), "--", BARE]);
    Some(command)
}

fn teller(bench: &Bench, case: &Case) -> Option<Command> {
    let map = format!("      - id: bench\n        path: /bench/{}\n        decrypt: true\n", case.size);
    let config = format!("providers:\n  ssm:\n    kind: ssm\n    maps:\n{map}");
    let config = write(&bench.directory, "teller.yml", config.as_bytes());
    let mut command = peer("teller", bench, case);
    command.arg("--config").arg(config).args(["run", "--reset", "--", BARE]);
    Some(command)
}

fn secretspec(bench: &Bench, case: &Case) -> Option<Command> {
    let names = (0..case.size).map(|at| {
        let place = format!("providers = [\"ps\"], ref = {{ item = \"/bench/{}/k{at}\" }}", case.size);
        format!("K{at} = {{ description = \"k{at}\", required = true, {place} }}\n")
    });
    let head = "[project]\nname = \"bench\"\nrevision = \"1.0\"\n\n[providers]\nps = \"awsps://us-east-1\"\n\n\
                [profiles.default]\n";
    let config = write(&bench.directory, "secretspec.toml", format!("{head}{}", names.collect::<String>()).as_bytes());
    let mut command = peer("secretspec", bench, case);
    command.args(["run", "--file"]).arg(config).args(["--", BARE]);
    Some(command)
}

fn fnox(bench: &Bench, case: &Case) -> Option<Command> {
    let names =
        (0..case.size).map(|at| format!("K{at} = {{ provider = \"ps\", value = \"/bench/{}/k{at}\" }}\n", case.size));
    let head = "[providers.ps]\ntype = \"aws-ps\"\nregion = \"us-east-1\"\n\n[secrets]\n";
    let config = write(&bench.directory, "fnox.toml", format!("{head}{}", names.collect::<String>()).as_bytes());
    let mut command = peer("fnox", bench, case);
    command.arg("--config").arg(config).args(["exec", "--", BARE]);
    Some(command)
}

/// As the article's readers do it: one call of the command line tool, and the shell.
fn aws(bench: &Bench, case: &Case) -> Option<Command> {
    let script = format!(
        "SECRETS=\"$(aws ssm get-parameters-by-path --path /bench/{} --with-decryption --output text)\" && export SECRETS && \
         exec {BARE}",
        case.size
    );
    let mut command = peer("sh", bench, case);
    // It can be installed below the home directory; what is configured there is left out.
    command.env("HOME", std::env::var_os("HOME").unwrap_or_default());
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.args(["-c", &script]);
    Some(command)
}

fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).expect("the directory is ours");
    path
}
