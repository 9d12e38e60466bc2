//! The time that requests are signed with: the machine's, or the server's where the two are far apart, as on a machine
//! that has just booted and has no time yet. AWS refuses a signature that is 5 minutes off.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::TimeSource;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::{Response, header};

/// AWS refuses a signature that is 5 minutes off; 4 leave room for the way.
pub const SKEW_SECONDS: u64 = 4 * 60;

/// Shared by those who see the `Date` of AWS's answers, and those who sign.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Offsets>);

#[derive(Debug, Default)]
struct Offsets {
    /// Server minus machine in seconds, as of the last answer.
    seen: AtomicI64,
    /// What is added to the machine's time.
    applied: AtomicI64,
}

impl Clock {
    /// Takes note of the `Date` of an answer (RFC 9110, 6.6.1).
    pub fn note_date<B>(&self, answer: &Response<B>) {
        let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let server = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        if let Some(server) = server {
            self.0.seen.store(server.secs().saturating_sub(unix_seconds()), Ordering::Relaxed);
        }
    }

    /// After a refusal: signs with the server's time from now on. `false` when the two clocks are not minutes apart, so that
    /// they were not the reason.
    pub fn follow_server(&self) -> bool {
        let moved = self.apply();
        let (by, way) = (moved.unsigned_abs(), if moved > 0 { "behind" } else { "ahead of" });
        let off = by >= SKEW_SECONDS;
        if off {
            crate::log::warn(format_args!("this machine's clock is {by} s {way} AWS's: signing with AWS's time"));
        }
        off
    }

    /// Follows the server's clock from now on. Returns by how many seconds the signing time moved.
    fn apply(&self) -> i64 {
        let seen = self.0.seen.load(Ordering::Relaxed);
        seen.saturating_sub(self.0.applied.swap(seen, Ordering::Relaxed))
    }

    /// Seconds by which the machine is behind the server, negative when it is ahead.
    pub fn skew_seconds(&self) -> i64 {
        self.0.seen.load(Ordering::Relaxed)
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        let offset = self.0.applied.load(Ordering::Relaxed);
        let by = Duration::from_secs(offset.unsigned_abs());
        let now = SystemTime::now();
        let moved = if offset < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        moved.unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_server_only_when_told() {
        let clock = Clock::default();
        let ahead = DateTime::from_secs(unix_seconds() + 1000).fmt(Format::HttpDate).expect("a date");
        let dated = |date: &str| Response::builder().header(header::DATE, date).body(()).expect("a header");
        clock.note_date(&dated(&ahead));
        let before = clock.now().duration_since(SystemTime::now()).unwrap_or_default();
        assert!(before < Duration::from_secs(10), "not yet");
        assert!((990..=1010).contains(&clock.apply()));
        let after = clock.now().duration_since(SystemTime::now()).unwrap_or_default();
        assert!(after > Duration::from_secs(900));
        clock.note_date(&dated("garbage"));
        assert!(clock.skew_seconds() > 900, "garbage changes nothing");
    }
}
