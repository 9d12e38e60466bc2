//! Many machines at once: real processes against a small quota. `store::retry::boots` has a thousand in virtual time.

use std::sync::Mutex;
use std::time::Duration;

use crate::common::stepzero;
use crate::kit::{plain, timed, together};

/// 100 processes, 3 calls each, 20 calls a second: the floor is 14 s.
#[test]
fn a_hundred_processes_share_a_small_quota() {
    let fake = plain();
    for at in 0..30 {
        fake.put(&format!("p.{at:02}"), "SecureString", "v");
    }
    fake.bucket(20.0, 20.0);
    let mut args = vec!["exec".to_owned(), "--timeout".into(), "60s".into()];
    for at in 0..30 {
        args.extend(["--parameter".to_owned(), format!("P{at}=p.{at:02}")]);
    }
    args.extend(["--", "true"].map(str::to_owned));
    let longest = Mutex::new(Duration::ZERO);
    together(100, &[(); 100], |()| {
        let (ran, took) = timed(&stepzero(&fake, &args));
        ran.expect(0);
        let mut longest = longest.lock().expect("no case panics with it");
        *longest = took.max(*longest);
    });
    let longest = longest.into_inner().expect("no case panics with it");
    assert!(longest <= Duration::from_secs(61), "{longest:?}");
    let calls = fake.calls("GetParameters").len();
    assert!(calls <= 300 * 46 / 10, "{calls} calls for the 300 that are needed");
}
