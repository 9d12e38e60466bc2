//! One deadline over everything, back-off, and which errors are worth another attempt.

mod meaning;
pub mod patience;
pub mod trouble;
