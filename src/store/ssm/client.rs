//! Systems Manager: a request is made, signed and sent, and its answer read, in AWS's JSON protocol. The signature is the
//! SDK's; its client is not used, because it keeps copies of values, and is a quarter of the work of a start.
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_async::time::TimeSource as _;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_types::DateTime;
use bytes::Bytes;
use http::{Request, Response, Uri, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Exit, Failure};
use crate::secret::Secret;
use crate::store::config::clock::Clock;
use crate::store::retry::error::{AttemptError, Cause, Operation, classify_response, pause};

/// Systems Manager in one Region.
pub struct Client {
    pub endpoint: Uri,
    pub region: String,
    pub clock: Clock,
}

/// Of `GetParameters` and `GetParametersByPath`.
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html#API_GetParameters_ResponseSyntax>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    pub parameters: Option<Vec<Parameter>>,
    pub invalid_parameters: Option<Vec<String>>,
    pub next_token: Option<String>,
}

/// What of a parameter is used. The rest is skipped where it stands.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameter {
    pub name: Option<String>,
    pub r#type: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub value: Option<Secret>,
    pub version: Option<i64>,
    #[serde(default, rename = "SourceResult", deserialize_with = "version_id")]
    pub version_id: Option<String>,
    #[serde(default, deserialize_with = "time")]
    pub last_modified_date: Option<SystemTime>,
    pub selector: Option<String>,
    #[serde(rename = "ARN")]
    pub arn: Option<String>,
}

/// Seconds since 1970, with a fraction. What is no number is no time: an exec needs none.
/// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#timestamp-formats>
fn time<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<SystemTime>, D::Error> {
    let seconds = serde_json::Value::deserialize(from)?.as_f64();
    Ok(seconds.and_then(|seconds| DateTime::from_secs_f64(seconds).try_into().ok()))
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Secret::new))
}

/// Of a reference to Secrets Manager, `SourceResult` is the whole secret once more, as JSON in a string, with the id of its
/// version, which is no secret. An answer without one is whole all the same: only a lock wants it.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html>
fn version_id<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(secret(from)?.and_then(|whole| whole.version_id()))
}

impl Client {
    /// The signed request. CONFIG when it cannot be made.
    pub fn request(
        &self,
        credentials: &Credentials,
        operation: Operation,
        body: String,
    ) -> Result<Request<Bytes>, AttemptError> {
        self.signed(credentials, operation, body).ok_or_else(|| {
            let what = format!("a request to {} cannot be made", operation.service());
            let help = "look at the Region, the endpoint and the credentials";
            AttemptError::Fatal(Failure::new(Exit::Config, what).help(help))
        })
    }

    fn signed(&self, credentials: &Credentials, operation: Operation, body: String) -> Option<Request<Bytes>> {
        let mut request = Request::post(&self.endpoint)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AmazonSSM.{}", operation.name()))
            .body(Bytes::from(body))
            .ok()?;
        let identity = Identity::from(credentials.clone());
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ssm")
            .time(self.clock.now())
            .settings(SigningSettings::default())
            .build()
            .ok()?;
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
        let body = SignableBody::Bytes(request.body());
        let uri = self.endpoint.to_string();
        let signable = SignableRequest::new("POST", uri, headers, body).ok()?;
        let (instructions, _) = sign(signable, &parameters.into()).ok()?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Some(request)
    }
}

/// What the whole answer to a request says.
pub fn read<T: DeserializeOwned>(operation: Operation, answer: &Response<Bytes>) -> Result<T, AttemptError> {
    if !answer.status().is_success() {
        return Err(refusal(operation, answer));
    }
    // What is wrong with it could quote it.
    serde_json::from_slice(answer.body()).map_err(|_| {
        let status = answer.status().as_u16();
        let what = format!("{} answered {status} with something that is no answer", operation.service());
        AttemptError::Transient(Cause::new(what))
    })
}

/// The body of an error. The code is in `x-amzn-errortype`, `__type` or `code`, as `NAMESPACE#CODE:ADDRESS`. As untyped JSON,
/// because a repeated field, or one of another type, must not hide the code.
struct Refusal(serde_json::Value);

impl Refusal {
    fn text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.0.get(*name)?.as_str())
    }
}

fn refusal(operation: Operation, answer: &Response<Bytes>) -> AttemptError {
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let body = Refusal(serde_json::from_slice(answer.body()).unwrap_or_default());
    let code = header("x-amzn-errortype").or(body.text(&["__type", "code"]));
    let code = code.map(|code| code.split(':').next().unwrap_or(code));
    let status = Some(answer.status().as_u16());
    classify_response(
        operation,
        code,
        body.text(&["message", "Message", "errorMessage"]).unwrap_or(""),
        status,
        pause(header),
    )
}
