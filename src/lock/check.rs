//! Whether the store would give the same as a lock: each version beside the latest one of its parameter, and on request the
//! whole beside a new lock.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use super::{Lock, replacing};
use crate::answers::{Parameter, Reply};
use crate::cli::Options;
use crate::denied;
use crate::environment::{Inherited, Target};
use crate::error::{Exit, Failure, Failures, printable};
use crate::name::Selector;
use crate::plan::{Pin, Plan, RequestId};
use crate::spec::Spec;
use crate::spec::entry::{Entry, Source, ValueSource};
use crate::spec::written;
use crate::steps::{self, FetchOptions};
use crate::store::{Fetched, OnDenial};

/// AWS keeps so many versions of a parameter.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html>
const KEPT: u64 = 100;

/// A version that is among so many of the oldest that are kept will soon be gone.
const OLDEST: u64 = 10;

/// How the store differs from the lock, a line each; none when it would give the same. Whatever keeps this from being known
/// is an error as `exec` would have it.
///
/// Options that name something make a new lock, and the two are compared whole. Then a newer version counts only where the
/// new lock takes it: a label may hold an older one.
pub fn check(file: &Path, options: Options, inherited: &Inherited) -> Result<Vec<String>, Failures> {
    let (begun, compares) = (Instant::now(), !options.ask_for_nothing());
    let of_file = Options {
        spec: Some(file.to_owned()),
        key: Vec::new(),
        parameter: Vec::new(),
        load: Vec::new(),
        references: false,
        pristine: false,
        keep: Vec::new(),
        existing: None,
        last_good: None,
        ..options.clone()
    };
    let (mut spec, fetch_options) = steps::begin(of_file, inherited)?;
    spec.references = false;
    is_lock(&spec)?;
    let lock = Lock { settings: written::settings(&spec, &fetch_options.aws), entries: spec.entries.clone() };
    let mut lines = beside_latest(spec, fetch_options, inherited, !compares)?;
    if compares {
        lines.extend(lock.differences(&super::make_after(begun.elapsed(), options, inherited)?));
    }
    Ok(lines)
}

/// CONFIG for a spec that leaves to the store what there is, and for one that names nothing, as a shell leaves a file behind a
/// `>` when the command failed: nothing of it is locked.
fn is_lock(spec: &Spec) -> Result<(), Failures> {
    if spec.entries.is_empty() && spec.loads.is_empty() && spec.expands.is_empty() {
        let failure = Failure::new(Exit::Config, "the file is no lock: it names no variable");
        return Err(failure.help("make it anew by `stepzero lock`, into another file first").into());
    }
    let is_open = |entry: &&Entry| matches!(entry.source, ValueSource::Stored(Source::Key(_)));
    let keys = spec.entries.iter().filter(is_open).map(|entry| (&entry.origin, "a key"));
    let loads = spec.loads.iter().map(|load| (&load.origin, "a load"));
    let expansions = spec.expands.iter().map(|expand| (&expand.origin, "an expansion"));
    let failures = keys.chain(loads).chain(expansions).map(|(origin, what)| {
        Failure::new(Exit::Config, "the file is no lock: it leaves versions open")
            .detail(format!("{origin}: {what}"))
            .help(
                "`stepzero lock` writes one; --check takes its file, and the options that it was made with may follow",
            )
    });
    Failures::check(failures.collect())
}

/// Each version beside the latest one of its parameter.
fn beside_latest(
    spec: Spec,
    fetch_options: FetchOptions,
    inherited: &Inherited,
    newer_counts: bool,
) -> Result<Vec<String>, Failures> {
    let mut plan = steps::plan(replacing(spec), &fetch_options, inherited)?;
    let asked = plan.requests.len();
    let pins = plan.ask_for_latest();
    let plan = Rc::new(plan);
    let Fetched { answers, .. } = steps::fetch(&plan, fetch_options, inherited, OnDenial::Stop)?;
    answered(&plan, &answers.replies)?;
    let latest: HashMap<RequestId, RequestId> = pins.iter().map(|Pin { pinned, latest }| (*pinned, *latest)).collect();
    let lines = (0..asked).map(RequestId).filter_map(|id| {
        let reply = &answers.replies[id.0];
        let beside = latest.get(&id).map(|latest| &answers.replies[latest.0]);
        let what = difference(&plan, id, reply, beside, newer_counts)?;
        Some(format!("{}: {}: {what}", variables(&plan, id), plan.request(id).name()))
    });
    Ok(lines.collect())
}

/// Everything was answered: found, or missing, which is a difference and no failure.
fn answered(plan: &Plan, replies: &[Reply]) -> Result<(), Failures> {
    let failures = replies.iter().filter_map(|reply| match reply {
        Reply::Denied(denial) => Some(denied::failure(denial, plan)),
        Reply::GaveUp(failure) => Some(failure.clone()),
        // Only after a denial, which says why.
        Reply::NotFetched | Reply::Found(_) | Reply::Missing => None,
    });
    Failures::check(failures.collect())
}

/// What is to be said of one version; `latest` is the reply for the parameter without it.
fn difference(
    plan: &Plan,
    id: RequestId,
    pinned: &Reply,
    latest: Option<&Reply>,
    newer_counts: bool,
) -> Option<String> {
    let selector = plan.request(id).selector.as_ref();
    match (pinned, latest, selector) {
        (Reply::Missing, Some(Reply::Found(latest)), Some(selector)) => {
            Some(format!("version {selector} is gone, the store has {}", shown(latest)))
        }
        (Reply::Missing, ..) => Some("it does not exist any more".to_owned()),
        (Reply::Found(locked), Some(Reply::Found(latest)), Some(selector)) => {
            let is_newer = (locked.version, &locked.version_id) != (latest.version, &latest.version_id);
            let newer = format!("version {selector} is locked, the store has {}", shown(latest));
            match going(selector, latest) {
                Some(going) => Some(format!("{newer}, and {going}")),
                None => (newer_counts && is_newer).then_some(newer),
            }
        }
        _ => None,
    }
}

/// A version that AWS will not keep for long.
fn going(locked: &Selector, latest: &Parameter) -> Option<String> {
    let Selector::Version(locked) = locked else { return None };
    let latest = u64::try_from(latest.version).ok()?;
    let is_old = latest.saturating_sub(*locked) >= KEPT - OLDEST;
    is_old.then(|| {
        format!("of the {KEPT} that AWS keeps it is among the {OLDEST} oldest: version {} takes it away", locked + KEPT)
    })
}

/// Which version it is, and since when.
fn shown(latest: &Parameter) -> String {
    let version = latest.version_id.as_deref().map_or_else(|| latest.version.to_string(), printable);
    let since = latest.modified.map(|modified| format!(" since {}", humantime::format_rfc3339_seconds(modified)));
    version + &since.unwrap_or_default()
}

/// The variables that want it.
fn variables(plan: &Plan, id: RequestId) -> String {
    let wants = plan.variables.iter().filter(|variable| variable.candidates.iter().any(|one| one.request == id));
    wants.map(|variable| variable.name.to_string()).collect::<Vec<_>>().join(", ")
}

impl Lock {
    /// How a new lock differs from this one.
    fn differences(&self, new: &Lock) -> Vec<String> {
        let (old, new) = (self.lines(), new.lines());
        let gone = old.iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name));
        let gone = gone.map(|(name, line)| format!("{name}: the lock has {line}, and it is not asked for any more"));
        let changed = new.iter().filter_map(|(name, line)| match old.iter().find(|(other, _)| other == name) {
            None => Some(format!("{name}: the lock has it not, and now it would be {line}")),
            Some((_, before)) if before != line => {
                Some(format!("{name}: the lock has {before}, and now it would be {line}"))
            }
            Some(_) => None,
        });
        gone.chain(changed).collect()
    }

    /// Each setting and each variable, and what is said of it.
    fn lines(&self) -> Vec<(String, String)> {
        let settings = self.settings.iter().map(|(key, value)| (format!("`{key}`"), value.clone()));
        let entries = self.entries.iter().map(|entry| {
            let place = if matches!(entry.target, Target::File { .. }) { " (a file)" } else { "" };
            (format!("{}{place}", entry.variable), written::table(entry))
        });
        settings.chain(entries).collect()
    }
}
