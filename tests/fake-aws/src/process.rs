//! What the binary needs of its process: descriptors for many connections, and an end by signal.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::fake::Fake;

/// Raises the soft limit of open files to the hard one. For a test that opens a thousand
/// connections; not done by itself, because children inherit the limit.
pub fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is not permitted, the limit stays as it was.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

impl Fake {
    /// Blocks until SIGINT or SIGTERM arrives.
    pub fn wait_for_signal(&self) {
        self.runtime().block_on(async {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                // Without handlers the signals end the process by themselves.
                return std::future::pending().await;
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
    }
}
