//! Why a place gave no credentials, from what the SDK says of it: to be tried again, or not.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use crate::error::{Exit, Failure, io_text, printable};
use crate::store::net::error::HttpError;
use crate::store::retry::trouble::{Cause, Trouble, sort, sort_http, sort_modelled};

pub const SSO: &str =
    "stepzero does not speak SSO: run `eval \"$(aws configure export-credentials --format env)\"` first";

/// Sorts the error of a place. Where the profile is for SSO, that is the cause.
pub fn explain(place: &'static str, error: &CredentialsError, uses_sso: bool) -> Trouble {
    if matches!(error, CredentialsError::ProviderTimedOut(_)) {
        return Trouble::Temporary(Cause::new(format!("{place} gave no credentials in time")));
    }
    if let Some(trouble) = sort_sources(error) {
        return trouble;
    }
    if matches!(error, CredentialsError::InvalidConfiguration(_)) {
        if uses_sso {
            let what = format!("{place} gives credentials by SSO only");
            return Trouble::Permanent(Failure::new(Exit::NoPerm, what).help(SSO));
        }
        let failure = Failure::new(Exit::Config, format!("{place} is not set up to give credentials"));
        let failure = match error.source() {
            Some(why) => failure.detail(printable(&why.to_string())),
            None => failure,
        };
        return Trouble::Permanent(failure.help("look at the AWS_* variables and ~/.aws/config"));
    }
    // A credential_process that fails stays so.
    if place == "the container" {
        return sort_container(error);
    }
    let failure = Failure::new(Exit::NoPerm, format!("{place} gave no credentials"));
    let failure = match file_error(error) {
        Some(error) => failure.detail(format!("a file of it cannot be read: {}", io_text(error))),
        None => failure,
    };
    Trouble::Permanent(failure.help(match place {
        "the web identity" => "look at AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN",
        _ => "run `aws sts get-caller-identity` with the same environment, or the profile's credential_process by hand",
    }))
}

/// Of the token of a web identity: the system's word. That of a process is not repeated, because it can be a secret.
fn file_error(error: &CredentialsError) -> Option<&std::io::Error> {
    let mut sources = std::iter::successors(error.source(), |inner| (*inner).source());
    sources.find_map(|inner| inner.downcast_ref::<std::io::Error>())
}

/// Looks for what STS or the connector said, under the SDK's wrapping.
fn sort_sources(error: &CredentialsError) -> Option<Trouble> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>() {
            return Some(sort("STS", error));
        }
        if let Some(error) = inner.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>() {
            return Some(sort("STS", error));
        }
        if let Some(error) = inner.downcast_ref::<AssumeRoleError>() {
            return Some(sort_modelled("STS", error));
        }
        if let Some(error) = inner.downcast_ref::<HttpError>() {
            return Some(sort_http(error));
        }
        source = inner.source();
    }
    None
}

/// The container's endpoint answers errors for a moment, but not those that are about who asks. The SDK tells the status
/// in words only: `… provider: StatusCode(403)`.
fn sort_container(error: &CredentialsError) -> Trouble {
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    let status = text.rsplit_once("StatusCode(").and_then(|(_, rest)| rest.trim_end_matches(')').parse::<u16>().ok());
    let what = "the container's credential endpoint";
    match status {
        Some(status @ (401 | 403)) => Trouble::Permanent(
            Failure::new(Exit::NoPerm, format!("{what} refuses to give credentials (status {status})"))
                .help("look at AWS_CONTAINER_AUTHORIZATION_TOKEN or its _FILE, and at the role of the task or the pod"),
        ),
        Some(status) => Trouble::Temporary(Cause::new(format!("{what} answered {status}"))),
        None => Trouble::Temporary(Cause::new(format!("{what} gave no credentials"))),
    }
}
