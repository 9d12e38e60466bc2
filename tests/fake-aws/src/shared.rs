//! What all connections share: the state, the log, and the certificate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_rustls::TlsAcceptor;

use crate::log::Log;
use crate::state::State;

pub(crate) struct Shared {
    state: Mutex<State>,
    pub log: Log,
    /// For the AWS endpoint; `None` serves plain HTTP.
    pub tls: Option<TlsAcceptor>,
    pub container_path: String,
    requests: AtomicU64,
}

impl Shared {
    pub fn new(state: State, tls: Option<TlsAcceptor>, container_path: String) -> Self {
        Self { state: Mutex::new(state), log: Log::new(), tls, container_path, requests: AtomicU64::new(0) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        // A test's rewrite function that panics does so outside of this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        format!("00000000-0000-4000-8000-{number:012}")
    }
}
