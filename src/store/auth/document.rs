//! Credentials as a JSON document: what IMDS, the endpoints of containers and a `credential_process` give. Errors never repeat
//! what stands in it.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::store::retry::error::is_error_code;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: Option<Json>,
    code: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    /// As IMDS and containers call it.
    token: Option<String>,
    /// As processes call it.
    session_token: Option<String>,
    expiration: Option<String>,
}

/// From IMDS or a container's endpoint. `place` is for messages of later refusals.
pub fn from_endpoint(text: &[u8], place: &'static str) -> Result<Credentials, String> {
    let document = parse(text).ok_or("the credentials are not JSON")?;
    match document.code.as_deref() {
        None | Some("Success") => {}
        Some(code) if is_error_code(code) => {
            return Err(format!(
                "the role cannot be assumed: {code}; does its trust policy name this service (ec2.amazonaws.com, ecs-tasks.amazonaws.com, pods.eks.amazonaws.com)?"
            ));
        }
        Some(_) => return Err("the credentials carry an unknown code".into()),
    }
    document.credentials(place)
}

/// From a `credential_process`, whose document has a version.
pub fn from_process(text: &[u8]) -> Result<Credentials, String> {
    let document = parse(text).ok_or("what it prints is no JSON object with credentials")?;
    match &document.version {
        None => return Err("what it prints has no `Version`".into()),
        Some(Json::Number(version)) if version.as_u64() == Some(1) => {}
        Some(Json::Number(version)) => {
            return Err(format!("what it prints has `Version` {version}, and only 1 is known"));
        }
        Some(_) => return Err("what it prints has a `Version` that is no number".into()),
    }
    document.credentials("a process")
}

fn parse(text: &[u8]) -> Option<Document> {
    serde_json::from_slice(text).ok()
}

impl Document {
    fn credentials(self, place: &'static str) -> Result<Credentials, String> {
        let part = |text: Option<String>, name: &str| {
            text.filter(|text| !text.is_empty()).ok_or_else(|| format!("the credentials are incomplete: no `{name}`"))
        };
        let id = part(self.access_key_id, "AccessKeyId")?;
        let secret = part(self.secret_access_key, "SecretAccessKey")?;
        let expiry = self.expiration.and_then(|text| DateTime::from_str(&text, Format::DateTime).ok());
        let expiry = expiry.and_then(|time| SystemTime::try_from(time).ok());
        Ok(Credentials::new(
            id,
            secret,
            self.token.or(self.session_token).filter(|token| !token.is_empty()),
            expiry,
            place,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"Version":1,"AccessKeyId":"AKID","SecretAccessKey":"s","SessionToken":"t","Expiration":"2040-01-01T00:00:00Z"}"#;

    #[test]
    fn both_forms() {
        let process = from_process(GOOD.as_bytes()).expect("good");
        assert_eq!((process.access_key_id(), process.session_token()), ("AKID", Some("t")));
        assert!(process.expiry().is_some());
        let endpoint = GOOD.replace("SessionToken", "Token").replace("\"Version\":1", "\"Code\":\"Success\"");
        assert_eq!(from_endpoint(endpoint.as_bytes(), "x").expect("good").session_token(), Some("t"));
    }

    #[test]
    fn what_is_wrong_is_told_in_words() {
        for (text, why) in [
            ("", "no JSON"),
            ("hunter2", "no JSON"),
            ("[1]", "no JSON"),
            (r#"{"AccessKeyId":"hunter2"}"#, "no `Version`"),
            (r#"{"Version":2,"AccessKeyId":"hunter2"}"#, "`Version` 2"),
            (r#"{"Version":"1"}"#, "no number"),
            (r#"{"Version":1,"AccessKeyId":"hunter2"}"#, "no `SecretAccessKey`"),
            (r#"{"Version":1,"AccessKeyId":"","SecretAccessKey":"hunter2"}"#, "no `AccessKeyId`"),
        ] {
            let error = from_process(text.as_bytes()).expect_err(text);
            assert!(error.contains(why) && !error.contains("hunter2"), "{text}: {error}");
        }
        let refused = from_endpoint(br#"{"Code":"AssumeRoleUnauthorizedAccess"}"#, "x").expect_err("a code");
        assert!(refused.contains("AssumeRoleUnauthorizedAccess"), "{refused}");
        // What does not look like a code of AWS is not shown: too long, or not of letters alone.
        for code in ["A".repeat(65), "hunter2".into(), "\\u001b[31m".into(), "two words".into()] {
            let error = from_endpoint(format!(r#"{{"Code":"{code}"}}"#).as_bytes(), "x").expect_err(&code);
            assert_eq!(error, "the credentials carry an unknown code", "{code}");
        }
    }
}
