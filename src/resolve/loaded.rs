//! The variables that loads and expansions bring: their names are the store's writers' choice, so they can collide, override
//! each other, or be refused.

use std::collections::{HashMap, HashSet};

use super::{Outcome, Unmet, Won};
use crate::answers::Parameter;
use crate::environment::Target;
use crate::error::{Exit, Failure, escaped, printable};
use crate::name::{EnvName, Naming, Selector};
use crate::plan::Expansion;
use crate::refused;
use crate::resolve::Resolved;
use crate::setting::Origin;
use crate::spec::entry::{Expand, Load, Source};
use crate::spec::filter::Filter;
use crate::spec::written;

/// A load or an expansion: many variables from one place.
#[derive(Clone, Copy)]
pub struct Group<'a> {
    /// Its place among those of its kind.
    pub index: usize,
    pub kind: Kind,
    pub origin: &'a Origin,
    pub naming: &'a Naming,
    pub filter: &'a Filter,
    pub optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Load,
    Expansion,
}

impl Kind {
    /// What it brings a variable from.
    fn item(self) -> &'static str {
        match self {
            Kind::Load => "parameter",
            Kind::Expansion => "field",
        }
    }
}

impl<'a> Group<'a> {
    pub fn of_load(index: usize, load: &'a Load) -> Self {
        let Load { origin, naming, filter, optional, .. } = load;
        Group { index, kind: Kind::Load, origin, naming, filter, optional: *optional }
    }

    pub fn of_expansion(index: usize, expansion: &'a Expansion) -> Self {
        let expand = &expansion.expand;
        let (origin, naming, filter) = (&expand.origin, &expand.naming, &expand.filter);
        Group { index, kind: Kind::Expansion, origin, naming, filter, optional: expand.optional }
    }

    /// What stands in the report for a group that brings nothing.
    fn placeholder(&self) -> EnvName {
        let name = EnvName::new(&format!("{}*", self.naming.prefix));
        name.unwrap_or_else(|_| EnvName::new("*").expect("neither empty nor with ="))
    }
}

/// One variable that a group brings, before it is known whether it may be set.
pub struct Brought {
    /// The name that is mapped: relative to the path, or of the field.
    pub relative: String,
    /// The value as a line of `[env]` would name it, for the refusal.
    pub line: String,
    pub value: Result<Won, Failure>,
}

impl Brought {
    pub fn from_load(load: &Load, parameter: Parameter) -> Self {
        let Parameter { name, version, version_id, modified, kind, value } = parameter;
        let relative = name.strip_prefix(&load.path).unwrap_or(&name).trim_start_matches('/').to_owned();
        let label = load.label.as_ref().map(|label| format!(":{label}")).unwrap_or_default();
        let line = format!("parameter = {}", written::string(&format!("{name}{label}")));
        let scope = Some(load.path.clone());
        let (field, overrode) = (None, Vec::new());
        let won = Won { parameter: name, field, scope, version, version_id, modified, kind, overrode, value };
        Brought { relative, line, value: Ok(won) }
    }

    pub fn from_field(expand: &Expand, name: String, value: Result<Won, Failure>) -> Self {
        let (key, text) = match &expand.source {
            Source::Key(key) => ("key", key.as_str()),
            Source::Parameter(text) => ("parameter", text.as_str()),
            Source::Secret(text) => ("secret", text.as_str()),
        };
        let selector = match &expand.selector {
            Some(Selector::Version(version)) => format!(", version = {version}"),
            Some(Selector::Label(text) | Selector::SecretVersion(text)) => {
                format!(", label = {}", written::string(text))
            }
            None => String::new(),
        };
        let line = format!("{key} = {}{selector}, json = [{}]", written::string(text), written::string(&name));
        Brought { relative: name, line, value }
    }
}

/// The variables that groups bring.
#[derive(Default)]
pub struct Loaded {
    pub outcomes: Vec<Outcome>,
    sources: HashMap<EnvName, First>,
    /// Every variable that a group gave and its `only` and `except` took.
    brought: HashSet<EnvName>,
}

/// The first that brought a variable.
struct First {
    kind: Kind,
    group: usize,
    relative: String,
    /// For messages.
    shown: String,
    outcome: usize,
}

impl Loaded {
    pub fn fail(&mut self, group: &Group<'_>, unmet: Unmet) {
        self.push(group.placeholder(), Err(unmet));
    }

    fn push(&mut self, variable: EnvName, result: Result<Resolved, Unmet>) {
        let target = Target::Environment;
        self.outcomes.push(Outcome {
            variable,
            target,
            is_reference: false,
            private: false,
            asked: Vec::new(),
            result,
        });
    }

    /// `passes_over` says which variables come from elsewhere, or stay as they are.
    pub fn add(&mut self, group: &Group<'_>, brought: Brought, passes_over: impl Fn(&EnvName) -> bool) {
        let Brought { relative, line, value } = brought;
        let variable = match group.naming.variable(&relative) {
            Ok(variable) if !group.filter.takes(&variable) => return,
            Ok(variable) => variable,
            Err(bad) => return self.fail(group, Unmet::Failure(Failure::new(Exit::DataErr, bad.0))),
        };
        self.brought.insert(variable.clone());
        if passes_over(&variable) {
            return;
        }
        let won = match value {
            Ok(won) => won,
            Err(failure) => return self.push(variable, Err(Unmet::Failure(failure))),
        };
        if let Some(why) = refused::reason(variable.as_str())
            && !group.filter.names(&variable)
        {
            let failure = refusal(&variable, why, &won, group.kind, &line);
            return self.push(variable, Err(Unmet::Failure(failure)));
        }
        match self.sources.get(&variable) {
            Some(first) => self.again(variable, group, &relative, won, first.outcome),
            None => self.set(variable, group, relative, won),
        }
    }

    /// A variable that was brought before: by a group that is listed earlier and goes first, or by another name.
    fn again(&mut self, variable: EnvName, group: &Group<'_>, relative: &str, won: Won, outcome: usize) {
        let Some(first) = self.sources.get(&variable) else { return };
        let is_same_name = first.kind == group.kind && first.relative == relative;
        // An object can have two fields of one name; a path is listed without.
        if !is_same_name || (group.kind == Kind::Expansion && first.group == group.index) {
            let failure = collision(&variable, first, group.kind, &won.shown());
            return self.push(variable, Err(Unmet::Failure(failure)));
        }
        // The same parameter again, as when a path is listed twice, overrides nothing.
        if let Ok(Resolved::Fetched(before)) = &mut self.outcomes[outcome].result
            && first.shown != won.shown()
        {
            before.overrode.push(won.shown());
        }
    }

    fn set(&mut self, variable: EnvName, group: &Group<'_>, relative: String, won: Won) {
        if won.value.has_nul() {
            let shown = escaped(&won.shown());
            let what = format!("{variable}: the value of {shown} has a NUL byte, which no variable can hold");
            return self.push(variable, Err(Unmet::Failure(Failure::new(Exit::DataErr, what))));
        }
        let (kind, group, shown, outcome) = (group.kind, group.index, won.shown(), self.outcomes.len());
        self.sources.insert(variable.clone(), First { kind, group, relative, shown, outcome });
        self.push(variable, Ok(Resolved::Fetched(won)));
    }

    /// After all of them: a group whose `only` took nothing, or names a variable in full that nothing sets. `place` is where
    /// it looked, for messages.
    pub fn check(&mut self, group: &Group<'_>, place: &str, is_set: impl Fn(&EnvName) -> bool) {
        let (Some(only), origin) = (&group.filter.only, group.origin) else { return };
        // One that cannot be a variable is no name of `only` (`Filter::read`).
        let is_missing =
            |name: &&str| EnvName::new(name).is_ok_and(|name| !self.brought.contains(&name) && !is_set(&name));
        let missing: Vec<String> = group.filter.in_full().filter(is_missing).map(printable).collect();
        let what = if !missing.is_empty() {
            format!("{origin}: no {} {place} gives {}, which `only` names", group.kind.item(), missing.join(", "))
        } else if !self.brought.iter().any(|variable| group.filter.takes(variable)) {
            let globs: Vec<String> = only.iter().map(|glob| printable(glob.as_str())).collect();
            format!("{origin}: nothing {place} is {}", globs.join(" or "))
        } else {
            return;
        };
        let help = "`only` is compared with the variable, with the prefix and in its case; say `optional = true` if it may be absent";
        self.fail(group, Unmet::Failure(Failure::new(Exit::NoInput, what).help(help)));
    }
}

/// A path that has nothing.
pub fn empty(load: &Load) -> Failure {
    let label = load.label.as_ref().map(|label| format!(" with the label {label}")).unwrap_or_default();
    let what = format!("{}: there is no parameter under {}{label}", load.origin, printable(&load.path));
    Failure::new(Exit::NoInput, what)
        .help("look for a misspelt path, or a missing `recursive`; say `optional = true` if it may be empty")
}

pub fn too_many(load: &Load, pages: usize) -> Failure {
    let path = printable(&load.path);
    let what = format!("{}: there are more than {pages} pages of parameters under {path}", load.origin);
    Failure::new(Exit::DataErr, what).help("load a deeper path, or name what the command needs under [env]")
}

/// The store's writers must not choose how the command is run; the operator may, by a line that is to be copied.
fn refusal(variable: &EnvName, why: &str, won: &Won, kind: Kind, line: &str) -> Failure {
    let shown = escaped(&won.shown());
    let (what, table) = match kind {
        Kind::Load => (format!("{variable}, from {shown}, is refused from a loaded path: {why}"), "[[load]]"),
        Kind::Expansion => {
            (format!("{variable}, from {shown}, is refused from an expanded object: {why}"), "[[expand]]")
        }
    };
    let key = written::key(variable.as_str());
    Failure::new(Exit::DataErr, what).help(format!(
        "leave it out by `only` or `except` of the {table}; if it is meant, write it under [env] in the spec: {key} = {{ {line} }}"
    ))
}

fn collision(variable: &EnvName, first: &First, kind: Kind, second: &str) -> Failure {
    let both = format!("{} and {}", escaped(&first.shown), escaped(second));
    let what = match (first.kind, kind) {
        (Kind::Load, Kind::Load) => format!("two parameters for {variable}: {both}"),
        (Kind::Expansion, Kind::Expansion) => format!("two fields for {variable}: {both}"),
        _ => format!("two sources for {variable}: {both}"),
    };
    Failure::new(Exit::DataErr, what).help("rename one, or give one of them another variable under [env] in the spec")
}
