//! The disk, under strace: no file is opened for writing, no process is started, and the canary is in two places only:
//! in what the socket gave, and in the environment of the exec.

use std::ffi::OsStr;
use std::process::Command;

use crate::canary::{self, VALUE};
use crate::common::{Directory, Ran, STEPZERO, has_program, is_root, peer};
use crate::support::fake;

/// The calls of stepzero, up to the exec of the command, and that exec itself.
struct Trace {
    before: Vec<String>,
    exec: String,
}

/// Every call of a program and what it starts. `None` where there is no strace.
fn strace(program: &[&OsStr], change: impl FnOnce(&mut Command)) -> Option<Vec<String>> {
    let (fake, directory) = (fake(), Directory::open());
    if !has_program("strace", "the disk under strace") {
        return None;
    }
    let log = directory.join("strace");
    let mut command = Command::new("strace");
    // -v and -s: whole environments and whole buffers.
    command.args(["-f", "-v", "-s", "1000000", "-o"]).arg(&log).args(program);
    command.env_clear().envs(fake.env()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LOG_SENSITIVE_BODIES", "true").env("RUST_LOG", "trace").env("TMPDIR", directory.path());
    change(&mut command);
    Ran::of(command.current_dir(directory.path())).expect(0);
    let text = std::fs::read_to_string(&log).expect("strace wrote it");
    // Without the number of the thread.
    let call = |line: &str| line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().to_owned();
    Some(text.lines().map(call).collect())
}

fn trace(args: &[&str]) -> Option<Trace> {
    let program: Vec<&OsStr> = [STEPZERO].iter().chain(args).map(OsStr::new).collect();
    let mut calls = strace(&program, |_| {})?.into_iter();
    let first = calls.next().expect("the exec of stepzero");
    assert!(first.starts_with("execve("), "{first}");
    let mut before = Vec::new();
    for call in calls {
        if call.starts_with("execve(") {
            return Some(Trace { before, exec: call });
        }
        before.push(call);
    }
    panic!("no exec in {before:#?}");
}

fn name(call: &str) -> &str {
    call.split('(').next().unwrap_or(call)
}

fn check(trace: &Trace) {
    for call in &trace.before {
        let opens = ["open", "openat", "openat2", "creat"].contains(&name(call));
        let writing = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"].iter().any(|flag| call.contains(flag));
        assert!(!opens || !writing, "opened for writing: {call}");
        let changes = ["mkdir", "mknod", "rename", "link", "symlink", "truncate", "chmod", "chown", "unlink"];
        assert!(!changes.iter().any(|change| name(call).starts_with(change)), "the disk is changed: {call}");
        assert!(!["fork", "vfork"].contains(&name(call)), "a child: {call}");
        assert!(!name(call).starts_with("clone") || call.contains("CLONE_THREAD"), "a child: {call}");
        if canary::found(call.as_bytes()).is_some() {
            let reads = ["recvfrom", "recvmsg", "read", "readv"].contains(&name(call));
            assert!(reads, "the canary goes out by {call}");
        }
    }
}

#[test]
fn the_canary_comes_by_a_socket_and_goes_by_the_exec() {
    let args = ["exec", "-vvv", "--scope", "shared", "-k", "canary", "--load", "/load", "--", "true"];
    let Some(trace) = trace(&args) else { return };
    check(&trace);
    let arrived = trace.before.iter().any(|call| canary::found(call.as_bytes()).is_some());
    assert!(arrived, "the control: strace shows what a socket gives");
    assert!(canary::found(trace.exec.as_bytes()).is_some(), "the control: strace shows environments: {}", trace.exec);
    let arguments = trace.exec.split(']').next().unwrap_or_default();
    assert_eq!(canary::found(arguments.as_bytes()), None, "in the arguments");
}

#[test]
fn a_file_is_memory_and_is_sealed_before_the_exec() {
    let directory = Directory::open();
    let spec = directory.file("spec.toml", "scopes = [\"shared\"]\n[files]\nF = { key = \"canary\" }\n");
    let args = ["exec", "--allow-writable-spec", "-s", &spec, "--", "true"];
    let Some(mut trace) = trace(&args) else { return };
    let position = |name_: &str, trace: &Trace| trace.before.iter().position(|call| name(call) == name_);
    let made = position("memfd_create", &trace).expect("sealed memory is made");
    let descriptor = trace.before[made].rsplit("= ").next().unwrap_or_default().trim().to_owned();
    let is_write = |call: &String| name(call) == "write" && call.starts_with(&format!("write({descriptor},"));
    assert!(trace.before.iter().any(|call| is_write(call) && canary::found(call.as_bytes()).is_some()));
    let sealed = trace.before.iter().any(|call| call.contains("F_ADD_SEALS") && call.contains("F_SEAL_WRITE"));
    assert!(sealed, "it is not sealed");
    trace.before.retain(|call| !is_write(call));
    check(&trace);
    assert_eq!(canary::found(trace.exec.as_bytes()), None, "the variable holds a path: {VALUE}");
}

#[test]
fn a_credential_goes_to_its_connection_and_nowhere_else() {
    if !is_root("a_credential_goes_to_its_connection", "only root is answered") {
        return;
    }
    let directory = Directory::open();
    directory.file("web.toml", "scopes = [\"shared\"]\n[env]\nc = \"canary\"\n");
    let (client, server) = peer::connection(directory.path(), "/unit/web.service/c", 0);
    let line = peer::line(STEPZERO.as_ref(), directory.path(), &["-vvv", "--allow-writable-spec"]);
    let line: Vec<&OsStr> = line.iter().map(|word| word.as_os_str()).collect();
    let connect = |command: &mut Command| {
        command.stdin(server);
    };
    let Some(calls) = strace(&line, connect) else { return };
    let start = calls.iter().rposition(|call| call.starts_with("execve(")).expect("the exec of stepzero");
    let mut trace = Trace { before: calls[start + 1..].to_vec(), exec: String::new() };
    let to_systemd = |call: &String| ["write(3,", "sendto(3,"].iter().any(|begin| call.starts_with(begin));
    let answers = trace.before.iter().filter(|call| to_systemd(call) && canary::found(call.as_bytes()).is_some());
    assert_eq!(answers.count(), 1, "the control: strace shows the answer");
    trace.before.retain(|call| !to_systemd(call));
    check(&trace);
    assert_eq!(peer::received(client), VALUE.as_bytes());
}
