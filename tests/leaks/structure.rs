//! Rules that reading the sources can hold: where values are exposed, where `unsafe` stands, who talks to AWS, who prints.

use std::path::Path;

/// Every file below `src`, with its path from there and its lines before the unit tests.
fn sources() -> Vec<(String, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut left = vec![root.clone()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).expect("src is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("source is text");
            let code = text.split("#[cfg(test)]").next().unwrap_or(&text);
            found.push((name, code.lines().map(str::to_owned).collect()));
        }
    }
    assert!(found.len() > 20, "only {} files", found.len());
    found
}

/// The code of a line, without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// The files with a line that has one of these in its code.
fn files_with(parts: &[&str]) -> Vec<String> {
    let has = |line: &String| parts.iter().any(|part| code(line).contains(part));
    let mut files: Vec<String> =
        sources().into_iter().filter(|(_, lines)| lines.iter().any(has)).map(|(name, _)| name).collect();
    files.sort();
    files
}

#[track_caller]
fn only_in(parts: &[&str], allowed: &[&str]) {
    let strangers: Vec<String> =
        files_with(parts).into_iter().filter(|file| !allowed.contains(&file.as_str())).collect();
    assert!(strangers.is_empty(), "{parts:?} in {strangers:?}, allowed in {allowed:?}");
}

#[test]
fn a_value_is_exposed_in_one_place() {
    only_in(&[".expose(", "::expose("], &["exec.rs", "credential.rs", "last_good.rs"]);
    only_in(&["expose_secret", "secrecy::"], &["secret.rs"]);
    let exposures: Vec<usize> = sources()
        .into_iter()
        .filter(|(name, _)| name == "exec.rs")
        .map(|(_, lines)| lines.iter().filter(|line| code(line).contains(".expose(")).count())
        .collect();
    assert_eq!(exposures, [1], "one exposure in exec.rs");
}

#[test]
fn unsafe_stands_in_one_module_and_each_block_has_its_reason() {
    let sys: Vec<String> =
        sources().into_iter().map(|(name, _)| name).filter(|name| name.starts_with("sys/")).collect();
    let allowed: Vec<&str> = sys.iter().map(String::as_str).chain(["main.rs"]).collect();
    only_in(&["unsafe "], &allowed);
    only_in(&["unsafe(no_mangle)"], &["main.rs"]);
    only_in(&["allow(unsafe_code)"], &["lib.rs", "main.rs"]);
    for (name, lines) in sources() {
        for (at, line) in lines.iter().enumerate() {
            let word = code(line);
            let begins = ["unsafe {", "unsafe impl", "unsafe(", "unsafe extern"].iter().any(|part| word.contains(part));
            // Linking a symbol does nothing; its use has a block of its own.
            if !begins || word.contains("unsafe extern \"C\" {") {
                continue;
            }
            let before = lines[at.saturating_sub(4)..at].iter().any(|line| line.contains("// SAFETY:"));
            assert!(before, "{name}:{}: no // SAFETY: before {line}", at + 1);
        }
    }
}

/// The compiler refuses it in every other module: `forbid` goes for the modules below as well, and none of them can lift it.
#[test]
fn every_other_module_forbids_unsafe() {
    let sources = sources();
    let forbids = |file: &str| {
        let lines = sources.iter().find(|(name, _)| name == file).map(|(_, lines)| lines);
        lines.is_some_and(|lines| lines.iter().any(|line| line == "#![forbid(unsafe_code)]"))
    };
    let (_, map) = sources.iter().find(|(name, _)| name == "lib.rs").expect("the map");
    let declared =
        map.iter().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let modules: Vec<&str> = declared.filter(|name| *name != "sys").collect();
    assert!(modules.len() > 15, "only {modules:?}");
    let open: Vec<&&str> =
        modules.iter().filter(|name| !forbids(&format!("{name}.rs")) && !forbids(&format!("{name}/mod.rs"))).collect();
    assert!(open.is_empty(), "no #![forbid(unsafe_code)] in {open:?}");
}

#[test]
fn only_the_store_knows_aws() {
    let strangers: Vec<String> = files_with(&[
        "aws_config",
        "aws_sdk_",
        "aws_smithy_",
        "aws_types",
        "aws_credential_types",
        "aws_runtime",
        "aws_sigv4",
        "hyper",
        "rustls",
    ])
    .into_iter()
    .filter(|file| !file.starts_with("store/"))
    .collect();
    assert!(strangers.is_empty(), "AWS or its transport in {strangers:?}");
}

#[test]
fn nobody_prints_by_a_macro() {
    only_in(&["println!", "eprintln!", "print!(", "eprint!(", "dbg!("], &[]);
}

#[test]
fn no_child_no_shell_no_file() {
    // A profile's credential_process is a program that the operator names; systemctl tells the main process of a unit.
    let process = ["store/auth/process.rs", "changed/unit.rs"];
    only_in(&["process::Command", "std::process::{", "CommandExt", "fork(", "libc::system", "posix_spawn"], &process);
    only_in(&["File::create", "OpenOptions", "fs::write", "create_dir", "tempfile", "O_CREAT", "O_WRONLY"], &[]);
    only_in(&["set_var", "setenv"], &[]);
    // Empty settings of AWS, which the SDK would not take for unset.
    only_in(&["remove_var"], &["sys/process.rs"]);
}
