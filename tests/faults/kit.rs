//! What the fault tests share: a run with keys of its own, cases side by side, and what holds after each of them.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fake_aws::Fake;

pub use crate::common::wrapped;
use crate::common::{Ran, Run, Spec, stepzero};

/// The value of every parameter; it may be in the output of the command and nowhere else.
pub const VALUE: &str = "correct-horse-battery-staple";

pub const ROLE: &str = "somebody";

/// A fake without TLS that knows one user and one parameter.
pub fn plain() -> Fake {
    let fake = Fake::builder().tls(false).start();
    furnish(&fake);
    fake
}

/// The same over TLS.
pub fn secure() -> Fake {
    let fake = Fake::start();
    furnish(&fake);
    fake
}

fn furnish(fake: &Fake) {
    fake.static_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI", ROLE);
    fake.put("app.key", "SecureString", VALUE);
}

/// A run with keys in its environment, so that Parameter Store is all that is asked.
pub fn keyed<S: AsRef<std::ffi::OsStr>>(fake: &Fake, args: impl IntoIterator<Item = S>) -> Run {
    stepzero(fake, args)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
        .env("AWS_REGION", "us-east-1")
}

/// `exec` of a command that prints the one parameter, under a deadline.
pub fn one(timeout: &str) -> Vec<String> {
    let args = ["exec", "--timeout", timeout, "--parameter", "KEY=app.key", "--", "printenv", "KEY"];
    args.map(str::to_owned).to_vec()
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

/// It started, with this value and no other output.
#[track_caller]
pub fn started(ran: Ran, case: &str) -> Ran {
    assert_eq!((ran.code(), ran.stdout().trim_end()), (0, VALUE), "{case}: {}", ran.stderr());
    assert!(!ran.stderr().contains(VALUE), "{case}: the value is in {}", ran.stderr());
    ran
}

/// It did not start, ended with this code, said these things, and never a value.
#[track_caller]
pub fn refused(ran: Ran, code: i32, says: &[&str], case: &str) -> Ran {
    let stderr = ran.stderr();
    assert_eq!((ran.code(), ran.stdout().as_str()), (code, ""), "{case}: {stderr}");
    assert!(!stderr.contains(VALUE), "{case}: the value is in {stderr}");
    for part in says {
        assert!(stderr.contains(part), "{case}: {part:?} is not in: {stderr}");
    }
    ran
}

/// systemd's end of `NOTIFY_SOCKET`.
pub struct Supervisor {
    socket: UnixDatagram,
    pub path: PathBuf,
    /// A directory of its own.
    _place: Spec,
}

impl Supervisor {
    pub fn start() -> Supervisor {
        let place = Spec::new("");
        let path = place.path.with_extension("sock");
        let socket = UnixDatagram::bind(&path).expect("the directory is ours");
        Supervisor { socket, path, _place: place }
    }

    /// The next message, which has 20 seconds to come.
    pub fn wait(&self) -> String {
        self.socket.set_read_timeout(Some(Duration::from_secs(20))).expect("not zero");
        self.receive().expect("a message")
    }

    /// The last of the messages that are there.
    pub fn last(&self) -> Option<String> {
        self.socket.set_nonblocking(true).expect("a socket");
        std::iter::from_fn(|| self.receive()).last()
    }

    fn receive(&self) -> Option<String> {
        let mut message = [0; 1024];
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).into_owned())
    }
}

/// A run and how long it took.
pub fn timed(run: &Run) -> (Ran, Duration) {
    let begun = Instant::now();
    let ran = run.output();
    (ran, begun.elapsed())
}

/// Over at the deadline, give or take a second.
#[track_caller]
pub fn at_deadline(took: Duration, seconds: u64, case: &str) {
    let (least, most) = (Duration::from_secs(seconds - 1), Duration::from_secs(seconds + 1));
    assert!(took >= least && took <= most, "{case}: it took {took:?}");
}

/// `sh -c SCRIPT` that ends in `exec "$@"` with the run's command, in the run's environment.
pub fn under(script: &str, run: &Run) -> Command {
    wrapped(&["sh", "-c", script, "sh"], run)
}

pub fn ran(mut command: Command) -> Ran {
    Ran(command.output().expect("the program is there"))
}

/// Whether mounts of our own are possible, as root in a namespace. Says so when not; fails where skipping is forbidden.
pub fn can_unshare(name: &str, flags: &[&str]) -> bool {
    let tried = Command::new("unshare").args(flags).arg("true").output();
    let works = tried.is_ok_and(|output| output.status.success());
    if !works {
        crate::common::skip(name, &format!("no `unshare {}`", flags.join(" ")));
    }
    works
}

/// Ends a child that a failing test would leave behind.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
