//! A bug in stepzero says where, and nothing of what it held.

use std::process::Command;

use crate::canary::{self, VALUE};
use crate::common::peer;
use crate::common::{Directory, Ran, STEPZERO, is_root, piped, stepzero};
use crate::support::{fake, shim};

const CHILD: &str = "STEPZERO_TEST_PANICS";

/// It ended with 70, and told the place of the bug and nothing of what it held.
#[track_caller]
fn says_only_where(ran: Ran) {
    let ran = ran.expect(70);
    let stderr = ran.stderr();
    let lines: Vec<&str> = stderr.lines().filter(|line| line.contains("a bug")).collect();
    assert_eq!(lines.len(), 1, "more than the place: {ran}");
    assert!(lines[0].contains("stepzero: a bug in stepzero at ") && lines[0].contains(".rs:"), "{ran}");
    assert_eq!(canary::found(&[&ran.output.stdout[..], &ran.output.stderr].concat()), None, "{ran}");
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
    let mut command = Command::new(std::env::current_exe().expect("a test is a file"));
    command.args(["--exact", "panics::a_panic_prints_the_place_and_no_payload", "--nocapture", "--test-threads=1"]);
    command.envs([(CHILD, "1"), ("RUST_BACKTRACE", "full"), ("RUST_LIB_BACKTRACE", "1")]);
    says_only_where(Ran::of(&mut command).hides(&["the value is"]));
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
    let directory = Directory::open();
    let shim = shim(&directory, SHIM);
    let here = Directory::open();
    let fake = fake();
    let run = stepzero(&fake, ["exec", "-vvv", "--scope", "shared", "-k", "canary", "--", "/bin/true"])
        .env("LD_PRELOAD", &shim)
        .env("RUST_BACKTRACE", "full");
    let mut command = run.command();
    crate::core_dump::allow(&mut command);
    let ran = Ran::of(command.current_dir(here.path()));
    assert!(ran.stderr().lines().all(|line| line.starts_with("stepzero: ")), "somebody else's words: {ran}");
    says_only_where(ran);
    assert!(here.files().is_empty(), "{:?}", here.files());
}

#[test]
fn a_panic_refuses_a_credential() {
    if !is_root("a_panic_refuses_a_credential", "only root is answered") {
        return;
    }
    let (directory, fake) = (Directory::open(), fake());
    directory.file("web.toml", "scopes = [\"shared\"]\n[env]\nc = \"canary\"\n");
    let (client, server) = peer::connection(directory.path(), "/unit/web.service/c", 0);
    let mut command = peer::server(STEPZERO.as_ref(), directory.path(), &["--allow-writable-spec"], server);
    command.envs(fake.env()).env("LD_PRELOAD", shim(&directory, SHIM)).env("RUST_BACKTRACE", "full");
    let child = piped(&mut command);
    drop(command);
    let got = peer::received(client);
    assert!(got.len() == peer::REFUSAL && got.iter().all(|byte| *byte == 0), "{} bytes", got.len());
    let ran = Ran::of_child(child);
    assert_eq!(ran.stderr().lines().count(), 1, "more than the place: {ran}");
    says_only_where(ran);
}
