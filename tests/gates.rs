//! Gates on what a start costs, by counts that do not flicker: calls, connections, system calls, instructions, bytes.
//! Times are for `tests/bench/run`. The counts are of the binary that `STEPZERO_BINARY` names (the release build);
//! without it, what does not depend on the build is counted on the one under test. BENCHMARKS.md has the figures.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{STEPZERO, Spec, stepzero};
use fake_aws::{Fake, Service};

/// A fake with so many parameters and a spec that asks for them.
fn world(count: usize) -> (Fake, Spec) {
    let fake = Fake::start();
    for at in 0..count {
        fake.put(&format!("/gate/k{at}"), "SecureString", "a value of some length, as passwords have");
    }
    let names = (0..count).map(|at| format!("K{at} = {{ parameter = \"/gate/k{at}\" }}\n"));
    (fake, Spec::new(&format!("[env]\n{}", names.collect::<String>())))
}

/// With answers that take a while, all connections are opened; how many more than the first ones, when answers come at once,
/// is a matter of moments.
fn slow_world(count: usize) -> (Fake, Spec) {
    let (fake, spec) = world(count);
    fake.delay(Duration::from_millis(100));
    (fake, spec)
}

/// The release build, or else why there is none.
fn release(gate: &str) -> Option<PathBuf> {
    let path = std::env::var_os("STEPZERO_BINARY").map(PathBuf::from);
    if path.is_none() {
        common::skip(gate, "STEPZERO_BINARY does not name the release build");
    }
    path
}

fn is_there(tool: &str, gate: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        common::skip(gate, &format!("{tool} is not installed"));
    }
    found
}

/// `TOOL ARGS BINARY ARGS`, in the environment of a run against this fake. Returns what it wrote to stderr.
fn under(tool: &[&str], binary: &Path, fake: &Fake, args: &[&str]) -> String {
    let plain = stepzero(fake, args).command();
    let mut command = Command::new(tool[0]);
    command.args(&tool[1..]).arg(binary).args(args).env_clear().stdin(Stdio::null());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().expect("it is there");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{tool:?}: {stderr}");
    stderr
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
    for (parameters, at_least) in [(100, 2), (500, 3)] {
        let (fake, spec) = world(parameters);
        stepzero(&fake, ["exec", "-s", &spec.arg(), "--", "/bin/true"]).output().expect(0);
        let accepted = fake.connections().accepted;
        assert!(accepted >= at_least, "{accepted} connections for {parameters} parameters");
    }
    let (fake, spec) = world(3);
    stepzero(&fake, ["exec", "-s", &spec.arg(), "--", "/bin/true"]).output().expect(0);
    assert_eq!(fake.connections().accepted, 1);
}

/// Nothing to fetch: no sockets, and no file of AWS's is looked at.
#[test]
fn nothing_to_fetch_costs_nothing() {
    if !is_there("strace", "nothing_to_fetch_costs_nothing") {
        return;
    }
    let (fake, _) = world(0);
    let strace = ["strace", "-f", "-qq", "-e", "trace=network,epoll_create1,open,openat"];
    let calls = under(&strace, Path::new(STEPZERO), &fake, &["exec", "--references", "--", "/bin/true"]);
    for unwanted in ["socket", "connect(", "epoll_create1", ".aws", "resolv.conf", "ssl"] {
        assert!(!calls.contains(unwanted), "{unwanted} in:\n{calls}");
    }
}

#[test]
fn system_calls_up_to_the_exec() {
    let gate = "system_calls_up_to_the_exec";
    let (Some(binary), true) = (release(gate), is_there("strace", gate)) else { return };
    for (parameters, most) in [(3, SYSTEM_CALLS_FOR_3), (500, SYSTEM_CALLS_FOR_500)] {
        // One connection does for ten names; each further wait of a slow answer is a call.
        let (fake, spec) = if parameters > 10 { slow_world(parameters) } else { world(parameters) };
        let args = ["exec", "-s", &spec.arg(), "--", "/bin/true"];
        // The fewest of a few runs: on a busy machine, an answer that is late is waited for more than once.
        let runs = (0..RUNS).map(|_| calls_up_to_the_exec(&binary, &fake, &args));
        let fewest = runs.min_by_key(Vec::len).expect("there are runs");
        println!("{parameters} parameters: {} system calls", fewest.len());
        assert!(fewest.len() <= most, "{} for {parameters} parameters:\n{}", fewest.len(), fewest.join("\n"));
    }
}

/// One of so many finds the machine quiet.
const RUNS: usize = 5;

/// The system calls of all threads, from the first exec to that of `/bin/true`.
fn calls_up_to_the_exec(binary: &Path, fake: &Fake, args: &[&str]) -> Vec<String> {
    let strace = ["strace", "-f", "-qq", "-e", "signal=none"];
    let calls = under(&strace, binary, fake, args);
    let calls = calls.lines().filter(|line| !line.contains("resumed>")).map(str::to_owned);
    let mut calls: Vec<String> = calls.collect();
    let exec = calls.iter().rposition(|call| call.contains("execve(\"/bin/true\"")).expect("it became the command");
    calls.truncate(exec);
    assert!(calls.iter().any(|call| call.contains("connect(")), "it fetched nothing:\n{}", calls.join("\n"));
    calls
}

/// `check` does what exec does, but ends where the profiler can see it.
#[test]
fn instructions() {
    let gate = "instructions";
    let (Some(binary), true) = (release(gate), is_there("valgrind", gate)) else { return };
    let mut counts = Vec::new();
    for parameters in [3, 100, 500] {
        let (fake, spec) = slow_world(parameters);
        let callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
        let said = under(&callgrind, &binary, &fake, &["check", "-s", &spec.arg()]);
        let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<u64>().ok());
        counts.push(count.expect("callgrind says how many"));
    }
    println!("instructions for 3, 100 and 500 parameters: {counts:?}");
    assert!(counts[0] <= INSTRUCTIONS_FOR_3, "{counts:?}");
    assert!(counts[2] <= INSTRUCTIONS_FOR_500, "{counts:?}");
    // 400 parameters more cost at most so many times what the 97 before them did: nothing is quadratic.
    assert!(counts[2] - counts[1] <= (counts[1] - counts[0]) * 5, "{counts:?}");
}

#[test]
fn size_of_the_binary() {
    let Some(binary) = release("size_of_the_binary") else { return };
    let size = std::fs::metadata(&binary).expect("STEPZERO_BINARY exists").len();
    println!("{size} bytes");
    assert!(size <= BINARY_BYTES, "{size} bytes");
}

/// What was reached, with room for another loader, C library and compiler. BENCHMARKS.md has the goals.
const SYSTEM_CALLS_FOR_3: usize = 120;
const SYSTEM_CALLS_FOR_500: usize = 1_050;
const INSTRUCTIONS_FOR_3: u64 = 4_600_000;
const INSTRUCTIONS_FOR_500: u64 = 115_000_000;
const BINARY_BYTES: u64 = 4_600_000;
