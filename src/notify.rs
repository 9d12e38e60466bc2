//! The supervisor's side of a long wait: `sd_notify(3)` datagrams, when systemd gave a socket.
#![forbid(unsafe_code)]

pub mod fd_store;

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::OnceLock;
use std::time::Duration;

/// After a wait, the command gets at least this long to say that it is ready: systemd keeps the last extension, and a
/// small one would cut its start short.
const GENEROUS: Duration = Duration::from_secs(600);

/// The socket that we send from, which the exec closes, and where to.
static SUPERVISOR: OnceLock<Option<(UnixDatagram, SocketAddr)>> = OnceLock::new();

/// Before there are connections, which can take the last descriptor.
pub fn open() {
    supervisor();
}

/// A supervisor that cannot be reached is none: it must not keep the command from starting.
fn supervisor() -> Option<&'static (UnixDatagram, SocketAddr)> {
    let reach = || {
        let name = std::env::var_os("NOTIFY_SOCKET")?;
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
            _ => SocketAddr::from_pathname(&name),
        };
        let address = address.ok()?;
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        Some((socket, address))
    };
    SUPERVISOR.get_or_init(reach).as_ref()
}

/// Asks for more time to start, and says why. Without a supervisor, nothing.
pub fn extend(time: Duration, status: &str) {
    send(&format!("EXTEND_TIMEOUT_USEC={}\nSTATUS=stepzero: {}", time.as_micros(), status.replace('\n', " ")));
}

/// Before the exec, when a wait was told. `status` is for people, until the command says one of its own.
pub fn hand_over(status: &str) {
    send(&format!("EXTEND_TIMEOUT_USEC={}\nSTATUS={status}", GENEROUS.as_micros()));
    if watchdog().is_some() {
        alive();
    }
}

/// How often the supervisor's watchdog is to be told that we are alive: three times in its limit, when it watches this
/// process (sd_watchdog_enabled(3)).
pub fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>());
    let limit = number("WATCHDOG_USEC")?.ok().filter(|limit| *limit > 0)?;
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == Ok(u64::from(std::process::id())));
    (is_ours && supervisor().is_some()).then(|| Duration::from_micros(limit / 3))
}

/// Resets the watchdog.
pub fn alive() {
    send("WATCHDOG=1");
}

fn send(message: &str) {
    if let Some((socket, address)) = supervisor() {
        let _ = socket.send_to_addr(message.as_bytes(), address);
    }
}
