//! What the error codes of AWS's services come to. A code that stands nowhere here is judged by its status.
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html>

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};

use crate::error::Exit;

/// What an error of a service comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    Throttled,
    /// It can be over in a moment.
    Transient,
    /// An action is denied.
    AccessDenied,
    /// The KMS key is disabled, is pending deletion, or does not exist.
    KmsKeyUnusable,
    /// The credentials or the signature are refused.
    Unauthenticated,
    Missing,
    Malformed,
    /// For another reason that stays as it is.
    Refused(Exit),
}

/// What the SDK has no list of.
const CODES: [(ErrorClass, &[&str]); 7] = [
    (
        ErrorClass::AccessDenied,
        &["AccessDeniedException", "AccessDenied", "KMSAccessDeniedException", "KmsAccessDeniedException"],
    ),
    (
        ErrorClass::KmsKeyUnusable,
        &[
            "InvalidKeyId",
            "DisabledException",
            "KMSDisabledException",
            "KMSInvalidStateException",
            "NotFoundException",
            "KMSNotFoundException",
        ],
    ),
    (
        ErrorClass::Unauthenticated,
        &[
            "ExpiredTokenException",
            "ExpiredToken",
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "InvalidIdentityToken",
            "IDPRejectedClaim",
        ],
    ),
    (
        ErrorClass::Refused(Exit::NoPerm),
        &["OptInRequired", "SubscriptionRequiredException", "NotAuthorized", "RegionDisabledException"],
    ),
    (ErrorClass::Missing, &["ParameterNotFound", "ParameterVersionNotFound"]),
    (
        ErrorClass::Malformed,
        &["ValidationException", "ValidationError", "InvalidFilterKey", "InvalidFilterValue", "InvalidFilterOption"],
    ),
    // A page token that has aged, and the identity provider that STS could not ask.
    (ErrorClass::Transient, &["InvalidNextToken", "IDPCommunicationError"]),
];

/// Words in the codes of errors that are over in a moment, whatever their status: `ServiceUnavailable`, `InternalFailure`.
const TRANSIENT: [&str; 3] = ["Internal", "Unavailable", "Timeout"];

impl ErrorClass {
    /// By code, then by status: one of 400 to 499 blames the request, which would be the same again (RFC 9110, 15.5).
    /// Without a code it was no service that spoke, but a proxy, or an endpoint that is not up yet.
    pub fn of(code: &str, status: Option<u16>) -> Self {
        if code.contains("Throttl") || THROTTLING_ERRORS.contains(&code) {
            return ErrorClass::Throttled;
        }
        if status.is_some_and(|status| status >= 500 || status == 429 || status == 408) {
            return ErrorClass::Transient;
        }
        if let Some((class, _)) = CODES.iter().find(|(_, codes)| codes.contains(&code)) {
            return *class;
        }
        let is_transient = TRANSIENT_ERRORS.contains(&code) || TRANSIENT.iter().any(|word| code.contains(word));
        match status {
            _ if code.is_empty() || is_transient => ErrorClass::Transient,
            Some(401 | 403) => ErrorClass::Refused(Exit::NoPerm),
            Some(400..500) => ErrorClass::Refused(Exit::Config),
            _ => ErrorClass::Transient,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses() {
        let (config, noperm) = (ErrorClass::Refused(Exit::Config), ErrorClass::Refused(Exit::NoPerm));
        for (code, status, want) in [
            ("ThrottlingException", Some(400), ErrorClass::Throttled),
            ("KMSThrottlingException", None, ErrorClass::Throttled),
            ("ProvisionedThroughputExceededException", Some(400), ErrorClass::Throttled),
            ("LimitExceededException", Some(400), ErrorClass::Throttled),
            ("RequestTimeoutException", Some(400), ErrorClass::Transient),
            ("InternalFailure", None, ErrorClass::Transient),
            ("InternalFailure", Some(400), ErrorClass::Transient),
            ("UnheardException", Some(500), ErrorClass::Transient),
            ("AccessDeniedException", Some(503), ErrorClass::Transient),
            ("UnheardException", Some(408), ErrorClass::Transient),
            ("UnheardException", Some(429), ErrorClass::Transient),
            ("", Some(403), ErrorClass::Transient),
            ("", Some(404), ErrorClass::Transient),
            ("UnheardException", None, ErrorClass::Transient),
            ("UnheardException", Some(400), config),
            ("InvalidAction", Some(400), config),
            ("UnknownOperationException", Some(404), config),
            ("UnheardException", Some(403), noperm),
            ("RegionDisabledException", None, noperm),
            ("AccessDenied", Some(403), ErrorClass::AccessDenied),
            ("DisabledException", Some(400), ErrorClass::KmsKeyUnusable),
        ] {
            assert_eq!(ErrorClass::of(code, status), want, "{code} {status:?}");
        }
    }
}
