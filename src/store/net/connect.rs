//! From a URI to an open connection: through a proxy or not, name resolution, TCP, TLS.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower_service::Service;

use crate::error::Failure;
use crate::store::net::error::HttpError;
use crate::store::net::tls::Tls;

/// So long an address is used again: for the calls of one start, and not for a retry after an outage.
const FRESH: Duration = Duration::from_secs(2);

/// Name resolution, TCP and TLS together.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A TCP or TLS stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Which way a request goes.
pub struct Route {
    /// Requests with the same key can share a connection.
    pub key: String,
    /// For messages.
    pub host: String,
    /// `host:port` as the `Host` header has it.
    pub authority: String,
    pub absolute_form: bool,
    pub proxy_authorization: Option<HeaderValue>,
    uri: Uri,
    port: u16,
    secure: bool,
    proxy: Option<Uri>,
}

/// Makes connections.
pub struct Connector {
    tls: Tls,
    proxies: Matcher,
    direct: HashSet<String>,
    names: Names,
}

impl Connector {
    /// `direct` are the authorities (`host` or `host:port`) that are never reached through a proxy: IMDS and the
    /// container's credential endpoint, whose answers are credentials.
    pub fn new(tls: Tls, direct: HashSet<String>) -> Self {
        Connector { tls, proxies: proxies(), direct, names: Names::default() }
    }

    /// Finds out whom to trust, which the first handshake does otherwise. CONFIG when what a variable names is of no use.
    pub fn trust(&self) -> Result<(), Failure> {
        self.tls.trust().map(drop)
    }

    pub fn route(&self, uri: &Uri) -> Result<Route, HttpError> {
        let malformed = || HttpError::Malformed(format!("no host in the address {uri}"));
        let host = uri.host().ok_or_else(malformed)?.to_owned();
        let secure = uri.scheme_str() == Some("https");
        // A number that is too large would be no port, and so the default one.
        let written =
            uri.authority().and_then(|authority| authority.as_str().rsplit(['@', ']']).next()?.split_once(':'));
        if written.is_some_and(|(_, port)| !port.is_empty() && uri.port_u16().is_none()) {
            return Err(HttpError::Malformed(format!(
                "the address of {host} has a port that is no number up to 65535"
            )));
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let authority = uri.port_u16().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let intercept = if self.is_direct(&host, &authority) { None } else { self.proxies.intercept(uri) };
        let proxy = intercept.as_ref().map(|proxy| proxy.uri().clone());
        if proxy.as_ref().is_some_and(|proxy| proxy.scheme_str() != Some("http")) {
            let why = "only http:// proxies are spoken to; set HTTPS_PROXY=http://… or NO_PROXY";
            return Err(HttpError::Malformed(why.into()));
        }
        Ok(Route {
            key: format!("{secure} {authority} {}", proxy.as_ref().map(Uri::to_string).unwrap_or_default()),
            absolute_form: proxy.is_some() && !secure,
            proxy_authorization: intercept.and_then(|proxy| proxy.basic_auth().cloned()),
            uri: uri.clone(),
            host,
            authority,
            port,
            secure,
            proxy,
        })
    }

    /// Link-local addresses are those of IMDS and of the container endpoints.
    fn is_direct(&self, host: &str, authority: &str) -> bool {
        host.starts_with("169.254.") || host.starts_with("[fd00:ec2:") || self.direct.contains(authority)
    }

    pub async fn connect(&self, route: &Route) -> Result<Box<dyn Stream>, HttpError> {
        let Some(proxy) = &route.proxy else {
            return self.secured(route, self.names.tcp(&route.host, route.port).await?).await;
        };
        let host = proxy.host().ok_or_else(|| HttpError::Proxy("its address has no host".into()))?;
        let port = proxy.port_u16().unwrap_or(80);
        if route.absolute_form {
            return Ok(Box::new(self.names.tcp(host, port).await?));
        }
        let mut tunnel = Tunnel::new(proxy.clone(), ToProxy { names: self.names.clone(), host: host.to_owned(), port });
        if let Some(authorization) = &route.proxy_authorization {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let stream = tunnel.call(route.uri.clone()).await.map_err(|error| HttpError::Proxy(error.to_string()))?;
        self.secured(route, stream.into_inner()).await
    }

    async fn secured(&self, route: &Route, stream: TcpStream) -> Result<Box<dyn Stream>, HttpError> {
        if !route.secure {
            return Ok(Box::new(stream));
        }
        // Requests to IMDS go out before the work of a handshake.
        tokio::task::yield_now().await;
        // The request follows the end of the handshake: waiting until that is acknowledged (Nagle) would only delay it. An
        // error changes nothing else.
        let _ = stream.set_nodelay(true);
        let trust = self.tls.trust().map_err(HttpError::Trust)?;
        match self.tls.handshake(&trust, &route.host, stream).await {
            // Once more, with the system's trust store, on a new connection.
            Err(HttpError::UnknownIssuer(_)) if self.tls.fall_back(&trust, &route.host) => {
                Box::pin(self.connect(route)).await
            }
            Err(error) => Err(error),
            Ok(stream) => Ok(Box::new(stream)),
        }
    }
}

/// As the environment says. A `*` in NO_PROXY means every host, as for curl; the matcher takes it for every name.
fn proxies() -> Matcher {
    let spared = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok());
    let everything = spared.is_some_and(|list| list.split(',').any(|host| host.trim() == "*"));
    if everything { Matcher::builder().build() } else { Matcher::from_env() }
}

/// `None` while it is being looked up.
type Found = Option<Result<Vec<SocketAddr>, io::ErrorKind>>;

/// A look-up, and when it began.
type Asked = (Instant, watch::Receiver<Found>);

/// Names that are being resolved or were a moment ago. One thread a name: calls that are
/// given up while a name server is silent would leave one behind with every attempt.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<HashMap<String, Asked>>>);

impl Names {
    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, HttpError> {
        let shown = format!("{host}:{port}");
        let addresses = self.resolve(host, port).await.map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => HttpError::Connect(shown.clone(), error),
            _ => HttpError::Resolve(host.to_owned()),
        })?;
        let mut last = HttpError::Connect(shown.clone(), io::ErrorKind::AddrNotAvailable.into());
        // A dead address, such as a broken IPv6, must leave time for the others.
        let share = CONNECT_LIMIT / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        for address in addresses {
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = HttpError::Connect(shown.clone(), error),
                Err(_) => last = HttpError::ConnectTimeout(shown.clone(), CONNECT_LIMIT),
            }
        }
        Err(last)
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let mut answer = self.ask(bare, port)?;
        let found = answer.wait_for(Option::is_some).await.map_err(|_| io::ErrorKind::Other)?.clone();
        found.unwrap_or(Err(io::ErrorKind::Other)).map_err(io::Error::from)
    }

    fn ask(&self, host: &str, port: u16) -> io::Result<watch::Receiver<Found>> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{host}:{port}");
        if let Some((at, answer)) = names.get(&key) {
            let usable = match &*answer.borrow() {
                None => true,
                Some(Ok(_)) => at.elapsed() < FRESH,
                Some(Err(_)) => false,
            };
            if usable {
                return Ok(answer.clone());
            }
        }
        let answer = look_up(host.to_owned(), port)?;
        names.insert(key, (Instant::now(), answer.clone()));
        Ok(answer)
    }
}

/// getaddrinfo(3) blocks, so it runs on a thread of its own, with a small stack: tokio's pool would start one as well,
/// and panic when it cannot.
fn look_up(host: String, port: u16) -> io::Result<watch::Receiver<Found>> {
    let (answer, found) = watch::channel(None);
    std::thread::Builder::new().name("resolve".into()).stack_size(256 * 1024).spawn(move || {
        let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port));
        answer.send_replace(Some(addresses.map(Iterator::collect).map_err(|error| error.kind())));
    })?;
    Ok(found)
}

/// Connects to the proxy, for the tunnel through it.
struct ToProxy {
    names: Names,
    host: String,
    port: u16,
}

impl Service<Uri> for ToProxy {
    type Response = TokioIo<TcpStream>;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, HttpError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (names, host, port) = (self.names.clone(), self.host.clone(), self.port);
        Box::pin(async move { names.tcp(&host, port).await.map(TokioIo::new) })
    }
}
