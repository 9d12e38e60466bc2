//! One HTTP/1.1 connection to an origin.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::store::net::connect::Connector;
use crate::store::net::error::{HttpError, broken};
use crate::store::net::route::Route;

/// Ten values of 8 KiB in which every byte is escaped as `\u00XX` are half a megabyte.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

pub type Sender = SendRequest<Full<Bytes>>;

/// A connection that is opened when it is needed, and used again until one of the two sides closes it.
pub struct Connection {
    connector: Arc<Connector>,
    pub route: Route,
    user_agent: HeaderValue,
    /// While it is open and no request is under way.
    pub idle: Option<Sender>,
}

impl Connection {
    /// Opens nothing yet.
    pub fn new(connector: Arc<Connector>, route: Route, user_agent: HeaderValue) -> Self {
        Connection { connector, route, user_agent, idle: None }
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
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => broken(&self.route.host, &error),
            Err(_) => HttpError::TooLarge(self.route.host.clone(), BODY_LIMIT),
        })?;
        self.idle = Some(sender);
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    async fn open(&self) -> Result<Sender, HttpError> {
        let stream = self.connector.connect(&self.route).await?;
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
        parts.headers.insert(header::USER_AGENT, self.user_agent.clone());
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::store::net::http::Http;
    use crate::store::net::route::Routes;
    use crate::store::net::tls::Tls;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    /// Answers one request a connection, and closes it without a word; or closes it, or keeps it, without an answer.
    struct Server<'a> {
        listener: TcpListener,
        accepted: &'a Cell<usize>,
        answer: &'static [u8],
        hangs: bool,
    }

    impl Server<'_> {
        async fn serve(self) {
            let mut kept = Vec::new();
            loop {
                let (mut stream, _) = self.listener.accept().await.expect("a connection");
                self.accepted.set(self.accepted.get() + 1);
                let read = stream.read(&mut [0; 1024]).await.expect("a request");
                assert!(read > 0);
                stream.write_all(self.answer).await.expect("the client reads");
                kept.extend(self.hangs.then_some(stream));
            }
        }
    }

    /// Does it with a connection to a server that gives this answer. How many connections it accepted.
    async fn with_server(
        answer: &'static [u8],
        hangs: bool,
        work: impl AsyncFnOnce(&mut Connection, http::Uri),
    ) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let uri: http::Uri = format!("http://{address}/").parse().expect("an address");
        let connector = Connector::new(Tls::new(None, crate::setting::KeyExchange::Hybrid));
        // Direct: whatever proxy the environment names.
        let http = Http::new(connector, Routes::new(HashSet::from([address])), HeaderValue::from_static("test"));
        let mut connection = http.connection(http.route(&uri).expect("it has a host"));
        let accepted = Cell::new(0);
        tokio::select! {
            () = work(&mut connection, uri) => {}
            () = Server { listener, accepted: &accepted, answer, hangs }.serve() => unreachable!("it serves for ever"),
        }
        accepted.get()
    }

    fn get(uri: &http::Uri) -> Request<Bytes> {
        Request::get(uri).body(Bytes::new()).expect("a request")
    }

    #[tokio::test]
    async fn a_server_that_closes_after_every_answer_is_asked_on_a_new_connection() {
        let accepted = with_server(ANSWER, false, async |connection, uri| {
            for _ in 0..5 {
                assert_eq!(connection.send(get(&uri)).await.expect("an answer").body(), "ok");
            }
        });
        assert_eq!(accepted.await, 5);
    }

    #[tokio::test]
    async fn a_connection_that_is_kept_is_used_again() {
        let accepted = with_server(ANSWER, true, async |connection, uri| {
            connection.preconnect().await.expect("it listens");
            assert_eq!(connection.send(get(&uri)).await.expect("an answer").body(), "ok");
            assert!(connection.idle.as_ref().is_some_and(|idle| !idle.is_closed()));
        });
        assert_eq!(accepted.await, 1);
    }

    /// The request can have been read: it is not sent a second time.
    #[tokio::test]
    async fn a_new_connection_that_breaks_is_an_error() {
        let accepted = with_server(b"", false, async |connection, uri| {
            assert!(matches!(connection.send(get(&uri)).await, Err(HttpError::Broken(..))));
        });
        assert_eq!(accepted.await, 1);
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_takes_its_connection_with_it() {
        let accepted = with_server(b"", true, async |connection, uri| {
            for _ in 0..3 {
                let sent = tokio::time::timeout(Duration::from_millis(20), connection.send(get(&uri))).await;
                assert!(sent.is_err() && connection.idle.is_none());
            }
        });
        assert_eq!(accepted.await, 3);
    }
}
