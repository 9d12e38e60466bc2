//! Systems Manager: requests and answers of Parameter Store.

mod answers;
pub mod client;
pub mod fetch;
pub mod session;
