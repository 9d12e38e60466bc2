//! Many machines at once: the real policy in virtual time, and real processes against a smaller quota.

use std::sync::Mutex;
use std::time::Duration;

use crate::boots::{THOUSAND, Who};
use crate::common::stepzero;
use crate::kit::{plain, timed, together};

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
    let crowd = crate::boots::Fleet { boots: 3000, ..THOUSAND };
    let ours = crowd.boot(Who::Stepzero, 1);
    assert!(ours.failed > 0, "the quota cannot do it: {} s", crowd.floor());
    assert!(ours.longest <= 121.0, "{}", ours.longest);
}

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
