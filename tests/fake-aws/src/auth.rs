//! Who sent a request: its signature checked against the credentials the fake knows.

use time::Duration;

use crate::clock;
use crate::credentials::Principal;
use crate::error::AwsError;
use crate::http::Request;
use crate::sigv4::Authorization;
use crate::state::State;

/// How far the clocks of client and server may differ.
const TOLERANCE: Duration = Duration::minutes(5);

/// The principal behind a request to `service`, or the error AWS answers with.
pub(crate) fn verify(state: &State, request: &Request, service: &str) -> Result<Principal, AwsError> {
    let Some(header) = request.header("authorization") else {
        return Err(AwsError::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
    };
    let authorization = Authorization::parse(header)
        .ok_or_else(|| AwsError::new("IncompleteSignatureException", "Authorization header is not understood."))?;
    let unknown = || {
        let message = "The security token included in the request is invalid.";
        AwsError::new("UnrecognizedClientException", message)
    };
    let credential = state.credentials.find(&authorization.access_key_id).ok_or_else(unknown)?;
    if request.header("x-amz-security-token") != credential.token.as_deref() {
        return Err(unknown());
    }
    check_scope(&authorization, state, service)?;
    let amz_date = request.header("x-amz-date").unwrap_or_default();
    check_time(&authorization, amz_date, state)?;
    let signs = |name: &str| authorization.signed_headers.iter().any(|header| header == name);
    let expected = authorization.expected(&credential.secret_access_key, request, amz_date);
    if expected != authorization.signature || !signs("host") || !signs("x-amz-date") {
        return Err(invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ));
    }
    if credential.is_expired(state.clock.now()) {
        return Err(AwsError::new("ExpiredTokenException", "The security token included in the request is expired"));
    }
    Ok(credential.principal.clone())
}

fn check_scope(authorization: &Authorization, state: &State, service: &str) -> Result<(), AwsError> {
    if authorization.region != state.site.region {
        return Err(invalid(format!(
            "Credential should be scoped to a valid region, not '{}'. ",
            authorization.region
        )));
    }
    if authorization.service != service {
        return Err(invalid(format!("Credential should be scoped to correct service: '{service}'. ")));
    }
    Ok(())
}

fn check_time(authorization: &Authorization, amz_date: &str, state: &State) -> Result<(), AwsError> {
    let Some(signed) = clock::parse_amz(amz_date).filter(|_| amz_date.starts_with(&authorization.date)) else {
        return Err(invalid("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date"));
    };
    let now = state.clock.now();
    let (earliest, latest) = (now - TOLERANCE, now + TOLERANCE);
    let [now_text, earliest_text, latest_text] = [now, earliest, latest].map(clock::amz);
    if signed < earliest {
        return Err(invalid(format!(
            "Signature expired: {amz_date} is now earlier than {earliest_text} ({now_text} - 5 min.)"
        )));
    }
    if signed > latest {
        return Err(invalid(format!(
            "Signature not yet current: {amz_date} is still later than {latest_text} ({now_text} + 5 min.)"
        )));
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidSignatureException", message)
}
