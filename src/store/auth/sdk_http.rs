//! Our HTTP client under the SDK's providers of credentials. The SDK's own reads some 450 certificate files at every start,
//! sends IMDS requests through a proxy, and has no limit for the size or the time of an answer.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::Request;

use crate::store::config::clock::Clock;
use crate::store::net::error::HttpError;
use crate::store::net::http::Http;

/// The client, and the clock that STS's answers set.
#[derive(Clone, Debug)]
pub struct SdkHttp {
    pub http: Http,
    pub clock: Clock,
}

impl HttpClient for SdkHttp {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for SdkHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let SdkHttp { http, clock } = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            // Requests to STS are small and in memory.
            let body = body.bytes().map(Bytes::copy_from_slice).ok_or_else(|| malformed("a streaming body"))?;
            let answer = http.send(Request::from_parts(parts, body)).await;
            let answer = answer.map_err(|error| ConnectorError::io(Box::new(error)))?;
            clock.note_date(&answer);
            HttpResponse::try_from(answer.map(SdkBody::from)).map_err(|error| ConnectorError::io(Box::new(error)))
        })
    }
}

fn malformed(what: &str) -> ConnectorError {
    ConnectorError::user(Box::new(HttpError::Malformed(what.to_owned())))
}
