//! How many connections are opened, and when. Each is a worker, which opens its connection and makes one call after the
//! other until the queue is empty. A TLS handshake costs more work than a call, so a few workers start, and others only
//! while calls are open and no answer has come for a while: then it is the server that is waited for, and waiting is free.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::store::net::error::HttpError;
use crate::store::retry::trouble::Trouble;

/// At most this many at the same time. BENCHMARKS.md has the figures, also for those below.
const MAX_WORKERS: usize = 50;

/// At first there is one worker, and one more for each eight calls, up to three.
const CALLS_EACH: usize = 8;
const MAX_AT_FIRST: usize = 3;

/// When no answer has come for so long, as many workers start as there are, and at least four.
const STALL: Duration = Duration::from_millis(2);
const MIN_GROWTH: usize = 4;

/// A connection that is refused doubles the stall up to this, until the next answer, and only one worker starts after it.
const MAX_STALL: Duration = Duration::from_secs(1);

/// What a worker does with its connection.
pub trait Work {
    type Call;
    type Connection;
    /// Not open yet: a call opens it.
    fn connection(&self) -> Self::Connection;
    /// Opens the connection ahead of its first call.
    async fn preconnect(&self, connection: &mut Self::Connection) -> Result<(), HttpError>;
    /// Makes a call, and tries again where that is of use.
    async fn call(&self, call: Self::Call, connection: &mut Self::Connection) -> Result<Next, Trouble>;
}

/// What comes after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Continue,
    /// No other call is waited for.
    Stop,
}

/// When the last whole answer came, and how long the next one may take before there are more workers.
pub struct Activity {
    last_answer: Cell<Instant>,
    stall: Cell<Duration>,
    recovered: Notify,
}

impl Activity {
    pub fn new() -> Self {
        Activity { last_answer: Cell::new(Instant::now()), stall: Cell::new(STALL), recovered: Notify::new() }
    }

    /// To be called for every whole answer, whatever it says.
    pub fn answered(&self) {
        self.last_answer.set(Instant::now());
        if self.stall.replace(STALL) > STALL {
            self.recovered.notify_one();
        }
    }

    fn refused(&self) {
        self.stall.set((self.stall.get() * 2).min(MAX_STALL));
    }

    fn deadline(&self) -> Instant {
        self.last_answer.get() + self.stall.get()
    }
}

/// Makes all calls. The first error ends it.
pub async fn run<W: Work>(work: &W, calls: Vec<W::Call>, activity: &Activity) -> Result<(), Trouble> {
    activity.last_answer.set(Instant::now());
    let (open, live, calling) = (Cell::new(calls.len()), Cell::new(0), Cell::new(0));
    Workers { work, activity, queue: RefCell::new(calls.into()), open, live, calling }.run().await
}

struct Workers<'a, W: Work> {
    work: &'a W,
    activity: &'a Activity,
    /// Calls that no worker has begun.
    queue: RefCell<VecDeque<W::Call>>,
    /// How many calls have no result yet.
    open: Cell<usize>,
    /// How many workers there are.
    live: Cell<usize>,
    /// How many of them are past opening a connection ahead of their calls.
    calling: Cell<usize>,
}

impl<W: Work> Workers<'_, W> {
    async fn run(&self) -> Result<(), Trouble> {
        let mut workers = FuturesUnordered::new();
        let start = |count: usize| {
            self.live.set(self.live.get() + count);
            (0..count).map(|_| self.worker())
        };
        workers.extend(start((1 + self.open.get() / CALLS_EACH).min(MAX_AT_FIRST)));
        while !workers.is_empty() {
            let growth = self.growth();
            tokio::select! {
                Some(ended) = workers.next() => if ended? == Next::Stop { return Ok(()) },
                () = self.activity.recovered.notified() => {}
                () = sleep_until(self.activity.deadline()), if growth > 0 => {
                    // Answers can have come while we were busy: they are read before it counts as a stall.
                    yield_now().await;
                    while let Some(Some(ended)) = workers.next().now_or_never() {
                        if ended? == Next::Stop { return Ok(()) }
                    }
                    if self.activity.deadline() <= Instant::now() {
                        workers.extend(start(self.growth()));
                        self.activity.last_answer.set(Instant::now());
                    }
                }
            }
        }
        Ok(())
    }

    /// How many workers a stall starts: never more than there are calls.
    fn growth(&self) -> usize {
        let wanted = if self.activity.stall.get() > STALL { 1 } else { self.live.get().max(MIN_GROWTH) };
        wanted.min(MAX_WORKERS.min(self.open.get()).saturating_sub(self.live.get()))
    }

    async fn worker(&self) -> Result<Next, Trouble> {
        let mut connection = self.work.connection();
        let next = match self.work.preconnect(&mut connection).await {
            Err(error) if self.can_do_without(&error) => {
                crate::log::debug(format_args!("no further connection for now: {error}"));
                self.activity.refused();
                Ok(Next::Continue)
            }
            // After an error its first call tries once more, tells what is wrong, and backs off.
            _ => {
                self.calling.set(self.calling.get() + 1);
                let next = self.calls(&mut connection).await;
                self.calling.set(self.calling.get() - 1);
                next
            }
        };
        self.live.set(self.live.get() - 1);
        next
    }

    /// Whether the calls are in good hands without a worker that could not connect. Descriptors and memory are short because
    /// the others have them.
    fn can_do_without(&self, error: &HttpError) -> bool {
        self.calling.get() > 0 || (error.is_exhaustion() && self.live.get() > 1)
    }

    async fn calls(&self, connection: &mut W::Connection) -> Result<Next, Trouble> {
        loop {
            let Some(call) = self.queue.borrow_mut().pop_front() else { return Ok(Next::Continue) };
            let next = self.work.call(call, connection).await?;
            self.open.set(self.open.get() - 1);
            if next == Next::Stop {
                return Ok(next);
            }
        }
    }
}
