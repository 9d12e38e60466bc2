//! A fleet that boots at once, in virtual time: our own retry loop against a token bucket, as Parameter Store has one for an
//! account and Region. RELIABILITY.md has the figures.

mod picture;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use crate::store::retry::error::{AttemptError, Cause};
use crate::store::retry::retrier::{Retrier, SERVICE};

/// How many machines, with how many calls each, against how many calls a second.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    pub boots: u32,
    pub calls: u32,
    pub per_second: u32,
    pub timeout: Duration,
}

/// The fleet of RELIABILITY.md.
pub const THOUSAND: Fleet = Fleet { boots: 1000, calls: 3, per_second: 40, timeout: Duration::from_secs(120) };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The code that ships.
    Stepzero,
    /// The SDKs' standard mode: 3 attempts, jitter below 1 s and 2 s.
    SdkDefault,
}

/// What became of a fleet.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Seconds after which each machine that started did so, in order.
    pub started: Vec<f64>,
    pub failed: u32,
    /// The longest life of any, started or not.
    pub longest: f64,
    /// Calls that reached the store.
    pub calls: u32,
}

impl Fleet {
    /// Nobody can be faster: the bucket is full at first, and every call needs a token.
    pub fn floor(&self) -> f64 {
        f64::from(self.boots * self.calls - self.per_second) / f64::from(self.per_second)
    }

    pub fn boot(self, who: Who, seed: u64) -> Outcome {
        fastrand::seed(seed);
        let builder = &mut tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().expect("a runtime without I/O");
        LocalSet::new().block_on(&runtime, self.boot_all(who))
    }

    async fn boot_all(self, who: Who) -> Outcome {
        let store = Rc::new(Store::new(self.per_second));
        let machines: Vec<_> = (0..self.boots)
            .map(|_| {
                let store = store.clone();
                tokio::task::spawn_local(async move {
                    let born = Instant::now();
                    let started = self.machine(&store, who).await;
                    (started, born.elapsed().as_secs_f64())
                })
            })
            .collect();
        let mut outcome = Outcome { started: Vec::new(), failed: 0, longest: 0.0, calls: 0 };
        for machine in machines {
            let (started, life) = machine.await.expect("no machine panics");
            outcome.longest = outcome.longest.max(life);
            if started { outcome.started.push(life) } else { outcome.failed += 1 }
        }
        outcome.started.sort_by(f64::total_cmp);
        outcome.calls = store.calls.get();
        outcome
    }

    /// All its calls at once, and what has arrived is kept.
    async fn machine(self, store: &Rc<Store>, who: Who) -> bool {
        if who == Who::SdkDefault {
            // One call after the other, as such programs are written; all at once, even fewer would start.
            for _ in 0..self.calls {
                if !sdk(store).await {
                    return false;
                }
            }
            return true;
        }
        let retrier = Rc::new(Retrier::new(self.timeout));
        let calls: Vec<_> = (0..self.calls)
            .map(|_| {
                let (store, retrier) = (store.clone(), retrier.clone());
                tokio::task::spawn_local(async move {
                    retrier.retry("Parameter Store", SERVICE, async || store.ask().await).await.is_ok()
                })
            })
            .collect();
        let mut all = true;
        for call in calls {
            all &= call.await.expect("no call panics");
        }
        all
    }
}

async fn sdk(store: &Store) -> bool {
    for attempt in 0..3 {
        if store.ask().await.is_ok() {
            return true;
        }
        if attempt < 2 {
            sleep(Duration::from_secs_f64(fastrand::f64() * f64::from(1 << attempt))).await;
        }
    }
    false
}

/// The bucket, and 20 ms of way.
struct Store {
    per_second: f64,
    tokens: RefCell<(f64, Instant)>,
    calls: Cell<u32>,
}

impl Store {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Store { per_second, tokens: RefCell::new((per_second, Instant::now())), calls: Cell::new(0) }
    }

    async fn ask(&self) -> Result<(), AttemptError> {
        sleep(Duration::from_millis(10)).await;
        self.calls.set(self.calls.get() + 1);
        let taken = self.take();
        sleep(Duration::from_millis(10)).await;
        if taken {
            Ok(())
        } else {
            Err(AttemptError::Transient(Cause { throttled: true, ..Cause::new("ThrottlingException") }))
        }
    }

    fn take(&self) -> bool {
        let (tokens, at) = &mut *self.tokens.borrow_mut();
        let now = Instant::now();
        *tokens = (*tokens + (now - *at).as_secs_f64() * self.per_second).min(self.per_second);
        *at = now;
        let some = *tokens >= 1.0;
        if some {
            *tokens -= 1.0;
        }
        some
    }
}

#[test]
fn a_thousand_boots_all_start_by_the_deadline() {
    for seed in 0..5 {
        let ours = THOUSAND.boot(Who::Stepzero, seed);
        assert_eq!((ours.started.len(), ours.failed), (1000, 0), "seed {seed}");
        assert!(ours.longest <= 120.0, "seed {seed}: {}", ours.longest);
        let factor = f64::from(ours.calls) / f64::from(THOUSAND.boots * THOUSAND.calls);
        assert!(factor <= 4.6, "seed {seed}: {factor:.2} times the calls that are needed");
    }
}

#[test]
fn nobody_outlives_the_deadline() {
    let crowd = Fleet { boots: 3000, ..THOUSAND };
    let ours = crowd.boot(Who::Stepzero, 1);
    assert!(ours.failed > 0, "the quota cannot do it: {} s", crowd.floor());
    assert!(ours.longest <= 121.0, "{}", ours.longest);
}
