//! `stepzero credential`, with the test in systemd's place: the peer's address, the accepted connection as descriptor 3,
//! and what must never be: an end without data when something went wrong.

mod common;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;

use common::peer::{self, REFUSAL};
use common::{Directory, NOBODY, Ran, STEPZERO, article, is_root, offline, piped};
use fake_aws::{Action, Fake, Fault};
use nix::sys::signal::{Signal, kill};

const WEB: &str = "project = \"projectA\"\nenvironment = \"production\"\n[env]\npassword = \"database_password\"\n\
    absent = \"nobody_has_it\"\nmaybe = { key = \"nobody_has_it\", optional = true }\n\
    level = { key = \"nobody_has_it\", default = \"info\" }\nhost = { key = \"host\", json = \"a.b\" }\n\
    [files]\n\"tls.key\" = { key = \"keystore\", decode = \"base64\" }\n[[load]]\npath = \"/never\"\n";

struct Asked {
    client: UnixStream,
    child: Child,
    /// By which messages call it.
    address: String,
}

/// Connects as systemd does, and starts stepzero on the other end. `uid` connects.
fn ask(fake: &Fake, units: &Directory, address: &str, uid: u32) -> Asked {
    ask_with(&[], fake, units, address, uid)
}

fn ask_with(options: &[&str], fake: &Fake, units: &Directory, address: &str, uid: u32) -> Asked {
    let (client, server) = peer::connection(units.path(), address, uid);
    let options: Vec<&str> = ["-v"].iter().chain(options).copied().collect();
    let mut command = peer::server(Path::new(STEPZERO), units.path(), &options, server);
    Asked { client, child: piped(command.envs(fake.env())), address: address.to_owned() }
}

impl Asked {
    fn answer(self) -> (Vec<u8>, Ran) {
        (peer::received(self.client), Ran::of_child(self.child).case(self.address))
    }

    #[track_caller]
    fn is(self, want: &[u8]) -> Ran {
        let (bytes, ran) = self.answer();
        let ran = ran.expect(0);
        assert!(bytes == want, "{} bytes instead of {}", bytes.len(), want.len());
        ran
    }

    #[track_caller]
    fn must_be_refused(self, code: i32, parts: &[&str]) {
        let (bytes, ran) = self.answer();
        ran.expect(code).says(parts);
        assert!(bytes.len() == REFUSAL && bytes.iter().all(|byte| *byte == 0), "{} bytes", bytes.len());
    }
}

/// The directory with the spec of `web.service`.
fn web(text: &str) -> Directory {
    let units = Directory::new();
    units.file("web.toml", text);
    units
}

/// Skips where nobody would be answered.
fn root() -> bool {
    is_root("credential", "only root is answered")
}

#[test]
fn a_credential_is_the_value_and_nothing_else() {
    if !root() {
        return;
    }
    let fake = article();
    fake.put("projectA.production.host", "SecureString", r#"{"a":{"b":"db1"}}"#);
    fake.put("production.keystore", "SecureString", "AAEC/wA=");
    let units = web(WEB);
    for (name, want) in [
        ("password", &b"d)Dmfj@)(dJF!hp"[..]),
        ("level", b"info"),
        ("maybe", b""),
        ("host", b"db1"),
        ("tls.key", &[0, 1, 2, 255, 0]),
    ] {
        fake.clear_log();
        let ran = ask(&fake, &units, &format!("/unit/web.service/{name}"), 0).is(want);
        ran.prints("").hides(&["Dmfj"]);
        let calls = fake.calls("GetParameters");
        assert_eq!((calls.len(), calls[0].names.len()), (1, 4), "only this key, in four scopes: {name}");
        assert!(fake.calls("GetParametersByPath").is_empty());
    }
}

#[test]
fn an_instance_takes_its_own_spec_before_its_template_s() {
    if !root() {
        return;
    }
    let fake = article();
    let units = web(WEB);
    let template = "[env]\na = { parameter = \"shared.database_password\" }\n";
    units.file("t@.toml", template);
    units.file("t@own.toml", template.replace("shared.database_password", "shared.newrelic_key"));
    ask(&fake, &units, "/unit/t@any.service/a", 0).is(b"the wrong one");
    ask(&fake, &units, "/unit/t@own.service/a", 0).is(b"2039402939302293029230923093");
}

#[test]
fn every_failure_is_more_than_systemd_takes() {
    if !root() {
        return;
    }
    let fake = article();
    let units = web(WEB);
    let about = "for the credential";
    let rows: [(&[&str], &str, u32, i32, &[&str]); 11] = [
        (&[], "web.service/absent", 0, 66, &["nobody_has_it", about, "absent of web.service"]),
        (&[], "web.service/unknown", 0, 78, &["no such name", "unknown", about]),
        (&[], "web.service/PASSWORD", 0, 78, &["no such name"]),
        (&[], "other.service/password", 0, 66, &["other.toml", "cannot be read"]),
        (&[], "..service/password", 0, 64, &["not a name that systemd would give"]),
        (&[], "web.socket/password", 0, 64, &["is not a service"]),
        (&[], "x/../web.service/password", 0, 64, &["not RANDOM/unit/UNIT/CREDENTIAL"]),
        (&[], "web.service/refused", NOBODY, 77, &["the peer is not root"]),
        (&["--spec", "x"], "web.service/level", 0, 64, &["--spec", "--units"]),
        (&["--bogus"], "web.service/bogus", 0, 64, &["--bogus"]),
        (&["--timeout", "x"], "web.service/late", 0, 64, &["--timeout"]),
    ];
    for (options, address, uid, code, words) in rows {
        ask_with(options, &fake, &units, &format!("/unit/{address}"), uid).must_be_refused(code, words);
    }
    units.file("web.toml", "nonsense = 1\n");
    ask(&fake, &units, "/unit/web.service/password", 0).must_be_refused(78, &["web.toml:1:1"]);
    assert!(fake.calls("GetParameters").len() == 1, "only what is in a spec is asked for");
}

#[test]
fn a_signal_is_a_refusal_too() {
    if !root() {
        return;
    }
    let fake = article();
    fake.fault(Fault::always(Action::Hang).operation("GetParameters"));
    let units = web(WEB);
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGXCPU, Signal::SIGSEGV, Signal::SIGABRT, Signal::SIGBUS] {
        fake.clear_log();
        let asked = ask(&fake, &units, "/unit/web.service/password", 0);
        fake.wait_until(|log| log.iter().any(|entry| entry.operation == "GetParameters"));
        let pid = nix::unistd::Pid::from_raw(i32::try_from(asked.child.id()).expect("a PID"));
        kill(pid, signal).expect("it runs");
        asked.must_be_refused(128 + signal as i32, &[]);
    }
}

#[test]
fn without_a_connection_it_is_a_wrong_use() {
    offline(["credential"]).output().expect(64).says(&["there is no connection to answer"]);
}
