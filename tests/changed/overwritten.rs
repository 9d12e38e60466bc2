//! Programs that write over their environment: what they hold cannot be told, and is never taken for a change.

use std::fs::read_to_string;

use fake_aws::Fake;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::common::{Directory, NOBODY, has_program, is_root};
use super::{Service, put};

/// The secret stands between other variables of stepzero, and behind what was inherited.
const SPEC: &str = "[env]\nFIRST = { parameter = \"app.first\" }\nSECRET = { parameter = \"app.secret\" }\nZLAST = { parameter = \
                    \"app.last\" }\n";

fn furnished() -> Fake {
    let fake = Fake::start();
    for name in ["app.first", "app.secret", "app.last"] {
        put(&fake, name, &format!("the first value of {name}"));
    }
    fake
}

/// Cannot be told with the values that it was started with, nor after they were rotated.
#[track_caller]
fn cannot_be_told(service: &Service, why: &str) {
    service.changed(&[]).expect(71).says(&["cannot tell whether", why]);
    rotate(&service.fake);
    service.changed(&[]).expect(71).says(&["cannot tell whether", why]).hides(&["first value", "second value"]);
    service.changed(&["--tolerant"]).expect(0);
}

fn rotate(fake: &Fake) {
    for name in ["app.first", "app.secret", "app.last"] {
        put(fake, name, &format!("the second value of {name}"));
    }
}

/// Python that has `entries`, the addresses and lengths of the strings of its environment, and `of(name)`.
const PYTHON: &str = r#"
import ctypes, time
libc = ctypes.CDLL(None)
environ = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")
entries, at = [], 0
while environ[at]:
    entries.append((environ[at], len(ctypes.string_at(environ[at]))))
    at += 1
def of(name):
    start, length = next((start, length) for start, length in entries if ctypes.string_at(start).startswith(name + b"="))
    return start + len(name) + 1, length - len(name) - 1
"#;

fn python(change: &str) -> Service {
    let script = format!("{PYTHON}\n{change}\nprint(flush=True)\ntime.sleep(1000)\n");
    Service::start_as(&furnished(), SPEC, &["python3", "-c", &script])
}

#[test]
fn a_cleared_environment_cannot_be_told() {
    let service = python("for start, length in entries: ctypes.memset(start, 0, length)");
    cannot_be_told(&service, "SECRET: the process has written over its environment");
}

#[test]
fn a_value_that_was_wiped_cannot_be_told() {
    for change in [
        "ctypes.memset(*of(b'SECRET')[:1], 0, of(b'SECRET')[1])",
        "ctypes.memset(of(b'SECRET')[0], 0, 1)",
        "ctypes.memset(of(b'SECRET')[0], ord('x'), of(b'SECRET')[1])",
        "ctypes.memset(of(b'SECRET')[0], ord(' '), of(b'SECRET')[1])",
    ] {
        let service = python(change);
        let ran = service
            .changed(&[])
            .expect(71)
            .says(&["cannot tell whether 1 variable changed", "SECRET: the process has w"]);
        assert!(!ran.stdout().contains("FIRST"), "the others are as they were: {ran}");
    }
}

/// unsetenv(3) forgets a string, and leaves it where it was.
#[test]
fn an_environment_that_was_only_forgotten_can_be_told() {
    let service = python("import os; os.environ.clear(); os.environ['SECRET'] = 'its own'");
    service.changed(&[]).expect(0);
    rotate(&service.fake);
    service.changed(&[]).expect(1).shows(&["FIRST: ", "SECRET: ", "ZLAST: "]);
}

#[test]
fn another_environment_cannot_be_told() {
    let line = ["env", "-i", "sh", "-c", "echo; exec sleep 1000"];
    let service = Service::start_as(&furnished(), SPEC, &line);
    cannot_be_told(&service, "SECRET: the process was started without it");
}

#[test]
fn a_title_of_perl_cannot_be_told() {
    for title in ["short", &"long ".repeat(200), &"SECRET=x ".repeat(200)] {
        let script = format!("$0 = '{title}'; $| = 1; print qq(\\n); sleep 1000");
        let service = Service::start_as(&furnished(), SPEC, &["perl", "-e", &script]);
        cannot_be_told(&service, "SECRET: the process has written over its environment");
    }
}

#[test]
fn files_that_were_closed_or_replaced_cannot_be_told() {
    let spec = "[files]\nTLS_KEY = { parameter = \"app.secret\" }\n";
    let close = "n = int(os.environ['TLS_KEY'].rsplit('/', 1)[1]); os.close(n)";
    for (change, why) in [
        (close.to_owned(), "closed its sealed memory"),
        (format!("{close}; m = os.open('/dev/null', 0); os.dup2(m, n)"), "its descriptor is another file now"),
        (format!("{close}; m = os.memfd_create('other'); os.dup2(m, n)"), "its descriptor is another file now"),
    ] {
        let script = format!("import os, time\n{change}\nprint(flush=True)\ntime.sleep(1000)\n");
        let service = Service::start_as(&furnished(), spec, &["python3", "-c", &script]);
        service.changed(&[]).expect(71).says(&["TLS_KEY: ", why]);
    }
    // Where it was read to does not matter.
    let read =
        "open(os.environ['TLS_KEY']).read(); f = os.fdopen(int(os.environ['TLS_KEY'].rsplit('/', 1)[1])); f.read()";
    let script = format!("import os, time\n{read}\nprint(flush=True)\ntime.sleep(1000)\n");
    let service = Service::start_as(&furnished(), spec, &["python3", "-c", &script]);
    service.changed(&[]).expect(0);
    rotate(&service.fake);
    service.changed(&[]).expect(1).shows(&["TLS_KEY: app.secret version 2"]);
}

/// Ends a server that the process which exec has become has started.
struct Server(String);

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.0.parse().expect("a number"));
        // It can have ended.
        let _ = kill(pid, Signal::SIGQUIT);
    }
}

/// It writes the title of its master process over its environment.
#[test]
fn nginx_cannot_be_told() {
    if !has_program("/usr/sbin/nginx", "changed::nginx_cannot_be_told") {
        return;
    }
    let directory = Directory::new();
    let (pid, socket) = (directory.arg("pid"), directory.arg("socket"));
    let config = format!(
        "user root; pid {pid}; error_log stderr;\nevents {{}}\nhttp {{ access_log off; server {{ listen unix:{socket}; }} }}\n"
    );
    let config = directory.file("nginx.conf", config);
    // Before its title it has written the pid file. Until it is started, the command line is that of this script.
    let script = format!(
        "/usr/sbin/nginx -c {config} -g 'daemon off;' & while ! grep -q '^nginx: master' /proc/$!/cmdline; do :; done; echo; wait"
    );
    let service = Service::start_as(&furnished(), SPEC, &["bash", "-c", &script]);
    let master = Server(read_to_string(&pid).expect("nginx writes it").trim().to_owned());
    let changed = || service.changed_pid(&master.0, &[]);
    changed().expect(71).says(&["SECRET: the process has written over its environment"]);
    rotate(&service.fake);
    changed().expect(71).says(&["SECRET: the process has written over its environment"]).hides(&["value of"]);
}

/// Its main process leaves its environment alone, and can be told; what it forks writes titles over it.
#[test]
fn postgresql_can_be_told_of_its_main_process_alone() {
    let name = "changed::postgresql_can_be_told";
    let Some(bin) = postgresql() else { return super::common::skip(name, "PostgreSQL is not installed") };
    if !is_root(name, "it runs as another user") {
        return;
    }
    let directory = Directory::open();
    let owned = std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY));
    owned.expect("root may");
    let (data, log) = (directory.arg("data"), directory.arg("log"));
    let script = format!(
        "exec 3>&1; {bin}/initdb --no-sync --auth=trust -U x -D {data} > {log}; echo | exec {bin}/postgres -D {data} -k {data} \
         -c listen_addresses='' 2>&1 | sed -u -n '/ready to accept/{{s/.*//;p}}' >&3"
    );
    let line = ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", &script];
    let service = Service::start_as(&furnished(), SPEC, &line);
    let pid = read_to_string(directory.join("data/postmaster.pid")).expect("it writes it");
    let main = Server(pid.lines().next().expect("its number").to_owned());
    let children = read_to_string(format!("/proc/{0}/task/{0}/children", main.0)).expect("it forks");
    service.changed_pid(&main.0, &[]).expect(0);
    rotate(&service.fake);
    service.changed_pid(&main.0, &[]).expect(1);
    for child in children.split_whitespace() {
        service.changed_pid(child, &[]).expect(71).says(&["has written over its environment"]);
    }
}

/// Debian keeps it out of `PATH`.
fn postgresql() -> Option<String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let bins = versions.map(|version| version.path().join("bin"));
    let bin = bins.into_iter().find(|bin| bin.join("initdb").exists())?;
    Some(bin.to_string_lossy().into_owned())
}
