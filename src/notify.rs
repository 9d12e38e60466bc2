//! The supervisor's side of a long wait: `sd_notify(3)` datagrams, when systemd gave a socket.
#![forbid(unsafe_code)]

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::OnceLock;
use std::time::Duration;

/// After a wait, the command gets at least this long to say that it is ready: systemd keeps the last extension, and a
/// small one would cut its start short.
const GENEROUS: Duration = Duration::from_secs(600);

static SOCKET: OnceLock<Option<UnixDatagram>> = OnceLock::new();

/// Before there are connections, which can take the last descriptor.
pub fn open() {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        socket();
    }
}

/// Closed by the exec.
fn socket() -> Option<&'static UnixDatagram> {
    let unbound = || UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    SOCKET.get_or_init(|| unbound().ok()).as_ref()
}

/// Asks for more time to start, and says why. Without a supervisor, nothing.
pub fn extend(time: Duration, status: &str) {
    send(&format!("EXTEND_TIMEOUT_USEC={}\nSTATUS=stepzero: {}", time.as_micros(), status.replace('\n', " ")));
}

/// Before the exec, when a wait was told.
pub fn hand_over() {
    send(&format!("EXTEND_TIMEOUT_USEC={}\nSTATUS=", GENEROUS.as_micros()));
}

fn send(message: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        _ => SocketAddr::from_pathname(&name),
    };
    // A supervisor that cannot be reached must not keep the command from starting.
    if let (Ok(address), Some(socket)) = (address, socket()) {
        let _ = socket.send_to_addr(message.as_bytes(), &address);
    }
}
