//! From a host name to a TCP connection: name resolution, and an attempt at each address.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::store::net::error::HttpError;
use crate::store::net::no_proxy::bare;

/// How long an address is used again: for the calls of one start, but not for a retry after an outage.
const FRESH: Duration = Duration::from_secs(2);

/// After this long without a connection, the next address is tried as well (RFC 8305, 5: 250 ms is recommended).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

type Lookup = Shared<BoxFuture<'static, Result<Vec<SocketAddr>, io::ErrorKind>>>;

/// Opens TCP connections. Each name is resolved once for all connections that need it at the same time.
#[derive(Default)]
pub struct Dialer {
    /// By `host:port`, with the time at which the look-up began.
    lookups: Mutex<HashMap<String, (Instant, Lookup)>>,
}

impl Dialer {
    /// `host` is a name, an IPv4 address, or an IPv6 address in brackets.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, HttpError> {
        let shown = || format!("{host}:{port}");
        let addresses = self.resolve(host, port).await.map_err(|error| match error.kind() {
            io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => HttpError::Connect(shown(), error),
            _ => HttpError::Resolve(host.to_owned()),
        })?;
        connect_to_any(addresses).await.map_err(|error| HttpError::Connect(shown(), error))
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let bare = bare(host);
        match bare.parse() {
            Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
            Err(_) => Ok(self.lookup(bare, port)?.await?),
        }
    }

    /// The look-up that is under way or has just ended well, else a new one.
    fn lookup(&self, host: &str, port: u16) -> io::Result<Lookup> {
        // Nothing panics while it is held.
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{host}:{port}");
        if let Some((begun, lookup)) = lookups.get(&key) {
            let is_usable = lookup.peek().is_none_or(|found| found.is_ok() && begun.elapsed() < FRESH);
            if is_usable {
                return Ok(lookup.clone());
            }
        }
        let lookup = resolve_on_a_thread(host.to_owned(), port)?;
        lookups.insert(key, (Instant::now(), lookup.clone()));
        Ok(lookup)
    }
}

/// getaddrinfo(3) blocks, so it runs on a thread of its own. tokio's pool would start a thread as well, and panics when it
/// cannot. The shutdown of the runtime does not wait for this thread, and the exec ends it.
fn resolve_on_a_thread(host: String, port: u16) -> io::Result<Lookup> {
    let (answer, found) = oneshot::channel();
    std::thread::Builder::new().name("resolve".into()).stack_size(256 * 1024).spawn(move || {
        let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port));
        // Nobody may be waiting any more.
        let _ = answer.send(addresses.map(Iterator::collect).map_err(|error| error.kind()));
    })?;
    Ok(found.map(|found| found.unwrap_or(Err(io::ErrorKind::Other))).boxed().shared())
}

/// The first connection that succeeds. The next address is tried when one fails or takes long ("Happy Eyeballs"), so that a
/// dead address costs a quarter of a second. hyper-util's connector does this between IPv6 and IPv4 only, and gives a dead
/// address of the same family, such as one of two VPC endpoints, half of the time that there is.
async fn connect_to_any(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        attempts.extend(addresses.next().map(TcpStream::connect));
        let delay = if addresses.len() == 0 { Duration::MAX } else { ATTEMPT_DELAY };
        match timeout(delay, attempts.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(error))) => last = error,
            Ok(None) => return Err(last),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_costs_a_quarter_of_a_second() {
        let fake = fake_aws::Fake::start();
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let alive = listener.local_addr().expect("it is bound");
        let begun = tokio::time::Instant::now();
        let stream = connect_to_any(vec![fake.black_hole(), alive]).await.expect("the second one is there");
        assert_eq!(stream.peer_addr().expect("it is connected"), alive);
        assert_eq!(begun.elapsed().as_millis(), ATTEMPT_DELAY.as_millis());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let alive = listener.local_addr().expect("it is bound");
        let refusing = SocketAddr::from(([127, 0, 0, 1], 1));
        let begun = tokio::time::Instant::now();
        assert!(connect_to_any(vec![refusing, alive]).await.is_ok());
        assert!(begun.elapsed() < ATTEMPT_DELAY);
        let error = connect_to_any(vec![refusing, refusing]).await.expect_err("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_name_is_resolved_once_for_all_that_wait() {
        let dialer = Dialer::default();
        let (one, other) =
            (dialer.lookup("localhost", 1).expect("a thread"), dialer.lookup("localhost", 1).expect("a thread"));
        assert!(one.ptr_eq(&other));
        assert!(one.await.is_ok());
    }
}
