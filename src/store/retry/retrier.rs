//! One deadline over everything, and the one retry loop: exponential back-off with full jitter, bounded by the deadline and
//! not by a number of attempts.
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Exit, Failure};
use crate::store::retry::error::{AttemptError, Cause};

/// How long one attempt may take, and how the pauses between attempts grow.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub attempt: Duration,
    /// The longest first pause; it doubles with every failure.
    pub base: Duration,
    pub cap: Duration,
}

/// For AWS's services: a thousand simultaneous boots against 40 calls a second all get through within 120 s.
pub const SERVICE: Backoff =
    Backoff { attempt: Duration::from_secs(10), base: Duration::from_secs(1), cap: Duration::from_secs(20) };

/// For credentials and the Region, mostly from this machine. IMDS has a limit of its own for a request.
pub const LOCAL: Backoff =
    Backoff { attempt: Duration::from_secs(10), base: Duration::from_millis(500), cap: Duration::from_secs(3) };

/// What is left for one last attempt before the deadline.
const LAST_CALL: Duration = Duration::from_secs(1);

/// The deadline, and what is being waited for.
#[derive(Debug)]
pub struct Retrier {
    started: Instant,
    timeout: Duration,
    progress: RefCell<Progress>,
    /// Throttled calls are tried again one after the other, because many at once compete for the same quota. A call holds this
    /// from its first throttle until it gets through. The value counts throttles, and so sets the back-off.
    throttle_gate: Mutex<u32>,
}

#[derive(Debug, Default)]
struct Progress {
    what: &'static str,
    attempts: u32,
    cause: Option<String>,
}

impl Retrier {
    pub fn new(timeout: Duration) -> Self {
        Retrier { started: Instant::now(), timeout, progress: RefCell::default(), throttle_gate: Mutex::default() }
    }

    /// For what blocks.
    pub fn deadline(&self) -> std::time::Instant {
        (self.started + self.timeout).into_std()
    }

    /// Until the deadline.
    pub fn remaining(&self) -> Duration {
        self.timeout.saturating_sub(self.started.elapsed())
    }

    /// Tries until it works, until it fails for good, or until the deadline: then TEMPFAIL with the last cause, the number
    /// of attempts and the time. A cut attempt counts as one that failed.
    pub async fn retry<T>(
        &self,
        what: &'static str,
        backoff: Backoff,
        mut attempt: impl AsyncFnMut() -> Result<T, AttemptError>,
    ) -> Result<T, AttemptError> {
        let mut last: Option<Cause> = None;
        let mut gate = None;
        self.begin(what);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let limit = backoff.attempt.min(self.remaining());
            let cause = match timeout(limit, attempt()).await {
                Ok(Err(AttemptError::Transient(cause))) => cause,
                Ok(done) => return done,
                // That the deadline cut it says less than what went wrong before.
                Err(_) => match last.take() {
                    Some(before) if self.remaining().is_zero() => before,
                    _ => Cause::new(format!("no complete answer within {:.1} s", limit.as_secs_f64())),
                },
            };
            crate::log::debug(format_args!("{what}: try {attempts}: {}", cause.what));
            self.failed(what, attempts, &cause);
            let pause = match cause.throttled {
                true => self.after_throttle(backoff, &cause, &mut gate).await,
                false => delay(backoff, attempts, &cause, self.remaining()),
            };
            sleep(pause.min(self.remaining())).await;
            if self.remaining().is_zero() {
                return Err(AttemptError::DeadlineExceeded(self.gave_up(what, attempts, cause)));
            }
            last = Some(cause);
        }
    }

    /// The pause after a throttle. The call takes the gate, or waits for its holder to get through.
    async fn after_throttle<'a>(
        &'a self,
        backoff: Backoff,
        cause: &Cause,
        gate: &mut Option<MutexGuard<'a, u32>>,
    ) -> Duration {
        let throttles = match gate {
            Some(held) => held,
            None => match self.throttle_gate.try_lock() {
                Ok(free) => gate.insert(free),
                Err(_) => {
                    let begun = Instant::now();
                    *gate = timeout(self.remaining(), self.throttle_gate.lock()).await.ok();
                    // The holder got through, so this call goes on as soon as the server permits.
                    return cause.pause.unwrap_or_default().saturating_sub(begun.elapsed());
                }
            },
        };
        **throttles += 1;
        delay(backoff, **throttles, cause, self.remaining())
    }

    fn gave_up(&self, what: &str, attempts: u32, cause: Cause) -> Failure {
        let (attempts, seconds) = (count(attempts), self.started.elapsed().as_secs_f64());
        let failure = Failure::new(Exit::TempFail, format!("gave up on {what} after {attempts} in {seconds:.1} s"))
            .detail(format!("last: {}", cause.what));
        match cause.help {
            Some(help) => failure.help(help),
            None => {
                failure.help(format!("try again later, or allow more than --timeout {}s", self.timeout.as_secs_f64()))
            }
        }
    }

    /// Something else is waited for: what went wrong before is over.
    fn begin(&self, what: &'static str) {
        let mut progress = self.progress.borrow_mut();
        if progress.what != what {
            *progress = Progress { what, ..Progress::default() };
        }
    }

    fn failed(&self, what: &'static str, attempts: u32, cause: &Cause) {
        *self.progress.borrow_mut() = Progress { what, attempts, cause: Some(cause.what.clone()) };
    }

    /// What is waited for, in a line.
    pub fn status(&self) -> String {
        let progress = self.progress.borrow();
        let left = self.remaining().as_secs();
        let cause = progress.cause.as_deref().unwrap_or("no answer yet");
        format!("waiting for {}: {cause} ({}, {left} s left)", progress.what, count(progress.attempts.max(1)))
    }
}

/// The pause after so many failures: full jitter, at least what the server asked for. A pause that would outlast the deadline
/// leaves a second for one last attempt, unless the server does not want one.
fn delay(backoff: Backoff, failures: u32, cause: &Cause, remaining: Duration) -> Duration {
    // A throttle is known to last; anything else can be over in a moment.
    let base = if cause.throttled { backoff.base * 2 } else { backoff.base };
    let ceiling = base.saturating_mul(1 << (failures - 1).min(16)).min(backoff.cap);
    let asked = cause.pause.unwrap_or_default();
    let wanted = ceiling.mul_f64(fastrand::f64()).max(asked);
    let last_call = remaining.saturating_sub(LAST_CALL).max(asked);
    if wanted < remaining {
        wanted
    } else if last_call.is_zero() {
        remaining
    } else {
        last_call.min(remaining)
    }
}

fn count(attempts: u32) -> String {
    if attempts == 1 { "1 try".into() } else { format!("{attempts} tries") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_tries_until_it_works() {
        let retrier = Retrier::new(Duration::from_secs(120));
        let mut attempts = 0;
        let result = retrier
            .retry("x", SERVICE, async || {
                attempts += 1;
                if attempts < 5 { Err(AttemptError::Transient(Cause::new("busy"))) } else { Ok(attempts) }
            })
            .await;
        assert!(matches!(result, Ok(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_at_the_deadline_with_the_cause() {
        let retrier = Retrier::new(Duration::from_secs(7));
        let started = Instant::now();
        let result: Result<(), _> =
            retrier.retry("SSM", SERVICE, async || Err(AttemptError::Transient(Cause::new("busy")))).await;
        let Err(AttemptError::DeadlineExceeded(failure)) = result else { panic!("it gave up: {result:?}") };
        assert_eq!(failure.exit, Exit::TempFail);
        assert!(failure.to_string().contains("last: busy"), "{failure}");
        let after = started.elapsed();
        assert!(after >= Duration::from_secs(7) && after < Duration::from_secs(8), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_attempt_is_cut_and_a_permanent_failure_ends_it() {
        let retrier = Retrier::new(Duration::from_secs(60));
        let mut attempts = 0;
        let result: Result<(), _> = retrier
            .retry("x", SERVICE, async || {
                attempts += 1;
                if attempts == 1 {
                    std::future::pending::<()>().await;
                }
                Err(AttemptError::Fatal(Failure::new(Exit::NoPerm, "denied")))
            })
            .await;
        assert!(matches!(result, Err(AttemptError::Fatal(failure)) if failure.exit == Exit::NoPerm));
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_s_pause_is_respected() {
        let retrier = Retrier::new(Duration::from_secs(60));
        let started = Instant::now();
        let mut attempts = 0;
        let _: Result<(), _> = retrier
            .retry("x", SERVICE, async || {
                attempts += 1;
                let pause = Some(Duration::from_secs(9));
                if attempts == 1 { Err(AttemptError::Transient(Cause { pause, ..Cause::new("busy") })) } else { Ok(()) }
            })
            .await;
        assert!(started.elapsed() >= Duration::from_secs(9));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_s_cut_does_not_hide_the_cause() {
        let retrier = Retrier::new(Duration::from_secs(8));
        let mut attempts = 0;
        let result: Result<(), _> = retrier
            .retry("x", SERVICE, async || {
                attempts += 1;
                if attempts > 1 {
                    std::future::pending::<()>().await;
                }
                Err(AttemptError::Transient(Cause::new("busy").help("wait")))
            })
            .await;
        let Err(AttemptError::DeadlineExceeded(failure)) = result else { panic!("it gave up: {result:?}") };
        assert!(failure.to_string().contains("last: busy") && failure.to_string().contains("help: wait"), "{failure}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_before_the_deadline_is_the_cause() {
        let retrier = Retrier::new(Duration::from_secs(25));
        let mut attempts = 0;
        let result: Result<(), _> = retrier
            .retry("x", SERVICE, async || {
                attempts += 1;
                if attempts > 1 {
                    std::future::pending::<()>().await;
                }
                Err(AttemptError::Transient(Cause::new("busy")))
            })
            .await;
        let Err(AttemptError::DeadlineExceeded(failure)) = result else { panic!("it gave up: {result:?}") };
        assert!(failure.to_string().contains("last: no complete answer within 10.0 s"), "{failure}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_deadline_is_respected_too() {
        let retrier = Retrier::new(Duration::from_secs(5));
        let started = Instant::now();
        let mut attempts = 0;
        let result: Result<(), _> = retrier
            .retry("x", SERVICE, async || {
                attempts += 1;
                Err(AttemptError::Transient(Cause { pause: Some(Duration::from_secs(3600)), ..Cause::new("busy") }))
            })
            .await;
        assert!(result.is_err());
        assert_eq!((attempts, started.elapsed().as_secs()), (1, 5));
    }
}
