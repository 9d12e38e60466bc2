//! Descriptors: those that must stay closed, and those that the command is given.

use std::ffi::{CString, c_int};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, fchmod};

/// Descriptors that are free, as far as the first 64 told at the start.
static FREE: AtomicUsize = AtomicUsize::new(0);

/// Fills closed descriptors 0 to 2 with one for `/` that can be neither read nor written (O_PATH in open(2)). So no socket
/// gets these numbers, and whoever uses them fails with EBADF as if they were closed. The exec closes them again. Also counts
/// the free descriptors, for [`spare_descriptors`].
pub fn reserve_standard_descriptors() {
    let first = free::<64>();
    FREE.store(first.iter().flatten().skip(3).filter(|free| **free).count(), Ordering::Relaxed);
    // Below such a limit on open files, at least these can be looked at.
    let standard = first.and_then(|first| first.first_chunk().copied()).or_else(free::<3>).unwrap_or_default();
    for _ in standard.iter().filter(|free| **free) {
        // SAFETY: open(2) with a constant path, which always exists. It returns the lowest free descriptor, which is this
        // one. It stays open until the exec closes it, and nobody else knows it.
        unsafe { libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    }
}

/// Which of the first descriptors are not open.
fn free<const COUNT: usize>() -> Option<[bool; COUNT]> {
    let mut asked: [libc::pollfd; COUNT] =
        std::array::from_fn(|fd| libc::pollfd { fd: fd as c_int, events: 0, revents: 0 });
    // SAFETY: poll(2) without a wait writes to the entries that it is given, POLLNVAL to one that is not open. It fails when
    // the limit on open files is less than their number.
    let looked = unsafe { libc::poll(asked.as_mut_ptr(), COUNT as libc::nfds_t, 0) } != -1;
    looked.then(|| asked.map(|one| one.revents & libc::POLLNVAL != 0))
}

/// An error when fewer descriptors than these can be opened now. They are opened, and closed again, unless at the start there
/// were more than a fetch ever has open.
pub fn spare_descriptors(wanted: usize) -> io::Result<()> {
    const ENOUGH: usize = 60;
    if FREE.load(Ordering::Relaxed) >= ENOUGH {
        return Ok(());
    }
    // stdin is open, or held shut.
    let opened: io::Result<Vec<OwnedFd>> = (0..wanted).map(|_| io::stdin().as_fd().try_clone_to_owned()).collect();
    opened.map(drop)
}

/// The first of the calls without which the async runtime panics that is refused, and the error: by a seccomp filter, or for
/// want of descriptors.
pub fn refused_call() -> Option<(&'static str, io::Error)> {
    let opened = |call: &'static str, descriptor: RawFd| match descriptor {
        -1 => Err((call, io::Error::last_os_error())),
        // SAFETY: the call has just made it, and nothing else knows it.
        descriptor => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
    };
    let all = || {
        UnixStream::pair().map_err(|error| ("socketpair", error))?;
        // SAFETY: it takes a number alone, and gives a new descriptor.
        opened("epoll_create1", unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: as above.
        opened("eventfd2", unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })
    };
    all().err()
}

/// Writes all of it to stdout. Not by `std`, which takes a descriptor that cannot be written for one that nobody wants.
pub fn write_stdout(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(io::stdout(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            // Somebody who shares it has made it non-blocking.
            Err(Errno::EAGAIN) => _ = wait_for(libc::STDOUT_FILENO, libc::POLLOUT, None)?,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Waits until a descriptor is ready, or at its end; `false` when it was not in time.
pub fn wait_for(fd: RawFd, events: libc::c_short, limit: Option<Duration>) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()).as_millis());
        let left = left.map_or(-1, |left| left.try_into().unwrap_or(c_int::MAX));
        let mut asked = libc::pollfd { fd, events, revents: 0 };
        // SAFETY: poll(2) writes to the one entry that it is given.
        match unsafe { libc::poll(&raw mut asked, 1, left) } {
            -1 if Errno::last() == Errno::EINTR => {}
            -1 => return Err(io::Error::last_os_error()),
            ready => return Ok(ready > 0),
        }
    }
}

/// The name by which sealed memory is shown: the kernel takes 249 bytes (memfd_create(2)).
pub fn memory_name(name: &str) -> &str {
    &name[..name.floor_char_boundary(200)]
}

/// Nobody changes it any more, not even its maker (F_ADD_SEALS in fcntl(2)).
pub const SEALS: SealFlag =
    SealFlag::F_SEAL_SEAL.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_WRITE);

/// Sealed memory that holds `content`, as an inherited descriptor of at least `lowest`.
pub fn sealed_file(name: &str, content: &[u8], mode: u32, lowest: RawFd) -> Result<RawFd, Errno> {
    // Without close-on-exec, so that the command inherits it.
    fcntl(sealed_memory(name, content, mode)?, FcntlArg::F_DUPFD(lowest))
}

/// Sealed memory that holds `content` (memfd_create(2)).
pub fn sealed_memory(name: &str, content: &[u8], mode: u32) -> Result<OwnedFd, Errno> {
    // The kernel would end the process by SIGXFSZ, without a word.
    if getrlimit(Resource::RLIMIT_FSIZE).is_ok_and(|(soft, _)| soft < content.len() as u64) {
        return Err(Errno::EFBIG);
    }
    let name = CString::new(memory_name(name)).map_err(|_| Errno::EINVAL)?;
    let base = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Linux 6.3 has MFD_NOEXEC_SEAL; older ones refuse the flag.
    let memory = memfd_create(name.as_c_str(), base | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL));
    let memory = memory.or_else(|_| memfd_create(name.as_c_str(), base))?;
    let mut file = std::fs::File::from(memory);
    let os = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    file.write_all(content).map_err(os)?;
    file.seek(SeekFrom::Start(0)).map_err(os)?;
    fchmod(&file, Mode::from_bits_truncate(mode))?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS))?;
    Ok(file.into())
}
