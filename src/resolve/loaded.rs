//! The variables that loaded paths bring: their names are the store's writers' choice, so they can collide, override each
//! other, or be refused.

use std::collections::{HashMap, HashSet};

use super::{Outcome, Resolved, Unmet, Won};
use crate::answers::{Denial, Parameter};
use crate::environment::Target;
use crate::error::{Exit, Failure, escaped, printable};
use crate::name::EnvName;
use crate::refused;
use crate::spec::entry::Load;

/// The variables that the loads bring.
#[derive(Default)]
pub struct Loaded {
    pub outcomes: Vec<Outcome>,
    /// The first source of each: its name relative to the path, its full name, and the load.
    sources: HashMap<EnvName, (String, String, usize)>,
    /// Every variable that a path gave and its `only` and `except` took.
    brought: HashSet<EnvName>,
}

impl Loaded {
    fn fail(&mut self, variable: EnvName, unmet: Unmet) {
        let target = Target::Environment;
        self.outcomes.push(Outcome { variable, target, is_reference: false, asked: Vec::new(), result: Err(unmet) });
    }

    pub fn empty(&mut self, load: &Load) {
        let label = load.label.as_ref().map(|label| format!(" with the label {label}")).unwrap_or_default();
        let failure = Failure::new(
            Exit::NoInput,
            format!("{}: there is no parameter under {}{label}", load.origin, printable(&load.path)),
        )
        .help("look for a misspelt path, or a missing `recursive`; say `optional = true` if it may be empty");
        self.gave_up(load, failure);
    }

    pub fn too_many(&mut self, load: &Load, pages: usize) {
        let path = printable(&load.path);
        let what = format!("{}: there are more than {pages} pages of parameters under {path}", load.origin);
        let help = "load a deeper path, or name what the command needs under [env]";
        self.gave_up(load, Failure::new(Exit::DataErr, what).help(help));
    }

    /// After all of them: a path whose `only` took nothing, or names a variable in full that nothing sets.
    pub fn check(&mut self, load: &Load, is_set: impl Fn(&EnvName) -> bool) {
        let Some(only) = &load.filter.only else { return };
        let missing: Vec<&str> = load
            .filter
            .in_full()
            .filter(|name| {
                // One that cannot be a variable is no name of `only` (`Filter::read`).
                EnvName::new(name).is_ok_and(|name| !self.brought.contains(&name) && !is_set(&name))
            })
            .collect();
        let failure = if !missing.is_empty() {
            let what = format!(
                "{}: no parameter under {} gives {}, which `only` names",
                load.origin,
                printable(&load.path),
                missing.iter().map(|name| printable(name)).collect::<Vec<_>>().join(", ")
            );
            Failure::new(Exit::NoInput, what)
        } else if !self.brought.iter().any(|variable| load.filter.takes(variable)) {
            let globs: Vec<String> = only.iter().map(|glob| printable(glob.as_str())).collect();
            let what = format!("{}: nothing under {} is {}", load.origin, printable(&load.path), globs.join(" or "));
            Failure::new(Exit::NoInput, what)
        } else {
            return;
        };
        let help = "`only` is compared with the variable: upper case, with the prefix; say `optional = true` if it may be absent";
        self.gave_up(load, failure.help(help));
    }

    pub fn gave_up(&mut self, load: &Load, failure: Failure) {
        self.fail(placeholder(load), Unmet::Failure(failure));
    }

    pub fn open(&mut self, load: &Load) {
        self.fail(placeholder(load), Unmet::Open);
    }

    pub fn denied(&mut self, load: &Load, denial: Denial) {
        self.fail(placeholder(load), Unmet::Denied(vec![denial]));
    }

    /// `passes_over` says which variables come from elsewhere, or stay as they are.
    pub fn add(&mut self, load: &Load, parameter: Parameter, passes_over: impl Fn(&EnvName) -> bool) {
        let relative =
            parameter.name.strip_prefix(&load.path).unwrap_or(&parameter.name).trim_start_matches('/').to_owned();
        let variable = match load.naming.variable(&relative) {
            Ok(variable) if !load.filter.takes(&variable) => return,
            Ok(variable) => variable,
            Err(bad) => return self.fail(placeholder(load), Unmet::Failure(Failure::new(Exit::DataErr, bad.0))),
        };
        self.brought.insert(variable.clone());
        if passes_over(&variable) {
            return;
        }
        if let Some(why) = refused::reason(variable.as_str())
            && !load.filter.names(&variable)
        {
            let failure = refusal(&variable, why, &parameter.name, load);
            return self.fail(variable, Unmet::Failure(failure));
        }
        match self.sources.get(&variable) {
            Some((other, full, at)) if *other == relative => {
                // The same parameter again, as when a path is listed twice, overrides nothing.
                if let Ok(Resolved::Fetched(won)) = &mut self.outcomes[*at].result
                    && *full != parameter.name
                {
                    won.overrode.push(parameter.name);
                }
            }
            Some((_, full, _)) => {
                let failure = collision(&variable, full, &parameter.name);
                self.fail(variable, Unmet::Failure(failure));
            }
            None => {
                let source = (relative, parameter.name.clone(), self.outcomes.len());
                self.sources.insert(variable.clone(), source);
                self.set(load, variable, parameter);
            }
        }
    }

    fn set(&mut self, load: &Load, variable: EnvName, parameter: Parameter) {
        let Parameter { name, version, kind, value } = parameter;
        if value.has_nul() {
            let what =
                format!("{variable}: the value of {} has a NUL byte, which no variable can hold", escaped(&name));
            return self.fail(variable, Unmet::Failure(Failure::new(Exit::DataErr, what)));
        }
        let scope = Some(load.path.clone());
        let won = Won { parameter: name, scope, version, kind, overrode: Vec::new(), value };
        let (target, asked, result) = (Target::Environment, Vec::new(), Ok(Resolved::Fetched(won)));
        self.outcomes.push(Outcome { variable, target, is_reference: false, asked, result });
    }
}

/// The store's writers must not choose how the command is run; the operator may, by a line that is to be copied.
fn refusal(variable: &EnvName, why: &str, name: &str, load: &Load) -> Failure {
    let what = format!("{variable}, from {}, is refused from a loaded path: {why}", escaped(name));
    let label = load.label.as_ref().map(ToString::to_string).unwrap_or_default();
    let source = toml_string(&format!("{name}{label}"));
    let bare = variable.as_str().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let key = if bare { variable.as_str().to_owned() } else { toml_string(variable.as_str()) };
    Failure::new(Exit::DataErr, what)
        .help(format!("leave it out by `only` or `except` of the [[load]]; if it is meant, write it under [env] in the spec: {key} = {{ parameter = {source} }}"))
}

fn collision(variable: &EnvName, first: &str, second: &str) -> Failure {
    let what = format!("two parameters for {variable}: {} and {}", escaped(first), escaped(second));
    Failure::new(Exit::DataErr, what).help("rename one, or give one of them another variable under [env] in the spec")
}

/// As a TOML spec has it: what JSON escapes is escaped there in the same way.
fn toml_string(text: &str) -> String {
    escaped(&serde_json::Value::from(text).to_string())
}

/// A load that brings nothing has no variable; its path stands in the report.
fn placeholder(load: &Load) -> EnvName {
    EnvName::new(&format!("{}*", load.naming.prefix))
        .unwrap_or_else(|_| EnvName::new("*").expect("neither empty nor with ="))
}
