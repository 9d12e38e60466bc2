//! Every system call that the standard library does not offer, and all `unsafe` code (but what `main.rs` hands on), by
//! what it is about.

mod children;
mod connection;
mod descriptors;
mod inspect;
mod kept;
mod memory;
mod names;
mod process;
mod signals;

pub use children::{children, end_children_but};
pub use connection::{accepted_connection, keep_at_exit, peer_name, peer_uid, refuse, refuse_at_exit};
pub use descriptors::{refused_call, sealed_file, spare_descriptors, wait_for, write_stdout};
pub use inspect::Process;
pub use kept::{is_passed_memory, kept_memory, memory_to_keep, take_passed};
pub use memory::lock_memory;
pub use process::{arguments, environment, executable, execve, forget_empty_settings, is_root, read_file, stack_limit};
pub use signals::{Inheritance, ignore_sigpipe};

use std::ffi::c_int;
use std::io::{self, Write as _};

/// Prepares the process. Call it first. It forbids core dumps and ptrace(2), installs the panic hook (exit 70, with the place
/// alone), sets up the allocator and name resolution, fills closed descriptors 0 to 2, records the signal dispositions and
/// ignores SIGPIPE. As PID 1 it also exits on signals, which the kernel would drop.
pub fn begin() -> Inheritance {
    memory::forbid_inspection();
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let message = format!("stepzero: a bug in stepzero{place}; please report it\n");
        let _ = io::stderr().write_all(message.as_bytes());
        exit_now(70);
    }));
    memory::tune_allocator();
    names::resolve_by_hosts_file_and_dns();
    descriptors::reserve_standard_descriptors();
    let inheritance = signals::record_and_reset();
    if nix::unistd::getpid().as_raw() == 1 {
        signals::exit_on_signals();
    }
    inheritance
}

fn exit_now(code: c_int) -> ! {
    refuse();
    // SAFETY: _exit(2) does not return, and may be called from a signal handler.
    unsafe { libc::_exit(code) }
}
