//! Links the unwinder into the program where the C compiler has it as an archive: libgcc_s.so.1, which the standard
//! library asks for, is nine system calls of every start, for what a program that aborts on a panic never calls.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let of_target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let is_static = of_target("FEATURE").split(',').any(|feature| feature == "crt-static");
    let is_cross = std::env::var_os("HOST") != std::env::var_os("TARGET");
    if of_target("ENV") != "gnu" || is_static || is_cross {
        return;
    }
    // The bare name is printed back when there is no such file.
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let found = asked.ok().and_then(|answer| String::from_utf8(answer.stdout).ok()).unwrap_or_default();
    if let (true, Some(directory)) = (Path::new(found.trim()).is_file(), Path::new(found.trim()).parent()) {
        println!("cargo:rustc-link-search=native={}", directory.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
