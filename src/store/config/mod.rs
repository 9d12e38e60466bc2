//! What flags, spec, variables and profile files say before anything is asked.

mod bundle;
pub mod clock;
pub mod endpoint;
pub mod files;
pub mod settings;
pub mod user_agent;
