//! One deadline over everything, back-off, and which errors are worth another attempt.

#[cfg(test)]
mod boots;
mod meaning;
pub mod patience;
pub mod trouble;
