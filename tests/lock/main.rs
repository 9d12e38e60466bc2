//! `stepzero lock` against the fake: a lock gives the environment that its spec gave, before and after a rotation, and
//! `--check` says how the store differs from it.

#[path = "../common/mod.rs"]
mod common;

mod check;
mod same;
mod text;

use std::collections::BTreeMap;

use common::{Given, TempFile};
use fake_aws::Fake;

/// The lock of what is given.
#[track_caller]
fn lock(given: Given, fake: &Fake) -> String {
    given.run(fake, "lock", &[]).expect(0).stdout()
}

/// The environment by a lock, which needs nothing but its file and what is inherited.
#[track_caller]
fn by_lock(text: &str, given: Given, fake: &Fake) -> BTreeMap<String, String> {
    Given { spec: text, args: &[], ..given }.environment(fake)
}

/// The same environment by a spec and by its lock, and the same lock twice. The lock comes back.
#[track_caller]
fn same(given: Given, fake: &Fake) -> String {
    // Both runs name the same file, so that the first line is the same.
    let spec = TempFile::spec(given.spec);
    let path = spec.arg();
    let args = if given.spec.is_empty() { given.args.to_vec() } else { [&["-s", path.as_str()], given.args].concat() };
    let by_file = Given { spec: "", args: &args, ..given };
    let text = lock(by_file, fake);
    assert_eq!(text, lock(by_file, fake), "the same bytes while the store is unchanged");
    assert_eq!(by_lock(&text, given, fake), by_file.environment(fake), "{}\n{text}", given.spec);
    text
}
