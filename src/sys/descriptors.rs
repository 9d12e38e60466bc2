//! Descriptors: those that must stay closed, and those that the command is given.

use std::ffi::{CString, c_int};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::{IntoRawFd as _, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, fchmod};

/// Descriptors 0, 1 and 2 that are closed are filled, closed again by the exec, so that no socket becomes one of them.
pub fn hold_closed_descriptors() {
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

/// Sealed memory that holds `content`, as an inherited descriptor of at least `lowest` (memfd_create(2)).
pub fn sealed_file(name: &str, content: &[u8], mode: u32, lowest: RawFd) -> Result<RawFd, Errno> {
    // The kernel would end the process by SIGXFSZ, without a word.
    if getrlimit(Resource::RLIMIT_FSIZE).is_ok_and(|(soft, _)| soft < content.len() as u64) {
        return Err(Errno::EFBIG);
    }
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
