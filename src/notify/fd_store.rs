//! systemd's descriptor store: what is left there comes back with the next start of the unit (sd_pid_notify_with_fds(3),
//! FileDescriptorStoreMax= in systemd.service(5)).

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use super::supervisor;
use crate::sys;

/// systemd answers in milliseconds; a machine that is busy booting in more.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether the manager keeps descriptors of this process. systemd says so since version 254; an older one is given the end of a
/// pipe, and closes it when it does not keep it.
pub fn keeps_descriptors() -> io::Result<bool> {
    if let Some(most) = std::env::var("FDSTORE").ok().and_then(|most| most.parse::<u32>().ok()) {
        return Ok(supervisor().is_some() && most > 0);
    }
    if supervisor().is_none() {
        return Ok(false);
    }
    const PROBE: &str = "FDNAME=stepzero-probe";
    let (kept, sent) = nix::unistd::pipe()?;
    send(&format!("FDSTORE=1\n{PROBE}"), Some(&sent))?;
    drop(sent);
    barrier()?;
    // It is at its end when nobody has the other end any more.
    let is_kept = !sys::wait_for(kept.as_raw_fd(), libc::POLLIN, Some(Duration::ZERO))?;
    send(&format!("FDSTOREREMOVE=1\n{PROBE}"), None)?;
    Ok(is_kept)
}

/// Leaves a descriptor by this name, in the place of the one that is there.
pub fn leave(name: &str, descriptor: &OwnedFd) -> io::Result<()> {
    remove(name)?;
    send(&format!("FDSTORE=1\nFDNAME={name}"), Some(descriptor))
}

/// Takes back what was left by this name.
pub fn remove(name: &str) -> io::Result<()> {
    send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), None)
}

/// Waits until everything that was sent before has been looked at: then systemd closes the other end.
fn barrier() -> io::Result<()> {
    let (waiting, sent) = nix::unistd::pipe()?;
    send("BARRIER=1", Some(&sent))?;
    drop(sent);
    match sys::wait_for(waiting.as_raw_fd(), libc::POLLIN, Some(LIMIT))? {
        true => Ok(()),
        false => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn send(message: &str, descriptor: Option<&OwnedFd>) -> io::Result<()> {
    let Some((socket, address)) = supervisor() else { return Err(io::ErrorKind::NotConnected.into()) };
    let address = match (address.as_abstract_name(), address.as_pathname()) {
        (Some(name), _) => UnixAddr::new_abstract(name)?,
        (None, Some(path)) => UnixAddr::new(path)?,
        (None, None) => return Err(io::ErrorKind::NotConnected.into()),
    };
    let descriptors: Vec<RawFd> = descriptor.into_iter().map(|descriptor| descriptor.as_raw_fd()).collect();
    let control = [ControlMessage::ScmRights(&descriptors)];
    let control = if descriptors.is_empty() { &control[..0] } else { &control[..] };
    let (text, flags) = ([IoSlice::new(message.as_bytes())], MsgFlags::MSG_NOSIGNAL);
    // The queue of a manager that is busy can be full for a moment.
    sys::wait_for(socket.as_raw_fd(), libc::POLLOUT, Some(LIMIT))?;
    sendmsg(socket.as_raw_fd(), &text, control, flags, Some(&address))?;
    Ok(())
}
