//! Memory: who may look into it, whether it is swapped, how it is allocated, and what happens when there is none left.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{c_int, c_void};
use std::io::Read as _;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

use super::exit_now;

/// What kept the process from being closed to others, or 0: for the log, which comes later.
static STAYS_DUMPABLE: AtomicI32 = AtomicI32::new(0);

/// No core dump, and no look inside by the same user, from the first moment on: who has opened the memory before values are
/// in it reads them later. It ends with the exec (prctl(2)).
pub fn close_to_others() {
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        STAYS_DUMPABLE.store(error as c_int, Ordering::Relaxed);
    }
}

/// Before there are values: no swap where that is allowed. It ends with the exec (mlock(2)).
pub fn guard_secrets() {
    match STAYS_DUMPABLE.load(Ordering::Relaxed) {
        0 => {}
        error => crate::log::debug(format_args!("the process stays dumpable: {}", Errno::from_raw(error))),
    }
    let is_unlimited = || getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY);
    if !may_lock_memory() && !is_unlimited() {
        // Below the limit it would succeed, and later mappings would fail.
        crate::log::debug(format_args!(
            "memory is not locked: the limit of locked memory is not unlimited, and CAP_IPC_LOCK is missing"
        ));
        return;
    }
    if let Err(error) = lock() {
        crate::log::debug(format_args!("memory is not locked: {error}"));
    }
}

/// All memory to come, and of what is there that in which values can be: to lock the program's code as well, which is
/// never swapped, would be a tenth of a start. ONFAULT: only what is touched is locked, not every mapping.
fn lock() -> nix::Result<()> {
    // SAFETY: mlockall(2) changes no memory.
    let lock_all = |which| Errno::result(unsafe { libc::mlockall(which | libc::MCL_ONFAULT) }).map(drop);
    lock_all(libc::MCL_FUTURE)?;
    let lock_part = |&(start, end): &(usize, usize)| {
        // SAFETY: mlock2(2) changes no memory.
        unsafe { libc::mlock2(start as *const c_void, end - start, libc::MLOCK_ONFAULT) == 0 }
    };
    // musl's heap is of small pieces.
    let maps = if cfg!(target_env = "gnu") { maps() } else { None };
    match maps.map(|maps| heaps_and_stack(&maps)) {
        Some(there) if !there.is_empty() && there.iter().all(lock_part) => Ok(()),
        _ => lock_all(libc::MCL_CURRENT | libc::MCL_FUTURE),
    }
}

const STACK: &str = "[stack]";

/// The mappings of this process up to its stack, above which there is only what the kernel maps.
fn maps() -> Option<String> {
    let mut file = std::fs::File::open("/proc/self/maps").ok()?;
    let (mut text, mut part) = (Vec::new(), [0; 4096]);
    loop {
        // Whole lines.
        let read = file.read(&mut part).ok()?;
        text.extend_from_slice(&part[..read]);
        if read == 0 || part[..read].split(|byte| *byte == b'\n').any(|line| line.ends_with(STACK.as_bytes())) {
            return String::from_utf8(text).ok();
        }
    }
}

/// The stack, and the memory of no file that can be a heap: glibc's, or a preloaded allocator's, which may still be reserved
/// only. It is larger than what libraries keep for themselves (proc_pid_maps(5)).
fn heaps_and_stack(maps: &str) -> Vec<(usize, usize)> {
    const SMALLEST: usize = 64 * 1024;
    // An allocator's reserve and what it uses of it are neighbours.
    let mut found: Vec<(usize, usize, bool)> = Vec::new();
    for line in maps.lines() {
        let Some((start, end)) = anonymous(line) else { continue };
        let is_named = line.ends_with(STACK) || line.ends_with("[heap]");
        match found.last_mut() {
            Some(last) if last.1 == start => *last = (last.0, end, last.2 || is_named),
            _ => found.push((start, end, is_named)),
        }
    }
    found.retain(|(start, end, is_named)| *is_named || end - start >= SMALLEST);
    found.into_iter().map(|(start, end, _)| (start, end)).collect()
}

/// The range of a mapping that is of no file.
fn anonymous(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split(' ');
    let (start, end) = words.next()?.split_once('-')?;
    let range = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    (words.nth(3)? == "0").then_some(range)
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
pub fn suit_a_short_life() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaps_and_the_stack_are_told_from_the_rest() {
        let maps = "\
55d0857ba000-55d0858e4000 r--p 00000000 fe:00 1007 /usr/bin/stepzero
55d085c23000-55d085c26000 rw-p 00468000 fe:00 1007 /usr/bin/stepzero
55d0b224d000-55d0b224e000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000100000 ---p 00000000 00:00 0 
7f0000100000-7f0000101000 rw-p 00000000 00:00 0 
7f0000101000-7f0000200000 ---p 00000000 00:00 0 
7f98971ef000-7f98971f2000 rw-p 00000000 00:00 0 
7f98973c5000-7f98973cb000 rw-p 001cf000 fe:00 326279 /usr/lib/x86_64-linux-gnu/libc.so.6
7f98973cb000-7f98973d4000 rw-p 00000000 00:00 0 
7ffc7fb8b000-7ffc7fb8f000 rw-p 00000000 00:00 0                          [stack]
";
        let expected = [
            (0x55d0_b224_d000, 0x55d0_b224_e000),
            (0x7f00_0000_0000, 0x7f00_0020_0000),
            (0x7ffc_7fb8_b000, 0x7ffc_7fb8_f000),
        ];
        assert_eq!(heaps_and_stack(maps), expected);
    }

    #[test]
    fn this_process_has_a_stack() {
        let maps = maps().expect("/proc is mounted");
        assert!(maps.lines().last().is_some_and(|line| line.contains('-')));
        let here = &raw const maps as usize;
        // A test runs on a thread's stack, which is of no file either.
        assert!(heaps_and_stack(&maps).iter().any(|(start, end)| (*start..*end).contains(&here)));
    }
}
