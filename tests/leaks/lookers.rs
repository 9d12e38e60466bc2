//! Another process of the same user cannot look inside, at no moment of stepzero's life.

use std::ffi::CString;
use std::io;
use std::process::{Command, Stdio};

use nix::libc;

use crate::canary::{CORE, contains};
use crate::common::{NOBODY, Ran, before_exec, is_root, skip};
use crate::moments::{self, Moment};

const TARGET: &str = "STEPZERO_TEST_LOOK_INTO";

/// Files of a process that its user can read, when it can be traced (proc(5)), or can write.
const FILES: [(&str, libc::c_int); 12] = [
    ("mem", libc::O_RDONLY),
    ("mem", libc::O_RDWR),
    ("environ", libc::O_RDONLY),
    ("auxv", libc::O_RDONLY),
    ("maps", libc::O_RDONLY),
    ("smaps", libc::O_RDONLY),
    ("pagemap", libc::O_RDONLY),
    ("syscall", libc::O_RDONLY),
    ("io", libc::O_RDONLY),
    ("fd/0", libc::O_RDONLY),
    ("cwd/.", libc::O_RDONLY),
    ("clear_refs", libc::O_WRONLY),
];

/// Those that are judged when they are read, not yet when they are opened. `mem` has no page at zero.
const JUDGED_LATER: [&str; 5] = ["environ", "auxv", "maps", "syscall", "io"];

/// What process 65534 sees in each: whether it can be opened, and where that says nothing, read.
fn file_opens(pid: u32, name: &str, flags: libc::c_int) -> bool {
    let path = CString::new(format!("/proc/{pid}/{name}")).expect("no NUL");
    let mut byte = [0u8; 1];
    // SAFETY: open(2) and read(2) of a path and into a buffer that are ours.
    unsafe {
        let file = libc::open(path.as_ptr(), flags | libc::O_CLOEXEC);
        file != -1 && (!JUDGED_LATER.contains(&name) || libc::read(file, byte.as_mut_ptr().cast(), 1) == 1)
    }
}

/// Runs in a process of the same user: the ways to look into another one that succeed.
fn ways_in(pid: u32) -> Vec<String> {
    let opened = FILES.into_iter().filter(|(name, flags)| file_opens(pid, name, *flags));
    let mut ways: Vec<String> = opened.map(|(name, flags)| format!("{name}:{flags}")).collect();
    let target = pid.cast_signed();
    let mut byte = 0u8;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: 0x1000 as *mut libc::c_void, iov_len: 1 };
    // Nobody may: EPERM. Who may, gets EFAULT, because there is nothing at that address.
    let may = |result: isize| result != -1 || io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT);
    // SAFETY: the calls only look at the other process, and would write where nothing is; the buffers are ours.
    unsafe {
        if may(libc::process_vm_readv(target, &raw const local, 1, &raw const remote, 1, 0)) {
            ways.push("process_vm_readv".into());
        }
        if may(libc::process_vm_writev(target, &raw const local, 1, &raw const remote, 1, 0)) {
            ways.push("process_vm_writev".into());
        }
        let pidfd = libc::syscall(libc::SYS_pidfd_open, target, 0);
        if pidfd != -1 && libc::syscall(libc::SYS_pidfd_getfd, pidfd, 0, 0) != -1 {
            ways.push("pidfd_getfd".into());
        }
        // Last, because it changes the other process: it stays traced until this one ends.
        if libc::ptrace(libc::PTRACE_SEIZE, target, 0, 0) != -1 {
            ways.push("ptrace".into());
        }
    }
    ways
}

/// The whole process, and not only this thread: libc's calls are for all threads.
fn become_nobody() {
    // SAFETY: these change the identity of this process, whose only purpose that is.
    let done =
        unsafe { libc::setgroups(0, std::ptr::null()) == 0 && libc::setgid(NOBODY) == 0 && libc::setuid(NOBODY) == 0 };
    assert!(done, "root can become anybody");
}

/// What another process of user 65534 can do to this one.
fn as_nobody(pid: u32) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().expect("a test is a file"));
    command.args(["--exact", "lookers::the_same_user_cannot_look_inside", "--nocapture"]);
    let stdout = Ran::of(command.env(TARGET, pid.to_string())).stdout();
    let line = stdout.lines().find_map(|line| line.split_once("WAYS IN:")).expect("the child says what it found");
    line.1.split_whitespace().map(str::to_owned).collect()
}

/// A process of user 65534 whose tracing a Yama of level 1 would allow to anybody.
fn traceable(command: &mut Command) {
    before_exec(command, || {
        nix::unistd::setgid(NOBODY.into())?;
        nix::unistd::setuid(NOBODY.into())?;
        // SAFETY: prctl(2) with numbers. Without Yama it fails, and nothing forbids it either.
        unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0) };
        Ok(())
    });
}

/// This test runs itself as another user, to look.
#[test]
fn the_same_user_cannot_look_inside() {
    const NAME: &str = "the_same_user_cannot_look_inside";
    if let Ok(pid) = std::env::var(TARGET) {
        become_nobody();
        println!("WAYS IN:{}", ways_in(pid.parse().expect("a number")).join(" "));
        return;
    }
    if !is_root(NAME, "only root can be another user") {
        return;
    }
    let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if ["2", "3"].contains(&yama.trim()) {
        return skip(NAME, "nobody can be traced here at all (kernel.yama.ptrace_scope)");
    }
    let mut control = Command::new("sleep");
    traceable(control.arg("1000").env("A", "b").stdin(Stdio::null()));
    let mut control = control.spawn().expect("sleep is there");
    let open = as_nobody(control.id());
    control.kill().and_then(|()| control.wait()).expect("it is our child");
    assert_eq!(open.len(), FILES.len() + 4, "the control: every way leads into a process that does nothing: {open:?}");

    for moment in moments::ALL {
        let held = moment.hold(traceable).expect("it can be started");
        let pid = held.child.id();
        assert_eq!(as_nobody(pid), Vec::<String>::new(), "{moment:?}");
        // These are everybody's, and root's.
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).expect("it is there");
        assert!(contains(&arguments, b"stepzero\0") && !contains(&arguments, CORE.as_bytes()), "{moment:?}");
        let environment = std::fs::read(format!("/proc/{pid}/environ")).expect("root may");
        assert!(contains(&environment, b"HELD=1") && !contains(&environment, CORE.as_bytes()), "{moment:?}");
        let (ran, got) = held.release();
        ran.case(format_args!("{moment:?}")).expect(0);
        let has_it = contains(&got, CORE.as_bytes());
        assert_eq!(has_it, matches!(moment, Moment::Credential | Moment::Answering), "{moment:?}");
    }
}
