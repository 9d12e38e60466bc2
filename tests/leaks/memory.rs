//! While values are held, nobody but root looks into the process, and nothing of it is swapped where that is allowed.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use fake_aws::{Action, Fake, Fault, Gate};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use crate::canary::{CORE, contains};
use crate::support::{Directory, fake};

const NOBODY: u32 = 65534;
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

/// A fetch of two calls, of which the second is held back, so that the values of the first are in memory.
struct Held {
    child: Child,
    gate: Gate,
    _fake: Fake,
    _directory: Directory,
}

impl Held {
    /// As a user, with a limit of locked memory.
    fn start(uid: u32, locked: u64) -> Held {
        Held::try_start(uid, locked).expect("the binary was copied, and lower limits are allowed")
    }

    fn try_start(uid: u32, locked: u64) -> io::Result<Held> {
        let (fake, directory, gate) = (fake(), Directory::new(), Gate::new());
        fake.fault(Fault::once(Action::Hold(gate.clone())).operation("GetParameters").nth(2));
        let mut command = Command::new(directory.binary());
        let keys = (0..20).flat_map(|number| ["-k".into(), format!("n{number}")]);
        command.args(["exec", "-vv", "--scope", "shared"]).args(keys).args(["cat", "/proc/self/status"]);
        command.env_clear().envs(fake.env()).env("PATH", "/usr/bin:/bin").env("HELD", "1");
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: setrlimit(2), setgid(2) and setuid(2) are async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                setrlimit(Resource::RLIMIT_MEMLOCK, locked, locked)?;
                nix::unistd::setgid(uid.into())?;
                Ok(nix::unistd::setuid(uid.into())?)
            });
        }
        let child = command.spawn()?;
        fake.wait_until(|log| log.iter().any(|entry| entry.fault.as_deref() == Some("Hold")));
        wait_for_canary(child.id());
        Ok(Held { child, gate, _fake: fake, _directory: directory })
    }

    fn release(self) -> std::process::Output {
        self.gate.release();
        self.child.wait_with_output().expect("it is our child")
    }
}

/// Runs in a process of user 65534: the ways to look into another process of that user that succeed.
fn ways_in(pid: u32) -> Vec<&'static str> {
    let mut ways = Vec::new();
    let flags = [
        ("mem", libc::O_RDONLY),
        ("environ", libc::O_RDONLY),
        ("maps", libc::O_RDONLY),
        ("fd/0", libc::O_RDONLY),
        ("clear_refs", libc::O_WRONLY),
    ];
    for (name, flags) in flags {
        let path = std::ffi::CString::new(format!("/proc/{pid}/{name}")).expect("no NUL");
        // SAFETY: open(2) and read(2) of a path and into a buffer that are ours.
        let opened = unsafe {
            let file = libc::open(path.as_ptr(), flags | libc::O_CLOEXEC);
            let mut byte = [0u8; 1];
            // mem has no page at zero; that it can be opened is what counts there.
            file != -1 && (name != "environ" || libc::read(file, byte.as_mut_ptr().cast(), 1) == 1)
        };
        if opened {
            ways.push(name);
        }
    }
    let target = pid.cast_signed();
    let mut byte = 0u8;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: 0x1000 as *mut libc::c_void, iov_len: 1 };
    // SAFETY: the calls only look at the other process; the buffers are ours.
    unsafe {
        // Nobody may: EPERM. Who may, gets EFAULT, because there is nothing at that address.
        if libc::process_vm_readv(target, &raw const local, 1, &raw const remote, 1, 0) != -1
            || io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
        {
            ways.push("process_vm_readv");
        }
        let pidfd = libc::syscall(libc::SYS_pidfd_open, target, 0);
        if pidfd != -1 && libc::syscall(libc::SYS_pidfd_getfd, pidfd, 0, 0) != -1 {
            ways.push("pidfd_getfd");
        }
        if libc::ptrace(libc::PTRACE_SEIZE, target, 0, 0) != -1 {
            ways.push("ptrace");
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

/// What a process of user 65534 can do to another one.
fn as_nobody(pid: u32) -> Vec<String> {
    let output = Command::new(std::env::current_exe().expect("a test is a file"))
        .args(["--exact", "memory::the_same_user_cannot_look_inside", "--nocapture"])
        .env("STEPZERO_TEST_LOOK_INTO", pid.to_string())
        .output()
        .expect("the test can be run");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = stdout.lines().find_map(|line| line.split_once("WAYS IN:")).expect("the child says what it found");
    line.1.split_whitespace().map(str::to_owned).collect()
}

/// This test runs itself as another user, to look.
#[test]
fn the_same_user_cannot_look_inside() {
    if let Ok(pid) = std::env::var("STEPZERO_TEST_LOOK_INTO") {
        become_nobody();
        println!("WAYS IN:{}", ways_in(pid.parse().expect("a number")).join(" "));
        return;
    }
    if !nix::unistd::Uid::effective().is_root() {
        return crate::support::skip("the_same_user_cannot_look_inside", "only root can be another user");
    }
    let mut control = Command::new("sleep");
    let mut control = control.arg("1000").env("A", "b").uid(NOBODY).gid(NOBODY).spawn().expect("sleep is there");
    let open = as_nobody(control.id());
    control.kill().and_then(|()| control.wait()).expect("it is our child");
    assert!(
        open.contains(&"mem".to_owned()) && open.contains(&"environ".to_owned()),
        "the control is closed: {open:?}"
    );

    let held = Held::start(NOBODY, LITTLE);
    let ways = as_nobody(held.child.id());
    assert_eq!(ways, Vec::<String>::new());
    let arguments = std::fs::read(format!("/proc/{}/cmdline", held.child.id())).expect("it is there");
    assert!(contains(&arguments, b"exec\0") && !contains(&arguments, CORE.as_bytes()));
    let environment = std::fs::read(format!("/proc/{}/environ", held.child.id())).expect("root may");
    assert!(contains(&environment, b"HELD=1") && !contains(&environment, CORE.as_bytes()));
    let output = held.release();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn no_page_with_a_value_can_be_swapped_where_locking_is_allowed() {
    if !nix::unistd::Uid::effective().is_root() {
        return crate::support::skip("no_page_with_a_value_can_be_swapped", "only root may lock any amount");
    }
    // By the capability, and by the limit.
    for (uid, limit) in [(0, LITTLE), (NOBODY, RLIM_INFINITY)] {
        let Ok(held) = Held::try_start(uid, limit) else {
            assert_eq!(limit, RLIM_INFINITY);
            // The capability was tested. Where root cannot raise a limit (no CAP_SYS_RESOURCE), this half cannot be.
            println!("SKIPPED locked by the limit: the limit of locked memory cannot be raised here");
            return;
        };
        for mapping in holding(held.child.id()) {
            assert!(mapping.flags.contains(" lo"), "user {uid}: swappable: {:x} {}", mapping.start, mapping.flags);
        }
        let output = held.release();
        let status = String::from_utf8_lossy(&output.stdout);
        assert!(status.contains("VmLck:\t       0 kB"), "the command's memory is locked: {status}");
    }
}

#[test]
fn where_locking_is_not_allowed_it_says_so_and_goes_on() {
    if !nix::unistd::Uid::effective().is_root() {
        return crate::support::skip("where_locking_is_not_allowed", "only root can be another user");
    }
    let held = Held::start(NOBODY, LITTLE);
    assert!(holding(held.child.id()).iter().all(|mapping| !mapping.flags.contains(" lo")));
    let output = held.release();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("memory is not locked"), "{stderr}");
}
