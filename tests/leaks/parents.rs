//! A parent that leaves its child little: system calls that are forbidden (seccomp(2)), limits of nothing, all signals
//! blocked. It ends with the command or with a message, and the value is in neither.

use std::io;

use nix::libc;

use crate::common::{Directory, Ran, before_exec, stepzero};
use crate::hunt::report;
use crate::support::fake;
use crate::transparency::{Prepare, check};

/// From now on this system call is EPERM, as container engines say it of those that they do not know.
fn forbid(call: i32) -> io::Result<()> {
    let statement = |code: u32, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let mut filter = [
        // The number of the call is the first word of what a filter sees.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, call.cast_unsigned()),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned()),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: prctl(2) reads the program, which lives here.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
    }
}

fn limit(resource: libc::__rlimit_resource_t) -> io::Result<()> {
    let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: setrlimit(2) reads one limit.
    unsafe { check(libc::setrlimit(resource, &raw const nothing)) }
}

#[test]
fn a_hostile_parent_learns_nothing() {
    let sizes: Prepare = |_| limit(libc::RLIMIT_FSIZE);
    let queues: Prepare = |_| limit(libc::RLIMIT_SIGPENDING);
    let blocked: Prepare = |_| {
        // SAFETY: a full set, and no old one.
        unsafe {
            let mut all = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            check(libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut()))
        }
    };
    let rows: Vec<(&str, Prepare, libc::c_long, i32, &str)> = vec![
        ("no protection", forbid, libc::SYS_prctl, 0, "stays dumpable"),
        ("no locking", forbid, libc::SYS_mlockall, 0, ""),
        ("no look at capabilities", forbid, libc::SYS_capget, 0, ""),
        ("no random numbers", forbid, libc::SYS_getrandom, 0, ""),
        ("no dispositions", forbid, libc::SYS_rt_sigaction, 0, ""),
        ("no look at rights", forbid, libc::SYS_faccessat2, 0, ""),
        ("no sealed memory", forbid, libc::SYS_memfd_create, 71, "no sealed memory for it"),
        ("no modes", forbid, libc::SYS_fchmod, 71, "no sealed memory for it"),
        ("no sockets", forbid, libc::SYS_socket, 75, "cannot connect"),
        ("no poller", forbid, libc::SYS_epoll_create1, 71, "cannot start: epoll_create1: operation not permitted"),
        ("no pairs", forbid, libc::SYS_socketpair, 71, "cannot start: socketpair: operation not permitted"),
        ("no counters", forbid, libc::SYS_eventfd2, 71, "cannot start: eventfd2: operation not permitted"),
        ("files of no size", sizes, 0, 71, "ulimit -f"),
        ("no queue of signals", queues, 0, 0, ""),
        ("all signals blocked", blocked, 0, 0, ""),
    ];
    let directory = Directory::open();
    let spec = directory.file("spec.toml", "scopes = [\"shared\"]\n[env]\nC = \"canary\"\n[files]\nF = \"canary\"\n");
    let args = ["exec", "-vv", "--allow-writable-spec", "--timeout", "2s", "-s", &spec];
    for (name, prepare, argument, code, words) in rows {
        let fake = fake();
        let here = Directory::open();
        let script = "[ \"$(cat \"$F\")\" = \"$C\" ] && [ ${#C} -gt 20 ]";
        let mut command = stepzero(&fake, args.into_iter().chain(["--", "/bin/sh", "-c", script])).command();
        command.current_dir(here.path());
        let argument = i32::try_from(argument).expect("calls have small numbers");
        before_exec(&mut command, move || prepare(argument));
        let ran = report(Ran::of(&mut command).case(name), code).says(&[words]);
        assert!(ran.output.status.code().is_some(), "a signal ended it: {ran}");
        assert!(here.files().is_empty(), "{name}: {:?}", here.files());
    }
}
