//! Credentials: the chain of the AWS SDKs, and the instance metadata service.

pub mod chain;
mod container;
mod document;
mod explain;
pub mod imds;
mod process;
mod profile;
mod role;
mod sdk_http;
mod source;
