//! What `plan` and `check` print: a table for people, or JSON for programs (`docs/json.md`). There is no value to print.
#![forbid(unsafe_code)]

mod check;
mod table;

pub use check::check;

use std::io;

use glob::Pattern;
use serde_json::{Value as Json, json};

use crate::environment::Target;
use crate::error::count;
use crate::plan::{Plan, Variable};
use crate::setting::Format;
use crate::spec::entry::{Absent, Load};
use table::Stdout;

/// The version of the JSON formats: raised when a field goes or changes its meaning, not when one is added.
const FORMAT: u32 = 1;

/// What would be asked for.
pub fn plan(plan: &Plan, format: Format) -> String {
    match format {
        Format::Text => plan_text(plan),
        Format::Json => pretty(&plan_json(plan)),
    }
}

fn plan_text(plan: &Plan) -> String {
    let sums = format!(
        "{}, {}, {}{}",
        count(plan.variables.len(), "variable"),
        count(plan.requests.len(), "name"),
        count(plan.calls(), "GetParameters call"),
        if plan.loads.is_empty() { String::new() } else { format!(", {}", count(plan.loads.len(), "path")) }
    );
    let mut rows = vec![["VARIABLE", "SOURCE", "ASKED FOR, FIRST WINS", "IF ABSENT"].map(str::to_owned).to_vec()];
    for variable in &plan.variables {
        let mut asked = variable.candidates.iter().map(|candidate| plan.request(candidate.request).to_string());
        let first = asked.next().unwrap_or_default();
        rows.push(vec![shown(variable), source(plan, variable), first, if_absent(variable).to_owned()]);
        rows.extend(asked.map(|name| vec![String::new(), String::new(), name, String::new()]));
    }
    for load in &plan.loads {
        let label = load.label.as_ref().map(ToString::to_string).unwrap_or_default();
        let path = format!("{}/*{}{label}", load.path.trim_end_matches('/'), if load.recursive { "*" } else { "" });
        let absent = if load.optional { "nothing is set" } else { "error" };
        rows.push(vec![loaded(load), format!("path, {}", load.origin), path, absent.to_owned()]);
    }
    for name in &plan.kept {
        rows.push(vec![name.to_string(), "kept as inherited".into(), String::new(), String::new()]);
    }
    let stdout = Stdout::new();
    stdout.folded(&sums, 0) + &stdout.table(&rows)
}

/// What a path can set.
fn loaded(load: &Load) -> String {
    let any = format!("{}*", load.prefix);
    let only = load.filter.only.as_deref().map_or(any, |only| globs(only).join(", "));
    let except = globs(&load.filter.except);
    if except.is_empty() { only } else { format!("{only} except {}", except.join(", ")) }
}

fn globs(patterns: &[Pattern]) -> Vec<&str> {
    patterns.iter().map(Pattern::as_str).collect()
}

fn shown(variable: &Variable) -> String {
    match variable.target {
        Target::Environment => variable.name.to_string(),
        Target::File { mode } => format!("{} (file {mode:04o})", variable.name),
    }
}

fn source(plan: &Plan, variable: &Variable) -> String {
    let kind = match (&variable.key, variable.candidates.first()) {
        (Some(key), _) => format!("key {key}"),
        (None, _) if variable.is_reference() => "reference".to_owned(),
        (None, Some(candidate)) if plan.request(candidate.request).name().is_secret() => "secret".to_owned(),
        (None, _) => "parameter".to_owned(),
    };
    format!("{kind}, {}", variable.origin)
}

fn if_absent(variable: &Variable) -> &'static str {
    match (&variable.absent, variable.inherited) {
        (Absent::Fail, _) => "error",
        (Absent::Skip, true) | (Absent::Default(_), true) => "stays as inherited",
        (Absent::Skip, false) => "not set",
        (Absent::Default(_), false) => "default",
    }
}

fn plan_json(plan: &Plan) -> Json {
    let names: Vec<String> = plan.requests.iter().map(ToString::to_string).collect();
    let scopes: Vec<&str> = plan.scopes.iter().map(crate::scope::Scope::as_str).collect();
    let variables: Vec<Json> = plan.variables.iter().map(|variable| variable_json(plan, variable)).collect();
    let loads = plan.loads.iter().map(|load| {
        json!({
            "path": load.path, "recursive": load.recursive, "prefix": load.prefix, "optional": load.optional,
            "label": load.label.as_ref().map(|label| label.to_string().trim_start_matches(':').to_owned()),
            "origin": load.origin.to_string(),
            "only": load.filter.only.as_deref().map(globs), "except": globs(&load.filter.except),
        })
    });
    let kept: Vec<&str> = plan.kept.iter().map(crate::name::EnvName::as_str).collect();
    json!({
        "format": FORMAT, "scopes": scopes, "calls": plan.calls(), "names": names,
        "variables": variables, "loads": loads.collect::<Vec<_>>(), "kept": kept,
    })
}

fn variable_json(plan: &Plan, variable: &Variable) -> Json {
    let candidates = variable.candidates.iter().map(|candidate| {
        json!({
            "parameter": plan.request(candidate.request).to_string(),
            "scope": candidate.scope.as_ref().map(crate::scope::Scope::as_str),
        })
    });
    json!({
        "variable": variable.name.as_str(),
        "source": source(plan, variable).split([' ', ',']).next(),
        "key": variable.key,
        "origin": variable.origin.to_string(),
        "target": target(variable.target),
        "candidates": candidates.collect::<Vec<_>>(),
        "if_absent": match variable.absent { Absent::Fail => "error", Absent::Skip => "skip", Absent::Default(_) => "default" },
        "inherited": variable.inherited,
    })
}

fn target(target: Target) -> &'static str {
    match target {
        Target::Environment => "environment",
        Target::File { .. } => "file",
    }
}

fn pretty(json: &Json) -> String {
    // A Json of strings, numbers and booleans always prints.
    serde_json::to_string_pretty(json).unwrap_or_default() + "\n"
}

/// To stdout. A reader that has gone away is no error.
pub fn print(text: &str) -> io::Result<()> {
    match crate::sys::write_stdout(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
