//! Signals during the fetch: gone within 100 ms, by that signal or, as PID 1, with 128 + its number; never started.
//! What was ignored or blocked at the start, as under nohup, stays so and stops nothing.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::time::{Duration, Instant};

use fake_aws::{Action, Fake, Fault, Gate};

use crate::common::{Ran, Run, VALUE, before_exec, block_signals, can_unshare, piped, set_signal, stepzero, together};

const SIGNALS: [i32; 5] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1];

/// Four requests to IMDS and 46 pages: a moment each.
const MOMENTS: usize = 50;
/// A busy machine can hold up a process that is about to die; not so often.
const LATE: usize = 2;

fn many_requests() -> (Fake, Run) {
    let fake = Fake::builder().tls(false).start();
    for at in 0..46 {
        fake.put(&format!("/app/p{at:02}"), "SecureString", VALUE);
    }
    fake.page_size(1);
    let run = stepzero(&fake, ["exec", "--load", "/app", "--", "sh", "-c", "echo started"]);
    (fake, run)
}

/// The only child of a process.
fn child_of(pid: u32) -> i32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).expect("the process is there");
    children.trim().parse().expect("one child")
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: kill(2) on a process that this test started and has not waited for.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

/// Holds the n-th request, sends the signal, and tells how long the end took.
fn interrupted(
    fake: &Fake,
    moment: usize,
    signal: i32,
    spawn: impl Fn() -> Child,
    pid: impl Fn(&Child) -> i32,
) -> (Ran, Duration) {
    fake.clear_log();
    fake.clear_faults();
    let gate = Gate::new();
    fake.fault(Fault::always(Action::Hold(gate.clone())).nth(moment as u64));
    let child = spawn();
    fake.wait_until(|log| log.iter().any(|entry| entry.fault.is_some()));
    let target = pid(&child);
    let begun = Instant::now();
    kill(target, signal);
    let ran = Ran::of_child(child);
    let took = begun.elapsed();
    gate.release();
    (ran, took)
}

fn every_moment(name: &str, spawn: impl Fn(&Run) -> Child + Sync, pid: impl Fn(&Child) -> i32 + Sync, dies: bool) {
    for signal in SIGNALS {
        // Under nohup the suite itself inherits an ignored signal, and so would every child.
        set_signal(signal, libc::SIG_DFL);
    }
    let halves = [0, 1];
    together(2, &halves, |half| {
        let (fake, run) = many_requests();
        let mut late = Vec::new();
        for moment in (1..=MOMENTS).filter(|moment| moment % 2 == *half) {
            let signal = SIGNALS[moment / 2 % SIGNALS.len()];
            let (ran, took) = interrupted(&fake, moment, signal, || spawn(&run), &pid);
            let status = ran.output.status;
            let as_expected = if dies { status.signal() == Some(signal) } else { status.code() == Some(128 + signal) };
            assert!(as_expected, "{name}: moment {moment}, signal {signal}: {status:?} {ran}");
            assert_eq!(ran.stdout(), "", "{name}: moment {moment}");
            if took > Duration::from_millis(100) {
                late.push(took);
            }
        }
        assert!(late.len() <= LATE && late.iter().all(|took| *took < Duration::from_secs(1)), "{name}: {late:?}");
    });
}

#[test]
fn a_signal_at_any_moment_ends_it() {
    every_moment("plain", Run::spawn, |child| i32::try_from(child.id()).expect("a process id"), true);
}

#[test]
fn a_signal_at_any_moment_ends_it_as_pid_1() {
    let flags = ["--pid", "--fork", "--mount-proc"];
    if !can_unshare("PID 1", &flags) {
        return;
    }
    let spawn = |run: &Run| piped(&mut run.behind(&[&["unshare"], &flags[..]].concat()));
    every_moment("PID 1", spawn, |child| child_of(child.id()), false);
}

#[test]
fn ignored_and_blocked_signals_stay_so_and_stop_nothing() {
    let (fake, _) = many_requests();
    let gate = Gate::new();
    fake.fault(Fault::always(Action::Hold(gate.clone())).operation("GetParametersByPath").nth(20));
    // Not in a shell, which unblocks signals.
    let run = stepzero(&fake, ["exec", "--load", "/app", "--", "grep", "^S", "/proc/self/status"]);
    let mut command = run.command();
    before_exec(&mut command, || {
        set_signal(libc::SIGHUP, libc::SIG_IGN);
        set_signal(libc::SIGPIPE, libc::SIG_DFL);
        block_signals(&[libc::SIGTERM])
    });
    let child = piped(&mut command);
    fake.wait_until(|log| log.iter().any(|entry| entry.fault.is_some()));
    let pid = i32::try_from(child.id()).expect("a process id");
    kill(pid, libc::SIGHUP);
    kill(pid, libc::SIGTERM);
    gate.release();
    let ran = Ran::of_child(child).expect(0);
    let mask = |name: &str| {
        let found =
            ran.stdout().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t").map(str::to_owned));
        u64::from_str_radix(&found.expect("a line of status"), 16).expect("hexadecimal")
    };
    let bit = |signal: i32| 1_u64 << (signal - 1);
    assert_eq!(mask("SigIgn") & bit(libc::SIGHUP), bit(libc::SIGHUP), "still ignored");
    assert_eq!(mask("SigIgn") & bit(libc::SIGPIPE), 0, "and SIGPIPE is not");
    assert_eq!(mask("SigBlk"), bit(libc::SIGTERM), "still blocked");
}
