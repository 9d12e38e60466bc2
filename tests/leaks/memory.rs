//! While values are held, nothing of them is swapped where locking is allowed.

use std::os::unix::fs::FileExt as _;
use std::process::Command;

use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use crate::canary::{CORE, contains};
use crate::common::{Directory, NOBODY, before_exec, is_root};
use crate::moments::{self, Moment};
use crate::support::shim;

/// As containers have it.
const LITTLE: u64 = 65_536;

/// A mapping: its range, and its flags as smaps has them.
struct Mapping {
    start: u64,
    end: u64,
    flags: String,
}

/// The private writable memory of a process (proc_pid_smaps(5)).
fn mappings(pid: u32) -> Vec<Mapping> {
    let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let mut found: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            if let Some(last) = found.last_mut() {
                last.flags = flags.to_owned();
            }
            continue;
        }
        let range = line.split(' ').next().and_then(|word| word.split_once('-'));
        let parsed = range
            .and_then(|(start, end)| Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?)));
        if let Some((start, end)) = parsed {
            found.push(Mapping { start, end, flags: String::new() });
        }
    }
    found.retain(|mapping| mapping.flags.contains(" wr"));
    found
}

/// The mappings that hold the canary. Only root sees them.
fn holding(pid: u32) -> Vec<Mapping> {
    let Ok(memory) = std::fs::File::open(format!("/proc/{pid}/mem")) else { return Vec::new() };
    let holds = |mapping: &Mapping| {
        let mut bytes = vec![0; usize::try_from(mapping.end - mapping.start).expect("it fits into memory")];
        memory.read_at(&mut bytes, mapping.start).is_ok_and(|read| contains(&bytes[..read], CORE.as_bytes()))
    };
    mappings(pid).into_iter().filter(holds).collect()
}

/// Returns once the canary is in the memory of a process; the test is then about something.
pub fn wait_for_canary(pid: u32) {
    let started = std::time::Instant::now();
    while holding(pid).is_empty() {
        assert!(started.elapsed().as_secs() < 60, "the canary never came into the memory of {pid}");
        std::thread::yield_now();
    }
}

/// As a user, with a limit of locked memory.
fn limited(command: &mut Command, uid: u32, locked: u64) {
    before_exec(command, move || {
        setrlimit(Resource::RLIMIT_MEMLOCK, locked, locked)?;
        nix::unistd::setgid(uid.into())?;
        Ok(nix::unistd::setuid(uid.into())?)
    });
}

fn root(test: &str) -> bool {
    is_root(test, "only root can be another user, and lock any amount")
}

#[test]
fn no_page_with_a_value_can_be_swapped_where_locking_is_allowed() {
    if !root("no_page_with_a_value_can_be_swapped") {
        return;
    }
    // By the capability, and by the limit.
    for (uid, limit) in [(0, LITTLE), (NOBODY, RLIM_INFINITY)] {
        for moment in moments::ALL.into_iter().filter(|moment| moment.has_values()) {
            let Ok(held) = moment.hold(|command| limited(command, uid, limit)) else {
                // Where not even root may raise a limit (no CAP_SYS_RESOURCE), the next test has to do.
                assert_eq!(limit, RLIM_INFINITY);
                println!("locked by the limit: only as the shim says, because this root cannot raise a limit");
                return;
            };
            for mapping in holding(held.child.id()) {
                let (at, flags) = (mapping.start, mapping.flags);
                assert!(flags.contains(" lo"), "user {uid}, {moment:?}: swappable: {at:x} {flags}");
            }
            let (ran, _) = held.release();
            let status = ran.stdout();
            assert!(!status.contains("VmLck:") || status.contains("VmLck:\t       0 kB"), "the command's: {status}");
        }
    }
}

/// In front of the C library: a limit that is none, and a mlockall(2) that shows how it was called.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
static int unlimited(struct rlimit *limit) { limit->rlim_cur = limit->rlim_max = RLIM_INFINITY; return 0; }
int getrlimit(__rlimit_resource_t resource, struct rlimit *limit) { return unlimited(limit); }
int getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limit) { return unlimited((struct rlimit *)limit); }
int mlockall(int flags) { dprintf(2, "mlockall(%d)\n", flags); return 0; }
"#;

/// With an unlimited limit, memory is locked also without the capability: what is touched, now and later.
#[test]
fn an_unlimited_limit_is_enough_to_lock() {
    if !root("an_unlimited_limit_is_enough_to_lock") {
        return;
    }
    let directory = Directory::open();
    let shim = shim(&directory, SHIM);
    let run = |unlimited: bool| {
        let held = Moment::Fetching.hold(|command| {
            limited(command, NOBODY, LITTLE);
            if unlimited {
                command.env("LD_PRELOAD", &shim);
            }
        });
        let (ran, _) = held.expect("a lower limit is allowed").release();
        ran.expect(0).stderr()
    };
    let flags = nix::libc::MCL_CURRENT | nix::libc::MCL_FUTURE | nix::libc::MCL_ONFAULT;
    let (locked, control) = (run(true), run(false));
    assert!(locked.contains(&format!("mlockall({flags})")), "{locked}");
    assert!(!locked.contains("memory is not locked"), "{locked}");
    assert!(control.contains("memory is not locked"), "the control: {control}");
}

#[test]
fn where_locking_is_not_allowed_it_says_so_and_goes_on() {
    if !root("where_locking_is_not_allowed") {
        return;
    }
    let held =
        Moment::BetweenAnswers.hold(|command| limited(command, NOBODY, LITTLE)).expect("a lower limit is allowed");
    assert!(holding(held.child.id()).iter().all(|mapping| !mapping.flags.contains(" lo")));
    let (ran, _) = held.release();
    ran.expect(0).says(&["memory is not locked"]);
}
