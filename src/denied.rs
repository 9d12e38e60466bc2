//! What a denial means for this plan, and the way out: AWS answers for a whole call, so a scope that the role may not
//! read has to be granted, or left out of the list.

use crate::error::{Exit, Failure};
use crate::plan::{Plan, Variable};
use crate::store::Denial;

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
    let wanting = denial.resource.as_deref().and_then(|resource| wanting(plan, resource));
    let Some((variable, scope)) = wanting else {
        return failure.help(format!("allow {} on it; `stepzero check` finds every denied name", denial.action));
    };
    failure = failure.detail(format!("wanted for {}, from {}", variable.name, variable.origin));
    match scope {
        Some(scope) => {
            let others = plan.scopes.iter().map(crate::scope::Scope::as_str).filter(|other| *other != scope);
            let list: Vec<String> = others.map(|other| format!("--scope {other}")).collect();
            failure.help(format!(
                "allow {} on it, or leave the scope {scope} out: {}; `stepzero check` finds every denied name",
                denial.action,
                list.join(" ")
            ))
        }
        None => failure.help(format!("allow {} on it; `stepzero check` finds every denied name", denial.action)),
    }
}

/// The first variable that asks for the resource, and the scope it asks in.
fn wanting<'a>(plan: &'a Plan, resource: &str) -> Option<(&'a Variable, Option<&'a str>)> {
    let name = resource.split_once(":parameter/")?.1;
    let candidates =
        plan.variables.iter().flat_map(|variable| variable.candidates.iter().map(move |found| (variable, found)));
    let mut fitting = candidates.filter(|(_, candidate)| plan.request(candidate.request).name().folded() == name);
    fitting.next().map(|(variable, candidate)| (variable, candidate.scope.as_ref().map(crate::scope::Scope::as_str)))
}
