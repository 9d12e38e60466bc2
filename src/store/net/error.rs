//! Why an HTTP request has no answer: hosts and reasons, never content.

use std::fmt;
use std::time::Duration;

use crate::error::io_text;

/// Why there is no answer.
#[derive(Debug)]
pub enum HttpError {
    /// The host's name does not resolve.
    Resolve(String),
    Connect(String, std::io::Error),
    /// Host and limit: name resolution, TCP, tunnel and TLS together took longer.
    ConnectTimeout(String, Duration),
    /// No trust anchor has signed the certificate.
    UnknownIssuer(String),
    /// The certificate is signed by a trust anchor, but not valid for this host or this use.
    WrongCertificate(String, String),
    Tls(String, String),
    /// The hello was not answered, and one without a post-quantum key share was.
    LargeHello(String),
    Proxy(String),
    /// The proxy answered 403 or 407.
    ProxyRefuses(u16),
    /// The connection broke, or the server does not speak HTTP.
    Broken(String, String),
    /// Host and limit in bytes: the body is longer.
    TooLarge(String, usize),
    Malformed(String),
}

impl HttpError {
    /// This host has no way to the address: no route, or no address of that kind.
    pub fn is_unreachable(&self) -> bool {
        let is_no_way = |code| {
            matches!(
                code,
                libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::ENETDOWN
            )
        };
        matches!(self, HttpError::Connect(_, error) if error.raw_os_error().is_some_and(is_no_way))
    }

    /// Out of file descriptors, memory or threads.
    pub fn is_exhaustion(&self) -> bool {
        let lacks = |code| matches!(code, libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN);
        matches!(self, HttpError::Connect(_, error) if error.raw_os_error().is_some_and(lacks))
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Resolve(host) => write!(f, "the name {host} does not resolve"),
            HttpError::Connect(host, error) => write!(f, "cannot connect to {host}: {}", io_text(error)),
            HttpError::ConnectTimeout(host, limit) => {
                write!(f, "cannot connect to {host}: no answer within {} s", limit.as_secs())
            }
            HttpError::UnknownIssuer(host) => {
                write!(f, "the certificate of {host} is signed by nobody that is trusted here")
            }
            HttpError::WrongCertificate(host, why) => write!(f, "the certificate of {host} is not accepted: {why}"),
            HttpError::Tls(host, why) => write!(f, "no TLS with {host}: {why}"),
            HttpError::LargeHello(host) => write!(
                f,
                "no TLS with {host}: a hello with a post-quantum key share, which takes two packets, is not answered, but a \
                 smaller one is"
            ),
            HttpError::Proxy(why) => write!(f, "the proxy: {why}"),
            HttpError::ProxyRefuses(407) => f.write_str("the proxy wants a user and a password (status 407)"),
            HttpError::ProxyRefuses(status) => write!(f, "the proxy refuses this host (status {status})"),
            HttpError::Broken(host, why) => write!(f, "the connection to {host} broke: {why}"),
            HttpError::TooLarge(host, limit) => write!(f, "the answer of {host} is over {limit} bytes"),
            HttpError::Malformed(why) => write!(f, "the request cannot be made: {why}"),
        }
    }
}

impl std::error::Error for HttpError {}

pub fn broken(host: &str, error: &hyper::Error) -> HttpError {
    HttpError::Broken(host.to_owned(), reason(error))
}

/// The error and its sources. hyper's errors name what failed, never the bytes.
pub fn reason(error: &hyper::Error) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |inner| inner.source());
    sources.fold(error.to_string(), |why, inner| format!("{why}: {inner}"))
}
