//! One process from its start to its end, and what it cost.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a run cost, to the end of the command that it became.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub wall: Duration,
    pub cpu: Duration,
    pub rss_kib: i64,
    pub faults: i64,
}

/// Runs it. An error is what it said.
pub fn run(command: &mut Command, directory: &Path) -> Result<Cost, String> {
    let said = directory.join("stderr");
    let stderr = File::create(&said).map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let started = Instant::now();
    let child = command.spawn().map_err(|error| error.to_string())?;
    let (mut status, pid) = (0, libc::pid_t::try_from(child.id()).expect("a pid fits"));
    // SAFETY: an rusage of zeroes is a valid one; wait4(2) writes it and the status of our own child.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::wait4(pid, &raw mut status, 0, &raw mut usage), pid, "the child is ours");
        usage
    };
    let wall = started.elapsed();
    if status != 0 {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        return Err(format!("status {status}: {}", text.lines().last().unwrap_or("")));
    }
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    let cpu = time(usage.ru_utime) + time(usage.ru_stime);
    Ok(Cost { wall, cpu, rss_kib: usage.ru_maxrss, faults: usage.ru_minflt + usage.ru_majflt })
}

/// Starts it on the last of our processors, and leaves that one to it, where there are others.
pub fn spawn_apart(command: &mut Command) -> std::io::Result<Child> {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: a set of zeroes is an empty one, and sched_getaffinity(2) fills it with the processors of this thread.
    let (empty, mut ours) = unsafe { (std::mem::zeroed::<libc::cpu_set_t>(), std::mem::zeroed()) };
    // SAFETY: as above; it writes no more than the size of the set.
    assert_eq!(unsafe { libc::sched_getaffinity(0, size, &raw mut ours) }, 0, "our own processors are known to us");
    // SAFETY: sched_setaffinity(2) reads a set of its size.
    let stay = |set: &libc::cpu_set_t| assert_eq!(unsafe { libc::sched_setaffinity(0, size, set) }, 0, "they are ours");
    // SAFETY: within the set, which has a bit for each.
    let last = (0..size * 8).rev().find(|at| unsafe { libc::CPU_ISSET(*at, &ours) }).expect("this one is running");
    let mut only = empty;
    // SAFETY: as above.
    unsafe { libc::CPU_SET(last, &mut only) };
    stay(&only);
    let child = command.spawn();
    let mut others = ours;
    // SAFETY: as above.
    let count = unsafe {
        libc::CPU_CLR(last, &mut others);
        libc::CPU_COUNT(&others)
    };
    if count == 0 {
        eprintln!("bench: there is one processor only: the fake shares it with the tools");
        others = ours;
    }
    stay(&others);
    child
}

/// How many system calls it makes until it becomes `/bin/true`, or to its end where it never does. `None` without strace.
pub fn system_calls(command: &Command, directory: &Path) -> Option<usize> {
    let log = directory.join("strace");
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(&log);
    traced.arg(command.get_program()).args(command.get_args()).env_clear();
    traced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    traced.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    // Line by line: a peer's log can be large, and a child's peak of memory begins with this process's.
    let (mut calls, mut exec) = (0, None);
    for line in BufReader::new(File::open(log).ok()?).lines().map_while(Result::ok) {
        if line.contains("execve(\"/bin/true\"") {
            exec = Some(calls);
        }
        calls += usize::from(!line.contains("resumed>"));
    }
    // The first is the execve(2) that starts it.
    let last = exec.unwrap_or(calls);
    Some(last.saturating_sub(1))
}
