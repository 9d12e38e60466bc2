//! HTTP/1.1 for Systems Manager, for IMDS, and under the SDK for STS and containers: one client of ours, because the SDK's
//! reads some 450 certificate files at every start, sends IMDS requests through a proxy, and has no limit for the size or
//! the time of an answer. An answer is read whole, up to [`BODY_LIMIT`], before anybody looks at it. Errors never carry
//! its content.

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

use crate::error::Failure;
use crate::store::config::clock::Clock;
use crate::store::net::connect::{Connector, Route};
use crate::store::net::error::{HttpError, broken};
use crate::store::net::pool::Place;
use crate::store::net::pulse::Pulse;

/// Ten values of 8 KiB in which every byte is escaped as `\u00XX` are half a megabyte.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The client: cheap to clone, one pool of connections.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    clock: Clock,
    pulse: Pulse,
    places: Mutex<HashMap<String, Place>>,
}

impl Http {
    pub fn new(connector: Connector, clock: Clock) -> Self {
        let (connector, pulse) = (Arc::new(connector), Pulse::new());
        Http(Arc::new(Shared { connector, clock, pulse, places: Mutex::default() }))
    }

    /// Sends one request and reads the whole answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let place = self.place(request.uri())?;
        let host = &place.route().host;
        let mut request = prepare(request, place.route())?;
        let (answer, connection) = loop {
            let mut connection = place.connection().await?;
            match connection.sender().try_send_request(request).await {
                Ok(answer) => break (answer, connection),
                // A connection that the server closed while it lay idle: nothing was sent, so it is safe to send it again.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if connection.reused => request = unsent,
                    _ => return Err(broken(host, &error.into_error())),
                },
            }
        };
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body.map_err(|_| HttpError::TooLarge(host.clone(), BODY_LIMIT))?;
        self.0.clock.seen(parts.headers.get(header::DATE).and_then(|date| date.to_str().ok()));
        connection.give_back();
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    /// Finds out whom to trust, as [`Connector::trust`] does.
    pub fn trust(&self) -> Result<(), Failure> {
        self.0.connector.trust()
    }

    /// Opens connections for so many requests, while something else is waited for. Those requests then wait for them, and
    /// are told what went wrong.
    pub fn warm(&self, uri: &Uri, requests: usize) {
        if let Ok(place) = self.place(uri) {
            place.warm(requests);
        }
    }

    fn place(&self, uri: &Uri) -> Result<Place, HttpError> {
        let route = self.0.connector.route(uri)?;
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = |route| Place::new(self.0.connector.clone(), route, self.0.pulse.clone());
        Ok(places.entry(route.key.clone()).or_insert_with(|| new(route)).clone())
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
