//! The versions of everything that a spec asks for, as a spec: a new reader of the same plan and the same outcomes as `exec`.
//! It has names and versions, and never a value.
#![forbid(unsafe_code)]

mod check;

pub use check::check;

use std::collections::HashSet;
use std::ffi::OsString;
use std::rc::Rc;
use std::time::Duration;

use crate::cli::Options;
use crate::environment::{Inherited, Target};
use crate::error::{Exit, Failure, Failures, escaped};
use crate::log;
use crate::name::{EnvName, Selector};
use crate::parameter::{Request, SECRET_PREFIX, Subject};
use crate::plan::{Plan, Variable};
use crate::resolve::{self, Outcome, Resolved, Won};
use crate::setting::{Existing, Origin};
use crate::spec::entry::{Absent, Entry, Shape, Source, ValueSource};
use crate::spec::{Spec, written};
use crate::steps;
use crate::store::{Fetched, OnDenial};

/// A spec in which every parameter has its version.
pub struct Lock {
    /// What stands at its top, as it is written.
    settings: Vec<(&'static str, String)>,
    /// Those of the plan in its order, then what loads and expansions brought, by variable.
    entries: Vec<Entry>,
}

/// Fetches as `exec` would, and fails as it would: there is no lock of a part. What this machine's environment has is
/// not what the command's will have, so no variable counts as kept.
pub fn make(options: Options, inherited: &Inherited) -> Result<Lock, Failures> {
    make_after(Duration::ZERO, options, inherited)
}

/// The same, when so much of the one deadline is spent already.
fn make_after(spent: Duration, options: Options, inherited: &Inherited) -> Result<Lock, Failures> {
    let (spec, mut fetch_options) = steps::begin(options, inherited)?;
    fetch_options.timeout = fetch_options.timeout.saturating_sub(spent);
    let (settings, existing) = (written::settings(&spec, &fetch_options.aws), spec.rules.existing);
    let plan = Rc::new(steps::plan(replacing(spec), &fetch_options, inherited)?);
    references(&plan, existing)?;
    let Fetched { answers, .. } = steps::fetch(&plan, fetch_options, inherited, OnDenial::Stop)?;
    let outcomes = resolve::outcomes(&plan, answers, inherited);
    steps::log_outcomes(&outcomes);
    let entries = entries(&plan, &outcomes);
    let (_, errors) = resolve::bindings(&plan, outcomes);
    Failures::check(errors)?;
    let lock = Lock { settings, entries: entries? };
    lock.warn();
    Ok(lock)
}

/// The spec as it is where nothing is set.
fn replacing(mut spec: Spec) -> Spec {
    spec.rules.existing = Existing::Replace;
    spec
}

/// CONFIG for references beside `existing`: a reference replaces itself whatever that says, and a line of a spec does not.
fn references(plan: &Plan, existing: Existing) -> Result<(), Failures> {
    let is_reference = |variable: &&Variable| variable.candidates.iter().any(|candidate| candidate.is_reference);
    let references = plan.variables.iter().filter(is_reference).filter(|_| existing != Existing::Replace);
    let failures = references.map(|variable| {
        let word = crate::setting::spelled(&existing, &Existing::WORDS);
        let what = format!("{} is a reference, which no lock can have under `existing = \"{word}\"`", variable.name);
        Failure::new(Exit::Config, what)
            .help("a reference replaces itself, but a line of a spec would not: name the parameter under [env], or leave `existing` out")
    });
    Failures::check(failures.collect())
}

/// What the outcomes come to as lines of a spec. What failed is left out.
fn entries(plan: &Plan, outcomes: &[Outcome]) -> Result<Vec<Entry>, Failure> {
    let templates = plan.variables.iter().filter_map(|variable| variable.template.as_ref());
    let parts: HashSet<&EnvName> = templates.flat_map(|template| template.variables()).collect();
    let mut entries = Vec::with_capacity(outcomes.len());
    for (variable, outcome) in plan.variables.iter().zip(outcomes) {
        let is_wanted = parts.contains(&variable.name) || matches!(variable.absent, Absent::Default(_));
        match (&variable.template, &outcome.result) {
            (Some(template), _) => entries.push(plain(variable, ValueSource::Template(template.clone()))),
            (None, Ok(Resolved::Fetched(won))) => entries.push(fetched(plan, variable, outcome, won)?),
            // Nobody had it, and nobody shall be asked again.
            (None, Ok(_)) if is_wanted => entries.push(plain(variable, ValueSource::Absent)),
            (None, _) => {}
        }
    }
    let mut brought = Vec::new();
    for outcome in &outcomes[plan.variables.len()..] {
        if let Ok(Resolved::Fetched(won)) = &outcome.result {
            brought.push(one_of_many(outcome, won)?);
        }
    }
    brought.sort_by(|one, other| one.variable.cmp(&other.variable));
    entries.extend(brought);
    Ok(entries)
}

/// The variable as the plan has it, from this source.
fn plain(variable: &Variable, source: ValueSource) -> Entry {
    let (absent, target, private) = (variable.absent.clone(), variable.target, variable.private);
    Entry { absent, target, private, ..Entry::new(variable.name.clone(), variable.origin.clone(), source) }
}

/// What was fetched for a variable of the plan. It keeps its shape, unless it was a reference that won: that has its own.
fn fetched(plan: &Plan, variable: &Variable, outcome: &Outcome, won: &Won) -> Result<Entry, Failure> {
    let (source, selector) = pinned(won)?;
    let entry = plain(variable, source);
    if !outcome.is_reference {
        return Ok(Entry { selector, shape: variable.shape.clone(), ..entry });
    }
    let winner = variable
        .candidates
        .iter()
        .find(|candidate| candidate.is_reference && plan.request(candidate.request).to_string() == won.parameter);
    let shape = Shape { json: winner.and_then(|candidate| candidate.field.clone()), ..Shape::default() };
    Ok(Entry { selector, shape, target: Target::Environment, ..entry })
}

/// What a load or an expansion brought.
fn one_of_many(outcome: &Outcome, won: &Won) -> Result<Entry, Failure> {
    let (source, selector) = pinned(won)?;
    let json = match &won.field {
        Some(field) => Some(crate::secret::JsonPath::from_steps(vec![field.clone()]).ok_or_else(|| {
            let what = format!("{}: a field of {} has no name", outcome.variable, escaped(&won.parameter));
            Failure::new(Exit::DataErr, what).help("no line of [env] can name it: leave it out by `except`")
        })?),
        None => None,
    };
    let shape = Shape { json, ..Shape::default() };
    // Nothing tells its place any more: it is the lock's own.
    Ok(Entry { selector, shape, ..Entry::new(outcome.variable.clone(), Origin::Variable("the lock"), source) })
}

/// The parameter in full, and the version that won. AWS keeps no older versions of the parameters that it publishes for
/// everybody, and a store can fail to tell a version: then it is as it was asked for.
fn pinned(won: &Won) -> Result<(ValueSource, Option<Selector>), Failure> {
    let request = Request::parse(&won.parameter).map_err(|bad| Failure::new(Exit::DataErr, bad.0))?;
    let id = won.version_id.as_deref().and_then(|id| Selector::of_secret(id).ok());
    let number = u64::try_from(won.version).ok().filter(|number| *number > 0).map(Selector::Version);
    let pin = match request.name() {
        name if name.is_secret() => id,
        name if name.is_public() => None,
        _ => number,
    };
    let selector = pin.or_else(|| request.selector.clone());
    let bare = Request { selector: None, ..request };
    let source = match &bare.subject {
        Subject::Name(name) => match name.as_str().strip_prefix(SECRET_PREFIX) {
            Some(id) => Source::Secret(id.to_owned()),
            None => Source::Parameter(name.as_str().to_owned()),
        },
        Subject::Arn(arn) => Source::Parameter(arn.as_str().to_owned()),
    };
    Ok((ValueSource::Stored(source), selector))
}

/// Why the line of a lock does not hold one version; `None` where it does.
fn unlocked(entry: &Entry) -> Option<&'static str> {
    let ValueSource::Stored(source) = &entry.source else { return None };
    if matches!(entry.selector, Some(Selector::Version(_) | Selector::SecretVersion(_))) {
        return None;
    }
    match source {
        Source::Parameter(name) if Request::parse(name).is_ok_and(|request| request.name().is_public()) => {
            Some("AWS keeps no older versions of what it publishes")
        }
        _ => Some("the store did not tell its version"),
    }
}

impl Lock {
    /// As a spec. The first line is the command that made it. CONFIG when it would be larger than a spec that is read: the
    /// templates of all files stand in it.
    pub fn text(&self, typed: &[OsString]) -> Result<String, Failure> {
        let mut text = format!("# {}\n", command(typed));
        for (key, value) in &self.settings {
            text += &format!("{key} = {value}\n");
        }
        let is_file = |entry: &&Entry| matches!(entry.target, Target::File { .. });
        let (files, variables): (Vec<&Entry>, Vec<&Entry>) = self.entries.iter().partition(is_file);
        for (section, entries) in [("env", variables), ("files", files)] {
            if entries.is_empty() {
                continue;
            }
            text += &format!("\n[{section}]\n");
            for entry in entries {
                if let Some(why) = unlocked(entry) {
                    text += &format!("# not locked: {why}\n");
                }
                text += &format!("{}\n", written::entry(entry));
            }
        }
        if u64::try_from(text.len()).is_ok_and(|length| length <= steps::SPEC_LIMIT) {
            return Ok(text);
        }
        let what = format!("the lock is larger than a spec can be: {} bytes", text.len());
        Err(Failure::new(Exit::Config, what).help("make a lock for each of several specs"))
    }

    fn warn(&self) {
        for entry in &self.entries {
            if let Some(why) = unlocked(entry) {
                log::warn(format_args!("{} is not locked: {why}", entry.variable));
            }
        }
    }
}

/// The command line, one line that a shell reads. An endpoint is of the machine that makes the lock, and its address can
/// hold a password.
fn command(typed: &[OsString]) -> String {
    let mut words = vec!["stepzero".to_owned()];
    let mut left = typed.iter().skip(1).map(|word| word.to_string_lossy());
    while let Some(word) = left.next() {
        match word.as_ref() {
            "--endpoint-url" => _ = left.next(),
            word if word.starts_with("--endpoint-url=") => {}
            word => words.push(escaped(&for_shell(word))),
        }
    }
    words.join(" ")
}

fn for_shell(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_one_line_without_an_endpoint() {
        let line = |words: &[&str]| command(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(line(&["/usr/bin/stepzero", "lock", "-s", "web.toml"]), "stepzero lock -s web.toml");
        assert_eq!(line(&["x", "lock", "--endpoint-url", "http://u:hunter2@x", "-k", "a"]), "stepzero lock -k a");
        assert_eq!(line(&["x", "lock", "--endpoint-url=http://u:hunter2@x", "-k", "a"]), "stepzero lock -k a");
        assert_eq!(line(&["x", "lock", "-s", "a b'c\nd", ""]), r"stepzero lock -s 'a b'\''c\nd' ''");
    }
}
