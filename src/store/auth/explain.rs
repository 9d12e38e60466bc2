//! Why a source gave no credentials, from what the SDK says of it: to be tried again, or not.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use crate::error::{Exit, Failure, io_text, printable};
use crate::store::auth::source::CredentialSource;
use crate::store::net::error::HttpError;
use crate::store::retry::error::{AttemptError, Cause, classify, classify_http, classify_modelled};

pub const SSO: &str =
    "stepzero does not speak SSO or `aws login`: run `eval \"$(aws configure export-credentials --format env)\"` first";

const SSO_OR_MFA: &str = "run `eval \"$(aws configure export-credentials --format env)\"` first, which asks for it";

/// Classifies the error of a source. Where the profile is for SSO, that is the cause.
pub fn explain(source: &CredentialSource, error: &CredentialsError, uses_sso: bool) -> AttemptError {
    let name = source.name();
    if matches!(error, CredentialsError::ProviderTimedOut(_)) {
        return AttemptError::Transient(Cause::new(format!("{name} gave no credentials in time")));
    }
    if let Some(error) = classify_sources(error) {
        return error;
    }
    if matches!(error, CredentialsError::InvalidConfiguration(_)) {
        if uses_sso {
            let what = format!("{name} gives credentials by SSO or `aws login` only");
            return AttemptError::Fatal(Failure::new(Exit::NoPerm, what).help(SSO));
        }
        let failure = Failure::new(Exit::Config, format!("{name} is not set up to give credentials"));
        let failure = match error.source() {
            Some(why) => failure.detail(printable(&why.to_string())),
            None => failure,
        };
        return AttemptError::Fatal(failure.help("look at the AWS_* variables and ~/.aws/config"));
    }
    let failure = Failure::new(Exit::NoPerm, format!("{name} gave no credentials"));
    let failure = match file_error(error) {
        Some(error) => failure.detail(format!("a file of it cannot be read: {}", io_text(error))),
        None => failure,
    };
    AttemptError::Fatal(failure.help(match source {
        CredentialSource::WebIdentity(_) => "look at AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN",
        _ => "run `aws sts get-caller-identity` with the same environment",
    }))
}

/// Of the token of a web identity: the system's word.
fn file_error(error: &CredentialsError) -> Option<&std::io::Error> {
    let mut sources = std::iter::successors(error.source(), |inner| (*inner).source());
    sources.find_map(|inner| inner.downcast_ref::<std::io::Error>())
}

/// Looks for what STS or the connector said, under the SDK's wrapping.
fn classify_sources(error: &CredentialsError) -> Option<AttemptError> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>() {
            return Some(classify(error));
        }
        if let Some(error) = inner.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>() {
            return Some(classify(error));
        }
        if let Some(error) = inner.downcast_ref::<AssumeRoleError>() {
            return Some(classify_modelled(error));
        }
        if let Some(error) = inner.downcast_ref::<HttpError>() {
            return Some(classify_http(error));
        }
        source = inner.source();
    }
    None
}

/// When STS gives no role: the credentials that ask are the operator's own, and are not fetched anew.
pub fn no_role(error: AttemptError, needs_mfa: bool) -> AttemptError {
    let (what, help) = match error {
        AttemptError::Unauthenticated(cause) => (
            format!("the role cannot be assumed: {}", cause.what),
            "look at the credentials that assume it, and at the role's trust policy",
        ),
        AttemptError::AccessDenied(denial) => {
            let on = denial.resource.as_deref().unwrap_or("the role");
            let by = denial.principal.map(|principal| format!(" to {principal}")).unwrap_or_default();
            (
                format!("the role cannot be assumed: denied: {} on {on}{by}", denial.action),
                "allow it to the credentials that assume the role, and name them in the role's trust policy, which may want \
                 an external ID",
            )
        }
        other => return other,
    };
    let failure = Failure::new(Exit::NoPerm, what);
    if needs_mfa {
        let why = "the profile has mfa_serial, and stepzero cannot ask for a code";
        return AttemptError::Fatal(failure.detail(why).help(SSO_OR_MFA));
    }
    AttemptError::Fatal(failure.help(help))
}
