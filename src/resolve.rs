//! From answers to variables: which candidate wins, what is missing, what cannot be used. Values pass through here as
//! [`Secret`]s, unseen.
#![forbid(unsafe_code)]

mod candidates;
mod expanded;
mod loaded;
mod templates;
mod writing;

use std::collections::HashSet;
use std::rc::Rc;
use std::time::SystemTime;

use crate::answers::{Answers, Denial, Kind, LoadReply, Parameter};
use crate::environment::Target;
use crate::environment::{Binding, Inherited, Value};
use crate::error::{Exit, Failure, count, escaped, printable};
use crate::name::EnvName;
use crate::plan::Plan;
use crate::secret::Secret;
use crate::setting::Existing;
use crate::spec::entry::Load;
use loaded::{Brought, Group, Loaded};

/// What became of one variable.
#[derive(Debug)]
pub struct Outcome {
    pub variable: EnvName,
    pub target: Target,
    pub is_reference: bool,
    /// For templates only: the command does not get it.
    pub private: bool,
    /// Every name that was asked for, and what AWS said to it. Of a loaded variable: none.
    pub asked: Vec<Asked>,
    pub result: Result<Resolved, Unmet>,
}

/// One name and its answer.
#[derive(Debug)]
pub struct Asked {
    pub parameter: String,
    pub answer: Answer,
}

/// What AWS said to one name.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Found,
    Missing,
    /// Nothing until the deadline.
    None,
    Denied(Denial),
}

/// How a variable is resolved.
#[derive(Debug)]
pub enum Resolved {
    Fetched(Won),
    /// From a template with these parts.
    Rendered(Vec<EnvName>, Rc<Secret>),
    Default(String),
    /// `optional`, or a `default` for a variable that is inherited.
    LeftAlone,
}

/// The parameter that won, and why.
#[derive(Debug)]
pub struct Won {
    /// The parameter's name, with the selector that was asked for. Under a loaded path it is the store's text.
    pub parameter: String,
    /// The field of its JSON object, where that was expanded.
    pub field: Option<String>,
    pub scope: Option<String>,
    pub version: i64,
    /// Of a secret: the id of its version.
    pub version_id: Option<String>,
    /// When that version was made.
    pub modified: Option<SystemTime>,
    pub kind: Kind,
    /// Less specific parameters that exist too.
    pub overrode: Vec<String>,
    value: Rc<Secret>,
}

/// Why a variable cannot be set.
#[derive(Debug)]
pub enum Unmet {
    /// Nobody has it: these were asked for.
    Missing(Vec<String>),
    Denied(Vec<Denial>),
    /// Not waited for, because another one was denied.
    NotFetched,
    /// A template, one part of which cannot be had: that one says why.
    Part(EnvName),
    Failure(Failure),
}

/// Resolves every variable of the plan, and those that loads and expansions bring.
pub fn outcomes(plan: &Plan, answers: Answers, inherited: &Inherited) -> Vec<Outcome> {
    let Answers { replies, loads } = answers;
    let mut outcomes: Vec<Outcome> =
        plan.variables.iter().map(|variable| candidates::single(plan, variable, &replies)).collect();
    templates::render(plan, &mut outcomes, inherited);
    let taken: HashSet<EnvName> = outcomes.iter().map(|outcome| outcome.variable.clone()).collect();
    let keeps = |name: &EnvName| plan.rules.existing == Existing::Keep && inherited.has(name, &plan.rules);
    let is_set = |name: &EnvName| keeps(name) || taken.contains(name);
    let mut loaded = Loaded::default();
    // What `only` names may stand under another path, so it is missing only when every path has answered.
    let answered = loads.iter().all(|reply| matches!(reply, LoadReply::Found(_)));
    let mut found = Vec::new();
    for (index, (load, reply)) in plan.loads.iter().zip(loads).enumerate() {
        let group = Group::of_load(index, load);
        match parameters(load, reply) {
            Ok(parameters) => {
                for parameter in parameters {
                    loaded.add(&group, Brought::from_load(load, parameter), is_set);
                }
                found.push((group, format!("under {}", printable(&load.path))));
            }
            Err(unmet) => loaded.fail(&group, unmet),
        }
    }
    for (index, expansion) in plan.expansions.iter().enumerate() {
        let group = Group::of_expansion(index, expansion);
        match expanded::fields(plan, expansion, &replies) {
            Ok(Some((parameter, fields))) => {
                fields.into_iter().for_each(|field| loaded.add(&group, field, is_set));
                found.push((group, format!("in {parameter}")));
            }
            Ok(None) => {}
            Err(unmet) => loaded.fail(&group, unmet),
        }
    }
    for (group, place) in found.iter().filter(|(group, _)| answered && !group.optional) {
        loaded.check(group, place, is_set);
    }
    outcomes.extend(loaded.outcomes);
    outcomes
}

/// What stands under a path, or why nothing can be taken from there.
fn parameters(load: &Load, reply: LoadReply) -> Result<Vec<Parameter>, Unmet> {
    match reply {
        LoadReply::Found(parameters) if parameters.is_empty() && !load.optional => {
            Err(Unmet::Failure(loaded::empty(load)))
        }
        LoadReply::Found(parameters) => Ok(parameters),
        LoadReply::TooMany(pages) => Err(Unmet::Failure(loaded::too_many(load, pages))),
        LoadReply::Denied(denial) => Err(Unmet::Denied(vec![denial])),
        LoadReply::GaveUp(failure) => Err(Unmet::Failure(failure)),
        LoadReply::NotFetched => Err(Unmet::NotFetched),
    }
}

/// The bindings, and everything that keeps there from being more. What is missing comes as one failure.
pub fn bindings(plan: &Plan, outcomes: Vec<Outcome>) -> (Vec<Binding>, Vec<Failure>) {
    let mut bindings = Vec::new();
    let mut errors = Errors::default();
    for Outcome { variable, target, is_reference, private, result, .. } in outcomes {
        let value = match result {
            Ok(Resolved::Fetched(won)) => Value::Fetched(won.value),
            Ok(Resolved::Rendered(_, value)) => Value::Fetched(value),
            Ok(Resolved::Default(text)) => Value::Default(text),
            Ok(Resolved::LeftAlone) => continue,
            Err(unmet) => {
                errors.add(plan, &variable, unmet);
                continue;
            }
        };
        if !private {
            bindings.push(Binding { variable, target, value, replaces_itself: is_reference });
        }
    }
    (bindings, errors.finish())
}

/// What keeps variables from being set, each cause once.
#[derive(Default)]
struct Errors {
    failures: Vec<Failure>,
    missing: Vec<String>,
    /// How the first of them that can be is put there.
    put: Option<String>,
    open: bool,
}

impl Errors {
    fn add(&mut self, plan: &Plan, variable: &EnvName, unmet: Unmet) {
        match unmet {
            Unmet::Missing(names) => {
                self.missing.push(format!("{variable}: {}", names.join(", ")));
                self.put = self.put.take().or_else(|| writing::command(plan, variable));
            }
            Unmet::Denied(denials) => {
                for failure in denials.iter().map(|denial| crate::denied::failure(denial, plan)) {
                    if !self.failures.contains(&failure) {
                        self.failures.push(failure);
                    }
                }
            }
            Unmet::NotFetched => self.open = true,
            Unmet::Part(_) => {}
            Unmet::Failure(failure) => {
                // Every call that got no answer until the deadline says so: once is enough.
                let repeated = |other: &Failure| failure.exit == Exit::TempFail && other.exit == Exit::TempFail;
                if !self.failures.iter().any(repeated) {
                    self.failures.push(failure);
                }
            }
        }
    }

    fn finish(mut self) -> Vec<Failure> {
        if !self.missing.is_empty() {
            self.failures.push(absent(&self.missing, self.put.take()));
        }
        if self.open && self.failures.is_empty() {
            // Only a denial leaves anything open; were it otherwise, nothing may start without it.
            let what = "a bug in stepzero: an answer was not waited for; please report it";
            self.failures.push(Failure::new(Exit::Software, what));
        }
        self.failures
    }
}

fn absent(missing: &[String], put: Option<String>) -> Failure {
    let noun =
        if missing.len() == 1 { "required parameter does not exist" } else { "required parameters do not exist" };
    let failure = Failure::new(Exit::NoInput, format!("{} {noun}", missing.len()));
    let failure = missing.iter().fold(failure, |failure, line| failure.detail(line));
    let how = match &put {
        Some(_) => "the line above does, with the value from standard input, which Ctrl-D ends",
        None => "aws ssm put-parameter",
    };
    put.into_iter().fold(failure, Failure::detail).help(format!(
        "put it into one of the places named ({how}), or say `optional = true` or a `default` in the spec"
    ))
}

impl Won {
    /// The parameter, and the field behind a `#`.
    pub fn shown(&self) -> String {
        match &self.field {
            Some(field) => format!("{}#{field}", self.parameter),
            None => self.parameter.clone(),
        }
    }

    /// A line for logs: what won, in how many bytes nobody says.
    pub fn describe(&self) -> String {
        let overrode = match self.overrode.len() {
            0 => String::new(),
            n => format!(", over {}", count(n, "less specific parameter")),
        };
        format!(
            "{} version {} ({}){overrode}",
            escaped(&self.shown()),
            escaped(&self.shown_version()),
            self.kind.name()
        )
    }

    /// The number of its version; of a secret, whose versions have none, the id.
    pub fn shown_version(&self) -> String {
        self.version_id.clone().unwrap_or_else(|| self.version.to_string())
    }
}
