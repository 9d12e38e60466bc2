//! From a request to its answer: the service's own, or what a fault makes of it.

use serde_json::{Value, json};

use crate::action::Action;
use crate::call::{Call, Endpoint, Service};
use crate::clock;
use crate::error::AwsError;
use crate::http::{Request, Response};
use crate::shared::Shared;
use crate::{imds, ssm, sts};

/// An answer, and what the log says about it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub response: Response,
    pub principal: Option<String>,
    pub code: Option<String>,
}

impl Answer {
    fn bare(response: Response) -> Self {
        Self { response, principal: None, code: None }
    }
}

/// The service's own answer.
fn plain(shared: &Shared, request: &Request, call: &Call) -> Answer {
    let state = &mut *shared.state();
    match call.service {
        Service::Imds => Answer::bare(imds::answer(state, request, call)),
        Service::Container => Answer::bare(imds::container(state, request, &shared.container_path)),
        Service::Ssm => {
            let (principal, result) = ssm::answer(state, request, &call.operation);
            let code = result.as_ref().err().map(|error| error.code.clone());
            let response = result.map_or_else(|error| ssm::error(&error), |body| ssm::success(&body));
            Answer { response, principal: principal.map(|principal| principal.arn), code }
        }
        Service::Sts => {
            let (principal, result) = sts::answer(state, request, &call.operation);
            let code = result.as_ref().err().map(|error| error.code.clone());
            let success = |body: String| Response::new(200, "text/xml", body);
            let response = result.map_or_else(|error| sts::error(&error), success);
            Answer { response, principal: principal.map(|principal| principal.arn), code }
        }
        Service::Proxy | Service::Other => Answer::bare(Response::text(404, "not found\n")),
    }
}

/// The answer under a fault; `None` when the fault leaves nothing to answer.
pub(crate) fn under(action: Option<&Action>, shared: &Shared, request: &Request, call: &Call) -> Option<Answer> {
    let plain = || plain(shared, request, call);
    Some(match action {
        Some(Action::Hang | Action::Raw(_) | Action::HugeBody(_) | Action::EndlessHeaders) => return None,
        Some(Action::Status { status, code, message, headers }) => {
            let error = AwsError { status: *status, code: code.clone(), message: message.clone() };
            let mut response = as_error(call.service, &error);
            response.headers.extend(headers.iter().cloned());
            Answer { response, principal: None, code: Some(code.clone()).filter(|code| !code.is_empty()) }
        }
        Some(Action::Body { status, content_type, body }) => {
            Answer::bare(Response::new(*status, content_type, body.clone()))
        }
        Some(Action::Rewrite(rewrite)) => {
            let mut answer = plain();
            let body = serde_json::from_slice(&answer.response.body).unwrap_or(Value::Null);
            answer.response.body = (rewrite.0)(body).to_string().into_bytes();
            answer
        }
        Some(Action::EchoValues) => {
            let mut answer = plain();
            let message = String::from_utf8_lossy(&answer.response.body).into_owned();
            let error = AwsError::new("InternalServerError", message).with_status(500);
            answer.response = as_error(call.service, &error);
            answer.code = Some(error.code);
            answer
        }
        Some(Action::TruncateBody(length)) => {
            let mut answer = plain();
            answer.response.body.truncate(*length);
            answer
        }
        _ => plain(),
    })
}

/// An error in the form of the service.
fn as_error(service: Service, error: &AwsError) -> Response {
    match service {
        Service::Ssm => {
            let response = ssm::error(error);
            if error.code.is_empty() { response } else { response.with_header("x-amzn-errortype", &error.code) }
        }
        Service::Sts => sts::error(error),
        Service::Container => Response::json(error.status, &json!({ "code": error.code, "message": error.message })),
        Service::Imds | Service::Proxy | Service::Other => {
            Response::text(error.status, format!("{} {}\n", error.code, error.message))
        }
    }
}

/// Adds the headers that every answer has: the server's date, and an id to find it by.
pub(crate) fn complete(shared: &Shared, endpoint: Endpoint, response: Response) -> Response {
    let (date, id) = (clock::http(shared.state().clock.now()), shared.request_id());
    let response = response.with_header("Date", &date);
    match endpoint {
        Endpoint::Aws => response.with_header("x-amzn-RequestId", &id),
        Endpoint::Imds => response.with_header("Server", "EC2ws"),
    }
}
