//! When a change is reported: somewhere in a span of time after it was made, at another moment on each machine and for each
//! unit, so that a fleet does not restart as one. It is worked out anew each time, and nothing is remembered.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, SystemTime};

use super::unit::full_name;

/// The part of the span that passes here.
pub struct Spread(Duration);

impl Spread {
    /// `unit` tells the units of one machine apart. Machines are told apart by their machine-id(5) and their name: containers of
    /// one image can have one id.
    pub fn new(span: Duration, unit: Option<&str>) -> Self {
        let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
        let host = nix::unistd::gethostname().unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        (machine.trim(), host, unit.map(full_name)).hash(&mut hasher);
        Self::of_hash(span, hasher.finish())
    }

    fn of_hash(span: Duration, hash: u64) -> Self {
        // The upper 32 bits are a fraction of 2^32.
        Spread(span.mul_f64((hash >> 32) as f64 / (1_u64 << 32) as f64))
    }

    /// When a change is due that was made then; `None` when that is now, or when nobody knows when it was made. A time in the
    /// future is that of a clock that is off.
    pub fn due(&self, modified: Option<SystemTime>, now: SystemTime) -> Option<SystemTime> {
        let due = modified?.min(now).checked_add(self.0)?;
        (due > now).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_spread_over_the_whole_span() {
        let span = Duration::from_secs(1000);
        let mut parts = [0; 10];
        for machine in 0..1000_u64 {
            let mut hasher = DefaultHasher::new();
            machine.hash(&mut hasher);
            let Spread(delay) = Spread::of_hash(span, hasher.finish());
            parts[usize::try_from(delay.as_secs() / 100).expect("below ten")] += 1;
        }
        assert!(parts.iter().all(|machines| (60..140).contains(machines)), "{parts:?}");
    }

    #[test]
    fn a_change_is_due_once_its_part_has_passed() {
        let (spread, made) = (Spread(Duration::from_secs(60)), SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
        let at = |seconds| made + Duration::from_secs(seconds);
        assert_eq!(spread.due(Some(made), at(59)), Some(at(60)));
        assert_eq!(spread.due(Some(made), at(60)), None);
        assert_eq!(spread.due(None, at(0)), None, "nobody knows when");
        assert_eq!(spread.due(Some(at(500)), at(0)), Some(at(60)), "a clock that is off");
    }

    #[test]
    fn units_of_one_machine_differ() {
        let span = Duration::from_secs(86_400);
        let delays = ["a.service", "b.service", "c.service"].map(|unit| Spread::new(span, Some(unit)).0);
        assert!(delays[0] != delays[1] && delays[1] != delays[2], "{delays:?}");
        assert_eq!(Spread::new(span, Some("a.service")).0, delays[0], "the same each time");
    }
}
