//! What must not compile does not: each line of a program is marked with the error that rustc has to find there.

use std::path::PathBuf;
use std::process::Command;

/// The lines with `//~` have that error, and no other line has one.
const PROGRAM: &str = r#"
use stepzero::secret::Secret;
use stepzero::environment::{Binding, Environment, Value};
use stepzero::resolve::Won;
fn needs_clone<T: Clone>() {}
fn needs_eq<T: PartialEq>() {}
fn needs_ord<T: PartialOrd>() {}
fn needs_hash<T: std::hash::Hash>() {}
fn needs_display<T: std::fmt::Display>() {}
fn needs_serialize<T: serde::Serialize>() {}
fn needs_bytes<T: AsRef<[u8]>>() {}
fn needs_default<T: Default>() {}
fn needs_send<T: Send>() {}
pub fn allowed(secret: &Secret) -> (usize, bool, String) {
    needs_send::<Secret>();
    needs_clone::<String>();
    needs_serialize::<String>();
    (secret.len(), secret.has_nul(), format!("{secret:?}"))
}
pub fn refused(secret: Secret, won: &Won) {
    needs_clone::<Secret>(); //~ E0277
    needs_eq::<Secret>(); //~ E0277
    needs_ord::<Secret>(); //~ E0277
    needs_hash::<Secret>(); //~ E0277
    needs_display::<Secret>(); //~ E0277
    needs_serialize::<Secret>(); //~ E0277
    needs_bytes::<Secret>(); //~ E0277
    needs_default::<Secret>(); //~ E0277
    needs_clone::<Value>(); //~ E0277
    needs_clone::<Binding>(); //~ E0277
    needs_clone::<Environment>(); //~ E0277
    needs_serialize::<Value>(); //~ E0277
    needs_serialize::<Won>(); //~ E0277
    needs_display::<Won>(); //~ E0277
    let _ = secret.expose(); //~ E0624
    let _ = secret.bytes(); //~ E0624
    let _ = &secret.0; //~ E0616
    let _ = &won.value; //~ E0616
    let _: &[u8] = &secret; //~ E0308
    let _ = *secret; //~ E0614
}
"#;

#[test]
fn what_must_not_compile_does_not() {
    let directory = crate::common::Directory::open();
    let source = directory.file("refused.rs", PROGRAM);
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--error-format", "short"])
        .args(["--extern", &format!("stepzero={}", library("stepzero").display())])
        .args(["--extern", &format!("serde={}", library("serde").display())])
        .arg("-L")
        .arg(format!("dependency={}", libraries().display()))
        .arg("-o")
        .arg(directory.path().join("refused.rmeta"))
        .arg(&source)
        .output()
        .expect("rustc has built this test");
    let text = String::from_utf8_lossy(&output.stderr);
    let mut found: Vec<(usize, String)> = text.lines().filter_map(error).collect();
    found.dedup();
    let lines = PROGRAM.lines().enumerate();
    let marked = lines.filter_map(|(at, line)| Some((at + 1, line.split_once("//~ ")?.1.to_owned())));
    let wanted: Vec<(usize, String)> = marked.collect();
    found.sort();
    assert_eq!(found, wanted, "{text}");
}

/// `refused.rs:21:5: error[E0277]: …` to 21 and E0277.
fn error(line: &str) -> Option<(usize, String)> {
    let (place, rest) = line.split_once(": error[")?;
    let number = place.rsplit(':').nth(1)?.parse().ok()?;
    Some((number, rest.split(']').next()?.to_owned()))
}

fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    test.parent().expect("it is in a directory").to_owned()
}

/// The library that was built last.
fn library(name: &str) -> PathBuf {
    let entries = std::fs::read_dir(libraries()).expect("cargo has built into it").flatten();
    let prefix = format!("lib{name}-");
    let built = entries.filter(|entry| {
        let file = entry.file_name().to_string_lossy().into_owned();
        file.starts_with(&prefix) && file.ends_with(".rlib")
    });
    let newest = built.max_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok());
    newest.expect("cargo built it for this test").path()
}
