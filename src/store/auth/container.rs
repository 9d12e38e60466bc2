//! The credential endpoint of a container: ECS, EKS Pod Identity, and whatever speaks like them. Implemented here because the
//! SDK's provider gives the HTTP status only as text, and reports a missing token file as an endpoint that does not answer.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use std::cell::Cell;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use tokio::time::{Instant, timeout};

use crate::error::{Exit, Failure, io_text, printable};
use crate::store::auth::document;
use crate::store::config::settings::variable;
use crate::store::net::http::Http;
use crate::store::net::no_proxy::bare;
use crate::store::retry::error::{AttemptError, Cause, classify_http};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// Where a path alone leads: the agent of ECS.
const ECS: &str = "http://169.254.170.2";
/// The addresses that may be asked over plain HTTP beside loopback: ECS's, and those of EKS Pod Identity.
const TRUSTED: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// A token is some KiB at most.
const TOKEN_LIMIT: u64 = 64 * 1024;
/// How long a token file that is a pipe may take.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(1);

/// 400 and 404 say that the endpoint does not take the token, or knows no role for it. An association of EKS takes seconds to
/// arrive, so these are tried again for so long.
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>
const ARRIVAL: Duration = Duration::from_secs(2);

/// One answer of an agent on this host, which can have to ask AWS first.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// The endpoint that the variables name.
pub struct Container {
    uri: Uri,
    token: Token,
    /// When it first answered 400 or 404, unless it has answered something else since.
    unknown_since: Cell<Option<Instant>>,
}

enum Token {
    None,
    Value(String),
    /// Read anew for each request: the kubelet renews it.
    File(PathBuf),
}

impl Container {
    /// `None` when no variable speaks of one. CONFIG for a token without an address, and for an address that a token must not
    /// be sent to.
    pub fn from_environment() -> Result<Option<Self>, Failure> {
        let token = match (variable(TOKEN_FILE), variable(TOKEN)) {
            (Some((_, path)), _) => Token::File(path.into()),
            (None, Some((_, token))) => Token::Value(token),
            (None, None) => Token::None,
        };
        let (name, address) = match (variable(RELATIVE), variable(FULL)) {
            (Some((name, path)), _) => (name, format!("{ECS}{path}")),
            (None, Some(full)) => full,
            (None, None) => {
                let name = match token {
                    Token::None => return Ok(None),
                    Token::Value(_) => TOKEN,
                    Token::File(_) => TOKEN_FILE,
                };
                let what = format!("{name} is set, but neither {RELATIVE} nor {FULL}");
                return Err(Failure::new(Exit::Config, what).help("set the address that the token is for, or unset it"));
            }
        };
        let is_path = variable(RELATIVE).is_none_or(|(_, path)| path.starts_with('/'));
        let uri = address.parse::<Uri>().ok().filter(|uri| is_path && uri.host().is_some());
        let uri = uri.ok_or_else(|| {
            Failure::new(Exit::Config, format!("{name}: \"{}\" is no address", printable(&address)))
                .help("a path begins with /, and a full address with http:// or https://")
        })?;
        if !may_be_asked(&uri) {
            let what = format!("{name}: {} may not be asked for credentials over plain HTTP", printable(&address));
            let help = format!("take https://, a loopback address, or one of {}", TRUSTED.join(", "));
            return Err(Failure::new(Exit::Config, what).help(help));
        }
        Ok(Some(Container { uri, token, unknown_since: Cell::default() }))
    }

    /// One attempt. NOPERM when the token cannot be read or is refused; any other status is transient.
    pub async fn credentials(&self, http: &Http) -> Result<Credentials, AttemptError> {
        let mut request = Request::get(self.uri.clone()).header(header::ACCEPT, "application/json");
        if let Some(token) = self.authorization().map_err(AttemptError::Fatal)? {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Bytes::new());
        let request = request.map_err(|_| {
            AttemptError::Transient(Cause::new("the request to the container's endpoint cannot be made"))
        })?;
        let endpoint = format!("the container's credential endpoint ({})", self.uri.host().unwrap_or_default());
        let answer = match timeout(REQUEST_LIMIT, http.send(request)).await {
            Ok(answer) => answer.map_err(|error| classify_http(&error))?,
            Err(_) => {
                let what = format!("{endpoint} did not answer within {} s", REQUEST_LIMIT.as_secs());
                return Err(AttemptError::Transient(Cause::new(what)));
            }
        };
        if !is_unknown(answer.status()) {
            self.unknown_since.set(None);
        }
        match answer.status() {
            StatusCode::OK => {
                let read = document::from_endpoint(answer.body(), "the container");
                read.map_err(|why| AttemptError::Transient(Cause::new(format!("{endpoint}: {why}"))))
            }
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(refusal(&endpoint, status)),
            status if is_unknown(status) && self.is_unknown_for(ARRIVAL) => Err(refusal(&endpoint, status)),
            status => Err(AttemptError::Transient(Cause::new(format!("{endpoint} answered {}", status.as_u16())))),
        }
    }

    /// Whether it has answered 400 or 404 for so long.
    fn is_unknown_for(&self, time: Duration) -> bool {
        let since = self.unknown_since.get().unwrap_or_else(Instant::now);
        self.unknown_since.set(Some(since));
        since.elapsed() >= time
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let wrong = |name: &str, why: String| {
            Failure::new(Exit::NoPerm, format!("{name}: {why}"))
                .help("the agent of ECS or EKS writes it: look at the container's definition")
        };
        let (name, token) = match &self.token {
            Token::None => return Ok(None),
            Token::Value(token) => (TOKEN, token.clone()),
            Token::File(path) => {
                let shown = printable(&path.to_string_lossy());
                let read = crate::sys::read_file(path, TOKEN_LIMIT, TOKEN_TIMEOUT);
                let (bytes, _) =
                    read.map_err(|error| wrong(TOKEN_FILE, format!("{shown} cannot be read: {}", io_text(&error))))?;
                let text = String::from_utf8(bytes).map_err(|_| wrong(TOKEN_FILE, format!("{shown} holds no text")))?;
                let token = text.trim_end_matches(['\r', '\n']).to_owned();
                if token.is_empty() {
                    return Err(wrong(TOKEN_FILE, format!("{shown} is empty")));
                }
                (TOKEN_FILE, token)
            }
        };
        let mut value = HeaderValue::from_str(&token)
            .map_err(|_| wrong(name, "the token has a character that no header can have".into()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Whether it does not know us, or not yet.
fn is_unknown(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
}

fn refusal(endpoint: &str, status: StatusCode) -> AttemptError {
    let what = format!("{endpoint} refuses to give credentials (status {})", status.as_u16());
    let help = match status {
        StatusCode::NOT_FOUND => {
            "it knows no role here: look at the role of the task, or at the pod identity association of the service account"
        }
        _ => "look at AWS_CONTAINER_AUTHORIZATION_TOKEN or its _FILE, and at the role of the task or the pod",
    };
    AttemptError::Fatal(Failure::new(Exit::NoPerm, what).help(help))
}

/// Plain HTTP goes to this machine and to the agents only: elsewhere somebody could listen.
fn may_be_asked(uri: &Uri) -> bool {
    let host = bare(uri.host().unwrap_or_default());
    match (uri.scheme_str(), host.parse::<IpAddr>()) {
        (Some("https"), _) => true,
        (Some("http"), Ok(address)) => {
            let trusted = TRUSTED.iter().any(|trusted| trusted.parse() == Ok(address));
            address.is_loopback() || trusted
        }
        (Some("http"), Err(_)) => host == "localhost",
        _ => false,
    }
}
