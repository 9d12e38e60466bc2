//! One deadline over everything, back-off, and which errors are worth another attempt.

#[cfg(test)]
#[path = "../../../tests/boots/simulation.rs"]
mod boots;
mod meaning;
pub mod retrier;
pub mod trouble;
