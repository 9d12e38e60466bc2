//! What a test can see of the fake, and wait for.

use crate::call::Endpoint;
use crate::fake::Fake;
use crate::log::{Connections, LogEntry};

impl Fake {
    /// Every request so far, in the order of arrival.
    pub fn log(&self) -> Vec<LogEntry> {
        self.0.shared.log.entries()
    }

    /// The requests of one operation.
    pub fn calls(&self, operation: &str) -> Vec<LogEntry> {
        self.log().into_iter().filter(|entry| entry.operation == operation).collect()
    }

    pub fn clear_log(&self) {
        self.0.shared.log.clear();
    }

    /// Blocks until the log satisfies the predicate; panics with the log after 60 seconds.
    pub fn wait_until(&self, done: impl Fn(&[LogEntry]) -> bool) {
        self.0.shared.log.wait_entries(done);
    }

    /// Of SSM and STS.
    pub fn connections(&self) -> Connections {
        self.0.shared.log.connections(Endpoint::Aws)
    }

    pub fn imds_connections(&self) -> Connections {
        self.0.shared.log.connections(Endpoint::Imds)
    }

    /// As `wait_until`, on the connections of SSM and STS.
    pub fn wait_for_connections(&self, done: impl Fn(&Connections) -> bool) {
        self.0.shared.log.wait_connections(Endpoint::Aws, done);
    }

    pub fn wait_for_imds_connections(&self, done: impl Fn(&Connections) -> bool) {
        self.0.shared.log.wait_connections(Endpoint::Imds, done);
    }
}
