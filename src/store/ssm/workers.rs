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
use crate::store::retry::error::AttemptError;

/// At most this many at the same time. BENCHMARKS.md has the figures, also for those below.
const MAX_WORKERS: usize = 50;

/// At first there is one worker, and one more for each eight calls, up to three.
const CALLS_EACH: usize = 8;
pub const MAX_AT_FIRST: usize = 3;

/// After so long without an answer the number of workers doubles, by [`MIN_GROWTH`] at least.
const STALL: Duration = Duration::from_millis(2);
const MIN_GROWTH: usize = 4;

/// Each connection that is refused doubles the stall up to this, and then only one worker starts at a time. The next answer
/// resets both.
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
    async fn call(&self, call: Self::Call, connection: &mut Self::Connection) -> Result<Next, AttemptError>;
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
pub async fn run<W: Work>(work: &W, calls: Vec<W::Call>, activity: &Activity) -> Result<(), AttemptError> {
    activity.last_answer.set(Instant::now());
    let (unfinished, workers, calling) = (Cell::new(calls.len()), Cell::new(0), Cell::new(0));
    Workers { work, activity, queue: RefCell::new(calls.into()), unfinished, workers, calling }.run().await
}

struct Workers<'a, W: Work> {
    work: &'a W,
    activity: &'a Activity,
    /// Calls that no worker has begun.
    queue: RefCell<VecDeque<W::Call>>,
    /// Calls that have no result yet.
    unfinished: Cell<usize>,
    workers: Cell<usize>,
    /// Workers that are past opening a connection ahead of their calls.
    calling: Cell<usize>,
}

impl<W: Work> Workers<'_, W> {
    async fn run(&self) -> Result<(), AttemptError> {
        let mut workers = FuturesUnordered::new();
        let start = |count: usize| {
            self.workers.set(self.workers.get() + count);
            (0..count).map(|_| self.worker())
        };
        workers.extend(start((1 + self.unfinished.get() / CALLS_EACH).min(MAX_AT_FIRST)));
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
        let wanted = if self.activity.stall.get() > STALL { 1 } else { self.workers.get().max(MIN_GROWTH) };
        wanted.min(MAX_WORKERS.min(self.unfinished.get()).saturating_sub(self.workers.get()))
    }

    async fn worker(&self) -> Result<Next, AttemptError> {
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
        self.workers.set(self.workers.get() - 1);
        next
    }

    /// Whether a worker that could not connect may end without trying a call: others make calls already, or descriptors or
    /// memory ran out because others have them.
    fn can_do_without(&self, error: &HttpError) -> bool {
        self.calling.get() > 0 || (error.is_exhaustion() && self.workers.get() > 1)
    }

    async fn calls(&self, connection: &mut W::Connection) -> Result<Next, AttemptError> {
        loop {
            let Some(call) = self.queue.borrow_mut().pop_front() else { return Ok(Next::Continue) };
            let next = self.work.call(call, connection).await?;
            self.unfinished.set(self.unfinished.get() - 1);
            if next == Next::Stop {
                return Ok(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A server in virtual time.
    struct Server {
        activity: Activity,
        /// How long an answer takes, and a connection.
        answer: Duration,
        connect: Duration,
        /// How many connections it accepts, and until when it accepts none.
        accepts: usize,
        away_until: Instant,
        /// The number of the call that ends it all.
        last: Option<u32>,
        /// Work of our own, which takes time and lets nothing else happen.
        busy: Duration,
        seen: RefCell<Seen>,
    }

    #[derive(Default)]
    struct Seen {
        attempts: usize,
        connections: usize,
        calls: Vec<u32>,
        /// When the calls begin and when they end.
        begun: Vec<Instant>,
        ended: Vec<Instant>,
    }

    impl Server {
        fn new(answer: Duration) -> Self {
            let (activity, seen) = (Activity::new(), RefCell::default());
            let away_until = Instant::now();
            Server {
                activity,
                answer,
                connect: Duration::ZERO,
                accepts: 50,
                away_until,
                last: None,
                busy: Duration::ZERO,
                seen,
            }
        }

        async fn serve(&self, calls: u32) -> Duration {
            let begun = Instant::now();
            run(self, (0..calls).collect(), &self.activity).await.expect("no call fails for good");
            begun.elapsed()
        }

        fn connections(&self) -> usize {
            self.seen.borrow().connections
        }

        fn called(&self) -> Vec<u32> {
            let mut called = self.seen.borrow().calls.clone();
            called.sort_unstable();
            called
        }
    }

    impl Work for Server {
        type Call = u32;
        /// Whether it is open.
        type Connection = bool;

        fn connection(&self) -> bool {
            false
        }

        async fn preconnect(&self, open: &mut bool) -> Result<(), HttpError> {
            self.seen.borrow_mut().attempts += 1;
            if !self.connect.is_zero() {
                sleep(self.connect).await;
            }
            let mut seen = self.seen.borrow_mut();
            if Instant::now() < self.away_until || seen.connections == self.accepts {
                return Err(HttpError::Connect("x".into(), std::io::ErrorKind::ConnectionRefused.into()));
            }
            seen.connections += 1;
            *open = true;
            Ok(())
        }

        /// A connection that is refused is tried again after a second.
        async fn call(&self, call: u32, open: &mut bool) -> Result<Next, AttemptError> {
            self.seen.borrow_mut().begun.push(Instant::now());
            while !*open && self.preconnect(open).await.is_err() {
                sleep(Duration::from_secs(1)).await;
            }
            sleep(self.answer).await;
            advance(self.busy).await;
            self.activity.answered();
            let mut seen = self.seen.borrow_mut();
            seen.calls.push(call);
            seen.ended.push(Instant::now());
            Ok(if self.last == Some(call) { Next::Stop } else { Next::Continue })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn quick_answers_need_few_connections() {
        for (calls, connections) in [(1, 1), (7, 1), (8, 2), (16, 3), (50, 3), (500, 3)] {
            let server = Server::new(MS);
            server.serve(calls).await;
            assert_eq!(server.connections(), connections, "{calls} calls");
            assert_eq!(server.called(), (0..calls).collect::<Vec<_>>(), "each call is made once");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_answers_have_a_connection_for_each_call() {
        for (calls, connections) in [(1, 1), (2, 2), (10, 10), (50, 50), (60, 50)] {
            let server = Server::new(100 * MS);
            let took = server.serve(calls).await;
            assert_eq!(server.connections(), connections, "{calls} calls");
            let rounds = if calls > 50 { 2 } else { 1 };
            assert!(took < rounds * 100 * MS + 20 * MS, "{calls} calls took {took:?}");
        }
    }

    /// Fifty handshakes at once would be work for nothing where it was only the machine that was busy.
    #[tokio::test(start_paused = true)]
    async fn connections_double_with_each_stall() {
        let server = Server::new(100 * MS);
        let seen = async {
            let mut seen = Vec::new();
            for _ in 0..6 {
                sleep(MS).await;
                seen.push(server.seen.borrow().attempts);
                sleep(MS).await;
            }
            seen
        };
        let (_, seen) = tokio::join!(server.serve(50), seen);
        assert_eq!(seen, [3, 7, 14, 28, 50, 50]);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_came_while_we_were_busy_are_no_stall() {
        let server = Server { busy: 5 * MS, ..Server::new(MS) };
        server.serve(50).await;
        assert_eq!(server.connections(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_connections_leave_the_calls_to_the_others() {
        let server = Server { accepts: 5, ..Server::new(5 * MS) };
        let took = server.serve(50).await;
        assert_eq!(server.called().len(), 50);
        assert!(took <= 60 * MS, "no call waits for its turn in a back-off: {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refuses_is_asked_less_and_less_and_then_by_all() {
        let mut server = Server::new(5 * MS);
        let back = Instant::now() + 300 * MS;
        server.away_until = back;
        let took = server.serve(50).await;
        assert_eq!(server.called().len(), 50);
        // One call backs off for a second; the others do not wait for it.
        assert!(took < Duration::from_millis(1100), "{took:?}");
        let seen = server.seen.borrow();
        let refused = seen.attempts - seen.connections;
        assert!(refused < 16, "{refused} connections were refused");
        assert!(seen.ended[48] < back + 300 * MS, "{:?}", seen.ended[48] - back);
    }

    /// A connection takes as long to fail as others to begin: somebody must tell what is wrong.
    #[tokio::test(start_paused = true)]
    async fn a_call_is_tried_although_every_connection_fails_slowly() {
        let mut server = Server { connect: Duration::from_secs(3), ..Server::new(MS) };
        server.away_until = Instant::now() + Duration::from_secs(10);
        let took = server.serve(6).await;
        assert_eq!(server.called().len(), 6);
        assert!(took < Duration::from_secs(15), "{took:?}");
        let first = server.seen.borrow().begun[0];
        assert!(first < server.away_until - Duration::from_secs(6), "as soon as a connection has failed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_can_end_it_early() {
        let server = Server { last: Some(4), ..Server::new(MS) };
        server.serve(500).await;
        assert!(server.called().len() < 10, "{:?}", server.called());
    }
}
