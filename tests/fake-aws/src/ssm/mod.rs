//! Parameter Store: the JSON 1.1 protocol around the operations, which have files of their own.

mod by_path;
mod describe;
mod read;
mod reveal;
mod write;

use std::time::Instant;

use serde_json::{Value, json};

use crate::auth;
use crate::credentials::Principal;
use crate::error::AwsError;
use crate::http::{Request, Response};
use crate::state::State;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// What an operation works on.
struct Context<'a> {
    state: &'a mut State,
    principal: &'a Principal,
}

/// The principal, when the signature was good, and the answer.
pub(crate) type Outcome = (Option<Principal>, Result<Value, AwsError>);

pub(crate) fn answer(state: &mut State, request: &Request, operation: &str) -> Outcome {
    match auth::verify(state, request, "ssm") {
        Err(error) => (None, Err(error)),
        Ok(principal) => {
            let result = run(state, request, operation, &principal);
            (Some(principal), result)
        }
    }
}

fn run(state: &mut State, request: &Request, operation: &str, principal: &Principal) -> Result<Value, AwsError> {
    let Ok(input) = serde_json::from_slice::<Value>(&request.body) else {
        return Err(AwsError::new("SerializationException", "the body is not JSON"));
    };
    let limited = matches!(operation, "GetParameters" | "GetParameter" | "GetParametersByPath");
    if limited && state.bucket.as_mut().is_some_and(|bucket| !bucket.take(Instant::now())) {
        return Err(AwsError::new("ThrottlingException", "Rate exceeded"));
    }
    let mut context = Context { state, principal };
    match operation {
        "GetParameters" => read::many(&mut context, &input),
        "GetParameter" => read::one(&mut context, &input),
        "GetParametersByPath" => by_path::page(&mut context, &input),
        "DescribeParameters" => describe::page(&mut context, &input),
        "PutParameter" => write::put(&mut context, &input),
        "LabelParameterVersion" => write::label(&mut context, &input),
        "DeleteParameter" => write::delete(&mut context, &input),
        _ => Err(AwsError::new("UnknownOperationException", format!("{operation} is unknown"))),
    }
}

pub(crate) fn success(body: &Value) -> Response {
    Response::new(200, CONTENT_TYPE, body.to_string())
}

pub(crate) fn error(error: &AwsError) -> Response {
    // Denials spell the member with a capital, everything else without.
    let member = if error.code == "AccessDeniedException" { "Message" } else { "message" };
    let body = json!({ "__type": error.code, member: error.message });
    Response::new(error.status, CONTENT_TYPE, body.to_string())
}

/// A member that has to be text.
fn text<'a>(input: &'a Value, member: &str) -> Result<&'a str, AwsError> {
    input.get(member).and_then(Value::as_str).ok_or_else(|| {
        AwsError::validation(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

fn flag(input: &Value, member: &str) -> bool {
    input.get(member).and_then(Value::as_bool).unwrap_or(false)
}

/// `MaxResults` within its limits, or the default when it is absent.
fn max_results(input: &Value, default: usize, limit: u64) -> Result<usize, AwsError> {
    match input.get("MaxResults") {
        None | Some(Value::Null) => Ok(default),
        Some(value) => match value.as_u64() {
            Some(n @ 1..) if n <= limit => Ok(usize::try_from(n).unwrap_or(default)),
            _ => Err(AwsError::validation(format!(
                "1 validation error detected: Value '{value}' at 'maxResults' failed to satisfy constraint: \
                 Member must have value between 1 and {limit}"
            ))),
        },
    }
}
