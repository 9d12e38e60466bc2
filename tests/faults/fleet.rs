//! Many machines at once: real processes against a small quota. `store::retry::boots` has a thousand in virtual time.

use std::sync::Mutex;
use std::time::Duration;

use crate::common::{asking, plain, stepzero, together};

/// 100 processes, 3 calls each, 20 calls a second: the floor is 14 s.
#[test]
fn a_hundred_processes_share_a_small_quota() {
    let fake = plain();
    fake.bucket(20.0, 20.0);
    let args = asking(&fake, 30, &["exec", "--timeout", "60s"]);
    let longest = Mutex::new(Duration::ZERO);
    together(100, &[(); 100], |()| {
        let (ran, took) = stepzero(&fake, &args).timed();
        ran.expect(0);
        let mut longest = longest.lock().expect("no case panics with it");
        *longest = took.max(*longest);
    });
    let longest = longest.into_inner().expect("no case panics with it");
    assert!(longest <= Duration::from_secs(61), "{longest:?}");
    let calls = fake.calls("GetParameters").len();
    assert!(calls <= 300 * 46 / 10, "{calls} calls for the 300 that are needed");
}
