//! The script of faults: which request or connection goes wrong, how, and how often.
//!
//! Faults are kept in order, and the first one that matches and is not used up applies. So a row of
//! `Fault::once` is a sequence: one per request, and normal answers after the last.

use std::time::Duration;

use serde::Deserialize;

use crate::action::{Action, milliseconds};
use crate::call::{Call, Service};

/// An action, what it applies to, and how often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    action: Action,
    #[serde(default)]
    service: Option<Service>,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    connection: Option<u64>,
    #[serde(default)]
    skip: u64,
    /// How often it still applies; `None` is for ever.
    #[serde(default, rename = "times")]
    left: Option<u64>,
    #[serde(default, rename = "after_ms", deserialize_with = "milliseconds")]
    after: Duration,
    #[serde(skip)]
    seen: u64,
}

impl Fault {
    fn new(action: Action, left: Option<u64>) -> Self {
        let (service, operation, name, connection) = (None, None, None, None);
        Self { action, service, operation, name, connection, skip: 0, left, after: Duration::ZERO, seen: 0 }
    }

    pub fn once(action: Action) -> Self {
        Self::new(action, Some(1))
    }

    pub fn times(times: u64, action: Action) -> Self {
        Self::new(action, Some(times))
    }

    pub fn always(action: Action) -> Self {
        Self::new(action, None)
    }

    pub fn service(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// `GetParameters`, `PutToken`, …: as in `LogEntry::operation`.
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Only requests with a name (or path) that contains this.
    pub fn name(mut self, part: &str) -> Self {
        self.name = Some(part.to_owned());
        self
    }

    /// Only the n-th connection (from 1) of the endpoint.
    pub fn connection(mut self, number: u64) -> Self {
        self.connection = Some(number);
        self
    }

    /// Lets the first n that match go by.
    pub fn skip(mut self, n: u64) -> Self {
        self.skip = n;
        self
    }

    /// Only the n-th (from 1) that matches.
    pub fn nth(mut self, n: u64) -> Self {
        self.skip = n.saturating_sub(1);
        self.left = Some(1);
        self
    }

    /// The action takes place so much later.
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    /// Counts a match, and tells whether the fault applies to it.
    fn count(&mut self, already_chosen: bool) -> bool {
        self.seen += 1;
        let due = !already_chosen && self.seen > self.skip && self.left != Some(0);
        if due {
            self.left = self.left.map(|left| left - 1);
        }
        due
    }
}

/// An action that was chosen, with the delay before it.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub action: Action,
    pub after: Duration,
}

/// The script.
#[derive(Debug, Default)]
pub(crate) struct Faults(pub Vec<Fault>);

impl Faults {
    /// What happens to a request. Every fault that matches counts it, the first that is due applies.
    pub fn for_call(&mut self, call: &Call, connection: u64) -> Option<Chosen> {
        self.choose(|fault| {
            !fault.action.is_at_accept()
                && fault.connection.is_none_or(|wanted| wanted == connection)
                && fault.service.is_none_or(|wanted| wanted == call.service)
                && fault.operation.as_ref().is_none_or(|wanted| *wanted == call.operation)
                && fault.name.as_ref().is_none_or(|part| call.names.iter().any(|name| name.contains(part)))
        })
    }

    /// What happens to a connection, of which only the endpoint's services are known.
    pub fn for_connection(&mut self, services: &[Service], connection: u64) -> Option<Chosen> {
        self.choose(|fault| {
            fault.action.is_at_accept()
                && fault.connection.is_none_or(|wanted| wanted == connection)
                && fault.service.is_none_or(|wanted| services.contains(&wanted))
        })
    }

    fn choose(&mut self, matches: impl Fn(&Fault) -> bool) -> Option<Chosen> {
        let mut chosen = None;
        for fault in self.0.iter_mut().filter(|fault| matches(fault)) {
            if fault.count(chosen.is_some()) {
                chosen = Some(Chosen { action: fault.action.clone(), after: fault.after });
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests;
