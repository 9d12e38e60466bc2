//! Everything a scope can say, with the real binary against the fake: loads, references, secrets, shapes of values,
//! files, the policy and the preflight. One file for each.

#[path = "../common/mod.rs"]
mod common;

mod coming_from;
mod expansions;
mod files;
mod loads;
mod policy;
mod preflight;
mod references;
mod schema;
mod spec_errors;
mod templates;
mod values;
mod venv;
mod writer_policy;
mod writing;
