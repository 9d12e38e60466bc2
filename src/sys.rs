//! Every system call that the standard library does not offer, and all `unsafe` code (but the attribute in `main.rs`).

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{AccessFlags, Uid, faccessat};

/// What has to be as it was when the command starts.
pub struct Inheritance {
    dispositions: [(c_int, Disposition); 4],
    blocked: u64,
}

/// What is set for a signal, in the kernel's own form, which is only kept and given back: handler, flags, restorer, mask.
type Disposition = [u64; 4];

/// SIGPIPE and SIGCHLD are changed here and by the runtime; 32 and 33 by the C library when it starts a thread, behind
/// the back of its own sigaction(3) and sigprocmask(3), which do not know them (nptl(7)).
const CHANGED: [c_int; 4] = [libc::SIGPIPE, libc::SIGCHLD, 32, 33];

/// No new, or no old value: a whole pointer, which a 0 would not be in a call with variable arguments.
const NOTHING: *mut u64 = std::ptr::null_mut();

/// The size of the kernel's set of signals, in bytes.
const SIGNAL_SET: usize = size_of::<u64>();

/// Prepares this process, before anything else: closed standard descriptors are held shut, SIGPIPE becomes an error of
/// write(2), PID 1 can be ended, and a panic or an allocation that fails says where, and nothing more.
pub fn begin() -> Inheritance {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let message = format!("stepzero: a bug in stepzero{place}; please report it\n");
        let _ = io::stderr().write_all(message.as_bytes());
        exit_now(70);
    }));
    // SAFETY: mallopt(3) only sets a parameter of the allocator. One arena: a second thread would reserve 64 MiB of
    // addresses for its own, which a small address-space limit does not have. A heap that grows by 1 MiB and never
    // shrinks: it lives for a moment, and each step would be a system call.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, 1024 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, c_int::MAX);
    };
    hold_closed_descriptors();
    let inheritance =
        Inheritance { dispositions: CHANGED.map(|signal| (signal, disposition(signal))), blocked: blocked() };
    ignore_sigpipe();
    // SAFETY: SIG_DFL is no handler. Were it ignored, the kernel would reap a credential_process before it is waited for.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    if nix::unistd::getpid().as_raw() == 1 {
        die_of_signals();
    }
    inheritance
}

impl Inheritance {
    /// Puts the signals back. The other dispositions were never touched; handlers end with the exec.
    pub fn restore(&self) {
        for (signal, before) in &self.dispositions {
            // SAFETY: `before` is what the kernel gave for this signal: SIG_DFL or SIG_IGN, as nothing else survives an
            // exec, and so no code of this process.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, *signal, before.as_ptr(), NOTHING, SIGNAL_SET) };
        }
        // SAFETY: reads one set of signals from `blocked`.
        unsafe {
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const self.blocked, NOTHING, SIGNAL_SET)
        };
    }
}

/// A write to a closed pipe or socket becomes an error.
pub fn ignore_sigpipe() {
    // SAFETY: SIG_IGN is no handler that could run.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Descriptors 0, 1 and 2 that are closed are filled, closed again by the exec, so that no socket becomes one of them.
fn hold_closed_descriptors() {
    let mut asked = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: poll(2) without a wait writes to the three entries that it is given, POLLNVAL to one that is not open.
    if unsafe { libc::poll(asked.as_mut_ptr(), 3, 0) } == -1 {
        return;
    }
    for _ in asked.iter().filter(|one| one.revents & libc::POLLNVAL != 0) {
        // SAFETY: open(2) with a constant path. It returns the lowest free descriptor, which is this one. It stays open
        // until the exec closes it, and nobody else knows it.
        let opened = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        if opened == -1
            && let Ok(held) = memfd_create(c"closed", MFdFlags::MFD_CLOEXEC)
        {
            // Without a /dev, empty memory does as well.
            let _ = held.into_raw_fd();
        }
    }
}

/// Whether at least so many descriptors can be opened, as far as one look at the first 64 tells.
pub fn has_free_descriptors(wanted: usize) -> bool {
    let mut asked: [libc::pollfd; 64] =
        std::array::from_fn(|fd| libc::pollfd { fd: fd as c_int, events: 0, revents: 0 });
    // SAFETY: as above, with 64 entries. It fails when the limit on open files is less than that.
    let looked = unsafe { libc::poll(asked.as_mut_ptr(), 64, 0) } != -1;
    looked && asked.iter().filter(|one| one.revents & libc::POLLNVAL != 0).count() >= wanted
}

fn disposition(signal: c_int) -> Disposition {
    let mut before = [0; 4];
    // SAFETY: without a new action the kernel only writes the present one, which is no longer than this.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, NOTHING, before.as_mut_ptr(), SIGNAL_SET) };
    before
}

fn blocked() -> u64 {
    let mut set = 0;
    // SAFETY: without a new set the kernel only writes the present one, of 64 signals.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, NOTHING, &raw mut set, SIGNAL_SET) };
    set
}

/// The kernel drops signals for PID 1 that it does not handle (pid_namespaces(7)). Those that were ignored stay so.
fn die_of_signals() {
    extern "C" fn die(signal: c_int) {
        exit_now(128 + signal);
    }
    // All that end a process by default and can be sent (signal(7)): an image can have any as its STOPSIGNAL.
    let named = [
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
    for signal in named.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
        if disposition(signal)[0] == libc::SIG_DFL as u64 {
            // SAFETY: `die` only calls write(2) and _exit(2), which are async-signal-safe.
            unsafe { libc::signal(signal, die as extern "C" fn(c_int) as libc::sighandler_t) };
        }
    }
}

fn exit_now(code: c_int) -> ! {
    refuse();
    // SAFETY: _exit(2) does not return, and may be called from a signal handler.
    unsafe { libc::_exit(code) }
}

/// While secrets are held: no core dump, no tracing by the same user, no swap where that is allowed. All of it ends with
/// the exec (prctl(2), mlockall(2)).
pub fn guard_secrets() {
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::debug!("the process stays dumpable: {error}");
    }
    let unlimited = getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY);
    if !unlimited && !may_lock_memory() {
        // Below the limit it would succeed, and later mappings would fail.
        tracing::debug!(
            "memory is not locked: the limit of locked memory is not unlimited, and CAP_IPC_LOCK is missing"
        );
        return;
    }
    // SAFETY: mlockall(2) changes no memory. ONFAULT: only what is touched is locked, not every mapping.
    let locked = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) };
    if locked == -1 {
        tracing::debug!("memory is not locked: {}", Errno::last());
    }
}

/// Whether CAP_IPC_LOCK is effective (capabilities(7)).
fn may_lock_memory() -> bool {
    const VERSION_3: u32 = 0x2008_0522;
    const CAP_IPC_LOCK: u32 = 14;
    let mut header = [VERSION_3, 0];
    // Effective, permitted, inheritable, for capabilities 0 to 31 and 32 to 63.
    let mut sets = [0u32; 6];
    // SAFETY: capget(2) version 3 reads a header of two words and writes two triples of words.
    let done = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    done == 0 && sets[0] & (1 << CAP_IPC_LOCK) != 0
}

/// The environment as it is: raw entries, repeated names and all (environ(7)).
pub fn environment() -> Vec<Vec<u8>> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: this runs before any thread is started, and before the only change (`forget_empty_settings`). `environ` is
    // null or an array of C strings that ends with a null.
    unsafe {
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            entries.push(CStr::from_ptr(*at).to_bytes().to_vec());
            at = at.add(1);
        }
    }
    entries
}

/// Who a spec file belongs to, and who can write it: of the file that was opened.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub uid: u32,
    pub writable_by_others: bool,
}

/// Unsets the empty `AWS_*` variables of this process, which count as unset: the SDK would take an empty endpoint for an
/// address, and panic. The command's environment was read before, and keeps them.
pub fn forget_empty_settings() {
    let is_empty = |(name, _): &(std::ffi::OsString, std::ffi::OsString)| {
        // As getenv(3) finds it: the first of that name.
        name.as_bytes().starts_with(b"AWS_") && std::env::var_os(name).is_some_and(|value| value.is_empty())
    };
    for (name, _) in std::env::vars_os().filter(is_empty) {
        // SAFETY: no thread has been started yet that could read the environment at the same time.
        #[allow(clippy::disallowed_methods, reason = "not the command's environment")]
        unsafe {
            std::env::remove_var(name);
        }
    }
}

/// Reads a file of at most `limit` bytes, and tells whose it is.
pub fn read_file(path: &Path, limit: u64) -> io::Result<(Vec<u8>, Owner)> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    // A device, such as /dev/null, holds nothing that somebody else has written.
    let is_device = metadata.mode() & libc::S_IFMT == libc::S_IFCHR;
    let owner = Owner { uid: metadata.uid(), writable_by_others: !is_device && metadata.mode() & 0o022 != 0 };
    // One byte of room more than it has, to see its end in the same read.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or_default() + 1);
    let read = file.take(limit + 1).read_to_end(&mut bytes)?;
    if read as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok((bytes, owner))
}

pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Whether execve(2) may run it: a regular file that the effective user may execute.
pub fn executable(path: &OsStr) -> Result<(), Errno> {
    let metadata = nix::sys::stat::stat(path)?;
    if metadata.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(Errno::EACCES);
    }
    faccessat(AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS)
}

/// Becomes the program. Returns only when that failed.
pub fn execve(path: &OsStr, args: &[CString], environment: &[CString]) -> Errno {
    let Ok(path) = CString::new(path.as_bytes()) else { return Errno::ENOENT };
    match nix::unistd::execve(&path, args, environment) {
        Err(errno) => errno,
        Ok(never) => match never {},
    }
}

/// The soft limit of the stack, of which the kernel gives a quarter to arguments and environment. `None`: unlimited.
pub fn stack_limit() -> Option<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_STACK).ok()?;
    (soft != RLIM_INFINITY).then_some(soft)
}

/// Sealed memory that holds `content`, as an inherited descriptor of at least `lowest` (memfd_create(2)).
pub fn sealed_file(name: &str, content: &[u8], mode: u32, lowest: RawFd) -> Result<RawFd, Errno> {
    let name = CString::new(&name.as_bytes()[..name.len().min(200)]).map_err(|_| Errno::EINVAL)?;
    let base = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Linux 6.3 has MFD_NOEXEC_SEAL; older ones refuse the flag.
    let memory = memfd_create(name.as_c_str(), base | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL));
    let memory = memory.or_else(|_| memfd_create(name.as_c_str(), base))?;
    let mut file = std::fs::File::from(memory);
    let os = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    file.write_all(content).map_err(os)?;
    file.seek(SeekFrom::Start(0)).map_err(os)?;
    fchmod(&file, Mode::from_bits_truncate(mode))?;
    let seals = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    // Without close-on-exec, so that the command inherits it.
    fcntl(&file, FcntlArg::F_DUPFD(lowest))
}

/// The connection that a socket unit with `Accept=yes` handed over: descriptor 3 (sd_listen_fds(3)). Standard input is
/// not looked at: with `StandardInput=socket`, logs would go to the peer too.
pub fn accepted_connection() -> Option<UnixStream> {
    const FIRST: RawFd = 3;
    let own = std::process::id().to_string();
    let passed = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == own)
        && std::env::var("LISTEN_FDS").is_ok_and(|count| count == "1");
    // SAFETY: fcntl(2) with F_SETFD on a number that may be no descriptor; then it fails.
    let is_open = passed && unsafe { libc::fcntl(FIRST, libc::F_SETFD, libc::FD_CLOEXEC) } != -1;
    // SAFETY: the descriptor is open, it was passed to this process to own, and nothing else here uses it.
    is_open.then(|| unsafe { UnixStream::from_raw_fd(FIRST) })
}

/// The connection that gets a refusal should this process end, or -1.
static REFUSED: AtomicI32 = AtomicI32::new(-1);

/// From now on a panic, a lack of memory and the usual signals tell the peer that there is no value.
pub fn refuse_at_exit(connection: &UnixStream) {
    REFUSED.store(connection.as_raw_fd(), Ordering::SeqCst);
    die_of_signals();
}

/// The value is with the peer.
pub fn keep_at_exit() {
    REFUSED.store(-1, Ordering::SeqCst);
}

/// Sends one byte more than systemd takes for a credential (1 MiB): an end without data would be an empty credential, and
/// a shorter run of zeroes one of zeroes. So it goes on after an interruption and while the peer does not read, until the
/// peer has gone or the unit's time is over. Only write(2), so that a signal handler may do it, also in the middle of one.
pub fn refuse() {
    static ZEROES: [u8; 4096] = [0; 4096];
    let descriptor = REFUSED.load(Ordering::SeqCst);
    let mut left: usize = 1024 * 1024 + 1;
    while descriptor != -1 && left > 0 {
        // SAFETY: write(2) from a constant, of at most its length. The descriptor is held open by `credential`.
        match unsafe { libc::write(descriptor, ZEROES.as_ptr().cast(), left.min(ZEROES.len())) } {
            written @ 1.. => left = left.saturating_sub(written as usize),
            _ if matches!(Errno::last_raw(), libc::EINTR | libc::EAGAIN) => {}
            // The peer has gone.
            _ => break,
        }
    }
    REFUSED.store(-1, Ordering::SeqCst);
}

/// The user at the other end of a connection (SO_PEERCRED in unix(7)).
pub fn peer_uid(connection: &UnixStream) -> Option<u32> {
    nix::sys::socket::getsockopt(connection, nix::sys::socket::sockopt::PeerCredentials).ok().map(|peer| peer.uid())
}

/// The abstract address of the other end of a connection, without its leading NUL.
pub fn peer_name(connection: &UnixStream) -> Option<Vec<u8>> {
    let address = nix::sys::socket::getpeername::<nix::sys::socket::UnixAddr>(connection.as_raw_fd()).ok()?;
    address.as_abstract().map(<[u8]>::to_vec)
}

/// Ends the process with 71 when memory runs out: Rust's own way would be SIGABRT, past the panic hook.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn checked(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        const MESSAGE: &[u8] = b"stepzero: out of memory\n";
        // SAFETY: write(2) from a constant.
        unsafe { libc::write(2, MESSAGE.as_ptr().cast(), MESSAGE.len()) };
        exit_now(71);
    }
    block
}

// SAFETY: every call is handed on to the system's allocator as it came; a null never returns.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        checked(unsafe { System.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}
