//! Templates: what their parts came to, and the text with these values in it.

use std::collections::HashMap;
use std::rc::Rc;

use super::candidates::absent;
use super::{Outcome, Resolved, Unmet};
use crate::environment::{Inherited, Target};
use crate::error::{Exit, Failure};
use crate::name::EnvName;
use crate::plan::{Plan, Variable};
use crate::secret::{Rendered, Secret, Unusable};
use crate::template::{Piece, Template};

/// Resolves the templates of the plan, whose other variables are resolved already. `outcomes` are in the order of the plan.
pub fn render(plan: &Plan, outcomes: &mut [Outcome], inherited: &Inherited) {
    let parts = parts(plan, outcomes, inherited);
    let templates = plan.variables.iter().zip(outcomes).filter_map(|(variable, outcome)| {
        let template = variable.template.as_ref()?;
        Some((variable, template, outcome))
    });
    for (variable, template, outcome) in templates {
        outcome.result = rendered(variable, template, &parts);
    }
}

/// What a variable came to, as a part of a template.
enum Part {
    Value(Rc<Secret>),
    Absent,
    /// It has an error of its own.
    Failed,
}

fn parts(plan: &Plan, outcomes: &[Outcome], inherited: &Inherited) -> HashMap<EnvName, Part> {
    let by_inheritance = |name: &EnvName| inherited.raw(name.as_str()).map(|value| Rc::new(Secret::from_slice(value)));
    let mut parts = HashMap::new();
    for (variable, outcome) in plan.variables.iter().zip(outcomes).filter(|(variable, _)| variable.template.is_none()) {
        let part = match &outcome.result {
            Ok(Resolved::Fetched(won)) => Part::Value(won.value.clone()),
            Ok(Resolved::Rendered(_, value)) => Part::Value(value.clone()),
            Ok(Resolved::Default(text)) => Part::Value(Rc::new(Secret::new(text.clone()))),
            // It stays as the command inherits it, if it does.
            Ok(Resolved::LeftAlone) if variable.inherited => {
                by_inheritance(&variable.name).map_or(Part::Absent, Part::Value)
            }
            Ok(Resolved::LeftAlone) => Part::Absent,
            Err(_) => Part::Failed,
        };
        parts.insert(variable.name.clone(), part);
    }
    // `--existing keep` leaves these alone, so the template takes what the command has.
    let kept = plan.kept.iter().filter_map(|name| Some((name.clone(), Part::Value(by_inheritance(name)?))));
    parts.extend(kept);
    parts
}

fn rendered(variable: &Variable, template: &Template, parts: &HashMap<EnvName, Part>) -> Result<Resolved, Unmet> {
    let mut pieces = Vec::with_capacity(template.pieces.len());
    let mut missing = Vec::new();
    for piece in &template.pieces {
        match piece {
            Piece::Text(text) => pieces.push(Rendered::Text(text)),
            Piece::Value { variable: name, encoding, .. } => match parts.get(name) {
                Some(Part::Value(value)) => pieces.push(Rendered::Value(value, *encoding)),
                Some(Part::Failed) => return Err(Unmet::Part(name.clone())),
                Some(Part::Absent) | None => missing.push(name.to_string()),
            },
        }
    }
    if !missing.is_empty() {
        let because = || missing.iter().map(|name| format!("its part {name}, which is optional")).collect();
        return absent(variable).ok_or_else(|| Unmet::Missing(because()));
    }
    let unusable = |why: Unusable| {
        let what = format!("{}: the template cannot be filled: {why}", variable.name);
        Unmet::Failure(Failure::new(Exit::DataErr, what))
    };
    let value = Secret::render(&pieces).map_err(unusable)?;
    if variable.target == Target::Environment && value.has_nul() {
        return Err(unusable(Unusable::Nul));
    }
    Ok(Resolved::Rendered(template.variables().cloned().collect(), Rc::new(value)))
}
