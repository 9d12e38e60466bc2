//! Memory that is handed to systemd to keep, and descriptors that it passes on (sd_listen_fds(3)).

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::descriptors::{SEALS, memory_name, sealed_memory};
use crate::secret::Secret;

/// Larger than all that a plan can hold.
const LIMIT: i64 = 64 * 1024 * 1024;

/// The first descriptor that systemd passes.
const FIRST: RawFd = 3;

/// Memory with this content, which stays when this process ends and somebody else holds its descriptor. Secret memory where the
/// kernel has it and the limit of locked memory allows it: the kernel does not map it itself, it is never swapped, and nobody
/// opens it by /proc (memfd_secret(2)). Else it is sealed memory.
pub fn memory_to_keep(name: &str, content: &[u8]) -> Result<OwnedFd, Errno> {
    secret_memory(content).or_else(|_| sealed_memory(name, content, 0o400))
}

fn secret_memory(content: &[u8]) -> Result<OwnedFd, Errno> {
    // SAFETY: it takes flags alone, and gives a new descriptor that nothing else knows.
    let memory = unsafe {
        let descriptor = Errno::result(libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC))?;
        OwnedFd::from_raw_fd(RawFd::try_from(descriptor).map_err(|_| Errno::EBADF)?)
    };
    // Its size cannot be changed a second time.
    nix::unistd::ftruncate(&memory, i64::try_from(content.len()).map_err(|_| Errno::EFBIG)?)?;
    mapped(&memory, content.len(), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, |start| {
        // SAFETY: so many bytes are mapped there, and nobody else has the mapping.
        unsafe { std::ptr::copy_nonoverlapping(content.as_ptr(), start.as_ptr(), content.len()) };
    })?;
    Ok(memory)
}

/// Whether a passed descriptor is memory of either kind, and no socket that somebody has named like it.
pub fn is_passed_memory(index: usize, name: &str) -> bool {
    kind(number(index), name).is_ok_and(|kind| kind != Kind::Other)
}

#[derive(PartialEq, Eq)]
enum Kind {
    Secret,
    Sealable,
    Other,
}

/// By what /proc calls it: another process has made it.
fn kind(descriptor: RawFd, name: &str) -> io::Result<Kind> {
    let link = std::fs::read_link(format!("/proc/self/fd/{descriptor}"))?;
    let link = link.to_string_lossy();
    if link.starts_with("/secretmem") {
        return Ok(Kind::Secret);
    }
    let is_memfd = link.starts_with(&format!("/memfd:{}", memory_name(name)));
    Ok(if is_memfd { Kind::Sealable } else { Kind::Other })
}

/// What such memory holds; `None` when it is something else.
pub fn kept_memory(memory: &OwnedFd, name: &str) -> io::Result<Option<Secret>> {
    let is_sealed =
        || fcntl(memory, FcntlArg::F_GET_SEALS).is_ok_and(|seals| SealFlag::from_bits_retain(seals).contains(SEALS));
    let is_ours = match kind(memory.as_raw_fd(), name)? {
        Kind::Secret => true,
        Kind::Sealable => is_sealed(),
        Kind::Other => false,
    };
    let size = nix::sys::stat::fstat(memory)?.st_size;
    if !is_ours || !(1..=LIMIT).contains(&size) {
        return Ok(None);
    }
    let size = usize::try_from(size).unwrap_or_default();
    let secret = mapped(memory, size, ProtFlags::PROT_READ, |start| {
        // SAFETY: so many bytes are mapped there. Sealed memory does not change; secret memory is only in systemd's hands.
        Secret::from_slice(unsafe { std::slice::from_raw_parts(start.as_ptr(), size) })
    })?;
    Ok(Some(secret))
}

/// Maps the whole for as long as `with` runs.
fn mapped<T>(memory: &OwnedFd, size: usize, how: ProtFlags, with: impl FnOnce(NonNull<u8>) -> T) -> Result<T, Errno> {
    let length = NonZeroUsize::new(size).ok_or(Errno::EINVAL)?;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let start = unsafe { mmap(None, length, how, MapFlags::MAP_SHARED, memory, 0)? };
    let result = with(start.cast());
    // SAFETY: it was mapped above, and `with` is done with it.
    unsafe { munmap(start, size)? };
    Ok(result)
}

/// The number of a passed descriptor.
fn number(index: usize) -> RawFd {
    FIRST + RawFd::try_from(index).unwrap_or(RawFd::MAX - FIRST)
}

/// Takes one of `count` passed descriptors out. Those behind it move down, so that the command finds them without a gap.
pub fn take_passed(index: usize, count: usize) -> io::Result<OwnedFd> {
    // SAFETY: it is only copied here; fcntl(2) fails for a number that is no descriptor.
    let taken = fcntl(unsafe { BorrowedFd::borrow_raw(number(index)) }, FcntlArg::F_DUPFD_CLOEXEC(number(count)))?;
    for behind in index + 1..count {
        // SAFETY: dup2(2) on descriptors that were passed to this process, which nothing here has taken into its hands.
        Errno::result(unsafe { libc::dup2(number(behind), number(behind - 1)) })?;
    }
    // SAFETY: the last one is free now, and nothing here knows it.
    unsafe { libc::close(number(count - 1)) };
    // SAFETY: fcntl(2) has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(taken) })
}
