//! From a route to an open stream: TCP, the tunnel through a proxy, TLS.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::store::net::dial::Dialer;
use crate::store::net::error::{HttpError, reason};
use crate::store::net::hello::Hello;
use crate::store::net::route::{Proxy, Route};
use crate::store::net::tls::Tls;

/// Name resolution, TCP, the tunnel and TLS together.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// All of a connection that only asks whether a small hello is answered, where a large one was not.
const QUESTION_LIMIT: Duration = Duration::from_secs(1);

/// The answer of a proxy to CONNECT: as many headers as fit into hyper's buffer.
const MOST_HEADERS: usize = 1000;

/// A TCP or TLS stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens streams.
pub struct Connector {
    tls: Tls,
    dialer: Dialer,
    /// The host that answers small hellos alone, if there is one. It is found out once a run, because a server in trouble has
    /// enough connections, and not at all where a large one was answered before.
    small_hellos: OnceCell<Option<String>>,
}

impl Connector {
    pub fn new(tls: Tls) -> Self {
        Connector { tls, dialer: Dialer::default(), small_hellos: OnceCell::new() }
    }

    /// Within [`CONNECT_LIMIT`]; a failure can take [`QUESTION_LIMIT`] more.
    pub async fn connect(&self, route: &Route) -> Result<Box<dyn Stream>, HttpError> {
        let hello = Hello::default();
        let connected = tokio::time::timeout(CONNECT_LIMIT, self.stream(route, &self.tls, &hello)).await;
        let late = |_| Err(HttpError::ConnectTimeout(route.host.clone(), CONNECT_LIMIT));
        match connected.unwrap_or_else(late) {
            Err(_) if hello.is_refused() && self.only_takes_small_hellos(route).await => {
                Err(HttpError::LargeHello(route.host.clone()))
            }
            connected => {
                if hello.is_answered() && !self.small_hellos.initialized() {
                    // Somebody else can be about to find it out.
                    let _ = self.small_hellos.set(None);
                }
                connected
            }
        }
    }

    /// Whether a hello without a post-quantum key share is answered. Only that is looked at, nothing else is sent, and the
    /// connection is dropped: who can cut connections must not be able to choose the key exchange.
    async fn only_takes_small_hellos(&self, route: &Route) -> bool {
        let Some(classical) = self.tls.classical() else { return false };
        let host = self.small_hellos.get_or_init(async || {
            let hello = Hello::default();
            let _ = tokio::time::timeout(QUESTION_LIMIT, self.stream(route, &classical, &hello)).await;
            hello.is_answered().then(|| route.host.clone())
        });
        host.await.as_ref() == Some(&route.host)
    }

    async fn stream(&self, route: &Route, tls: &Tls, hello: &Hello) -> Result<Box<dyn Stream>, HttpError> {
        let (host, port) = match &route.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&route.host, route.port),
        };
        let stream = self.dialer.connect(host, port).await.map_err(|error| match error {
            error if route.proxy.is_some() && !error.is_exhaustion() => HttpError::Proxy(error.to_string()),
            error => error,
        })?;
        if !route.secure {
            return Ok(Box::new(stream));
        }
        let stream = match &route.proxy {
            Some(proxy) => open_tunnel(stream, route, proxy).await?,
            None => stream,
        };
        // The request follows the end of the handshake: waiting until that is acknowledged (Nagle) would only delay it. An
        // error changes nothing else.
        let _ = stream.set_nodelay(true);
        Ok(Box::new(tls.handshake(&route.host, stream, hello).await?))
    }
}

/// A tunnel through a proxy (RFC 9110, 9.3.6): any answer of 200 to 299 opens it.
async fn open_tunnel(stream: TcpStream, route: &Route, proxy: &Proxy) -> Result<TcpStream, HttpError> {
    let broken = |error: hyper::Error| HttpError::Proxy(reason(&error));
    let handshake = http1::Builder::new().max_headers(MOST_HEADERS).handshake(TokioIo::new(stream));
    let (mut sender, mut connection) = handshake.await.map_err(broken)?;
    let target = format!("{}:{}", route.host, route.port);
    let mut sending = pin!(sender.send_request(connect_request(&target, proxy)?));
    let answer = tokio::select! {
        biased;
        answer = &mut sending => answer,
        // Without shutdown, because the stream is needed; hyper's own upgrade does not know 204.
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => {
            ended.map_err(broken)?;
            sending.await
        }
    };
    match answer.map_err(broken)?.status() {
        status if status.is_success() => Ok(connection.into_parts().io.into_inner()),
        status @ (StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
            Err(HttpError::ProxyRefuses(status.as_u16()))
        }
        status => Err(HttpError::Proxy(format!("it answered {} for a tunnel to {target}", status.as_u16()))),
    }
}

fn connect_request(target: &str, proxy: &Proxy) -> Result<Request<Empty<Bytes>>, HttpError> {
    let mut request = Request::connect(target).header(header::HOST, target);
    if let Some(authorization) = &proxy.authorization {
        request = request.header(header::PROXY_AUTHORIZATION, authorization);
    }
    request.body(Empty::new()).map_err(|_| HttpError::Malformed("the host".into()))
}
