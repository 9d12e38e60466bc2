//! One variable of the plan: which of its candidates wins, and the value in the shape that the variable wants.

use std::rc::Rc;

use super::{Answer, Asked, Outcome, Resolved, Unmet, Won};
use crate::answers::{Denial, Kind, Parameter, Reply};
use crate::environment::Target;
use crate::error::{Exit, Failure, printable};
use crate::plan::{Candidate, Plan, RequestId, Variable};
use crate::secret::{Secret, Unusable};
use crate::spec::entry::{Absent, Shape};

/// Resolves it.
pub fn single(plan: &Plan, variable: &Variable, replies: &[Reply]) -> Outcome {
    let found = winner(plan, &variable.name.to_string(), &variable.candidates, replies);
    // A reference that stands behind what was written for its variable is taken as it is.
    let is_reference = matches!(&found, Ok(Some((candidate, _))) if candidate.is_reference);
    let target = if is_reference { Target::Environment } else { variable.target };
    let won = found.and_then(|found| match found {
        Some((candidate, parameter)) => won(plan, variable, candidate, parameter, replies),
        None => Ok(None),
    });
    let result = won.and_then(|won| match won {
        Some(won) => Ok(Resolved::Fetched(won)),
        None => absent(variable).ok_or_else(|| Unmet::Missing(plan.names(&variable.candidates))),
    });
    let (variable, private, asked) = (variable.name.clone(), variable.private, asked(plan, variable, replies));
    Outcome { variable, target, is_reference, private, asked, result }
}

/// What becomes of a variable that nobody has; `None` when it must not be so.
pub fn absent(variable: &Variable) -> Option<Resolved> {
    match &variable.absent {
        Absent::Fail => None,
        Absent::Skip => Some(Resolved::LeftAlone),
        Absent::Default(_) if variable.inherited => Some(Resolved::LeftAlone),
        Absent::Default(text) => Some(Resolved::Default(text.clone())),
    }
}

/// `None` when the value lacks the field that is wanted, and need not have it.
fn won(
    plan: &Plan,
    variable: &Variable,
    candidate: &Candidate,
    parameter: &Parameter,
    replies: &[Reply],
) -> Result<Option<Won>, Unmet> {
    let request = plan.request(candidate.request);
    let plain = Shape { json: candidate.field.clone(), ..Shape::default() };
    let (shape, target) = match candidate.is_reference {
        true => (&plain, Target::Environment),
        false => (&variable.shape, variable.target),
    };
    let value = match shaped(parameter, shape, target) {
        Ok(value) => value,
        Err(Unusable::NoField(_)) if variable.absent != Absent::Fail => return Ok(None),
        Err(why) => {
            let what = format!("{}: the value of {request} cannot be used: {why}", variable.name);
            return Err(Unmet::Failure(Failure::new(Exit::DataErr, what)));
        }
    };
    Ok(Some(Won {
        value,
        parameter: request.to_string(),
        field: None,
        scope: candidate.scope.as_ref().map(|scope| scope.as_str().to_owned()),
        version: parameter.version,
        version_id: parameter.version_id.clone(),
        modified: parameter.modified,
        kind: parameter.kind,
        overrode: overrode(plan, &variable.candidates, candidate, replies),
    }))
}

/// The names of a variable in their order, each after the one without a label where a label is wanted.
fn asked(plan: &Plan, variable: &Variable, replies: &[Reply]) -> Vec<Asked> {
    let ids = variable.candidates.iter().flat_map(Candidate::requests);
    let asked = ids.map(|id| Asked {
        parameter: plan.request(id).to_string(),
        answer: match reply(replies, id) {
            Reply::Found(_) => Answer::Found,
            Reply::Missing => Answer::Missing,
            Reply::Denied(denial) => Answer::Denied(denial.clone()),
            Reply::GaveUp(_) | Reply::NotFetched => Answer::None,
        },
    });
    asked.collect()
}

/// The answer to one request of the plan that the replies were fetched for.
fn reply(replies: &[Reply], id: RequestId) -> &Reply {
    // `store::fetch` gives one for each request of the plan, and for a plan without requests there is no id to ask with.
    &replies[id.0]
}

type Found<'a> = Option<(&'a Candidate, &'a Parameter)>;

/// The first candidate that exists. A denied one, wherever it stands, is fatal; so is a scope that has the parameter
/// without the label, before the winner.
pub fn winner<'a>(
    plan: &Plan,
    wanted_for: &str,
    candidates: &'a [Candidate],
    replies: &'a [Reply],
) -> Result<Found<'a>, Unmet> {
    let ids = || candidates.iter().flat_map(Candidate::requests);
    let denials = ids().filter_map(|id| match reply(replies, id) {
        Reply::Denied(denial) => Some(denial.clone()),
        _ => None,
    });
    let denials: Vec<Denial> = denials.collect();
    if !denials.is_empty() {
        return Err(Unmet::Denied(denials));
    }
    // Nor is anything started without an answer that was asked for.
    for id in ids() {
        match reply(replies, id) {
            Reply::GaveUp(failure) => return Err(Unmet::Failure(failure.clone())),
            Reply::NotFetched => return Err(Unmet::NotFetched),
            _ => {}
        }
    }
    for candidate in candidates {
        if let Reply::Found(parameter) = reply(replies, candidate.request) {
            return Ok(Some((candidate, parameter)));
        }
        if let Some(Reply::Found(found)) = candidate.unlabelled.map(|id| reply(replies, id)) {
            let what = format!(
                "{wanted_for}: {} does not exist, but {} does (version {})",
                plan.request(candidate.request),
                printable(&found.name),
                found.version
            );
            return Err(Unmet::Failure(
                Failure::new(Exit::NoInput, what)
                    .help("label a version of it (aws ssm label-parameter-version); a less specific scope is not taken in its place"),
            ));
        }
    }
    Ok(None)
}

pub fn overrode(plan: &Plan, candidates: &[Candidate], winner: &Candidate, replies: &[Reply]) -> Vec<String> {
    let after = candidates.iter().skip_while(|candidate| candidate.request != winner.request).skip(1);
    let existing = after.filter(|candidate| matches!(reply(replies, candidate.request), Reply::Found(_)));
    existing.map(|candidate| plan.request(candidate.request).to_string()).collect()
}

/// The value as the variable wants it.
fn shaped(parameter: &Parameter, shape: &Shape, target: Target) -> Result<Rc<Secret>, Unusable> {
    let mut value = parameter.value.clone();
    if let Some(separator) = &shape.list {
        if parameter.kind != Kind::StringList {
            return Err(Unusable::NoList(parameter.kind.name()));
        }
        value = Rc::new(value.list_joined_by(separator));
    }
    if let Some(path) = &shape.json {
        value = Rc::new(value.json_field(path)?);
    }
    if shape.base64 {
        value = Rc::new(value.decode_base64()?);
    }
    if target == Target::Environment && value.has_nul() {
        return Err(Unusable::Nul);
    }
    Ok(value)
}
