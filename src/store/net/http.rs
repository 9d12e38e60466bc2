//! The HTTP client of this run. Systems Manager is asked on connections of its own; IMDS, and under the SDK STS and
//! containers, on one kept connection for each origin. It is ours because the SDK's client reads some 450 certificate files at
//! every start, sends IMDS requests through a proxy, and has no limit for the size or the time of an answer. Errors never
//! carry the content of an answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response, Uri};

use crate::store::config::clock::Clock;
use crate::store::net::connect::Connector;
use crate::store::net::connection::{Connection, Sender};
use crate::store::net::error::HttpError;
use crate::store::net::route::{Route, Routes};

/// The client: cheap to clone.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

struct Shared {
    connector: Connector,
    routes: Routes,
    clock: Clock,
    /// One idle connection of each origin, by [`Route::key`].
    kept: Mutex<HashMap<String, Sender>>,
}

impl Http {
    pub fn new(connector: Connector, routes: Routes, clock: Clock) -> Self {
        Http(Arc::new(Shared { connector, routes, clock, kept: Mutex::default() }))
    }

    /// Sends one request on the kept connection of its origin, or on a new one while that is busy. Reads the whole answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut connection = Connection::new(self.clone(), self.route(request.uri())?);
        connection.idle = self.kept().remove(&connection.route.key);
        let answer = connection.send(request).await?;
        self.kept().extend(connection.idle.take().map(|idle| (connection.route.key, idle)));
        Ok(answer)
    }

    pub fn route(&self, uri: &Uri) -> Result<Route, HttpError> {
        self.0.routes.to(uri)
    }

    pub fn connector(&self) -> &Connector {
        &self.0.connector
    }

    /// It takes note of the server's time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Sender>> {
        // Nothing panics while it is held.
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            // Requests to STS and containers are small and in memory.
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
