//! The binary under test as a process, in an environment of the test's own.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fake_aws::Fake;

use super::outcome::Ran;

/// The binary that cargo built.
pub const STEPZERO: &str = env!("CARGO_BIN_EXE_stepzero");

/// The program that the runs below start: `STEPZERO_UNDER_TEST` puts another build in the place of cargo's, so that the same tests
/// hold for the shipped one, and for that of another architecture in an emulator.
pub fn tested() -> OsString {
    std::env::var_os("STEPZERO_UNDER_TEST").unwrap_or_else(|| STEPZERO.into())
}

/// One run of stepzero. Its environment holds a `PATH`, what the fake needs, and what the test adds, and nothing else.
pub struct Run {
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

/// `stepzero ARGS` against a fake.
pub fn stepzero<S: AsRef<OsStr>>(fake: &Fake, args: impl IntoIterator<Item = S>) -> Run {
    offline(args).envs(fake.env())
}

/// `stepzero ARGS` with nothing to talk to.
pub fn offline<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
    Run { args, environment: Vec::new() }
}

impl Run {
    pub fn env(self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.envs([(name, value)])
    }

    pub fn envs(mut self, more: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>) -> Self {
        self.environment.extend(more.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// The process, to be changed further: descriptors, limits, a namespace.
    pub fn command(&self) -> Command {
        let mut command = program(tested());
        command.args(&self.args).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Behind another program, `unshare --mount`, say.
    pub fn behind(&self, line: &[&str]) -> Command {
        let inner = self.command();
        let mut command = program(line[0]);
        command.args(&line[1..]).arg(inner.get_program()).args(inner.get_args()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// `sh -c SCRIPT` that ends in `exec "$@"`, which is this run.
    pub fn under(&self, script: &str) -> Command {
        self.behind(&["sh", "-c", script, "sh"])
    }

    pub fn spawn(&self) -> Child {
        piped(&mut self.command())
    }

    pub fn output(&self) -> Ran {
        Ran::of(&mut self.command())
    }

    /// What it left behind and how long it took.
    pub fn timed(&self) -> (Ran, Duration) {
        let begun = Instant::now();
        let ran = self.output();
        (ran, begun.elapsed())
    }
}

/// Started, with what it writes kept.
pub fn piped(command: &mut Command) -> Child {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    child.unwrap_or_else(|error| panic!("{} cannot be started: {error}", command.get_program().display()))
}

/// Runs it with this on its standard input.
pub fn fed(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = piped(command.stdin(Stdio::piped()));
    child.stdin.take().expect("it is piped").write_all(input).expect("it is read");
    Ran::of_child(child)
}

/// A program with a `PATH` alone for its environment, nothing to read, and nothing of whoever runs the tests.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
    command.stdin(Stdio::null());
    before_exec(&mut command, forget_the_runner);
    command
}

/// Runs in the new process, just before the exec, after what was added before it. Only what is safe after a fork
/// (signal-safety(7)) may be in there: system calls.
pub fn before_exec(command: &mut Command, change: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: see above; every change in these suites keeps to it.
    unsafe { command.pre_exec(change) };
}

/// Whoever runs the tests can hand on descriptors (make's job server), ignored signals (nohup) and a file mode mask. None of
/// it reaches a program under test.
fn forget_the_runner() -> io::Result<()> {
    // SAFETY: close_range(2) marks descriptors of the new process, which are closed by the exec.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: signal(2) sets the default. It fails for those that cannot be changed.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: umask(2) always succeeds.
    unsafe { libc::umask(0o022) };
    Ok(())
}

/// Closes these descriptors of the new process: it starts without them.
pub fn close(command: &mut Command, descriptors: &'static [libc::c_int]) {
    before_exec(command, move || {
        // SAFETY: the new process has no use for them.
        descriptors.iter().for_each(|descriptor| _ = unsafe { libc::close(*descriptor) });
        Ok(())
    });
}

/// Ignores a signal, or gives it its default: SIG_IGN or SIG_DFL.
pub fn set_signal(signal: libc::c_int, to: libc::sighandler_t) {
    // SAFETY: neither is a handler.
    unsafe { libc::signal(signal, to) };
}

/// Blocks these signals and no others.
pub fn block_signals(signals: &[libc::c_int]) -> io::Result<()> {
    // SAFETY: the set is made by sigemptyset(3) before it is used.
    let done = unsafe {
        let mut mask = std::mem::zeroed();
        libc::sigemptyset(&raw mut mask);
        signals.iter().for_each(|signal| _ = libc::sigaddset(&raw mut mask, *signal));
        libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut())
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs the cases side by side, so that their waits do not add up. A case that panics says which it is.
pub fn together<T: Sync>(at_once: usize, cases: &[T], run: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(case);
                }
            });
        }
    });
}
