//! `stepzero changed`: a process that exec has become, and the store that goes on.

#[path = "../common/mod.rs"]
mod common;

mod overwritten;

use std::io::Read as _;
use std::process::Stdio;

use common::{Directory, Guard, Ran, TempFile, is_root, stepzero};
use fake_aws::{Action, Fake, Fault};
use serde_json::json;

/// A process that exec has become, by a spec.
pub struct Service {
    pub fake: Fake,
    spec: TempFile,
    pub process: Guard,
}

/// What runs until it is killed, after it has said that it runs.
const RUNNING: [&str; 3] = ["sh", "-c", "echo; exec sleep 1000"];

impl Service {
    pub fn start(fake: &Fake, spec: &str) -> Self {
        Self::start_as(fake, spec, &RUNNING)
    }

    /// `line` prints a byte when it is ready.
    pub fn start_as(fake: &Fake, spec: &str, line: &[&str]) -> Self {
        let spec = TempFile::spec(spec);
        let path = spec.arg();
        let args = [&["exec", "-s", &path, "--"], line].concat();
        let mut command = stepzero(fake, args).command();
        let mut process = Guard(command.stdout(Stdio::piped()).spawn().expect("it is built"));
        let mut ready = [0];
        let stdout = process.0.stdout.as_mut().expect("it is piped");
        stdout.read_exact(&mut ready).expect("the command says that it runs");
        Service { fake: fake.clone(), spec, process }
    }

    pub fn changed(&self, options: &[&str]) -> Ran {
        self.changed_pid(&self.process.0.id().to_string(), options)
    }

    /// Of another process than that which exec has become.
    pub fn changed_pid(&self, pid: &str, options: &[&str]) -> Ran {
        let path = self.spec.arg();
        stepzero(&self.fake, [&["changed", "-s", &path, "--pid", pid], options].concat()).output()
    }

    /// The names under one heading of the JSON.
    #[track_caller]
    fn names(&self, code: i32, heading: &str) -> Vec<String> {
        let json = self.changed(&["--format", "json"]).expect(code).json();
        let items = json[heading].as_array().expect("a list");
        let name = |item: &serde_json::Value| item["variable"].as_str().or(item.as_str()).map(str::to_owned);
        items.iter().map(|item| name(item).expect("a name")).collect()
    }
}

pub fn put(fake: &Fake, name: &str, value: &str) {
    fake.put(name, "SecureString", value);
}

const ONE: &str = "[env]\nDATABASE_PASSWORD = { parameter = \"app.password\" }\n";

fn one() -> (Fake, Service) {
    let fake = Fake::start();
    put(&fake, "app.password", "the first value");
    let service = Service::start(&fake, ONE);
    (fake, service)
}

#[test]
fn nothing_changed_then_a_rotation_is_told_by_its_name_and_version() {
    let (fake, service) = one();
    service.changed(&[]).prints("nothing changed: 1 variable\n");
    put(&fake, "app.password", "the second value");
    let ran = service.changed(&["-vv"]).expect(1).hides(&["the first value", "the second value"]);
    let (line, since) = (ran.stdout(), "DATABASE_PASSWORD: app.password version 2 since 2");
    assert!(line.starts_with(since) && line.ends_with("Z, the process has another value\n"), "{ran}");
    let json = service.changed(&["--format", "json", "-vv", "--log-format", "json"]).expect(1);
    let json = json.hides(&["the first value", "the second value"]).json();
    assert_eq!(json["format"], 1);
    let changed = &json["changed"][0];
    assert_eq!(
        (&changed["variable"], &changed["parameter"], &changed["version"]),
        (&json!("DATABASE_PASSWORD"), &json!("app.password"), &json!(2))
    );
    assert_eq!((&json["unchanged"], &json["unknown"], &json["waiting"]), (&json!([]), &json!([]), &json!([])));
    // A version with the same value is no change.
    put(&fake, "app.password", "the first value");
    service.changed(&[]).expect(0);
}

/// What the spec can say of a value, each as the exec gave it and after a rotation.
#[test]
fn every_shape_of_a_value_is_compared_as_exec_binds_it() {
    let fake = Fake::start();
    let put_all = |n: i32| {
        put(&fake, "app.plain", &format!("plain{n}"));
        put(&fake, "app.json", &format!(r#"{{"host": "h{n}", "same": "s"}}"#));
        fake.put("app.list", "StringList", &format!("a,b{n}"));
        put(&fake, "app.file", &format!("file{n}"));
        put(&fake, "app.base64", if n == 1 { "AAEC" } else { "AAED" });
        put(&fake, "/load/one", &format!("one{n}"));
        fake.secret("prod/rds", &format!(r#"{{"user": "u{n}"}}"#));
    };
    put_all(1);
    let service = Service::start(
        &fake,
        r#"[env]
PLAIN = { parameter = "app.plain" }
HOST = { parameter = "app.json", json = "host" }
SAME = { parameter = "app.json", json = "same" }
LIST = { parameter = "app.list", list = " " }
PART = { parameter = "app.plain", private = true }
URL = { template = "x://{PART:url}@h" }
FALLBACK = { parameter = "app.nobody", default = "fallback" }
MISSING = { parameter = "app.nobody", optional = true }
[files]
FILE = { parameter = "app.file", mode = "0400" }
BYTES = { parameter = "app.base64", decode = "base64" }
[[load]]
path = "/load"
[[expand]]
secret = "prod/rds"
prefix = "RDS_"
"#,
    );
    let all = ["PLAIN", "HOST", "SAME", "LIST", "URL", "FALLBACK", "FILE", "BYTES", "ONE", "RDS_USER"];
    assert_eq!(service.names(0, "unchanged"), all);
    put_all(2);
    assert_eq!(service.names(1, "unchanged"), ["SAME", "FALLBACK"]);
    assert_eq!(service.names(1, "changed"), ["PLAIN", "HOST", "LIST", "URL", "FILE", "BYTES", "ONE", "RDS_USER"]);
    let line = service.changed(&[]).expect(1).stdout();
    assert!(line.contains("URL: app.plain version 2 since"), "the part of the template: {line}");
    let secret = line.lines().find(|line| line.starts_with("RDS_USER: ")).expect("it changed");
    assert!(!secret.contains("version 0 "), "a secret has no numbers: {secret}");
}

#[test]
fn a_label_that_moves_is_a_change() {
    let fake = Fake::start();
    put(&fake, "app.password", "first");
    put(&fake, "app.password", "second");
    fake.label("app.password", 2, "current");
    let spec = "[env]\nP = { parameter = \"app.password\", label = \"current\" }\n";
    let service = Service::start(&fake, spec);
    service.changed(&[]).expect(0);
    fake.label("app.password", 1, "current");
    service.changed(&[]).expect(1).shows(&["P: app.password:current version 1 since"]);
}

/// Nothing that cannot be told may look like a change.
#[test]
fn what_cannot_be_told_is_a_code_of_its_own() {
    let (fake, service) = one();
    let quick = ["--timeout", "1s"];
    for (fault, code) in [
        (Action::status(503), 75),
        (Action::throttle(), 75),
        (Action::error(400, "AccessDeniedException", "no"), 77),
        (Action::error(400, "UnrecognizedClientException", "no"), 77),
    ] {
        fake.fault(Fault::always(fault).operation("GetParameters"));
        service.changed(&quick).refused(code, &[]);
        let ran = service.changed(&[&quick[..], &["--tolerant"]].concat()).expect(0);
        assert!(ran.stdout().is_empty() && ran.stderr().starts_with("stepzero: warn: "), "{ran}");
        fake.clear_faults();
    }
    fake.delete("app.password");
    service.changed(&[]).refused(66, &["app.password"]);
    service.changed(&["--tolerant"]).expect(0);
}

#[test]
fn a_change_beside_something_unknown_is_a_change() {
    let fake = Fake::start();
    put(&fake, "/app/a", "1");
    put(&fake, "/app/b", "1");
    let service = Service::start(&fake, "[[load]]\npath = \"/app\"\n");
    // A parameter that is new: the process was started without it.
    put(&fake, "/app/c", "1");
    let ran = service
        .changed(&[])
        .expect(71)
        .says(&["cannot tell whether 1 variable changed", "C: the process was started without it"]);
    assert_eq!(ran.stdout(), "C: cannot be told: the process was started without it\n");
    service.changed(&["--tolerant"]).expect(0).says(&["warn: cannot tell"]);
    put(&fake, "/app/b", "2");
    assert_eq!(service.names(1, "changed"), ["B"]);
    assert_eq!(service.names(1, "unknown"), ["C"]);
    service.changed(&["--tolerant"]).expect(1);
}

#[test]
fn a_default_that_is_not_what_the_process_has_cannot_be_told() {
    let fake = Fake::start();
    put(&fake, "app.level", "debug");
    let service = Service::start(&fake, "[env]\nLEVEL = { parameter = \"app.level\", default = \"info\" }\n");
    fake.delete("app.level");
    service.changed(&[]).expect(71).says(&["LEVEL", "the parameter was deleted since"]);
}

/// A restart would keep it again, and the next one, and so on.
#[test]
fn what_the_process_may_have_inherited_cannot_be_told() {
    let fake = Fake::start();
    put(&fake, "app.password", "fetched");
    let spec = TempFile::spec(format!("existing = \"keep\"\n{ONE}"));
    let path = spec.arg();
    let line = [&["exec", "-s", &path, "--"], &RUNNING[..]].concat();
    let mut process = Guard(stepzero(&fake, line).env("DATABASE_PASSWORD", "inherited").spawn());
    let mut ready = [0];
    process.0.stdout.as_mut().expect("it is piped").read_exact(&mut ready).expect("it says that it runs");
    let pid = process.0.id().to_string();
    let changed = stepzero(&fake, ["changed", "-s", &path, "--pid", &pid]);
    changed.output().expect(71).says(&["DATABASE_PASSWORD: `existing` is keep"]);
    // In the same environment it is known.
    changed.env("DATABASE_PASSWORD", "inherited").output().prints("nothing changed: 0 variables\n");
}

#[test]
fn which_process_it_is() {
    let (fake, service) = one();
    let spec = TempFile::spec(ONE);
    let path = spec.arg();
    let changed = |options: &[&str]| stepzero(&fake, [&["changed", "-s", &path], options].concat()).output();
    changed(&[]).expect(64).says(&["--pid <PID>|--unit <NAME.service>"]);
    changed(&["--pid", "1", "--unit", "web.service"]).expect(64).says(&["cannot be used with"]);
    changed(&["--pid", "0"]).expect(64);
    // Where pid_max(5) is at its highest, that is one less.
    changed(&["--pid", "4194304"]).refused(71, &["process 4194304 cannot be looked into", "there is no such process"]);
    let calls = fake.calls("GetParameters").len();
    changed(&["--pid", "4194304", "--tolerant"]).expect(0).says(&["warn: process 4194304"]);
    assert_eq!(fake.calls("GetParameters").len(), calls, "nothing is asked for a process that is not there");
    // A line that asks for nothing is wrong, also for a probe.
    let pid = service.process.0.id().to_string();
    stepzero(&fake, ["changed", "--pid", &pid, "--tolerant"]).output().refused(64, &["nothing to do"]);
}

/// While stepzero still fetches, the variable can hold what was inherited.
#[test]
fn a_process_that_is_still_stepzero_cannot_be_told() {
    let fake = Fake::start();
    put(&fake, "app.password", "value");
    fake.fault(Fault::always(Action::Hang).operation("GetParameters"));
    let spec = TempFile::spec(ONE);
    let path = spec.arg();
    let run = stepzero(&fake, ["exec", "-s", &path, "--", "true"]).env("DATABASE_PASSWORD", "old");
    let waiting = Guard(run.spawn());
    fake.wait_until(|log| log.iter().any(|entry| entry.operation == "GetParameters"));
    let pid = waiting.0.id().to_string();
    stepzero(&fake, ["changed", "-s", &path, "--pid", &pid]).output().refused(71, &["is stepzero itself"]);
}

#[test]
fn the_unit_is_asked_of_systemctl() {
    let (fake, service) = one();
    let spec = TempFile::spec(ONE);
    let (path, pid) = (spec.arg(), service.process.0.id());
    let answer = |script: &str| {
        let directory = Directory::new();
        directory.file_of_mode("systemctl", &format!("#!/bin/sh\n{script}\n"), 0o755);
        let path_variable = format!("{}:/usr/bin:/bin", directory.path().display());
        let run = stepzero(&fake, ["changed", "-s", &path, "--unit", "web"]).env("PATH", path_variable);
        run.output()
    };
    let running = format!("echo \"$@\" >&2; printf 'LoadState=loaded\\nActiveState=active\\nMainPID={pid}\\n'");
    answer(&running).prints("nothing changed: 1 variable\n");
    let stopped = "printf 'LoadState=loaded\\nActiveState=failed\\nMainPID=0\\n'";
    answer(stopped).refused(71, &["web.service has no main process: it is failed"]);
    answer("printf 'LoadState=not-found\\nActiveState=inactive\\nMainPID=0\\n'")
        .refused(71, &["there is no unit web.service"]);
    answer("exit 1").refused(71, &["systemctl failed", "--pid"]);
    answer("printf 'Failed to connect to bus'").refused(71, &["it names none"]);
    let asked =
        "[ \"$*\" = 'show --property=LoadState,ActiveState,MainPID -- web.service' ] && echo LoadState=not-found";
    answer(asked).refused(71, &["there is no unit"]);
}

#[test]
fn a_change_is_reported_after_a_part_of_the_spread() {
    let (fake, service) = one();
    put(&fake, "app.password", "another");
    // Of a day, a part that is no second: one in 86400 machines would see it now.
    let ran = service.changed(&["--spread", "24h"]).expect(0);
    ran.shows(&["DATABASE_PASSWORD: app.password version 2", "the process has another value: reported from 2"]);
    let json = service.changed(&["--spread", "24h", "--format", "json"]).expect(0).json();
    assert_eq!(json["waiting"][0]["variable"], "DATABASE_PASSWORD", "{json}");
    assert_eq!(json["changed"], json!([]), "{json}");
    // The store's clock a day back: whatever the part is, it has passed.
    fake.clock_skew(-86_400);
    put(&fake, "app.password", "yet another");
    service.changed(&["--spread", "24h"]).expect(1);
}

#[test]
fn a_process_of_another_user_is_not_looked_into() {
    if !is_root("changed::a_process_of_another_user", "it changes its user") {
        return;
    }
    let (fake, service) = one();
    let pid = service.process.0.id().to_string();
    let line = ["changed", "--parameter", "DATABASE_PASSWORD=app.password", "--pid", &pid];
    let mut command = stepzero(&fake, line).behind(&["setpriv", "--reuid=65534", "--clear-groups"]);
    Ran::of(&mut command).refused(71, &["cannot be looked into: permission denied", "its own user"]);
}
