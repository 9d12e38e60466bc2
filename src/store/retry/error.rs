//! What goes wrong between us and AWS, classified once: tried again, reported, or a matter of credentials.
//! The SDK's errors print whole answers, so ours are made anew from code, status and the ARNs of a denial.
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html>

use std::time::Duration;

use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use crate::answers::Denial;
use crate::error::{Exit, Failure};
use crate::store::net::error::HttpError;
use crate::store::retry::error_class::ErrorClass;

/// An operation of an AWS service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    GetParameters,
    GetParametersByPath,
    AssumeRole,
}

impl Operation {
    /// As AWS names it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::GetParameters => "GetParameters",
            Operation::GetParametersByPath => "GetParametersByPath",
            Operation::AssumeRole => "AssumeRole",
        }
    }

    /// The service, for messages.
    pub fn service(self) -> &'static str {
        match self {
            Operation::GetParameters | Operation::GetParametersByPath => "Parameter Store",
            Operation::AssumeRole => "STS",
        }
    }

    /// The IAM action that permits it.
    fn action(self) -> &'static str {
        match self {
            Operation::GetParameters => "ssm:GetParameters",
            Operation::GetParametersByPath => "ssm:GetParametersByPath",
            Operation::AssumeRole => "sts:AssumeRole",
        }
    }
}

/// The outcome of an attempt that failed.
#[derive(Debug)]
pub enum AttemptError {
    /// It can be over in a moment.
    Transient(Cause),
    /// The credentials were refused: fetched anew once.
    Unauthenticated(Cause),
    /// AWS denies an action on a resource.
    AccessDenied(Denial),
    /// The deadline passed: TEMPFAIL, unless somebody else finds something permanent.
    DeadlineExceeded(Failure),
    /// It stays as it is.
    Fatal(Failure),
}

/// Why an attempt failed that can be made again.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    pub what: String,
    pub help: Option<String>,
    /// The server asked for at least this pause.
    pub pause: Option<Duration>,
    /// Too many calls, of this machine and others: more of them at once make it worse.
    pub throttled: bool,
}

impl Cause {
    pub fn new(what: impl Into<String>) -> Self {
        Cause { what: what.into(), ..Cause::default() }
    }

    pub fn help(self, help: impl Into<String>) -> Self {
        Cause { help: Some(help.into()), ..self }
    }

    /// Where it is not tried again.
    pub fn into_failure(self, exit: Exit) -> Failure {
        let failure = Failure::new(exit, self.what);
        self.help.into_iter().fold(failure, Failure::help)
    }
}

/// From AWS's text, of which only ARNs and an action are taken over: the rest is not ours to print.
fn parse_denial(message: &str, default_action: &'static str) -> Denial {
    let after = |marker: &str| message.split_once(marker).and_then(|(_, rest)| rest.split_whitespace().next());
    let kms = ["ciphertext", "Ciphertext", "KMS", "kms:"].iter().any(|word| message.contains(word));
    let fallback = if kms { "kms:Decrypt" } else { default_action };
    let action = after("perform: ").filter(|action| is_action(action)).unwrap_or(fallback);
    let resource = after("on resource: ").or_else(|| message.split_whitespace().find(|word| word.contains(":kms:")));
    Denial {
        action: action.to_owned(),
        resource: resource.and_then(arn),
        principal: after("User: ").and_then(arn),
        note: None,
        asked: Vec::new(),
    }
}

fn is_action(text: &str) -> bool {
    let Some((service, name)) = text.split_once(':') else { return false };
    matches!(service, "ssm" | "kms" | "secretsmanager" | "sts") && name.chars().all(|c| c.is_ascii_alphabetic())
}

/// An ARN of a service that a denial can be about, without the punctuation around it.
fn arn(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '*' && c != '/');
    let service = word.split(':').nth(2)?;
    let known = matches!(service, "ssm" | "kms" | "secretsmanager" | "sts" | "iam");
    let clean = word.chars().all(|c| c.is_ascii_alphanumeric() || ":/_.-*@+=,".contains(c));
    (word.starts_with("arn:") && known && clean && word.len() <= 512).then(|| word.to_owned())
}

/// Classifies the failure of a call that the SDK made, to STS.
pub fn classify<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> AttemptError {
    let service = Operation::AssumeRole.service();
    match error {
        SdkError::ServiceError(context) => {
            let (code, message) = (context.err().code(), context.err().message().unwrap_or(""));
            let status = Some(context.raw().status().as_u16());
            let header = |name: &str| context.raw().headers().get(name);
            classify_response(Operation::AssumeRole, code, message, status, pause(header))
        }
        SdkError::DispatchFailure(failure) => {
            let source = failure.as_connector_error().and_then(|error| std::error::Error::source(error));
            match source.and_then(|source| source.downcast_ref::<HttpError>()) {
                Some(error) => classify_http(error),
                None => AttemptError::Transient(Cause::new(format!("{service} cannot be asked"))),
            }
        }
        SdkError::ResponseError(context) => {
            let status = context.raw().status().as_u16();
            AttemptError::Transient(Cause::new(format!("{service} answered {status} with something that is no answer")))
        }
        SdkError::TimeoutError(_) => AttemptError::Transient(Cause::new(format!("{service} did not answer in time"))),
        _ => AttemptError::Fatal(
            Failure::new(Exit::Config, format!("a request to {service} cannot be made"))
                .help("look at the Region, the endpoint and the AWS_* variables"),
        ),
    }
}

/// Classifies what the connector says.
pub fn classify_http(error: &HttpError) -> AttemptError {
    match error {
        HttpError::UnknownIssuer(_) | HttpError::WrongCertificate(..) => AttemptError::Fatal(
            Failure::new(Exit::Config, error.to_string())
                .help("name the certificate authority with AWS_CA_BUNDLE=FILE or SSL_CERT_FILE=FILE (PEM)"),
        ),
        HttpError::Proxy(_) => AttemptError::Transient(
            Cause::new(error.to_string())
                .help("HTTPS_PROXY, HTTP_PROXY and NO_PROXY say which proxy is used, and for what"),
        ),
        HttpError::LargeHello(_) => AttemptError::Transient(Cause::new(error.to_string()).help(
            "the server, or a firewall or proxy before it, fails on it: have that mended, and until then set \
             STEPZERO_KEY_EXCHANGE=classical",
        )),
        HttpError::ProxyRefuses(_) => AttemptError::Fatal(
            Failure::new(Exit::Config, error.to_string())
                .help("look at HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT, at NO_PROXY, and at the proxy's own rules"),
        ),
        HttpError::Resolve(host) => AttemptError::Transient(match region_of(host) {
            Some(region) => Cause::new(error.to_string()).help(format!(
                "is there a Region {region}? If so, look at the name servers of this host, or allow more time with --timeout"
            )),
            None => Cause::new(error.to_string()),
        }),
        HttpError::Malformed(_) => AttemptError::Fatal(Failure::new(Exit::Config, error.to_string())),
        _ if error.is_exhaustion() => {
            AttemptError::Fatal(Failure::new(Exit::OsErr, error.to_string()).help("raise the limit (ulimit -n, -v, -u)"))
        }
        _ => AttemptError::Transient(Cause::new(error.to_string())),
    }
}

/// The Region in the name of an endpoint of AWS: the part after the service.
fn region_of(host: &str) -> Option<&str> {
    let region = host.split('.').nth(1)?;
    (host.contains(".amazonaws.") && crate::region::is_region(region)).then_some(region)
}

/// Classifies an error of STS whose answer the SDK did not keep.
pub fn classify_modelled<E: ProvideErrorMetadata>(error: &E) -> AttemptError {
    classify_response(Operation::AssumeRole, error.code(), error.message().unwrap_or(""), None, None)
}

/// Classifies a service's error by its code, or else by its status.
pub fn classify_response(
    operation: Operation,
    code: Option<&str>,
    message: &str,
    status: Option<u16>,
    pause: Option<Duration>,
) -> AttemptError {
    // `com.amazon.coral.service#ThrottlingException`
    let code = code.map_or("", |code| code.rsplit('#').next().unwrap_or(code));
    let code = if is_error_code(code) { code } else { "" };
    let (service, said) = (operation.service(), said(code, status));
    let cause = Cause { pause, ..Cause::new(format!("{service} answered {said}")) };
    match ErrorClass::of(code, status) {
        ErrorClass::Throttled => AttemptError::Transient(Cause { throttled: true, ..cause }.help(
            "the quota is \"GetParameter, GetParameters, GetParametersByPath transactions per second\" of Systems Manager \
             (40 by default); it can be raised, or higher throughput switched on",
        )),
        ErrorClass::Transient => AttemptError::Transient(Cause { throttled: status == Some(429), ..cause }),
        ErrorClass::AccessDenied => {
            let default = if code.starts_with('K') { "kms:Decrypt" } else { operation.action() };
            AttemptError::AccessDenied(parse_denial(message, default))
        }
        ErrorClass::KmsKeyUnusable => AttemptError::AccessDenied(Denial {
            action: "kms:Decrypt".into(),
            note: Some("the KMS key is disabled, pending deletion, or does not exist"),
            ..parse_denial(message, "kms:Decrypt")
        }),
        ErrorClass::Unauthenticated => AttemptError::Unauthenticated(cause),
        ErrorClass::Missing => AttemptError::Fatal(Failure::new(Exit::NoInput, cause.what)),
        ErrorClass::Malformed => AttemptError::Fatal(
            Failure::new(Exit::Config, format!("{service} refuses the request as malformed: {said}")).help(
                "look at the names with `stepzero plan`; an ARN and its prefix count in the limit of 1011 characters",
            ),
        ),
        ErrorClass::Refused(exit) => AttemptError::Fatal(
            Failure::new(exit, format!("{service} refuses the request: {said}"))
                .help("trying again would not change it: look at the Region, the endpoint and the account"),
        ),
    }
}

/// Whether it looks like one of AWS's error codes: anything else is not repeated in a message.
pub fn is_error_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphabetic())
}

/// The status is not known of every error.
fn said(code: &str, status: Option<u16>) -> String {
    match (code, status) {
        ("", None) => "an error".to_owned(),
        ("", Some(status)) => format!("status {status}"),
        (code, None) => code.to_owned(),
        (code, Some(status)) => format!("{code} (status {status})"),
    }
}

/// `Retry-After` in seconds (RFC 9110, 10.2.3), or AWS's own header in milliseconds.
pub fn pause<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Duration> {
    let number = |name: &str| header(name).and_then(|value| value.trim().parse::<u64>().ok());
    let seconds = number("retry-after").map(Duration::from_secs);
    seconds.or_else(|| number("x-amz-retry-after").map(Duration::from_millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_keeps_only_the_action_and_arns() {
        let text = "User: arn:aws:sts::123456789012:assumed-role/r/i-0 is not authorized to perform: ssm:GetParameters on \
                    resource: arn:aws:ssm:us-east-1:123456789012:parameter/a.b because hunter2";
        let denial = parse_denial(text, "ssm:GetParameters");
        assert_eq!(denial.action, "ssm:GetParameters");
        assert_eq!(denial.resource.as_deref(), Some("arn:aws:ssm:us-east-1:123456789012:parameter/a.b"));
        assert_eq!(denial.principal.as_deref(), Some("arn:aws:sts::123456789012:assumed-role/r/i-0"));
    }

    #[test]
    fn both_shapes_of_a_kms_denial() {
        let by_action =
            "User: x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:123456789012:key/k";
        let by_text =
            "The ciphertext refers to a customer master key that does not exist, or you are not allowed to access.";
        for text in [by_action, by_text] {
            assert_eq!(parse_denial(text, "ssm:GetParameters").action, "kms:Decrypt", "{text}");
        }
    }

    #[test]
    fn foreign_words_are_not_repeated() {
        let denial =
            parse_denial("perform: hunter2 on resource: hunter2 User: arn:aws:s3:::hunter2", "ssm:GetParameters");
        assert!(!format!("{denial:?}").contains("hunter2"), "{denial:?}");
        for action in ["hunter:GetParameters", "ssm:hunter2"] {
            let denial = parse_denial(&format!("perform: {action} on"), "ssm:GetParameters");
            assert_eq!(denial.action, "ssm:GetParameters", "{action}");
        }
    }

    #[test]
    fn what_this_machine_lacks_is_told_at_once() {
        let classified =
            |code| classify_http(&HttpError::Connect("host".into(), std::io::Error::from_raw_os_error(code)));
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN] {
            let error = classified(code);
            assert!(matches!(&error, AttemptError::Fatal(failure) if failure.exit == Exit::OsErr), "{error:?}");
        }
        assert!(matches!(classified(libc::ECONNREFUSED), AttemptError::Transient(_)));
    }

    /// More calls at once make it worse, but only after a throttle.
    #[test]
    fn a_status_that_is_a_throttle() {
        for (status, want) in [(429, true), (408, false), (500, false), (503, false)] {
            let error = classify_response(Operation::GetParameters, None, "", Some(status), None);
            assert!(matches!(&error, AttemptError::Transient(cause) if cause.throttled == want), "{error:?}");
        }
    }

    #[test]
    fn an_arn_without_the_punctuation_around_it() {
        let long = format!("arn:aws:ssm:::{}", "a".repeat(512));
        for (word, want) in [
            ("\"arn:aws:ssm:us-east-1:1:parameter/a/*\".", Some("arn:aws:ssm:us-east-1:1:parameter/a/*")),
            ("(arn:aws:ssm:us-east-1:1:parameter/a/)", Some("arn:aws:ssm:us-east-1:1:parameter/a/")),
            ("arn:aws:s3:::a", None),
            ("urn:aws:ssm:::a", None),
            ("arn:aws:ssm:::a<b", None),
            (&long, None),
        ] {
            assert_eq!(arn(word).as_deref(), want, "{word}");
        }
    }

    #[test]
    fn a_code_that_is_none_is_not_repeated() {
        let answered = |code: &str| match classify_response(Operation::GetParameters, Some(code), "", Some(400), None) {
            AttemptError::Transient(cause) => cause.what,
            other => format!("{other:?}"),
        };
        for code in ["hunter2", "two words", "\u{1b}[31m", &"A".repeat(65)] {
            assert_eq!(answered(code), "Parameter Store answered status 400", "{code}");
        }
        let long = "com.amazon.coral.service#ThrottlingException";
        assert_eq!(answered(long), "Parameter Store answered ThrottlingException (status 400)");
    }

    #[test]
    fn the_pause_that_a_server_asks_for() {
        let (seconds, millis) = (("retry-after", "3"), ("x-amz-retry-after", "1500"));
        for (headers, want) in [
            (&[seconds][..], Some(3000)),
            (&[millis], Some(1500)),
            (&[millis, seconds], Some(3000)),
            (&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], None),
            (&[], None),
        ] {
            let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            assert_eq!(pause(header), want.map(Duration::from_millis), "{headers:?}");
        }
    }

    #[test]
    fn the_region_in_the_name_of_a_host() {
        for (host, want) in [
            ("ssm.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("ssm.us-east-1.example.com", None),
            ("ssm.example.amazonaws.com", None),
            ("localhost", None),
        ] {
            assert_eq!(region_of(host), want, "{host}");
        }
    }
}
