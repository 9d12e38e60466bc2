//! The connection that systemd hands over, and what its peer gets however this process ends.

use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;

use super::signals;

/// The connection that a socket unit with `Accept=yes` handed over: descriptor 3 (sd_listen_fds(3)). Standard input is
/// not looked at: with `StandardInput=socket`, logs would go to the peer too.
pub fn accepted_connection() -> Option<UnixStream> {
    const FIRST: RawFd = 3;
    let own = std::process::id().to_string();
    let passed = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == own)
        && std::env::var("LISTEN_FDS").is_ok_and(|count| count == "1");
    // SAFETY: fcntl(2) with F_SETFD on a number that may be no descriptor; then it fails.
    let is_open = passed && unsafe { libc::fcntl(FIRST, libc::F_SETFD, libc::FD_CLOEXEC) } != -1;
    // SAFETY: the descriptor is open, it was passed to this process to own, and nothing else here uses it.
    is_open.then(|| unsafe { UnixStream::from_raw_fd(FIRST) })
}

/// The connection that gets a refusal should this process end, or -1.
static REFUSED: AtomicI32 = AtomicI32::new(-1);

/// From now on a panic, a lack of memory, a crash and every signal but SIGKILL tell the peer that there is no value.
pub fn refuse_at_exit(connection: &UnixStream) {
    REFUSED.store(connection.as_raw_fd(), Ordering::SeqCst);
    signals::exit_on_signals();
    signals::exit_on_crashes();
}

/// Call it after the value is written: an exit no longer sends a refusal.
pub fn keep_at_exit() {
    REFUSED.store(-1, Ordering::SeqCst);
}

/// Makes systemd reject the credential, by one byte more than the 1 MiB that it accepts. To close the connection early
/// would give the service an empty credential, or one of zeroes: so it goes on after EINTR and EAGAIN until the peer closes.
/// Async-signal-safe, because it calls only write(2) (signal-safety(7)). It may interrupt a value that is half written.
pub fn refuse() {
    static ZEROES: [u8; 4096] = [0; 4096];
    let descriptor = REFUSED.load(Ordering::SeqCst);
    let mut left: usize = 1024 * 1024 + 1;
    while descriptor != -1 && left > 0 {
        // SAFETY: write(2) from a constant, of at most its length. The descriptor is held open by `credential`.
        match unsafe { libc::write(descriptor, ZEROES.as_ptr().cast(), left.min(ZEROES.len())) } {
            written @ 1.. => left = left.saturating_sub(written as usize),
            _ if matches!(Errno::last_raw(), libc::EINTR | libc::EAGAIN) => {}
            // The peer has gone.
            _ => break,
        }
    }
    REFUSED.store(-1, Ordering::SeqCst);
}

/// The user at the other end of a connection (SO_PEERCRED in unix(7)).
pub fn peer_uid(connection: &UnixStream) -> Option<u32> {
    nix::sys::socket::getsockopt(connection, nix::sys::socket::sockopt::PeerCredentials).ok().map(|peer| peer.uid())
}

/// The abstract address of the other end of a connection, without its leading NUL.
pub fn peer_name(connection: &UnixStream) -> Option<Vec<u8>> {
    let address = nix::sys::socket::getpeername::<nix::sys::socket::UnixAddr>(connection.as_raw_fd()).ok()?;
    address.as_abstract().map(<[u8]>::to_vec)
}
