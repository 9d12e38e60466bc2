//! The program. Everything it does is in the library, so that tests can reach it.
//!
//! `no_main`: Rust's own start-up would ignore SIGPIPE and reopen a closed descriptor 0, 1 or 2 as `/dev/null`.
//! The command would inherit both, and could tell that it was not run directly.
#![no_main]
#![deny(unsafe_code)]

use std::ffi::{c_char, c_int};

/// Called by the C library. Of the C libraries only glibc tells the arguments to the standard library as well.
///
/// # Safety
///
/// `argv` has `argc` strings.
// SAFETY: `main` is the symbol that the C start-up calls, and no other crate of this program defines it.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: they come from the C library.
    stepzero::run(unsafe { stepzero::arguments(argc, argv) })
}
