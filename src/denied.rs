//! What a denial means for this plan, and the way out: AWS answers for a whole call, so a scope that the role may not
//! read has to be granted, or left out of the list.
#![forbid(unsafe_code)]

use crate::answers::Denial;
use crate::error::{Exit, Failure};
use crate::plan::Plan;
use crate::scope::Scope;
use crate::spec::entry::Load;

/// NOPERM: who denied what, which variable wanted it, and what to do.
pub fn failure(denial: &Denial, plan: &Plan) -> Failure {
    let on = denial.resource.as_deref().unwrap_or("a resource that AWS does not name");
    let mut failure = Failure::new(Exit::NoPerm, format!("denied: {} on {on}", denial.action));
    if let Some(principal) = &denial.principal {
        failure = failure.detail(format!("to {principal}"));
    }
    if let Some(note) = denial.note {
        failure = failure.detail(note);
    }
    let help = match denial.note {
        // No right helps where the key itself is out of use.
        Some(_) => {
            "enable the key (aws kms enable-key), cancel its deletion, or put the parameter under another".into()
        }
        None => format!("allow {}; `stepzero check` finds every denied name", needed(denial)),
    };
    match wanting(plan, denial) {
        Some(Wanting::Name { name, wanted_for, scope }) => {
            failure = failure.detail(format!("{name}, wanted for {wanted_for}"));
            let others = plan.scopes.iter().filter(|other| Some(*other) != scope);
            let list: Vec<String> = others.map(|other| format!("--scope {}", other.as_str())).collect();
            match scope {
                Some(scope) if denial.note.is_none() && !list.is_empty() => failure.help(format!(
                    "allow {}, or leave the scope {} out: {}; `stepzero check` finds every denied name",
                    needed(denial),
                    scope.as_str(),
                    list.join(" ")
                )),
                _ => failure.help(help),
            }
        }
        Some(Wanting::Load(load)) => {
            failure.detail(format!("wanted for the path {}, from {}", load.path, load.origin)).help(help)
        }
        None if denial.asked.is_empty() => failure.help(help),
        None => failure.detail(format!("of one of the call: {}", denial.asked.join(", "))).help(help),
    }
}

/// The right that would help: an action on a resource.
pub fn needed(denial: &Denial) -> String {
    match (&denial.resource, &denial.asked[..]) {
        (Some(resource), _) => format!("{} on {resource}", denial.action),
        (None, [name]) if denial.action == "kms:Decrypt" => format!("kms:Decrypt on the key of {name}"),
        (None, [name]) => format!("{} on {name}", denial.action),
        (None, _) => format!("{} on it", denial.action),
    }
}

enum Wanting<'a> {
    /// A name, and the line of the spec that wants it.
    Name {
        name: String,
        wanted_for: String,
        scope: Option<&'a Scope>,
    },
    Load(&'a Load),
}

/// The first that asks for the resource that AWS names, or for the only name of the call.
fn wanting<'a>(plan: &'a Plan, denial: &Denial) -> Option<Wanting<'a>> {
    let named = denial.resource.as_deref().and_then(|resource| Some(resource.split_once(":parameter/")?.1));
    let only = match &denial.asked[..] {
        [name] => Some(name.as_str()),
        _ => None,
    };
    // A parameter can have the name of a path; a call for a path asks for that alone.
    let of_names = matches!(denial.action.as_str(), "ssm:GetParameters" | "secretsmanager:GetSecretValue");
    let load = plan.loads.iter().find(|load| !of_names && only == Some(load.path.as_str()));
    let by_variables = plan.variables.iter().map(|variable| {
        let wanted_for = format!("{}, from {}", variable.name, variable.origin);
        (wanted_for, &variable.candidates)
    });
    let by_expansions = plan.expansions.iter().map(|expansion| {
        let wanted_for = format!("[[expand]], from {}", expansion.expand.origin);
        (wanted_for, &expansion.candidates)
    });
    let mut asked = by_variables.chain(by_expansions).flat_map(|(wanted_for, candidates)| {
        candidates.iter().flat_map(move |candidate| {
            let wanted_for = wanted_for.clone();
            candidate.requests().map(move |id| (wanted_for.clone(), candidate, plan.request(id)))
        })
    });
    let fits = |name: &str, text: &str| named == Some(name) || named.is_none() && only == Some(text);
    if let Some(load) = load {
        return Some(Wanting::Load(load));
    }
    let (wanted_for, candidate, request) =
        asked.find(|(.., request)| fits(request.name().without_leading_slash(), &request.to_string()))?;
    Some(Wanting::Name { name: request.to_string(), wanted_for, scope: candidate.scope.as_ref() })
}
