//! The program. Everything it does is in the library, so that tests can reach it.
//!
//! `no_main`: Rust's own start-up would ignore SIGPIPE and reopen a closed descriptor 0, 1 or 2 as `/dev/null`.
//! The command would inherit both, and could tell that it was not run directly.
#![no_main]

use std::ffi::{c_char, c_int};

/// Called by the C library. The arguments are read by the standard library, which the C library hands them to as well.
// SAFETY: `main` is the symbol that the C start-up calls, and no other crate of this program defines it.
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    stepzero::run()
}
