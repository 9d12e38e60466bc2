//! A fake AWS for tests: IMDSv2, container credentials, STS and SSM Parameter Store, with the
//! limits, denials and faults of the real ones. README.md beside this crate shows its use.
//!
//! A request's way: `port` accepts, `serve` reads it (`http`), `call` names it, `fault` may choose
//! an action, `answer` asks the service (`imds`, `sts`, `ssm`), `wire` sends or breaks it, and `log`
//! remembers. `Fake` is the handle; everything that changes is in `state`, behind one lock.

#![forbid(unsafe_code)]

mod action;
mod answer;
mod auth;
mod behaviour;
mod black_hole;
mod bucket;
mod builder;
mod call;
mod clock;
mod config;
mod control;
mod credentials;
mod data;
mod error;
mod fake;
mod fault;
mod form;
mod gate;
mod glob;
mod http;
mod iam;
mod imds;
mod keys;
mod log;
mod name;
mod port;
mod process;
mod proxy;
mod secrets;
mod serve;
mod shared;
mod side;
mod sigv4;
mod site;
mod ssm;
mod state;
mod store;
mod sts;
mod temp;
mod tls;
mod watch;
mod wire;

#[cfg(test)]
mod tests;

pub use action::{Action, Rewrite};
pub use builder::Builder;
pub use call::Service;
pub use config::Config;
pub use fake::Fake;
pub use fault::Fault;
pub use gate::Gate;
pub use log::{Connections, LogEntry};
pub use process::raise_descriptor_limit;
pub use secrets::Secret;
pub use state::KmsDenial;
pub use store::Put;
