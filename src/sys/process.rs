//! The process: the environment it was given, the files it reads, the program it becomes.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, faccessat};

use super::descriptors::wait_for;

/// The arguments of `main`: without Rust's start-up, the standard library has them from glibc alone.
///
/// # Safety
///
/// They are what the C library called `main` with.
pub unsafe fn arguments(count: c_int, values: *const *const c_char) -> impl Iterator<Item = OsString> {
    // SAFETY: as the caller promises, `values` has so many C strings, which stay (execve(2)).
    let argument = move |at| unsafe { CStr::from_ptr(*values.add(at)) };
    (0..usize::try_from(count).unwrap_or_default()).map(move |at| OsStr::from_bytes(argument(at).to_bytes()).to_owned())
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

/// Unsets the empty `AWS_*` variables of this process, which count as unset: the SDK would take an empty endpoint for an
/// address, and panic. The command's environment was read before, and keeps them.
pub fn forget_empty_settings() {
    let is_empty = |(name, _): &(OsString, OsString)| {
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

/// Who a spec file belongs to, and who can write it: of the file that was opened.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub uid: u32,
    pub writable_by_others: bool,
}

impl Owner {
    /// Whether the kernel shows this user in place of one that has no number in our user namespace (user_namespaces(7)).
    /// Without `/proc` it is taken for the user that it says.
    pub fn is_unmapped(&self) -> bool {
        let number = |text: Option<&str>| text?.parse::<u64>().ok();
        let overflow = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
        let Ok(map) = std::fs::read_to_string("/proc/self/uid_map") else { return false };
        let covers = |line: &str| {
            let mut fields = line.split_whitespace();
            let (Some(first), _, Some(count)) = (number(fields.next()), fields.next(), number(fields.next())) else {
                return true;
            };
            (first..first.saturating_add(count)).contains(&u64::from(self.uid))
        };
        number(overflow.as_deref().map(str::trim)) == Some(u64::from(self.uid)) && !map.lines().any(covers)
    }
}

/// Reads a file, and returns its owner as well. `FileTooLarge` when it has more than `limit` bytes. A FIFO or a terminal is
/// read to its end; `TimedOut` when that has not come within `timeout`, because there may never be a writer.
pub fn read_file(path: &Path, limit: u64, timeout: Duration) -> io::Result<(Vec<u8>, Owner)> {
    use std::os::unix::fs::MetadataExt as _;
    let begun = Instant::now();
    // Without O_NONBLOCK the opening of a pipe waits for a writer (fifo(7)).
    let how = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = std::fs::File::from(open(path, how, Mode::empty())?);
    let metadata = file.metadata()?;
    // A device, such as /dev/null, holds nothing that somebody else has written.
    let is_device = metadata.mode() & libc::S_IFMT == libc::S_IFCHR;
    let owner = Owner { uid: metadata.uid(), writable_by_others: !is_device && metadata.mode() & 0o022 != 0 };
    // With room for one byte more than it has, to see its end in the same read.
    let size = usize::try_from(metadata.len().min(limit)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(size + 1);
    let mut file = file.take(limit + 1);
    if !metadata.is_file() {
        await_more(file.get_ref(), begun, timeout)?;
    }
    while let Err(error) = file.read_to_end(&mut bytes) {
        match error.kind() {
            // What was read so far is kept.
            io::ErrorKind::WouldBlock => await_more(file.get_ref(), begun, timeout)?,
            _ => return Err(error),
        }
    }
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok((bytes, owner))
}

fn await_more(file: &std::fs::File, begun: Instant, timeout: Duration) -> io::Result<()> {
    let left = timeout.saturating_sub(begun.elapsed());
    let came = !left.is_zero() && wait_for(file.as_raw_fd(), libc::POLLIN, Some(left))?;
    if came { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
}

/// Of the effective user, which nothing here changes.
pub fn is_root() -> bool {
    // SAFETY: getauxval(3) reads what the kernel said at the exec; 0, which is root, where it said nothing.
    unsafe { libc::getauxval(libc::AT_EUID) == 0 }
}

/// Whether execve(2) may run it: a regular file that the effective user may execute.
pub fn executable(path: &OsStr) -> Result<(), Errno> {
    let metadata = nix::sys::stat::stat(path)?;
    if metadata.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Err(Errno::EACCES);
    }
    match faccessat(AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS) {
        // Not about the file: the seccomp profiles of old container engines answer faccessat2(2) so. execve(2) decides.
        Err(Errno::EPERM) if metadata.st_mode & 0o111 != 0 => Ok(()),
        judged => judged,
    }
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
