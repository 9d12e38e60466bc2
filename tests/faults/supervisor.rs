//! Who waits for a start besides the test: systemd, and the clock.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::common::Directory;

/// systemd's end of `NOTIFY_SOCKET`.
pub struct Supervisor {
    socket: UnixDatagram,
    pub path: String,
    _place: Directory,
}

impl Supervisor {
    pub fn start() -> Supervisor {
        let place = Directory::new();
        let path = place.arg("notify");
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

/// Over at the deadline, give or take a second.
#[track_caller]
pub fn at_deadline(took: Duration, seconds: u64, case: &str) {
    let (least, most) = (Duration::from_secs(seconds - 1), Duration::from_secs(seconds + 1));
    assert!(took >= least && took <= most, "{case}: it took {took:?}");
}
