//! Nothing leaks: a secret is found in the command's environment and nowhere else. Each part hunts in one place, with a
//! control that shows that it would find one.

#[path = "../common/mod.rs"]
mod common;

mod binary;
mod canary;
mod cases;
mod core_dump;
mod credential;
mod disk;
mod field_bugs;
mod hostile_answers;
mod hostile_specs;
mod hunt;
mod inherited;
mod lookers;
mod memory;
mod moments;
mod panics;
mod parents;
mod random;
mod structure;
mod support;
mod transparency;
mod types;
