//! Whether a process holds what the store says now. What the exec would bind is compared with what the process was started
//! with, in memory, and only names, versions and times come out.
#![forbid(unsafe_code)]

mod process;
mod spread;
mod unit;

use std::collections::HashMap;
use std::time::SystemTime;

use crate::environment::Binding;
use crate::error::{Exit, Failure, Failures, count, printable};
use crate::name::EnvName;
use crate::resolve::{Outcome, Resolved};
use crate::setting::Existing;

pub use process::Started;
pub use spread::Spread;

/// Where a variable's value comes from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The parameter as it is asked for, with the field of its JSON object where that was expanded.
    pub parameter: String,
    pub version: i64,
    /// Of a secret, whose versions have no numbers.
    pub version_id: Option<String>,
    /// When this version was made, where the store says so.
    pub modified: Option<SystemTime>,
}

/// What became of the comparison, in the order of the variables.
#[derive(Debug, Default)]
pub struct Comparison {
    pub changed: Vec<(EnvName, Source)>,
    /// Changed, but not to be reported before this time.
    pub waiting: Vec<(EnvName, Source, SystemTime)>,
    pub unchanged: Vec<EnvName>,
    /// What cannot be told, and why.
    pub unknown: Vec<(EnvName, &'static str)>,
}

/// What was fetched for each variable. Of a template it is the part that was modified last.
pub fn sources(outcomes: &[Outcome]) -> HashMap<EnvName, Source> {
    let mut sources: HashMap<EnvName, Source> = HashMap::new();
    for outcome in outcomes {
        if let Ok(Resolved::Fetched(won)) = &outcome.result {
            let (parameter, version, version_id) = (won.shown(), won.version, won.version_id.clone());
            let source = Source { parameter, version, version_id, modified: won.modified };
            sources.insert(outcome.variable.clone(), source);
        }
    }
    for outcome in outcomes {
        if let Ok(Resolved::Rendered(parts, _)) = &outcome.result {
            let latest = parts.iter().filter_map(|part| sources.get(part)).max_by_key(|source| source.modified);
            if let Some(source) = latest.cloned() {
                sources.insert(outcome.variable.clone(), source);
            }
        }
    }
    sources
}

/// Compares. `now` is for the spread.
pub fn compare(
    bindings: &[Binding],
    existing: Existing,
    sources: &HashMap<EnvName, Source>,
    started: &Started,
    spread: Option<&Spread>,
    now: SystemTime,
) -> Comparison {
    let mut comparison = Comparison::default();
    for binding in bindings {
        let name = binding.variable.clone();
        match (started.differs_from(binding), sources.get(&binding.variable)) {
            (Ok(false), _) => comparison.unchanged.push(name),
            (Err(why), _) => comparison.unknown.push((name, why)),
            (Ok(true), None) => comparison.unknown.push((name, DEFAULT)),
            (Ok(true), _) if existing == Existing::Keep && !binding.replaces_itself => {
                comparison.unknown.push((name, KEPT));
            }
            (Ok(true), Some(source)) => match spread.and_then(|spread| spread.due(source.modified, now)) {
                Some(due) => comparison.waiting.push((name, source.clone(), due)),
                None => comparison.changed.push((name, source.clone())),
            },
        }
    }
    comparison
}

/// A change would be reported again and again.
const KEPT: &str = "`existing` is keep: the process can have inherited its value, and would keep it in another start";

const DEFAULT: &str = "nobody has a value for it now, and the process has another one than the default: it inherited that, or the \
                       parameter was deleted since";

impl Comparison {
    /// OSERR when something cannot be told and nothing is known to have changed.
    pub fn check(&self) -> Result<(), Failures> {
        if self.unknown.is_empty() || !self.changed.is_empty() {
            return Ok(());
        }
        let what = format!("cannot tell whether {} changed", count(self.unknown.len(), "variable"));
        let failure = self.unknown.iter().fold(Failure::new(Exit::OsErr, what), |failure, (name, why)| {
            failure.detail(printable(&format!("{name}: {why}")))
        });
        Err(failure.into())
    }
}
