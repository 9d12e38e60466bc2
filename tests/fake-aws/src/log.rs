//! What the fake has seen: every request and the counts of connections. Tests assert on it, and
//! wait on it instead of sleeping.

use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use crate::call::{Call, Endpoint, Service};

/// How long a wait may take before it is the test's failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request. It is logged on arrival; `status` follows just before the answer is sent.
#[derive(Clone, Debug, Serialize)]
pub struct LogEntry {
    /// Time since the fake was started.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    pub service: Service,
    /// `GetParameters`, `PutToken`, `AssumeRole`, `CONNECT`, …
    pub operation: String,
    /// The names asked for; a path, a role ARN, or a proxy's target.
    pub names: Vec<String>,
    pub with_decryption: Option<bool>,
    /// ARN of the signer, once the signature was found good.
    pub principal: Option<String>,
    /// `None` while there is no answer, and for ever when a fault leaves none.
    pub status: Option<u16>,
    /// The error's code in the answer.
    pub code: Option<String>,
    /// The action that a fault applied.
    pub fault: Option<String>,
    /// Counted from 1 for each endpoint.
    pub connection: u64,
    pub peer: SocketAddr,
    pub user_agent: String,
    pub host: String,
}

/// Counts of one endpoint's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Connections {
    pub accepted: u64,
    pub open: u64,
    /// The most that were open at once.
    pub peak: u64,
    /// TLS handshakes that failed: an untrusted certificate, say.
    pub failed_handshakes: u64,
}

#[derive(Debug, Default)]
struct Seen {
    entries: Vec<LogEntry>,
    /// Grows with each clearing, so that a late answer does not land in a newer entry.
    generation: u64,
    aws: Connections,
    imds: Connections,
}

#[derive(Debug)]
pub(crate) struct Log {
    start: Instant,
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// Where an entry is, until it has its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    generation: u64,
    index: usize,
}

/// What is known about the sender of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub connection: u64,
    pub peer: SocketAddr,
    pub user_agent: &'a str,
    pub host: &'a str,
}

impl Log {
    pub fn new() -> Self {
        Self { start: Instant::now(), seen: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // A predicate that panicked while it held the lock has changed nothing.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    pub fn arrived(&self, call: &Call, origin: Origin<'_>, fault: Option<String>) -> Ticket {
        let entry = LogEntry {
            at: self.start.elapsed(),
            service: call.service,
            operation: call.operation.clone(),
            names: call.names.clone(),
            with_decryption: call.with_decryption,
            principal: None,
            status: None,
            code: None,
            fault,
            connection: origin.connection,
            peer: origin.peer,
            user_agent: origin.user_agent.to_owned(),
            host: origin.host.to_owned(),
        };
        self.change(|seen| {
            seen.entries.push(entry);
            Ticket { generation: seen.generation, index: seen.entries.len() - 1 }
        })
    }

    pub fn update(&self, ticket: Ticket, change: impl FnOnce(&mut LogEntry)) {
        self.change(|seen| {
            if seen.generation == ticket.generation {
                change(&mut seen.entries[ticket.index]);
            }
        });
    }

    /// Counts a new connection and returns its number.
    pub fn opened(&self, endpoint: Endpoint) -> u64 {
        self.change(|seen| {
            let counts = seen.counts(endpoint);
            counts.accepted += 1;
            counts.open += 1;
            counts.peak = counts.peak.max(counts.open);
            counts.accepted
        })
    }

    pub fn closed(&self, endpoint: Endpoint) {
        self.change(|seen| seen.counts(endpoint).open -= 1);
    }

    pub fn handshake_failed(&self, endpoint: Endpoint) {
        self.change(|seen| seen.counts(endpoint).failed_handshakes += 1);
    }

    pub fn entries(&self) -> Vec<LogEntry> {
        self.lock().entries.clone()
    }

    pub fn clear(&self) {
        self.change(|seen| {
            seen.entries.clear();
            seen.generation += 1;
        });
    }

    pub fn connections(&self, endpoint: Endpoint) -> Connections {
        *self.lock().counts(endpoint)
    }

    /// Waits until the entries satisfy `done`; panics with the log when that takes too long.
    pub fn wait_entries(&self, done: impl Fn(&[LogEntry]) -> bool) {
        self.wait(|seen| done(&seen.entries));
    }

    pub fn wait_connections(&self, endpoint: Endpoint, done: impl Fn(&Connections) -> bool) {
        self.wait(|seen| done(seen.counts(endpoint)));
    }

    fn wait(&self, done: impl Fn(&mut Seen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.lock();
        while !done(&mut seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {PATIENCE:?} in vain; the fake has seen {seen:#?}");
            seen = self.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Seen {
    fn counts(&mut self, endpoint: Endpoint) -> &mut Connections {
        match endpoint {
            Endpoint::Aws => &mut self.aws,
            Endpoint::Imds => &mut self.imds,
        }
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
