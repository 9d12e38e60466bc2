//! One deadline over everything, back-off, and which errors are worth another attempt.

#[cfg(test)]
#[path = "../../../tests/boots/simulation.rs"]
mod boots;
pub mod error;
mod error_class;
pub mod retrier;
