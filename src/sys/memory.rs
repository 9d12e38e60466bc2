//! Memory: who may look into it, whether it is swapped, how it is allocated, and what happens when there is none left.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

use super::exit_now;

/// What kept the process from being closed to others, or 0: for the log, which comes later.
static STAYS_DUMPABLE: AtomicI32 = AtomicI32::new(0);

/// No core dump, and no look inside by the same user, from the first moment on: who has opened the memory before values are
/// in it reads them later. It ends with the exec (prctl(2)).
pub fn forbid_inspection() {
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        STAYS_DUMPABLE.store(error as c_int, Ordering::Relaxed);
    }
}

/// Locks all memory, so that no value is swapped out. Call it before there are values; it ends with the exec (mlock(2)).
/// Returns why a part of the protection is missing, for the log: it is no failure.
pub fn lock_memory() -> Vec<String> {
    let mut missing = Vec::new();
    match STAYS_DUMPABLE.load(Ordering::Relaxed) {
        0 => {}
        error => missing.push(format!("the process stays dumpable: {}", Errno::from_raw(error))),
    }
    let is_unlimited = || getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY);
    if !may_lock_memory() && !is_unlimited() {
        // Below the limit it would succeed, and later mappings would fail.
        let why = "the limit of locked memory is not unlimited, and CAP_IPC_LOCK is missing";
        missing.push(format!("memory is not locked: {why}"));
    } else if let Err(error) = lock() {
        missing.push(format!("memory is not locked: {error}"));
    }
    missing
}

/// All memory, now and later. ONFAULT: what is touched is locked, not every mapping made resident.
fn lock() -> nix::Result<()> {
    let all = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    // SAFETY: mlockall(2) changes no memory.
    Errno::result(unsafe { libc::mlockall(all) }).map(drop)
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

/// Sets the allocator of glibc (others have no mallopt). One arena: a second thread would reserve 64 MiB of addresses for its own, which a
/// small address-space limit does not have. A heap that grows by 1 MiB and never shrinks: it lives for a moment, and each
/// step would be a system call.
pub fn tune_allocator() {
    // SAFETY: mallopt(3) only sets a parameter of the allocator.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, 1024 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, c_int::MAX);
    }
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
