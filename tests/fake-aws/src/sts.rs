//! STS: roles assumed with credentials or with a web identity, in the XML query protocol.

use crate::clock;
use crate::credentials::{Credential, Principal};
use crate::error::AwsError;
use crate::form::{self, field};
use crate::http::{Request, Response};
use crate::state::State;
use crate::{auth, credentials};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const DEFAULT_LIFETIME: i64 = 3600;

/// The principal, when one signed, and the answer's XML.
pub(crate) type Outcome = (Option<Principal>, Result<String, AwsError>);

pub(crate) fn answer(state: &mut State, request: &Request, operation: &str) -> Outcome {
    let fields = form::fields(request);
    if operation == "AssumeRoleWithWebIdentity" {
        return (None, with_web_identity(state, &fields));
    }
    let principal = match auth::verify(state, request, "sts") {
        Ok(principal) => principal,
        Err(error) => return (None, Err(as_query_error(error))),
    };
    let result = match operation {
        "AssumeRole" => assume_role(state, &fields, &principal),
        "GetCallerIdentity" => Ok(caller_identity(state, &principal)),
        _ => Err(AwsError::new("InvalidAction", format!("Could not find operation {operation}"))),
    };
    (Some(principal), result)
}

fn assume_role(state: &mut State, fields: &[(String, String)], caller: &Principal) -> Result<String, AwsError> {
    let arn = required(fields, "RoleArn")?;
    let said = field(fields, "ExternalId");
    let is_stranger = state.knobs.external_ids.iter().any(|(role, id)| role == arn && said != Some(id));
    if is_stranger || state.knobs.denied_roles.iter().any(|denied| denied == arn) {
        let message = format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn);
        return Err(AwsError::new("AccessDenied", message).with_status(403));
    }
    let credential = issue(state, fields, arn)?;
    Ok(result("AssumeRole", &described(&credential)))
}

fn with_web_identity(state: &mut State, fields: &[(String, String)]) -> Result<String, AwsError> {
    let arn = required(fields, "RoleArn")?;
    let token = required(fields, "WebIdentityToken")?;
    if state.knobs.web_identity_token.as_deref().is_some_and(|expected| expected != token) {
        let message = "The web identity token that was passed could not be validated";
        return Err(AwsError::new("InvalidIdentityToken", message));
    }
    if state.knobs.denied_roles.iter().any(|denied| denied == arn) {
        let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        return Err(AwsError::new("AccessDenied", message).with_status(403));
    }
    let credential = issue(state, fields, arn)?;
    let subject = "<SubjectFromWebIdentityToken>subject</SubjectFromWebIdentityToken>";
    Ok(result("AssumeRoleWithWebIdentity", &format!("{subject}{}", described(&credential))))
}

fn issue(state: &mut State, fields: &[(String, String)], arn: &str) -> Result<credentials::Credential, AwsError> {
    let session = required(fields, "RoleSessionName")?;
    let resource = arn.splitn(6, ':').nth(5).filter(|_| arn.starts_with("arn:"));
    let path = resource.and_then(|resource| resource.strip_prefix("role/"));
    let role = path.and_then(|path| path.rsplit('/').next()).filter(|role| !role.is_empty());
    let role = role.ok_or_else(|| AwsError::new("ValidationError", format!("{arn} is invalid")))?;
    let seconds = match field(fields, "DurationSeconds").map(str::parse) {
        None => DEFAULT_LIFETIME,
        Some(Ok(seconds @ 900..=43_200)) => seconds,
        Some(_) => return Err(AwsError::new("ValidationError", "DurationSeconds is out of range")),
    };
    let principal = Principal { arn: state.site.session_arn(role, session), role: role.to_owned() };
    let expires = state.clock.now() + time::Duration::seconds(seconds);
    Ok(state.credentials.issue(principal, expires))
}

fn caller_identity(state: &State, principal: &Principal) -> String {
    let (arn, account) = (&principal.arn, &state.site.account);
    let body = format!("<Arn>{arn}</Arn><UserId>AROAFAKE</UserId><Account>{account}</Account>");
    result("GetCallerIdentity", &body)
}

fn described(credential: &Credential) -> String {
    format!(
        "<AssumedRoleUser><AssumedRoleId>AROAFAKE:session</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>",
        escape(&credential.principal.arn),
        credential.access_key_id,
        credential.secret_access_key,
        credential.token.as_deref().unwrap_or_default(),
        credential.expires.map(clock::iso).unwrap_or_default(),
    )
}

fn result(operation: &str, body: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{body}</{operation}Result>\
         <ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata>\
         </{operation}Response>"
    )
}

fn required<'a>(fields: &'a [(String, String)], name: &str) -> Result<&'a str, AwsError> {
    field(fields, name).filter(|value| !value.is_empty()).ok_or_else(|| {
        let message = format!("1 validation error detected: Value at '{name}' must not be null");
        AwsError::new("ValidationError", message)
    })
}

/// The query protocol has older names for what the JSON protocol says.
fn as_query_error(error: AwsError) -> AwsError {
    let code = match error.code.as_str() {
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "IncompleteSignatureException" => "IncompleteSignature",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "ExpiredTokenException" => "ExpiredToken",
        other => other,
    };
    AwsError::new(code, error.message).with_status(403)
}

pub(crate) fn error(error: &AwsError) -> Response {
    let kind = if error.status >= 500 { "Receiver" } else { "Sender" };
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>",
        escape(&error.code),
        escape(&error.message),
    );
    Response::new(error.status, "text/xml", body)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
