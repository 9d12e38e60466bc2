//! The moments of stepzero's life, each held still, so that somebody else can look at it, crash it, or read its memory.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fake_aws::{Action, Fake, Fault, Gate};

use crate::common::{Directory, Ran, peer, set_mode};
use crate::support::{fake, shim};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before anything is known of what it will hold.
    ReadingTheSpec,
    BeforeCredentials,
    /// With credentials, and no value.
    Fetching,
    /// With the values of ten parameters, while the others are asked for.
    BetweenAnswers,
    /// With the whole environment of the command, at the system call.
    AtTheExec,
    /// `stepzero credential`, with credentials.
    Credential,
    /// `stepzero credential`, with the value.
    Answering,
}

pub const ALL: [Moment; 7] = [
    Moment::ReadingTheSpec,
    Moment::BeforeCredentials,
    Moment::Fetching,
    Moment::BetweenAnswers,
    Moment::AtTheExec,
    Moment::Credential,
    Moment::Answering,
];

impl Moment {
    pub fn has_values(self) -> bool {
        matches!(self, Moment::BetweenAnswers | Moment::AtTheExec | Moment::Answering)
    }

    fn is_credential(self) -> bool {
        matches!(self, Moment::Credential | Moment::Answering)
    }

    /// Starts stepzero, changed as said, and returns when it is there.
    pub fn hold(self, change: impl FnOnce(&mut Command)) -> std::io::Result<Held> {
        let (fake, directory, gate) = (fake(), Directory::open(), Gate::new());
        let hold = Fault::once(Action::Hold(gate.clone()));
        match self {
            Moment::BeforeCredentials => fake.fault(hold.operation("PutToken")),
            Moment::Fetching | Moment::Credential => fake.fault(hold.operation("GetParameters")),
            Moment::BetweenAnswers => fake.fault(hold.operation("GetParameters").nth(2)),
            _ => {}
        }
        let binary = directory.binary();
        let (mut command, peer) = if self.is_credential() {
            directory.file("web.toml", "scopes = [\"shared\"]\n[env]\nc = \"canary\"\n");
            let (client, server) = peer::connection(directory.path(), "/unit/web.service/c", 0);
            let args = ["-vv", "--allow-writable-spec"];
            (peer::server(&binary, directory.path(), &args, server), Some(client))
        } else {
            (exec(&binary), None)
        };
        command.envs(fake.env()).env("PATH", "/usr/bin:/bin").env("HELD", "1").current_dir(directory.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let fifo = directory.fifo("fifo");
        set_mode(fifo.as_ref(), 0o666);
        match self {
            Moment::ReadingTheSpec => command.env("STEPZERO_SPEC", &fifo),
            Moment::AtTheExec | Moment::Answering => {
                command.env("LD_PRELOAD", shim(&directory, SHIM)).env("SHIM_FIFO", &fifo)
            }
            _ => &mut command,
        };
        change(&mut command);
        let child = command.spawn()?;
        // Its copy of the connection must not keep the peer waiting.
        drop(command);
        let fifo = match self {
            Moment::ReadingTheSpec | Moment::AtTheExec | Moment::Answering => Some(opened(fifo.as_ref(), &child)),
            _ => {
                fake.wait_until(|log| log.iter().any(|entry| entry.fault.as_deref() == Some("Hold")));
                None
            }
        };
        if self.has_values() {
            crate::memory::wait_for_canary(child.id());
        }
        Ok(Held { child, gate, fifo, peer, _fake: fake, directory })
    }
}

/// In front of the C library: an exec, and a write of the value, wait for a named pipe.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static void wait_for_the_test(void) {
    char *path = getenv("SHIM_FIFO");
    char byte;
    int fifo = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fifo != -1) { while (read(fifo, &byte, 1) > 0) {} close(fifo); }
}
int execve(const char *path, char *const arguments[], char *const environment[]) {
    int (*real)(const char *, char *const[], char *const[]) = dlsym(RTLD_NEXT, "execve");
    /* The shell that starts stepzero is not meant. */
    if (!strstr(path, "stepzero")) wait_for_the_test();
    return real(path, arguments, environment);
}
static void look(int descriptor, const void *bytes, size_t size) {
    if (descriptor == 3 && memmem(bytes, size, "cAnArY7Q3zKp9Xw2VbN4", 20)) wait_for_the_test();
}
ssize_t write(int descriptor, const void *bytes, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    look(descriptor, bytes, size);
    return real(descriptor, bytes, size);
}
ssize_t send(int descriptor, const void *bytes, size_t size, int flags) {
    ssize_t (*real)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");
    look(descriptor, bytes, size);
    return real(descriptor, bytes, size, flags);
}
"#;

/// Twenty keys: two calls. The command shows its own state.
fn exec(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    let keys = (0..20).flat_map(|number| ["-k".into(), format!("n{number}")]);
    command.args(["exec", "-vv", "--scope", "shared"]).args(keys).args(["cat", "/proc/self/status"]);
    command.env_clear().stdin(Stdio::null());
    command
}

/// The pipe's end for writing: it can be opened once somebody reads.
fn opened(path: &Path, reader: &Child) -> File {
    let started = Instant::now();
    loop {
        match OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(path) {
            Ok(file) => return file,
            Err(_) => assert!(started.elapsed() < Duration::from_secs(60), "{} never reads {path:?}", reader.id()),
        }
        std::thread::yield_now();
    }
}

/// A process that waits, until it is released or has ended.
pub struct Held {
    pub child: Child,
    gate: Gate,
    fifo: Option<File>,
    /// systemd's end.
    pub peer: Option<std::os::unix::net::UnixStream>,
    _fake: Fake,
    /// Where it runs.
    pub directory: Directory,
}

impl Held {
    /// What the process says, and the peer of a credential gets, once it goes on.
    pub fn release(self) -> (Ran, Vec<u8>) {
        self.gate.release();
        drop(self.fifo);
        let got = self.peer.map(peer::received).unwrap_or_default();
        (Ran::of_child(self.child), got)
    }
}
