//! Signals: what was inherited and is given back to the command, and how this process ends by one.

use std::ffi::c_int;

use super::exit_now;

/// What has to be as it was when the command starts.
pub struct Inheritance {
    dispositions: [(c_int, Disposition); 4],
    blocked: u64,
}

/// What is set for a signal, in the kernel's own form, which is only kept and given back: handler, flags, restorer, mask.
type Disposition = [u64; 4];

const IGNORED: Disposition = [libc::SIG_IGN as u64, 0, 0, 0];
const DEFAULT: Disposition = [libc::SIG_DFL as u64, 0, 0, 0];

/// SIGPIPE and SIGCHLD are changed here and by the runtime; 32 and 33 by the C library when it starts a thread, behind
/// the back of its own sigaction(3) and sigprocmask(3), which do not know them (nptl(7)).
const CHANGED: [c_int; 4] = [libc::SIGPIPE, libc::SIGCHLD, 32, 33];

/// A null pointer for syscall(2), whose arguments are variadic: a plain 0 would be an `int`.
const NOTHING: *mut u64 = std::ptr::null_mut();

/// The size of the kernel's set of signals, in bytes.
const SIGNAL_SET: usize = size_of::<u64>();

/// What was inherited. From here on a write to a closed pipe or socket is an error, and children can be waited for: were
/// SIGCHLD ignored, the kernel would reap a credential_process.
pub fn record_and_reset() -> Inheritance {
    let dispositions = CHANGED.map(|signal| match signal {
        libc::SIGPIPE => (signal, exchange(signal, Some(&IGNORED))),
        libc::SIGCHLD => (signal, exchange(signal, Some(&DEFAULT))),
        _ => (signal, exchange(signal, None)),
    });
    Inheritance { dispositions, blocked: blocked() }
}

impl Inheritance {
    /// Puts the signals back. The other dispositions were never touched; handlers end with the exec, which leaves SIG_DFL.
    pub fn restore(&self) {
        let by_exec =
            |(signal, before): &&(c_int, Disposition)| *signal != libc::SIGPIPE && before[0] == libc::SIG_DFL as u64;
        for (signal, before) in self.dispositions.iter().filter(|one| !by_exec(one)) {
            exchange(*signal, Some(before));
        }
        // SAFETY: reads one set of signals from `blocked`.
        unsafe {
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const self.blocked, NOTHING, SIGNAL_SET)
        };
    }
}

/// A write to a closed pipe or socket becomes an error.
pub fn ignore_sigpipe() {
    exchange(libc::SIGPIPE, Some(&IGNORED));
}

/// Sets a disposition, if one is given, and returns the one before.
fn exchange(signal: c_int, new: Option<&Disposition>) -> Disposition {
    let mut before = [0; 4];
    let new = new.map_or(NOTHING.cast_const(), |new| new.as_ptr());
    // SAFETY: the kernel reads `new`, if any, and writes `before`; its own form is no longer than these. `new` is SIG_DFL,
    // SIG_IGN, or what the kernel gave for this signal when this process began, as nothing else survives an exec: no code of
    // this process.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, new, before.as_mut_ptr(), SIGNAL_SET) };
    before
}

fn blocked() -> u64 {
    let mut set = 0;
    // SAFETY: without a new set the kernel only writes the present one, of 64 signals.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, NOTHING, &raw mut set, SIGNAL_SET) };
    set
}

/// All that end a process by default and can be sent (signal(7)): an image can have any as its STOPSIGNAL.
const DEADLY: [c_int; 14] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// Those that say that a program is broken.
const CRASHES: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGSYS, libc::SIGTRAP];

/// The kernel drops signals for PID 1 that it does not handle (pid_namespaces(7)). Those that were ignored stay so.
pub fn exit_on_signals() {
    exit_on(DEADLY.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX()));
}

/// Also a crash leaves time for a last word.
pub fn exit_on_crashes() {
    exit_on(CRASHES);
}

fn exit_on(signals: impl IntoIterator<Item = c_int>) {
    extern "C" fn die(signal: c_int) {
        exit_now(128 + signal);
    }
    for signal in signals {
        if exchange(signal, None)[0] == libc::SIG_DFL as u64 {
            // SAFETY: `die` only calls write(2) and _exit(2), which are async-signal-safe.
            unsafe { libc::signal(signal, die as extern "C" fn(c_int) as libc::sighandler_t) };
        }
    }
}
