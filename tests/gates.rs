//! Gates on what a start costs, by counts that do not flicker: calls, connections, peak memory, size of the binary.
//! Times are for `tests/bench/run`. Memory and size are of the binary that `STEPZERO_BINARY` names (the shipped one);
//! without it, what does not depend on the build is counted on the one under test. BENCHMARKS.md has the figures.

mod common;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Ran, TempFile, has_program, is_root, skip, stepzero};
use fake_aws::{Fake, Service};

/// A fake with so many parameters and a spec that asks for them.
fn world(count: usize) -> (Fake, TempFile) {
    let fake = Fake::start();
    for at in 0..count {
        fake.put(&format!("/gate/k{at}"), "SecureString", "a value of some length, as passwords have");
    }
    let names = (0..count).map(|at| format!("K{at} = {{ parameter = \"/gate/k{at}\" }}\n"));
    (fake, TempFile::spec(format!("[env]\n{}", names.collect::<String>())))
}

/// With answers that take a while, all connections are opened; how many more than the first ones, when answers come at once,
/// is a matter of moments.
fn slow_world(count: usize) -> (Fake, TempFile) {
    let (fake, spec) = world(count);
    fake.delay(Duration::from_millis(100));
    (fake, spec)
}

/// The release build, or else why there is none.
fn release(gate: &str) -> Option<PathBuf> {
    let path = std::env::var_os("STEPZERO_BINARY").map(PathBuf::from);
    if path.is_none() {
        skip(gate, "STEPZERO_BINARY does not name the release build");
    }
    path
}

#[test]
fn calls_and_connections() {
    for (parameters, calls, connections) in [(3, 1, 1), (10, 1, 1), (11, 2, 2), (100, 10, 10), (500, 50, 50)] {
        let (fake, spec) = slow_world(parameters);
        stepzero(&fake, ["exec", "-s", &spec.arg(), "--", "/bin/true"]).output().expect(0);
        assert_eq!(fake.log().iter().filter(|entry| entry.service == Service::Ssm).count(), calls, "{parameters}");
        assert_eq!(fake.connections().accepted, connections, "{parameters} parameters");
        // The Region and the role are asked for at once.
        assert_eq!(fake.imds_connections().accepted, 2, "{parameters} parameters");
        let imds = fake.log().iter().filter(|entry| entry.service == Service::Imds).count();
        assert_eq!(imds, 4, "a session token, the Region, the role, its credentials");
    }
}

/// Many requests have a few connections from the start, however fast the answers come.
#[test]
fn connections_at_once() {
    for (parameters, connections) in [(3, 1..=1), (100, 2..=10), (500, 3..=50)] {
        let (fake, spec) = world(parameters);
        stepzero(&fake, ["exec", "-s", &spec.arg(), "--", "/bin/true"]).output().expect(0);
        let accepted = fake.connections().accepted;
        assert!(connections.contains(&accepted), "{accepted} connections for {parameters} parameters");
    }
}

/// Nothing to fetch: no sockets, and no file of AWS's is looked at.
#[test]
fn nothing_to_fetch_costs_nothing() {
    if !has_program("strace", "nothing_to_fetch_costs_nothing") {
        return;
    }
    let strace = ["strace", "-f", "-qq", "-e", "trace=network,epoll_create1,open,openat"];
    let run = stepzero(&Fake::start(), ["exec", "--references", "--", "/bin/true"]);
    let calls = Ran::of(&mut run.behind(&strace)).expect(0).stderr();
    for unwanted in ["socket", "connect(", "epoll_create1", ".aws", "resolv.conf", "ssl"] {
        assert!(!calls.contains(unwanted), "{unwanted} in:\n{calls}");
    }
}

#[test]
fn peak_memory() {
    let Some(binary) = release("peak_memory") else { return };
    if !is_root("peak_memory", "only root may look at its memory") {
        return;
    }
    for (parameters, most) in [(3, PEAK_KIB_FOR_3), (500, PEAK_KIB_FOR_500)] {
        let (fake, spec) = slow_world(parameters);
        // `check` does what exec does; after an exec, the peak would be that of the command.
        let mut command = Command::new(&binary);
        command.args(["check", "-s", &spec.arg()]).env_clear().envs(fake.env());
        let peak = peak_kib(command);
        println!("{parameters} parameters: {peak} KiB");
        assert!(peak <= most, "{peak} KiB for {parameters} parameters");
    }
}

/// The most that it had in memory at once (VmHWM in proc_pid_status(5)), when it prints its result: into a pipe that is full, so
/// that it waits to be looked at. The peak that wait4(2) tells begins with the memory of the process that started it.
fn peak_kib(mut command: Command) -> i64 {
    let (mut reader, writer) = std::io::pipe().expect("descriptors are left");
    let flags = |flags: libc::c_int| {
        // SAFETY: fcntl(2) with F_SETFL on a descriptor that is ours.
        unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&writer), libc::F_SETFL, flags) }
    };
    flags(libc::O_NONBLOCK);
    while (&writer).write(&[b' '; 4096]).is_ok() {}
    flags(0);
    let mut child = command.stdin(Stdio::null()).stdout(writer).spawn().expect("STEPZERO_BINARY exists");
    drop(command);
    let place = format!("/proc/{}", child.id());
    let in_write = format!("{} 0x1 ", libc::SYS_write);
    // Root may look, although it is closed to others of its user.
    while !std::fs::read_to_string(format!("{place}/syscall")).expect("root may read it").starts_with(&in_write) {
        assert!(child.try_wait().expect("it is our child").is_none(), "it ended without a word");
        std::thread::yield_now();
    }
    let status = std::fs::read_to_string(format!("{place}/status")).expect("it is there");
    std::io::copy(&mut reader, &mut std::io::sink()).expect("a pipe");
    assert!(child.wait().expect("it is our child").success());
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn size_of_the_binary() {
    let Some(binary) = release("size_of_the_binary") else { return };
    let size = std::fs::metadata(&binary).expect("STEPZERO_BINARY exists").len();
    println!("{size} bytes");
    assert!(size <= BINARY_BYTES, "{size} bytes");
}

/// What was reached, with room for another C library and compiler. BENCHMARKS.md has the figures.
const PEAK_KIB_FOR_3: i64 = 7_000;
const PEAK_KIB_FOR_500: i64 = 10_000;
const BINARY_BYTES: u64 = 6_000_000;
