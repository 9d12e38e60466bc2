//! What goes wrong with who we are: credentials, the places they come from, and the files of profiles.

use fake_aws::{Action, Fault, Service};
use serde_json::json;

use super::{ANY, Case, KEY, exec};
use crate::canary::{CORE, VALUE};

/// The credentials are secrets as well.
pub fn credentials() -> Vec<Case> {
    let key = |case: Case| case.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", CORE);
    vec![
        key(exec("a key that nobody knows", KEY, 77)),
        key(exec("a session token that nobody knows", KEY, 77)).env("AWS_SESSION_TOKEN", CORE),
        exec("a key with a line break", KEY, 77)
            .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", &format!("{CORE}\n")),
        exec("a key id with a line break", KEY, 77)
            .env("AWS_ACCESS_KEY_ID", &format!("{CORE}\n"))
            .env("AWS_SECRET_ACCESS_KEY", CORE),
        exec("credentials that are garbage", KEY, 75)
            .fault(|| Fault::always(Action::body(VALUE)).service(Service::Imds)),
        exec("credentials with the wrong field", KEY, 75).fault(|| {
            let body = json!({"Code": VALUE, "Token": VALUE, "SecretAccessKey": VALUE, "Message": VALUE}).to_string();
            Fault::always(Action::body(&body)).service(Service::Imds).operation("GetRole")
        }),
        exec("an endpoint with a password", KEY, 75)
            .env("AWS_ENDPOINT_URL", &format!("http://user:{CORE}@127.0.0.1:1")),
        exec("an endpoint that is no address", KEY, 78).env("AWS_ENDPOINT_URL", &format!("ftp://user:{CORE}@x")),
        exec("an IMDS with a password", KEY, 75)
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &format!("http://user:{CORE}@127.0.0.1:1")),
        exec("an IMDS that is no address", KEY, 78)
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &format!("http://user:{CORE} @127.0.0.1:1")),
        exec("a container token with a line break", KEY, ANY)
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/x")
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &format!("{CORE}\nx")),
        Case {
            file: Some(CORE.into()),
            ..exec("a web identity that nobody accepts", KEY, 77)
                .arrange(|fake| fake.deny_assume("arn:aws:iam::123456789012:role/r"))
                .env("AWS_WEB_IDENTITY_TOKEN_FILE", "FILE")
                .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
                .env("AWS_REGION", "us-east-1")
                .env("AWS_CONFIG_FILE", "/nowhere")
        },
        exec("a container that echoes its token", KEY, 77)
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "CONTAINER")
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", CORE)
            .env("AWS_REGION", "us-east-1")
            .fault(|| Fault::always(Action::error(403, CORE, CORE)).service(Service::Container)),
        exec("a container whose answer is cut", KEY, 75)
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "CONTAINER")
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", CORE)
            .env("AWS_REGION", "us-east-1")
            .fault(|| {
                let body = format!("{{\"AccessKeyId\":\"{CORE}\",\"SecretAccessKey\":\"{CORE}");
                Fault::always(Action::body(&body)).service(Service::Container)
            }),
        exec("a proxy that echoes", KEY, 75)
            .env("HTTP_PROXY", "PROXY")
            .env("AWS_REGION", "us-east-1")
            .fault(|| Fault::always(Action::error(407, CORE, CORE)).service(Service::Proxy)),
        exec("a proxy with a password that refuses", KEY, 75)
            .env("HTTP_PROXY", &format!("http://user:{CORE}@127.0.0.1:1"))
            .env("AWS_REGION", "us-east-1"),
        exec("a proxy with a password that is no http proxy", KEY, 78)
            .env("HTTP_PROXY", &format!("socks5://user:{CORE}@127.0.0.1:1"))
            .env("AWS_REGION", "us-east-1"),
    ]
}

/// The AWS configuration files and what they lead to: `DIR` stands for a directory with these files.
pub fn profiles() -> Vec<Case> {
    let files: Vec<(&'static str, String, i32)> = vec![
        ("a line without a sign", format!("[default]\naws_secret_access_key {CORE}\n"), 78),
        ("a value before a section", format!("aws_secret_access_key = {CORE}\n"), 78),
        ("a section without an end", format!("[default {CORE}\nx = y\n"), 78),
        ("a strange name", format!("[default]\n{CORE} {CORE} = {CORE}\n"), 0),
        ("half a key", format!("[default]\naws_secret_access_key = {CORE}\n"), 78),
        ("a key with a space", format!("[default]\naws_access_key_id = A\naws_secret_access_key = {CORE} x\n"), 77),
        (
            "a process that says it on stderr",
            format!("[default]\ncredential_process = sh -c 'echo {CORE} >&2; exit 1'\n"),
            77,
        ),
        ("a process that says no JSON", format!("[default]\ncredential_process = echo {CORE}\n"), 77),
        ("a process that is not there", format!("[default]\ncredential_process = /nowhere/{CORE}\n"), 77),
        ("a role without a source", format!("[default]\nrole_arn = {CORE}\nsource_profile = {CORE}\n"), 78),
        ("a region that is none", format!("[default]\nregion = x\naws_session_token = {CORE}\n"), 78),
    ];
    let cases = files.into_iter().map(|(name, text, code)| Case { file: Some(text), ..exec(name, KEY, code) });
    cases.collect()
}
