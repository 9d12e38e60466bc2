//! What the suites share: the real binary against the fake, in an environment of the test's own.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use fake_aws::Fake;

/// The binary under test.
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
    let run = offline(args);
    fake.env().into_iter().fold(run, |run, (name, value)| run.env(name, value))
}

/// `stepzero ARGS` with nothing to talk to.
pub fn offline<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    Run { args, environment: vec![("PATH".into(), path)] }
}

impl Run {
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The process, to be changed further: descriptors, limits, a namespace.
    pub fn command(&self) -> Command {
        let mut command = program(tested());
        command.args(&self.args).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn spawn(&self) -> Child {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary was built by cargo")
    }

    pub fn output(&self) -> Ran {
        let output = self.command().output().expect("the binary was built by cargo");
        Ran(output)
    }
}

/// A program with a `PATH` alone for its environment, nothing to read, and nothing of whoever runs the tests.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
    command.stdin(Stdio::null());
    forget_the_runner(&mut command);
    command
}

/// The run behind another program, `unshare --mount`, say.
pub fn wrapped(line: &[&str], run: &Run) -> Command {
    let inner = run.command();
    let mut command = program(line[0]);
    command.args(&line[1..]).arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Whoever runs the tests can hand on descriptors (make's job server), ignored signals (nohup) and a file mode mask. None of
/// it reaches a program under test. What a test adds by a `pre_exec` of its own comes after this.
fn forget_the_runner(command: &mut Command) {
    let forget = || {
        // SAFETY: close_range(2) marks descriptors of the new process, which are closed by the exec.
        unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        for signal in 1..=libc::SIGRTMAX() {
            // SAFETY: signal(2) sets the default. It fails for those that cannot be changed.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // SAFETY: umask(2) always succeeds.
        unsafe { libc::umask(0o022) };
        Ok(())
    };
    // SAFETY: the calls above are safe after a fork (signal-safety(7)).
    unsafe { std::os::unix::process::CommandExt::pre_exec(command, forget) };
}

/// What a run left behind.
pub struct Ran(pub Output);

impl Ran {
    /// The exit code; a death by signal is 128 + its number, as a shell says it.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.0.status;
        status.code().unwrap_or_else(|| 128 + status.signal().expect("either a code or a signal"))
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Panics, showing stderr, unless the code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "stderr:\n{}\nstdout:\n{}", self.stderr(), self.stdout());
        self
    }

    /// Panics unless stderr has every one of these.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let stderr = self.stderr();
        for part in parts {
            assert!(stderr.contains(part), "{part:?} is not in:\n{stderr}");
        }
        self
    }
}

/// Says why a test cannot run here, and panics where nothing may be skipped. Not by a macro, whose output the test harness
/// keeps to itself when a test passes.
#[track_caller]
pub fn skip(name: &str, why: &str) {
    let may_skip = std::env::var_os("STEPZERO_NO_SKIP").is_none_or(|value| value.is_empty());
    assert!(may_skip, "{name} must not be skipped here: {why}");
    let line = format!("SKIPPED {name}: {why}\n");
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).expect("stdout is open");
}

/// A fake with the article's three parameters and one that is overridden.
pub fn article() -> Fake {
    let fake = Fake::start();
    fake.put("shared.newrelic_key", "SecureString", "2039402939302293029230923093");
    fake.put("projectA.shared.database_username", "SecureString", "db_user");
    fake.put("projectA.production.database_password", "SecureString", "d)Dmfj@)(dJF!hp");
    fake.put("shared.database_password", "SecureString", "the wrong one");
    fake
}

/// A spec file of this test's own. It is removed with the directory.
pub struct Spec {
    directory: PathBuf,
    pub path: PathBuf,
}

impl Spec {
    pub fn new(text: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("stepzero-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&directory).expect("the temporary directory is writable");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&directory, open).expect("it is ours, whatever the umask");
        let path = directory.join("spec.toml");
        std::fs::write(&path, text).expect("the directory is ours");
        Spec { directory, path }
    }

    pub fn arg(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

impl Drop for Spec {
    fn drop(&mut self) {
        // Left behind, it hurts nobody.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
