//! An `[[expand]]`: which of its candidates wins, and the fields of the JSON object that it holds.

use std::rc::Rc;

use super::candidates::{overrode, winner};
use super::loaded::Brought;
use super::{Unmet, Won};
use crate::answers::Reply;
use crate::error::{Exit, Failure};
use crate::plan::{Expansion, Plan};
use crate::secret::Unusable;

/// The parameter that won, and its fields; `None` when nobody has it and nobody need.
pub fn fields(plan: &Plan, expansion: &Expansion, replies: &[Reply]) -> Result<Option<(String, Vec<Brought>)>, Unmet> {
    let expand = &expansion.expand;
    let found = winner(plan, &expand.origin.to_string(), &expansion.candidates, replies)?;
    let Some((candidate, parameter)) = found else {
        return if expand.optional { Ok(None) } else { Err(Unmet::Missing(plan.names(&expansion.candidates))) };
    };
    let request = plan.request(candidate.request).to_string();
    let unusable = |why: Unusable| {
        Failure::new(Exit::DataErr, format!("{}: the value of {request} cannot be expanded: {why}", expand.origin))
    };
    let fields = parameter.value.json_fields(expand.nested).map_err(|why| Unmet::Failure(unusable(why)))?;
    let overrode = overrode(plan, &expansion.candidates, candidate, replies);
    let brought = fields.into_iter().map(|(name, value)| {
        let won = value.map_err(unusable).map(|value| Won {
            parameter: request.clone(),
            field: Some(name.clone()),
            scope: candidate.scope.as_ref().map(|scope| scope.as_str().to_owned()),
            version: parameter.version,
            version_id: parameter.version_id.clone(),
            modified: parameter.modified,
            kind: parameter.kind,
            overrode: overrode.clone(),
            value: Rc::new(value),
        });
        Brought::from_field(expand, name, won)
    });
    Ok(Some((request.clone(), brought.collect())))
}
