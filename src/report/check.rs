//! What `check` prints: what became of every variable, who denied what, and the rights that would help.

use serde_json::{Value as Json, json};

use super::table::Stdout;
use super::{FORMAT, pretty, target};
use crate::answers::Denial;
use crate::denied::needed;
use crate::error::escaped;
use crate::name::EnvName;
use crate::resolve::{Answer, Asked, Outcome, Resolved, Unmet};
use crate::setting::Format;

/// What won and why.
pub fn check(outcomes: &[Outcome], format: Format) -> String {
    match format {
        Format::Text => check_text(outcomes),
        Format::Json => {
            let variables: Vec<Json> = outcomes.iter().map(outcome_json).collect();
            let ok = outcomes.iter().all(|outcome| outcome.result.is_ok());
            pretty(&json!({ "format": FORMAT, "ok": ok, "variables": variables }))
        }
    }
}

fn check_text(outcomes: &[Outcome]) -> String {
    let stdout = Stdout::new();
    let mut rows =
        vec![["VARIABLE", "STATUS", "PARAMETER", "SCOPE", "VERSION", "TYPE", "OVERRODE"].map(str::to_owned).to_vec()];
    for outcome in outcomes {
        let name = outcome.variable.to_string();
        let status =
            |text: &str| if stdout.is_terminal { format!("{} {text}", sign(outcome)) } else { text.to_owned() };
        match &outcome.result {
            Ok(Resolved::Fetched(won)) => {
                let (scope, overrode) = (won.scope.clone().unwrap_or_default(), won.overrode.join(", "));
                let (version, kind) = (won.shown_version(), won.kind.name().to_owned());
                rows.push(vec![name, status(word(outcome)), won.shown(), scope, version, kind, overrode]);
            }
            Ok(Resolved::Rendered(parts, _)) => {
                rows.push(vec![name, status(word(outcome)), format!("template of {}", joined(parts))]);
            }
            Err(Unmet::Missing(names)) => rows.push(vec![name, status(word(outcome)), names.join(", ")]),
            Err(Unmet::Denied(denials)) => {
                for denial in denials {
                    let asked = denial.asked.join(", ");
                    rows.push(vec![name.clone(), status(&format!("denied by {}", service(denial))), asked]);
                }
            }
            _ => rows.push(vec![name, status(word(outcome))]),
        }
    }
    let needs = outcomes.iter().flat_map(|outcome| match &outcome.result {
        Err(Unmet::Denied(denials)) => denials.iter().map(needed).collect(),
        _ => Vec::new(),
    });
    let reasons = outcomes.iter().filter_map(|outcome| match &outcome.result {
        Err(Unmet::Failure(failure)) => Some(failure.what().to_owned()),
        _ => None,
    });
    let notes = [list(stdout, "what is denied would need", needs), list(stdout, "what is unusable, and why", reasons)];
    stdout.table(&rows) + &notes.concat()
}

/// A heading and lines under it, each once; nothing where there are none.
fn list(stdout: Stdout, heading: &str, lines: impl Iterator<Item = String>) -> String {
    let mut each: Vec<String> = Vec::new();
    for line in lines {
        if !each.contains(&line) {
            each.push(line);
        }
    }
    let text: String = each.iter().map(|line| stdout.folded(&escaped(line), 2)).collect();
    if text.is_empty() { text } else { format!("\n{heading}:\n{text}") }
}

fn joined(parts: &[EnvName]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What stands before a status on a terminal, so that one is found among many at a glance and without colour. Programs
/// read the words, which are the same without a terminal.
fn sign(outcome: &Outcome) -> char {
    match &outcome.result {
        Ok(Resolved::Fetched(_) | Resolved::Rendered(..)) => '✓',
        Ok(Resolved::Default(_)) => '=',
        Ok(Resolved::LeftAlone) => '-',
        Err(_) => '✗',
    }
}

/// Who said no: `ssm`, `kms` or `secretsmanager`.
fn service(denial: &Denial) -> &str {
    denial.action.split(':').next().unwrap_or_default()
}

fn word(outcome: &Outcome) -> &'static str {
    match &outcome.result {
        Ok(Resolved::Fetched(_) | Resolved::Rendered(..)) => "ok",
        Ok(Resolved::Default(_)) => "default",
        Ok(Resolved::LeftAlone) => "left alone",
        Err(Unmet::Missing(_)) => "missing",
        Err(Unmet::Denied(_)) => "denied",
        Err(Unmet::Failure(_) | Unmet::Part(_) | Unmet::NotFetched) => "unusable",
    }
}

fn outcome_json(outcome: &Outcome) -> Json {
    let mut json = json!({
        "variable": outcome.variable.as_str(), "status": word(outcome).replace(' ', "_"), "target": target(outcome.target),
    });
    if outcome.private {
        json["private"] = true.into();
    }
    json["names"] = outcome.asked.iter().map(asked_json).collect();
    let (name, detail) = match &outcome.result {
        Ok(Resolved::Fetched(won)) => {
            json["parameter"] = won.parameter.clone().into();
            if let Some(field) = &won.field {
                json["field"] = field.clone().into();
            }
            json["scope"] = won.scope.clone().into();
            json["version"] = won.version_id.clone().map_or_else(|| won.version.into(), Json::from);
            json["type"] = won.kind.name().into();
            ("overrode", won.overrode.clone().into())
        }
        Ok(Resolved::Rendered(parts, _)) => {
            ("parts", parts.iter().map(|part| Json::from(part.as_str())).collect::<Vec<_>>().into())
        }
        Err(Unmet::Missing(names)) => ("asked_for", names.clone().into()),
        Err(Unmet::Part(part)) => ("reason", format!("the part {part} cannot be had").into()),
        Err(Unmet::Denied(denials)) => {
            let denied: Vec<Json> = denials.iter().map(denial_json).collect();
            ("denied", denied.into())
        }
        Err(Unmet::Failure(failure)) => ("reason", failure.what().into()),
        Ok(_) | Err(Unmet::NotFetched) => return json,
    };
    json[name] = detail;
    json
}

fn denial_json(denial: &Denial) -> Json {
    json!({
        "by": service(denial), "action": denial.action, "resource": denial.resource, "asked_for": denial.asked,
        "principal": denial.principal, "note": denial.note, "needs": needed(denial),
    })
}

fn asked_json(asked: &Asked) -> Json {
    let status = match &asked.answer {
        Answer::Found => "found".to_owned(),
        Answer::Missing => "missing".to_owned(),
        Answer::None => "no_answer".to_owned(),
        Answer::Denied(denial) => format!("{}_denied", service(denial)),
    };
    json!({ "name": asked.parameter, "status": status })
}
