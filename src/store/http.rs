//! HTTP/1.1 under the SDK and for IMDS: one client of ours, because the SDK's reads some 450 certificate files at every
//! start, sends IMDS requests through a proxy, and has no limit for the size or the time of an answer.
//! An answer is read whole, up to [`BODY_LIMIT`], before anybody looks at it. Errors never carry its content.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use tokio::sync::Semaphore;

use super::clock::Clock;
use super::connect::{CONNECT_LIMIT, Connector, Route};
use super::http_error::HttpError;

/// Ten values of 8 KiB in which every byte is escaped as `\u00XX` are half a megabyte.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// So many connections to one place at most. A handshake costs more than a request on a connection that is open; with
/// fewer of them, more answers are waited for one after the other. BENCHMARKS.md has the figures.
pub const CONNECTIONS: usize = 25;

/// The client: cheap to clone, one pool of connections.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

struct Shared {
    connector: Connector,
    clock: Clock,
    places: Mutex<HashMap<String, Place>>,
}

/// Where requests go.
#[derive(Clone)]
struct Place {
    /// Connections that are open and have nothing to do, and why others could not be opened ahead.
    idle: Arc<Mutex<Vec<Result<Sender, HttpError>>>>,
    /// How many more requests can be under way, or connections be opened ahead of them.
    free: Arc<Semaphore>,
}

type Sender = SendRequest<Full<Bytes>>;

impl Http {
    pub fn new(connector: Connector, clock: Clock) -> Self {
        Http(Arc::new(Shared { connector, clock, places: Mutex::default() }))
    }

    /// Sends one request and reads the whole answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let route = self.0.connector.route(request.uri())?;
        let request = prepare(request, &route)?;
        let place = self.place(&route, CONNECTIONS);
        let at_once = place.free.try_acquire().ok();
        let waited = at_once.is_none();
        let _turn = match at_once {
            Some(turn) => Some(turn),
            None => place.free.acquire().await.ok(),
        };
        let (mut sender, reused) = match place.idle() {
            Some(Ok(sender)) => (sender, true),
            // This request has waited for that connection. What failed before it came says nothing about now.
            Some(Err(error)) if waited => return Err(error),
            _ => (self.open(&route).await?, false),
        };
        let answer = match sender.try_send_request(request).await {
            Ok(answer) => answer,
            // A connection that the server closed while it lay idle: nothing was sent, so it is safe to send it again.
            Err(mut error) if reused && error.message().is_some() => {
                let Some(request) = error.take_message() else { return Err(broken(&route, &error.into_error())) };
                sender = self.open(&route).await?;
                sender.send_request(request).await.map_err(|error| broken(&route, &error))?
            }
            Err(error) => return Err(broken(&route, &error.into_error())),
        };
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, BODY_LIMIT)
            .collect()
            .await
            .map_err(|_| HttpError::TooLarge(route.host.clone(), BODY_LIMIT))?;
        self.0.clock.seen(parts.headers.get(header::DATE).and_then(|date| date.to_str().ok()));
        place.keep(Ok(sender));
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    /// Opens connections for so many requests, while something else is waited for. Those requests then wait for them, and
    /// are told what went wrong.
    pub fn warm(&self, uri: &Uri, requests: usize) {
        let Ok(route) = self.0.connector.route(uri) else { return };
        let (place, route) = (self.place(&route, requests.clamp(1, CONNECTIONS)), Arc::new(route));
        while let Ok(turn) = place.free.clone().try_acquire_owned() {
            let (http, place, route) = (self.clone(), place.clone(), route.clone());
            tokio::spawn(async move {
                place.keep(http.open(&route).await);
                drop(turn);
            });
        }
    }

    async fn open(&self, route: &Route) -> Result<Sender, HttpError> {
        let opening = self.0.connector.connect(route);
        let stream = tokio::time::timeout(CONNECT_LIMIT, opening)
            .await
            .map_err(|_| HttpError::ConnectTimeout(route.host.clone(), CONNECT_LIMIT))??;
        let handshake = http1::handshake(hyper_util::rt::TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| broken(route, &error))?;
        // Drives the connection; its end shows in the sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// `limit` counts when nothing was sent there before.
    fn place(&self, route: &Route, limit: usize) -> Place {
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Place { idle: Arc::default(), free: Arc::new(Semaphore::new(limit)) };
        places.entry(route.key.clone()).or_insert_with(new).clone()
    }
}

impl Place {
    fn idle(&self) -> Option<Result<Sender, HttpError>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|opened| opened.as_ref().map_or(true, |sender| !sender.is_closed()))
    }

    fn keep(&self, opened: Result<Sender, HttpError>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(opened);
    }
}

/// To the origin form, which servers expect (RFC 9112, 3.2.1); a proxy for plain HTTP gets the absolute form.
fn prepare(request: Request<Bytes>, route: &Route) -> Result<Request<Full<Bytes>>, HttpError> {
    let (mut parts, body) = request.into_parts();
    if !parts.headers.contains_key(header::HOST) {
        let host = HeaderValue::from_str(&route.authority);
        parts.headers.insert(header::HOST, host.map_err(|_| HttpError::Malformed("the host".into()))?);
    }
    if !route.absolute_form {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path.parse().map_err(|_| HttpError::Malformed("the path".into()))?;
    } else if let Some(authorization) = &route.proxy_authorization {
        parts.headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
    Ok(Request::from_parts(parts, Full::new(body)))
}

/// hyper's errors name what failed, never the bytes.
fn broken(route: &Route, error: &hyper::Error) -> HttpError {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        why = format!("{why}: {inner}");
        source = inner.source();
    }
    HttpError::Broken(route.host.clone(), why)
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl HttpClient for Http {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let http = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            // Requests of SSM and STS are small and in memory.
            let body = |body: SdkBody| body.bytes().map(Bytes::copy_from_slice);
            let (parts, streamed) = request.into_parts();
            let body = body(streamed).ok_or_else(|| malformed("a streaming body"))?;
            let answer = http.send(Request::from_parts(parts, body)).await;
            let answer = answer.map_err(|error| ConnectorError::io(Box::new(error)))?;
            HttpResponse::try_from(answer.map(SdkBody::from)).map_err(|error| ConnectorError::io(Box::new(error)))
        })
    }
}

fn malformed(what: &str) -> ConnectorError {
    ConnectorError::user(Box::new(HttpError::Malformed(what.to_owned())))
}
