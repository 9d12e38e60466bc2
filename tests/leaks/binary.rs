//! How the binary is linked: position-independent, its tables read-only, its stack not executable.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use crate::common::{Ran, STEPZERO};

/// It comes with the linker (binutils).
fn readelf(option: &str, binary: &OsStr) -> String {
    Ran::of(Command::new("readelf").args(["--wide", option]).arg(binary)).expect(0).stdout()
}

/// The one under test, and the release build where there is one.
#[test]
fn the_binary_is_hardened() {
    let release = std::env::var_os("STEPZERO_BINARY");
    [OsString::from(STEPZERO)].iter().chain(&release).for_each(|binary| is_hardened(binary));
}

fn is_hardened(binary: &OsStr) {
    let header = readelf("--file-header", binary);
    let kind = header.lines().find(|line| line.trim_start().starts_with("Type:")).expect("an ELF file has a type");
    assert!(kind.contains("DYN"), "not position-independent: {kind}");

    let segments = readelf("--program-headers", binary);
    assert!(segments.contains("GNU_RELRO"), "no RELRO:\n{segments}");
    let stack = segments.lines().find(|line| line.contains("GNU_STACK")).expect("the stack's permissions are said");
    assert!(stack.contains(" RW ") && !stack.contains("RWE"), "an executable stack: {stack}");
    let both = segments.lines().find(|line| line.trim_start().starts_with("LOAD") && line.contains("RWE"));
    assert_eq!(both, None, "memory that can be written and run");

    let dynamic = readelf("--dynamic", binary);
    assert!(dynamic.contains("BIND_NOW") || dynamic.contains("Flags: NOW"), "RELRO is not full:\n{dynamic}");
    for path in ["RPATH", "RUNPATH", "TEXTREL"] {
        assert!(!dynamic.contains(path), "{path} in:\n{dynamic}");
    }
}
