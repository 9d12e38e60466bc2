//! systemd's side of `stepzero credential`: it connects from an abstract address that says what it wants, and a socket unit
//! with `Accept=yes` hands the connection over as descriptor 3.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};

/// What a failure sends: one byte more than systemd takes.
pub const REFUSAL: usize = 1024 * 1024 + 1;

/// A connection from an address that ends like this: the peer's end, and the one for stepzero. `uid` connects, and the
/// listener is in the directory for a moment.
pub fn connection(directory: &Path, address: &str, uid: u32) -> (UnixStream, OwnedFd) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("socket-{count}"));
    let listener = UnixListener::bind(&path).expect("the directory is ours");
    let client = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    let name = format!("{:x}{count:x}{address}", std::process::id());
    let us = UnixAddr::new_abstract(name.as_bytes()).expect("short enough");
    bind(client.as_raw_fd(), &us).expect("nobody else has this name");
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&path, all).expect("the socket is ours");
    let them = UnixAddr::new(&path).expect("short enough");
    as_user(uid, || connect(client.as_raw_fd(), &them)).expect("the listener is there");
    let (server, _) = listener.accept().expect("a connection");
    std::fs::remove_file(&path).expect("it is ours");
    (client.into(), server.into())
}

/// `BINARY credential --units DIRECTORY ARGS` at the other end.
pub fn server(binary: &Path, units: &Path, args: &[impl AsRef<OsStr>], connection: OwnedFd) -> Command {
    let line = line(binary, units, args);
    let mut command = crate::common::program(&line[0]);
    command.args(&line[1..]).env_clear().stdin(connection);
    command
}

/// The same as a command line: a shell makes standard input, the connection, descriptor 3, and says so.
pub fn line(binary: &Path, units: &Path, args: &[impl AsRef<OsStr>]) -> Vec<OsString> {
    let shell = ["/bin/sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 </dev/null"].map(OsString::from);
    let fixed = [binary.into(), "credential".into(), "--units".into(), units.into()];
    shell.into_iter().chain(fixed).chain(args.iter().map(|arg| arg.as_ref().into())).collect()
}

/// All that the peer gets.
pub fn received(mut client: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).expect("the peer closes");
    bytes
}

/// SO_PEERCRED is of the thread that connects.
fn as_user<T>(uid: u32, work: impl FnOnce() -> T) -> T {
    let become_user = |uid: u32| {
        // SAFETY: setresuid(2), of this thread alone because it is the bare system call.
        let done = unsafe { nix::libc::syscall(nix::libc::SYS_setresuid, -1, uid, -1) };
        assert_eq!(done, 0, "root may become anybody, and come back");
    };
    become_user(uid);
    let made = work();
    become_user(0);
    made
}
