//! One HTTP/1.1 connection to an origin.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::store::net::error::{HttpError, broken};
use crate::store::net::http::Http;
use crate::store::net::route::Route;

/// Ten values of 8 KiB in which every byte is escaped as `\u00XX` are half a megabyte.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

pub type Sender = SendRequest<Full<Bytes>>;

/// A connection that is opened when it is needed, and used again until one of the two sides closes it.
pub struct Connection {
    http: Http,
    pub route: Route,
    /// While it is open and no request is under way.
    pub idle: Option<Sender>,
}

impl Connection {
    /// Opens nothing yet.
    pub fn new(http: Http, route: Route) -> Self {
        Connection { http, route, idle: None }
    }

    /// Opens it ahead of its first request.
    pub async fn preconnect(&mut self) -> Result<(), HttpError> {
        self.idle = Some(self.open().await?);
        Ok(())
    }

    /// Sends one request, and reads the whole answer. When that fails or is cancelled, the connection is closed, and the next
    /// request opens another one.
    pub async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = self.prepare(request)?;
        let kept = self.idle.take().filter(|sender| !sender.is_closed());
        let is_kept = kept.is_some();
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.open().await?,
        };
        let mut sent = sender.try_send_request(request).await;
        // The server closed it while it lay idle: nothing was sent, so it is safe to send it again.
        if let Some(unsent) = sent.as_mut().err().and_then(|error| error.take_message()).filter(|_| is_kept) {
            sender = self.open().await?;
            sent = sender.try_send_request(unsent).await;
        }
        let answer = sent.map_err(|error| broken(&self.route.host, &error.into_error()))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body.map_err(|_| HttpError::TooLarge(self.route.host.clone(), BODY_LIMIT))?;
        self.idle = Some(sender);
        self.http.clock().seen(parts.headers.get(header::DATE).and_then(|date| date.to_str().ok()));
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    async fn open(&self) -> Result<Sender, HttpError> {
        let stream = self.http.connector().connect(&self.route).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| broken(&self.route.host, &error))?;
        // Drives the connection; its end shows in the sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// To the origin form, which servers expect (RFC 9112, 3.2.1); a proxy for plain HTTP gets the absolute form.
    fn prepare(&self, request: Request<Bytes>) -> Result<Request<Full<Bytes>>, HttpError> {
        let (mut parts, body) = request.into_parts();
        if !parts.headers.contains_key(header::HOST) {
            let host = HeaderValue::from_str(&self.route.authority);
            parts.headers.insert(header::HOST, host.map_err(|_| HttpError::Malformed("the host".into()))?);
        }
        match self.route.forwarding_proxy() {
            None => {
                let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                parts.uri = path.parse().map_err(|_| HttpError::Malformed("the path".into()))?;
            }
            Some(proxy) => {
                let authorization = proxy.authorization.clone();
                parts.headers.extend(authorization.map(|value| (header::PROXY_AUTHORIZATION, value)));
            }
        }
        Ok(Request::from_parts(parts, Full::new(body)))
    }
}
