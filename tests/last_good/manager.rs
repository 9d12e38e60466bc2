//! A service manager with a descriptor store, as systemd has it: it keeps what it is sent, and passes it on at the next start.

use std::io::{IoSliceMut, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::common::{Directory, Ran, Run, before_exec};

/// A descriptor and its name.
type Stored = (String, OwnedFd);

#[derive(Default)]
struct State {
    stored: Vec<Stored>,
    messages: Vec<String>,
    /// How many messages of the test itself came.
    seen: usize,
}

pub struct Manager {
    /// What stands before the stored ones, as sockets do.
    pub sockets: Vec<Stored>,
    /// A program, and its options, that limits the service.
    pub limits: &'static str,
    shared: Arc<(Mutex<State>, Condvar)>,
    place: Directory,
}

impl Manager {
    /// It keeps at most so many (`FileDescriptorStoreMax=`).
    pub fn start(most: usize) -> Self {
        let place = Directory::new();
        let socket = UnixDatagram::bind(place.join("notify")).expect("the directory is ours");
        let shared = Arc::<(Mutex<State>, Condvar)>::default();
        let state = shared.clone();
        std::thread::spawn(move || {
            while let Some((message, descriptor)) = receive(&socket) {
                let (lock, changed) = &*state;
                let mut state = lock.lock().expect("nobody panics with it");
                state.take(message, descriptor, most);
                changed.notify_all();
            }
        });
        Manager { sockets: Vec::new(), limits: "", shared, place }
    }

    /// The run as a service, with what is kept, to its end. `more` is set in its environment.
    pub fn run(&self, run: &Run, more: &[(&str, &str)]) -> Ran {
        let ran = Ran::of(&mut self.command(run, more));
        self.settle();
        ran
    }

    fn command(&self, run: &Run, more: &[(&str, &str)]) -> Command {
        let state = self.shared.0.lock().expect("nobody panics with it");
        let all: Vec<&Stored> = self.sockets.iter().chain(&state.stored).collect();
        // High above where they are passed.
        let copies: Vec<OwnedFd> = all.iter().map(|(_, descriptor)| above(100, descriptor)).collect();
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        // LISTEN_PID is known after the fork alone.
        let known = if names.is_empty() { "" } else { "LISTEN_PID=$$" };
        let mut command = run.under(&format!("{known} exec {} \"$@\"", self.limits));
        command.env("NOTIFY_SOCKET", self.place.join("notify")).envs(more.iter().copied());
        if !names.is_empty() {
            command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        }
        before_exec(&mut command, move || {
            for (to, copy) in (3..).zip(&copies) {
                // SAFETY: dup2(2) in the new process.
                unsafe { libc::dup2(copy.as_raw_fd(), to) };
            }
            Ok(())
        });
        command
    }

    /// Waits until everything that was sent before is taken.
    fn settle(&self) {
        let (lock, changed) = &*self.shared;
        let mut state = lock.lock().expect("nobody panics with it");
        let before = state.seen;
        let own = UnixDatagram::unbound().expect("a socket");
        own.send_to(b"TEST=1", self.place.join("notify")).expect("it listens");
        while state.seen == before {
            state = changed.wait(state).expect("nobody panics with it");
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.shared.0.lock().expect("nobody panics with it").stored.iter().map(|(name, _)| name.clone()).collect()
    }

    pub fn messages(&self) -> String {
        self.shared.0.lock().expect("nobody panics with it").messages.join("\n")
    }

    /// Puts a descriptor into the store, in the place of all others.
    pub fn replace(&self, name: &str, descriptor: OwnedFd) {
        self.shared.0.lock().expect("nobody panics with it").stored = vec![(name.to_owned(), descriptor)];
    }

    /// One of them, as it is.
    pub fn stored_copy(&self) -> Option<Stored> {
        let state = self.shared.0.lock().expect("nobody panics with it");
        state.stored.first().map(|(name, descriptor)| (name.clone(), descriptor.try_clone().expect("there is room")))
    }

    /// `systemctl stop`.
    pub fn forget(&self) {
        self.shared.0.lock().expect("nobody panics with it").stored.clear();
    }
}

impl State {
    fn take(&mut self, message: String, descriptor: Option<OwnedFd>, most: usize) {
        if message == "TEST=1" {
            self.seen += 1;
            return;
        }
        let value = |key: &str| message.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let name = value("FDNAME").unwrap_or("stored").to_owned();
        if value("FDSTOREREMOVE") == Some("1") {
            self.stored.retain(|(stored, _)| *stored != name);
        } else if let (Some("1"), Some(descriptor)) = (value("FDSTORE"), descriptor)
            && self.stored.len() < most
        {
            self.stored.push((name, descriptor));
        }
        self.messages.push(message);
    }
}

fn receive(socket: &UnixDatagram) -> Option<(String, Option<OwnedFd>)> {
    let mut buffer = [0; 4096];
    let mut control = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
    let mut descriptors = Vec::new();
    for part in message.cmsgs().ok()? {
        if let ControlMessageOwned::ScmRights(received) = part {
            descriptors.extend(received);
        }
    }
    let length = message.bytes;
    // SAFETY: recvmsg(2) has just made it.
    let descriptor = descriptors.first().map(|descriptor| unsafe { OwnedFd::from_raw_fd(*descriptor) });
    Some((String::from_utf8_lossy(&buffer[..length]).into_owned(), descriptor))
}

fn above(lowest: i32, descriptor: &OwnedFd) -> OwnedFd {
    let copy = nix::fcntl::fcntl(descriptor, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(lowest)).expect("there is room");
    // SAFETY: fcntl(2) has just made it.
    unsafe { OwnedFd::from_raw_fd(copy) }
}

/// Memory with this content, sealed or not.
pub fn memory(content: &[u8], is_sealed: bool) -> OwnedFd {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    let flags = nix::sys::memfd::MFdFlags::MFD_ALLOW_SEALING | nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let mut file = std::fs::File::from(nix::sys::memfd::memfd_create(c"stepzero", flags).expect("memory"));
    file.write_all(content).expect("memory");
    if is_sealed {
        fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::all())).expect("it allows sealing");
    }
    file.into()
}
