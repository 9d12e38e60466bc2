//! How the binary is linked: position-independent, its tables read-only, its stack not executable.

use std::process::Command;

fn readelf(option: &str) -> String {
    let output = Command::new("readelf").args(["--wide", option, crate::common::STEPZERO]).output();
    let output = output.expect("readelf comes with the linker (binutils)");
    assert!(output.status.success(), "readelf {option}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_binary_is_hardened() {
    let header = readelf("--file-header");
    let kind = header.lines().find(|line| line.trim_start().starts_with("Type:")).expect("an ELF file has a type");
    assert!(kind.contains("DYN"), "not position-independent: {kind}");

    let segments = readelf("--program-headers");
    assert!(segments.contains("GNU_RELRO"), "no RELRO:\n{segments}");
    let stack = segments.lines().find(|line| line.contains("GNU_STACK")).expect("the stack's permissions are said");
    assert!(stack.contains(" RW ") && !stack.contains("RWE"), "an executable stack: {stack}");
    let both = segments.lines().find(|line| line.trim_start().starts_with("LOAD") && line.contains("RWE"));
    assert_eq!(both, None, "memory that can be written and run");

    let dynamic = readelf("--dynamic");
    assert!(dynamic.contains("BIND_NOW") || dynamic.contains("Flags: NOW"), "RELRO is not full:\n{dynamic}");
    for path in ["RPATH", "RUNPATH", "TEXTREL"] {
        assert!(!dynamic.contains(path), "{path} in:\n{dynamic}");
    }
}
