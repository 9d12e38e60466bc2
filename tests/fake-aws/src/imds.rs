//! The instance metadata service, version 2, and the container credentials endpoint beside it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::call::Call;
use crate::clock;
use crate::credentials::{Credential, Principal};
use crate::http::Request;
use crate::http::Response;
use crate::state::State;

pub(crate) const INSTANCE: &str = "i-0123456789abcdef0";
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const MAX_TTL: u64 = 21_600;

/// What the metadata endpoints hand out.
#[derive(Debug)]
pub(crate) struct Imds {
    /// `None` is an instance without a role.
    pub role: Option<String>,
    /// The token's answer never arrives, as when a container is one hop too far away.
    pub hop_limit_exceeded: bool,
    /// In seconds; negative for credentials that are expired when they arrive.
    pub lifetime: i64,
    pub tokens: BTreeMap<String, Instant>,
    pub container_role: Option<String>,
    pub container_token: Option<String>,
}

pub(crate) fn answer(state: &mut State, request: &Request, call: &Call) -> Response {
    // AWS refuses what came through a proxy.
    if request.header("x-forwarded-for").is_some() {
        return plain(403, "Forbidden");
    }
    if call.operation == "PutToken" {
        return put_token(state, request);
    }
    let token = request.header("x-aws-ec2-metadata-token").unwrap_or_default();
    if state.imds.tokens.get(token).is_none_or(|expires| *expires <= Instant::now()) {
        return plain(401, "Unauthorized");
    }
    if request.method != "GET" {
        return plain(405, "Method Not Allowed");
    }
    match call.operation.as_str() {
        "ListRoles" => match &state.imds.role {
            Some(role) => Response::text(200, role.clone()),
            None => plain(404, "Not Found"),
        },
        "GetRole" => get_role(state, call),
        "GetRegion" => Response::text(200, state.site.region.clone()),
        "GetIdentityDocument" => Response::text(200, identity(state).to_string()),
        _ => match call.names.first().map(String::as_str) {
            Some("/latest/meta-data/instance-id") => Response::text(200, INSTANCE),
            _ => plain(404, "Not Found"),
        },
    }
}

fn put_token(state: &mut State, request: &Request) -> Response {
    if request.method != "PUT" {
        return plain(405, "Method Not Allowed");
    }
    let ttl = request.header(TTL_HEADER).and_then(|ttl| ttl.parse().ok());
    match ttl {
        Some(ttl @ 1..=MAX_TTL) => {
            let token = state.credentials.session_token();
            state.imds.tokens.insert(token.clone(), Instant::now() + Duration::from_secs(ttl));
            Response::text(200, token).with_header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", &ttl.to_string())
        }
        _ => plain(400, "Bad Request"),
    }
}

fn get_role(state: &mut State, call: &Call) -> Response {
    let Some(role) = state.imds.role.clone().filter(|role| call.names.first() == Some(role)) else {
        return plain(404, "Not Found");
    };
    let credential = current(state, &role, INSTANCE);
    let mut body = fields(&credential);
    body["Code"] = json!("Success");
    body["LastUpdated"] = json!(clock::iso(state.clock.now()));
    body["Type"] = json!("AWS-HMAC");
    Response::text(200, body.to_string())
}

/// The container endpoint: its own role, and a token of the caller's environment.
pub(crate) fn container(state: &mut State, request: &Request, path: &str) -> Response {
    let refuse =
        |status, code: &str, message: &str| Response::json(status, &json!({ "code": code, "message": message }));
    if request.path() != path {
        return refuse(404, "NotFound", "no such credentials");
    }
    if let Some(expected) = &state.imds.container_token {
        match request.header("authorization") {
            None => return refuse(401, "Unauthorized", "an authorization token is required"),
            Some(token) if token != expected => {
                return refuse(403, "AccessDenied", "the authorization token is wrong");
            }
            Some(_) => {}
        }
    }
    let Some(role) = state.imds.container_role.clone() else {
        return refuse(404, "NotFound", "no role is attached");
    };
    let credential = current(state, &role, "container");
    let mut body = fields(&credential);
    body["RoleArn"] = json!(state.site.role_arn(&role));
    Response::json(200, &body)
}

fn current(state: &mut State, role: &str, session: &str) -> Credential {
    let principal = Principal { arn: state.site.session_arn(role, session), role: role.to_owned() };
    state.credentials.current(principal, state.clock.now(), state.imds.lifetime)
}

fn fields(credential: &Credential) -> Value {
    json!({
        "AccessKeyId": credential.access_key_id,
        "SecretAccessKey": credential.secret_access_key,
        "Token": credential.token,
        "Expiration": credential.expires.map(clock::iso),
    })
}

fn identity(state: &State) -> Value {
    json!({
        "accountId": state.site.account,
        "region": state.site.region,
        "instanceId": INSTANCE,
        "availabilityZone": format!("{}a", state.site.region),
        "version": "2017-09-30",
    })
}

/// The small HTML page that IMDS sends with an error.
fn plain(status: u16, title: &str) -> Response {
    let body = format!("<html><head><title>{status} - {title}</title></head><body>{title}</body></html>");
    Response::new(status, "text/html", body)
}
