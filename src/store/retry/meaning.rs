//! What the error codes of AWS's services come to. A code that stands nowhere here is judged by its status.
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html>

use crate::error::Exit;

/// What an error of a service comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Throttled,
    /// It can be over in a moment.
    Passing,
    /// An action is denied.
    Denied,
    /// The KMS key is out of use.
    Key,
    /// The credentials or the signature are refused.
    Rejected,
    Missing,
    Malformed,
    /// For another reason that stays as it is.
    Refused(Exit),
}

const CODES: [(Meaning, &[&str]); 8] = [
    (Meaning::Throttled, &["TooManyRequestsException", "RequestLimitExceeded", "SlowDown"]),
    (
        Meaning::Denied,
        &["AccessDeniedException", "AccessDenied", "KMSAccessDeniedException", "KmsAccessDeniedException"],
    ),
    (
        Meaning::Key,
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
        Meaning::Rejected,
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
        Meaning::Refused(Exit::NoPerm),
        &["OptInRequired", "SubscriptionRequiredException", "NotAuthorized", "RegionDisabledException"],
    ),
    (Meaning::Missing, &["ParameterNotFound", "ParameterVersionNotFound"]),
    (
        Meaning::Malformed,
        &["ValidationException", "ValidationError", "InvalidFilterKey", "InvalidFilterValue", "InvalidFilterOption"],
    ),
    // A page token that has aged, and the identity provider that STS could not ask.
    (Meaning::Passing, &["InvalidNextToken", "IDPCommunicationError"]),
];

/// In the codes of errors that pass, whatever their status: `RequestTimeoutException`, `ServiceUnavailable`.
const PASSING: [&str; 6] = ["Internal", "Unavailable", "Timeout", "LimitExceeded", "NotComplete", "InProgress"];

impl Meaning {
    /// By code, then by status: one of 400 to 499 blames the request, which would be the same again (RFC 9110, 15.5).
    /// Without a code it was no service that spoke, but a proxy, or a door that is not open yet.
    pub fn of(code: &str, status: Option<u16>) -> Self {
        let named = CODES.iter().find(|(_, codes)| codes.contains(&code)).map(|(meaning, _)| *meaning);
        let passing = status.is_some_and(|status| status >= 500 || status == 429 || status == 408);
        match named {
            _ if code.contains("Throttl") => Meaning::Throttled,
            Some(Meaning::Throttled) => Meaning::Throttled,
            _ if passing => Meaning::Passing,
            Some(meaning) => meaning,
            None if code.is_empty() || PASSING.iter().any(|word| code.contains(word)) => Meaning::Passing,
            None => match status {
                Some(401 | 403) => Meaning::Refused(Exit::NoPerm),
                Some(400..500) => Meaning::Refused(Exit::Config),
                _ => Meaning::Passing,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses() {
        let (config, noperm) = (Meaning::Refused(Exit::Config), Meaning::Refused(Exit::NoPerm));
        for (code, status, want) in [
            ("ThrottlingException", Some(400), Meaning::Throttled),
            ("KMSThrottlingException", None, Meaning::Throttled),
            ("RequestTimeoutException", Some(400), Meaning::Passing),
            ("InternalFailure", None, Meaning::Passing),
            ("UnheardException", Some(500), Meaning::Passing),
            ("AccessDeniedException", Some(503), Meaning::Passing),
            ("", Some(403), Meaning::Passing),
            ("", Some(404), Meaning::Passing),
            ("UnheardException", None, Meaning::Passing),
            ("UnheardException", Some(400), config),
            ("InvalidAction", Some(400), config),
            ("UnknownOperationException", Some(404), config),
            ("UnheardException", Some(403), noperm),
            ("RegionDisabledException", None, noperm),
            ("AccessDenied", Some(403), Meaning::Denied),
            ("DisabledException", Some(400), Meaning::Key),
        ] {
            assert_eq!(Meaning::of(code, status), want, "{code} {status:?}");
        }
    }
}
