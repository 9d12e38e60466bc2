//! A long wait is reported: by a line on stderr, and under systemd by a status and a request for more time (sd_notify(3)).

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::notify;
use crate::store::retry::retrier::Retrier;

/// A wait is reported after this long.
const REPORT_AFTER: Duration = Duration::from_secs(3);
/// How often the line on stderr is repeated.
const REPORT_EVERY: Duration = Duration::from_secs(30);
/// How often systemd is asked for more time.
const EXTEND_EVERY: Duration = Duration::from_secs(2);

/// Does `work` and reports while it waits. Also returns whether there was a report, and so systemd's time extended.
pub async fn reported<T>(retrier: &Retrier, work: impl Future<Output = T>) -> (T, bool) {
    let has_reported = Cell::new(false);
    let done = tokio::select! {
        biased;
        done = work => done,
        never = report(retrier, &has_reported) => match never {},
        never = feed_watchdog() => match never {},
    };
    (done, has_reported.get())
}

async fn report(retrier: &Retrier, has_reported: &Cell<bool>) -> Infallible {
    sleep(REPORT_AFTER).await;
    let mut next = Instant::now();
    loop {
        if Instant::now() >= next {
            crate::log::notice(&retrier.status());
            has_reported.set(true);
            next = Instant::now() + REPORT_EVERY;
        }
        notify::extend(retrier.remaining() + Duration::from_secs(10), &retrier.status());
        sleep(EXTEND_EVERY).await;
    }
}

/// From the start, because the first report could come too late for systemd's watchdog.
async fn feed_watchdog() -> Infallible {
    let Some(period) = notify::watchdog() else { return std::future::pending().await };
    loop {
        notify::alive();
        sleep(period).await;
    }
}
