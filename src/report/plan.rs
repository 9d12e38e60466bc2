//! What `plan` prints: each variable, what is asked for it, and in which order.

use glob::Pattern;
use serde_json::{Value as Json, json};

use super::table::Stdout;
use super::{FORMAT, pretty, target};
use crate::environment::Target;
use crate::error::count;
use crate::name::Naming;
use crate::plan::{Candidate, Expansion, Plan, Variable};
use crate::setting::{Format, Origin};
use crate::spec::entry::{Absent, Source};
use crate::spec::filter::Filter;

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
        let asked = plan.names(&variable.candidates);
        rows.extend(lines(shown(variable), source(plan, variable), asked, if_absent(variable)));
    }
    for load in &plan.loads {
        let label = load.label.as_ref().map(|label| format!(":{label}")).unwrap_or_default();
        let path = format!("{}/*{}{label}", load.path.trim_end_matches('/'), if load.recursive { "*" } else { "" });
        let source = format!("path, {}", load.origin);
        rows.extend(lines(brought(&load.naming, &load.filter), source, vec![path], if_empty(load.optional)));
    }
    for Expansion { expand, candidates } in &plan.expansions {
        let source = match &expand.source {
            Source::Key(key) => format!("fields of key {}, {}", key.as_str(), expand.origin),
            Source::Parameter(_) => format!("fields of parameter, {}", expand.origin),
            Source::Secret(_) => format!("fields of secret, {}", expand.origin),
        };
        let asked = plan.names(candidates);
        rows.extend(lines(brought(&expand.naming, &expand.filter), source, asked, if_empty(expand.optional)));
    }
    for name in &plan.kept {
        rows.push(vec![name.to_string(), "kept as inherited".into(), String::new(), String::new()]);
    }
    let stdout = Stdout::new();
    stdout.folded(&sums, 0) + &stdout.table(&rows)
}

/// A row, and one more for each further name that is asked for.
fn lines(variable: String, source: String, asked: Vec<String>, absent: &str) -> Vec<Vec<String>> {
    let mut asked = asked.into_iter();
    let first = vec![variable, source, asked.next().unwrap_or_default(), absent.to_owned()];
    let others = asked.map(|name| vec![String::new(), String::new(), name, String::new()]);
    std::iter::once(first).chain(others).collect()
}

/// What a load or an expansion can set.
fn brought(naming: &Naming, filter: &Filter) -> String {
    let any = format!("{}*", naming.prefix);
    let only = filter.only.as_deref().map_or(any, |only| globs(only).join(", "));
    let except = globs(&filter.except);
    if except.is_empty() { only } else { format!("{only} except {}", except.join(", ")) }
}

fn if_empty(optional: bool) -> &'static str {
    if optional { "nothing is set" } else { "error" }
}

fn globs(patterns: &[Pattern]) -> Vec<&str> {
    patterns.iter().map(Pattern::as_str).collect()
}

fn shown(variable: &Variable) -> String {
    match variable.target {
        _ if variable.private => format!("{} (private)", variable.name),
        Target::Environment => variable.name.to_string(),
        Target::File { mode } => format!("{} (file {mode:04o})", variable.name),
    }
}

fn source(plan: &Plan, variable: &Variable) -> String {
    if let Some(template) = &variable.template {
        let parts: Vec<String> = template.variables().map(ToString::to_string).collect();
        return format!("template of {}, {}", parts.join(", "), variable.origin);
    }
    let kind = match (&variable.key, variable.candidates.first()) {
        (Some(key), _) => format!("key {key}"),
        (None, _) if variable.is_reference() => "reference".to_owned(),
        (None, Some(candidate)) if plan.request(candidate.request).name().is_secret() => "secret".to_owned(),
        (None, Some(_)) => "parameter".to_owned(),
        (None, None) => "absent".to_owned(),
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
        let mut json = many_json(&load.origin, &load.naming, &load.filter, load.optional);
        json["path"] = load.path.clone().into();
        json["recursive"] = load.recursive.into();
        let label = load.label.as_ref().map(ToString::to_string);
        json["label"] = label.into();
        json
    });
    let expansions = plan.expansions.iter().map(|Expansion { expand, candidates }| {
        let mut json = many_json(&expand.origin, &expand.naming, &expand.filter, expand.optional);
        json["candidates"] = candidates_json(plan, candidates);
        json["json"] = expand.nested.into();
        json
    });
    let kept: Vec<&str> = plan.kept.iter().map(crate::name::EnvName::as_str).collect();
    json!({
        "format": FORMAT, "scopes": scopes, "calls": plan.calls(), "names": names, "variables": variables,
        "loads": loads.collect::<Vec<_>>(), "expansions": expansions.collect::<Vec<_>>(), "kept": kept,
    })
}

/// What loads and expansions have in common.
fn many_json(origin: &Origin, naming: &Naming, filter: &Filter, optional: bool) -> Json {
    json!({
        "origin": origin.to_string(), "optional": optional,
        "prefix": naming.prefix, "case": if naming.keep_case { "keep" } else { "upper" }, "join": naming.join,
        "only": filter.only.as_deref().map(globs), "except": globs(&filter.except),
    })
}

fn candidates_json(plan: &Plan, candidates: &[Candidate]) -> Json {
    let candidates = candidates.iter().map(|candidate| {
        json!({
            "parameter": plan.request(candidate.request).to_string(),
            "scope": candidate.scope.as_ref().map(crate::scope::Scope::as_str),
        })
    });
    candidates.collect()
}

fn variable_json(plan: &Plan, variable: &Variable) -> Json {
    let mut json = json!({
        "variable": variable.name.as_str(),
        "source": source(plan, variable).split([' ', ',']).next(),
        "key": variable.key,
        "origin": variable.origin.to_string(),
        "target": target(variable.target),
        "candidates": candidates_json(plan, &variable.candidates),
        "if_absent": match variable.absent { Absent::Fail => "error", Absent::Skip => "skip", Absent::Default(_) => "default" },
        "inherited": variable.inherited,
    });
    if variable.private {
        json["private"] = true.into();
    }
    if let Some(template) = &variable.template {
        json["parts"] = template.variables().map(|part| Json::from(part.as_str())).collect();
    }
    json
}
