//! The token bucket over the Get* calls, which is AWS's quota for an account and Region.

use std::time::Instant;

#[derive(Debug)]
pub(crate) struct Bucket {
    capacity: f64,
    refill_per_second: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    pub fn new(capacity: f64, refill_per_second: f64, now: Instant) -> Self {
        Self { capacity, refill_per_second, tokens: capacity, filled_at: now }
    }

    /// Takes a token if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.refill_per_second).min(self.capacity);
        self.filled_at = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn empties_and_refills() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2.0, 10.0, start);
        assert!(bucket.take(start) && bucket.take(start));
        assert!(!bucket.take(start));
        assert!(!bucket.take(start + Duration::from_millis(50)));
        assert!(bucket.take(start + Duration::from_millis(100)));
        let later = start + Duration::from_secs(60);
        assert!(bucket.take(later) && bucket.take(later));
        assert!(!bucket.take(later), "a full bucket holds no more than its capacity");
    }
}
