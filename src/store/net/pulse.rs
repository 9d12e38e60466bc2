//! The signs of life of those we talk with: whether an answer is late is told by what has come meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The signs of life, wherever they come from: where IMDS is quick, so is what comes after it.
#[derive(Clone)]
pub struct Pulse(Arc<Mutex<Beats>>);

struct Beats {
    /// When a request was made last, an answer came, or a connection was opened or begun: no answer is late while we make
    /// requests, fifty of which take as long.
    last: Instant,
    /// So many answers have come.
    answers: u32,
}

impl Pulse {
    pub fn new() -> Self {
        Pulse(Arc::new(Mutex::new(Beats { last: Instant::now(), answers: 0 })))
    }

    fn beats(&self) -> MutexGuard<'_, Beats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sign of life.
    pub fn beat(&self) {
        self.beats().last = Instant::now();
    }

    /// The best one: a whole answer. Returns for how long there was no sign at all before it.
    pub fn answer(&self) -> Duration {
        let mut beats = self.beats();
        let before = std::mem::replace(&mut beats.last, Instant::now());
        beats.answers += 1;
        beats.last - before
    }

    pub fn last(&self) -> Instant {
        self.beats().last
    }

    pub fn answers(&self) -> u32 {
        self.beats().answers
    }
}
