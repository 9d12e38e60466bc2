//! The HTTP client of this run. Systems Manager is asked on connections of its own; IMDS, containers and, under the SDK, STS
//! on one kept connection for each origin. Errors never carry the content of an answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};

use crate::store::net::connect::Connector;
use crate::store::net::connection::{Connection, Sender};
use crate::store::net::error::HttpError;
use crate::store::net::route::{Route, Routes};

/// The client: cheap to clone.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    routes: Routes,
    user_agent: HeaderValue,
    /// One idle connection of each origin, by [`Route::key`].
    kept: Mutex<HashMap<String, Sender>>,
}

impl Http {
    /// `user_agent` is sent with every request.
    pub fn new(connector: Connector, routes: Routes, user_agent: HeaderValue) -> Self {
        Http(Arc::new(Shared { connector: Arc::new(connector), routes, user_agent, kept: Mutex::default() }))
    }

    /// Sends one request on the kept connection of its origin, or on a new one while that is busy. Reads the whole answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut connection = self.connection(self.route(request.uri())?);
        connection.idle = self.kept().remove(&connection.route.key);
        let answer = connection.send(request).await?;
        self.kept().extend(connection.idle.take().map(|idle| (connection.route.key, idle)));
        Ok(answer)
    }

    pub fn route(&self, uri: &Uri) -> Result<Route, HttpError> {
        self.0.routes.to(uri)
    }

    /// One that nobody else uses.
    pub fn connection(&self, route: Route) -> Connection {
        Connection::new(self.0.connector.clone(), route, self.0.user_agent.clone())
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
