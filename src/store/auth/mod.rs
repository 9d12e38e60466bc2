//! Credentials: the chain of the AWS SDKs, and the instance metadata service.

pub mod chain;
mod explain;
pub mod imds;
