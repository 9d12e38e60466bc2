//! A bug in stepzero says where, and nothing of what it held.

use std::process::{Command, Output, Stdio};

use crate::canary::{self, VALUE};
use crate::common::{STEPZERO, stepzero};
use crate::peer;
use crate::support::{Directory, fake, shim};

const CHILD: &str = "STEPZERO_TEST_PANICS";

#[track_caller]
fn says_only_where(output: &Output) {
    use std::os::unix::process::ExitStatusExt as _;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(70), "{:?} {stderr}", output.status.signal());
    assert!(stderr.contains("stepzero: a bug in stepzero at ") && stderr.contains(".rs:"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "more than the place: {stderr}");
    assert_eq!(canary::found(&output.stderr), None, "{stderr}");
}

/// This test runs itself: the child lets the library set up its process, which a wrong command line ends early, and then
/// panics with the canary as its payload.
#[test]
fn a_panic_prints_the_place_and_no_payload() {
    if std::env::var_os(CHILD).is_some() {
        stepzero::run(std::env::args_os());
        let payload = VALUE.to_owned();
        panic!("the value is {payload}");
    }
    let output = Command::new(std::env::current_exe().expect("a test is a file"))
        .args(["--exact", "panics::a_panic_prints_the_place_and_no_payload", "--nocapture", "--test-threads=1"])
        .envs([(CHILD, "1"), ("RUST_BACKTRACE", "full"), ("RUST_LIB_BACKTRACE", "1")])
        .output()
        .expect("the test can be run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let from_panic: String =
        stderr.lines().filter(|line| line.contains("a bug")).map(|line| format!("{line}\n")).collect();
    assert!(!stderr.contains("the value is"), "{stderr}");
    assert_eq!(canary::found(&output.stdout), None);
    assert_eq!(canary::found(&output.stderr), None);
    says_only_where(&Output { stderr: from_panic.into_bytes(), ..output });
}

/// In front of the C library: once the canary came through a socket, the clock is broken, on which Rust panics.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
static int seen;
ssize_t recv(int fd, void *buffer, size_t size, int flags) {
    ssize_t (*real)(int, void *, size_t, int) = dlsym(RTLD_NEXT, "recv");
    ssize_t got = real(fd, buffer, size, flags);
    if (got > 0 && memmem(buffer, got, "cAnArY7Q3zKp9Xw2VbN4", 20)) seen = 1;
    return got;
}
int clock_gettime(clockid_t clock, struct timespec *time) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    if (seen) { errno = EINVAL; return -1; }
    return real(clock, time);
}
"#;

#[test]
fn a_panic_with_secrets_in_memory_prints_the_place_and_leaves_no_core() {
    let directory = Directory::new();
    let shim = shim(&directory, SHIM);
    let here = Directory::new();
    let fake = fake();
    let run = stepzero(&fake, ["exec", "-vvv", "--scope", "shared", "-k", "canary", "--", "/bin/true"])
        .env("LD_PRELOAD", &shim)
        .env("RUST_BACKTRACE", "full");
    let mut command = run.command();
    crate::core_dump::allow(&mut command);
    command.current_dir(here.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().expect("the binary was built by cargo");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(canary::found(&output.stderr), None, "{stderr}");
    let foreign: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("stepzero: ")).collect();
    assert!(foreign.is_empty(), "somebody else's words: {foreign:?}");
    let last: String = stderr.lines().filter(|line| line.contains("a bug")).map(|line| format!("{line}\n")).collect();
    says_only_where(&Output { stderr: last.into_bytes(), ..output });
    assert!(here.files().is_empty(), "{:?}", here.files());
}

#[test]
fn a_panic_refuses_a_credential() {
    if !nix::unistd::Uid::effective().is_root() {
        return crate::support::skip("a_panic_refuses_a_credential", "only root is answered");
    }
    let (directory, fake) = (Directory::new(), fake());
    directory.file("web.toml", "scopes = [\"shared\"]\n[env]\nc = \"canary\"\n");
    let (client, server) = peer::connection(directory.path(), "/unit/web.service/c", 0);
    let mut command = peer::server(STEPZERO.as_ref(), directory.path(), &["--allow-writable-spec"], server);
    command.envs(fake.env()).env("LD_PRELOAD", shim(&directory, SHIM)).env("RUST_BACKTRACE", "full");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a shell");
    drop(command);
    let got = peer::received(client);
    assert!(got.len() == peer::REFUSAL && got.iter().all(|byte| *byte == 0), "{} bytes", got.len());
    says_only_where(&child.wait_with_output().expect("it is our child"));
}
