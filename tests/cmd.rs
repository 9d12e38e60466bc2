//! Command lines and what they print, as data: each file of `tests/cmd` is one case. `[..]` stands for any text of a
//! line, and a line `...` for any lines. The spec of a case is `spec.toml` in the directory where it runs.

mod common;

use std::path::Path;

use common::{Ran, TempFile, offline};
use snapbox::assert_data_eq;
use toml::{Table, Value};

#[test]
fn every_case() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
    let mut cases: Vec<_> = std::fs::read_dir(&directory)
        .expect("it is in the repository")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 10, "the cases are not where they should be");
    cases.iter().for_each(|path| check(path));
}

fn check(path: &Path) {
    println!("{}", path.display());
    let text = std::fs::read_to_string(path).expect("it can be read");
    let case: Table = text.parse().expect("a case is TOML");
    let string = |key: &str| case.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let args = case["args"].as_array().expect("`args` is a list").iter().map(|arg| arg.as_str().expect("of strings"));
    let spec = TempFile::spec(string("spec"));
    let variables = case.get("env").and_then(Value::as_table).into_iter().flatten();
    let run = offline(args).envs(variables.map(|(name, value)| (name, value.as_str().expect("a string"))));
    let ran = Ran::of(run.command().current_dir(spec.directory.path())).case(path.display());
    let status = case["status"].as_integer().expect("`status` is a number");
    let ran = ran.expect(status.try_into().expect("a small one"));
    assert_data_eq!(ran.stderr(), string("stderr"));
    assert_data_eq!(ran.stdout(), string("stdout"));
}
