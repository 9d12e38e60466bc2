//! Systems Manager: requests and answers of Parameter Store.

mod answers;
mod calls;
mod client;
pub mod fetch;
mod session;
mod workers;
