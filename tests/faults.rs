//! A bad day: everything that AWS, the network and a booting machine do to a start, with the real binary against the
//! fake. Whatever happens, the command starts with every value or not at all, the exit code and one message say why,
//! and it is over by the deadline. RELIABILITY.md has the promises and the figures.
//!
//! It takes a minute and a half on two cores: what it waits for are stepzero's own limits, 10 s for an answer and deadlines of
//! up to 12 s, and a fleet that shares a quota.

mod common;

#[path = "faults/answers.rs"]
mod answers;
#[path = "faults/files.rs"]
mod files;
#[path = "faults/fleet.rs"]
mod fleet;
#[path = "faults/hello.rs"]
mod hello;
#[path = "faults/ipv6.rs"]
mod ipv6;
#[path = "faults/limits.rs"]
mod limits;
#[path = "faults/metadata.rs"]
mod metadata;
#[path = "faults/outage.rs"]
mod outage;
#[path = "faults/proxies.rs"]
mod proxies;
#[path = "faults/refusals.rs"]
mod refusals;
#[path = "faults/settings.rs"]
mod settings;
#[path = "faults/signals.rs"]
mod signals;
#[path = "faults/supervisor.rs"]
mod supervisor;
