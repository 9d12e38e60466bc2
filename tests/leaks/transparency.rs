//! The state of a command that was run bare and of one that was run through stepzero, which fetches a value for it:
//! everything that /proc tells is compared, and only the environment may differ.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};

use fake_aws::Fake;

use crate::common::{Ran, STEPZERO, before_exec, terminal, together};
use crate::support::fake;

/// A change to the process before the exec, in the child: async-signal-safe calls only.
pub type Prepare = fn(i32) -> io::Result<()>;

pub fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Into a file of /proc, in the child.
fn write(path: &std::ffi::CStr, text: &[u8]) -> io::Result<()> {
    // SAFETY: open(2), write(2) and close(2) with values of their own.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        check(file)?;
        let written = libc::write(file, text.as_ptr().cast(), text.len());
        check(libc::close(file))?;
        if written == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Runs the probe bare and through stepzero, in the same state.
pub fn both(fake: &Fake, probe: &[&str], argument: i32, prepare: Prepare) -> [String; 2] {
    let wrapped = [STEPZERO, "exec", "--scope", "shared", "-k", "canary", "--"];
    [Vec::new(), wrapped.to_vec()].map(|prefix| {
        let line: Vec<&str> = prefix.into_iter().chain(probe.iter().copied()).collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).env_clear().envs(fake.env()).env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        // A name to resolve, so that there is a thread, with what the C library does for threads.
        let port = fake.endpoint_address().port();
        command.env("AWS_ENDPOINT_URL", format!("http://localhost:{port}"));
        command.env("LISTEN_FDS", "2").env("LISTEN_PID", "1").env("NOTIFY_SOCKET", "@nobody-listens");
        command.current_dir("/usr").stdin(Stdio::null());
        before_exec(&mut command, move || prepare(argument));
        let ran = Ran::of(&mut command);
        ran.stdout() + &ran.stderr()
    })
}

/// The lines of /proc/self/status by name, without those about who it is, how big, how often it was switched, and what
/// all processes of the user have queued together (SigQ). Process group and session are compared by their numbers below.
fn status(text: &str) -> BTreeMap<&str, &str> {
    const OTHERS: &str = "Pid Tgid NSpid NStgid NSpgid NSsid SigQ voluntary_ctxt_switches nonvoluntary_ctxt_switches \
                          VmPeak VmSize VmHWM VmRSS VmData VmStk VmPTE RssAnon RssFile";
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let is_compared = |name: &str| OTHERS.split(' ').all(|other| other != name);
    lines.filter(|(name, _)| is_compared(name)).map(|(name, value)| (name, value.trim())).collect()
}

#[track_caller]
fn same_status([bare, wrapped]: &[String; 2]) {
    let (bare, wrapped) = (status(bare), status(wrapped));
    for name in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd", "CapEff", "Umask", "VmLck", "Threads", "NoNewPrivs"]
    {
        assert!(bare.contains_key(name), "the control: {name} is in the status: {bare:?}");
    }
    assert_eq!(bare, wrapped);
}

const STATUS: [&str; 2] = ["cat", "/proc/self/status"];

#[test]
fn everything_that_proc_tells() {
    let fake = fake();
    let nothing: Prepare = |_| Ok(());
    let strange: Prepare = |_| {
        // SAFETY: async-signal-safe calls with values of their own.
        unsafe {
            libc::umask(0o137);
            check(libc::setpgid(0, 0))?;
            check(libc::nice(3).max(0))?;
            for (resource, soft, hard) in [
                (libc::RLIMIT_NOFILE, 300, 4000),
                (libc::RLIMIT_CORE, 4096, 8192),
                (libc::RLIMIT_MEMLOCK, 65_536, 131_072),
                (libc::RLIMIT_STACK, 4 << 20, 5 << 20),
                (libc::RLIMIT_AS, 3 << 30, 4 << 30),
                (libc::RLIMIT_NPROC, 900, 901),
                (libc::RLIMIT_FSIZE, 1 << 30, 2 << 30),
            ] {
                let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
                check(libc::setrlimit(resource, &raw const limit))?;
            }
            write(c"/proc/self/oom_score_adj", b"321")?;
            write(c"/proc/self/coredump_filter", b"0x15")?;
            check(libc::prctl(libc::PR_SET_TIMERSLACK, 70_000, 0, 0, 0))?;
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            check(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        }
    };
    // A session of its own has no controlling terminal.
    let session: Prepare = |_| {
        // SAFETY: as above.
        unsafe { check(libc::setsid()) }
    };
    // A session with a controlling terminal, whose number is the argument.
    let controlling: Prepare = |slave| {
        // SAFETY: as above.
        unsafe {
            check(libc::setsid())?;
            check(libc::ioctl(slave, libc::TIOCSCTTY, 0))
        }
    };
    // Both ends stay open.
    let (_near, far) = terminal(0);
    let far = far.as_raw_fd();
    for (prepare, argument) in [(nothing, 0), (strange, 0), (session, 0), (controlling, far)] {
        same_status(&both(&fake, &STATUS, argument, prepare));
        let files =
            "limits oom_score_adj oom_adj timerslack_ns coredump_filter personality cgroup uid_map loginuid comm";
        let paths: Vec<String> = files.split(' ').map(|file| format!("/proc/self/{file}")).collect();
        let probe: Vec<&str> = std::iter::once("cat").chain(paths.iter().map(String::as_str)).collect();
        let [bare, wrapped] = both(&fake, &probe, argument, prepare);
        assert!(bare.contains("Max core file size"), "the control: {bare}");
        assert_eq!(bare, wrapped);
        let [bare, wrapped] =
            both(&fake, &["readlink", "/proc/self/cwd", "/proc/self/root", "/proc/self/exe"], argument, prepare);
        assert_eq!(bare.lines().count(), 3, "the control: {bare}");
        assert_eq!(bare, wrapped);
        // Process group, session, terminal, its group; then priority, nice, threads, and real-time and policy.
        let stat = both(&fake, &["cat", "/proc/self/stat"], argument, prepare).map(|line| {
            let fields: Vec<String> = line.rsplit(") ").next().unwrap_or("").split(' ').map(str::to_owned).collect();
            let own = |field: &String, pid: &str| if field == pid { "own".to_owned() } else { field.clone() };
            let pid = line.split(' ').next().unwrap_or("").to_owned();
            let chosen = [1, 2, 3, 4, 5, 15, 16, 17, 37, 38].map(|at| own(&fields[at], &pid));
            (chosen, fields.len())
        });
        assert_eq!(stat[0], stat[1]);
        let (fields, _) = &stat[0];
        assert_eq!(fields[3] != "0", argument != 0 && argument == far, "the control: its terminal: {fields:?}");
    }
}

/// No old value: a whole pointer, which a 0 would not be in a call with variable arguments.
const NOTHING: *mut u64 = std::ptr::null_mut();

/// Each signal ignored, then each blocked: by system calls, because the C library keeps 32 and 33 for itself.
#[test]
fn every_signal_ignored_and_blocked() {
    let fake = fake();
    let ignore: Prepare = |signal| {
        let action = [libc::SIG_IGN as u64, 0, 0, 0];
        // SAFETY: the kernel's own form of the action on 64-bit machines: handler, flags, restorer, mask.
        let done = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), NOTHING, 8usize) };
        if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    let block: Prepare = |signal| {
        let set = 1u64 << (signal - 1);
        // SAFETY: the kernel's own form of a set of signals: 64 bits.
        let done = unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, &raw const set, NOTHING, 8usize) };
        if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    let signals: Vec<i32> = (1..=64).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal)).collect();
    together(4, &signals, |signal| {
        for (name, prepare) in [("SigIgn", ignore), ("SigBlk", block)] {
            let outputs = both(&fake, &STATUS, *signal, prepare);
            let mask = u64::from_str_radix(status(&outputs[0])[name], 16).expect("a mask");
            assert_eq!(mask & (1 << (signal - 1)), 1 << (signal - 1), "the control: {name} {signal}");
            let [bare, wrapped] = [status(&outputs[0]), status(&outputs[1])];
            assert_eq!(bare, wrapped, "{name} {signal}");
        }
    });
}

/// Arguments byte for byte, the name in argv\[0\], and the environment but for what was fetched.
#[test]
fn arguments_and_environment_byte_for_byte() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let fake = fake();
    let odd = OsStr::from_bytes(b"\xff\xfe \n'\"$x");
    let run = |prefix: &[&str], file: &str| {
        let line: Vec<&OsStr> =
            prefix.iter().map(OsStr::new).chain([OsStr::new("cat"), OsStr::new(file), odd, OsStr::new("")]).collect();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).env_clear().envs(fake.env()).env("PATH", "/usr/bin:/bin");
        command.env(odd, odd).env("EMPTY", "").env("LAST", OsStr::from_bytes(b"\x80"));
        command.envs([
            ("LISTEN_FDS", "2"),
            ("LISTEN_PID", "1"),
            ("LISTEN_FDNAMES", "a:b"),
            ("NOTIFY_SOCKET", "@nobody"),
        ]);
        command.stderr(Stdio::null()).output().expect("it can be started").stdout
    };
    let wrapped = [STEPZERO, "exec", "--scope", "shared", "-k", "n0", "--"];
    assert_eq!(run(&[], "/proc/self/cmdline"), run(&wrapped, "/proc/self/cmdline"));
    let bare = run(&[], "/proc/self/environ");
    let with = run(&wrapped, "/proc/self/environ");
    let (inherited, added) = with.split_at(bare.len());
    assert_eq!(inherited, bare);
    assert_eq!(added, [b"N0=", crate::canary::VALUE.as_bytes(), b"\0"].concat());
}
