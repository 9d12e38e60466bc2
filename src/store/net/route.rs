//! Which way a request goes: to its host, or through a proxy that the environment names.

use std::collections::HashSet;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use crate::store::net::error::HttpError;
use crate::store::net::no_proxy::NoProxy;

/// Which way a request goes.
#[derive(Clone)]
pub struct Route {
    /// Requests with the same key can share a connection.
    pub key: String,
    /// For messages.
    pub host: String,
    pub port: u16,
    pub secure: bool,
    /// `host:port` as the `Host` header has it.
    pub authority: String,
    pub proxy: Option<Proxy>,
}

/// A proxy that is spoken to in plain HTTP.
#[derive(Clone)]
pub struct Proxy {
    pub host: String,
    pub port: u16,
    pub authorization: Option<HeaderValue>,
}

impl Route {
    /// A proxy gets requests to plain HTTP itself, in the absolute form (RFC 9112, 3.2.2); others go through a tunnel.
    pub fn forwarding_proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| !self.secure)
    }
}

/// The routes of this run.
pub struct Routes {
    proxies: Matcher,
    no_proxy: NoProxy,
    direct: HashSet<String>,
}

impl Routes {
    /// As the environment says. `direct` are the authorities (`host` or `host:port`) that are never reached through a
    /// proxy: IMDS and the container's credential endpoint, whose answers are credentials.
    pub fn new(direct: HashSet<String>) -> Self {
        let mut proxies = Matcher::builder().all(variable("ALL_PROXY")).https(variable("HTTPS_PROXY"));
        // A CGI script gets HTTP_PROXY from a header of whoever asks (CVE-2016-5385).
        if std::env::var_os("REQUEST_METHOD").is_none() {
            proxies = proxies.http(variable("HTTP_PROXY"));
        }
        Routes { proxies: proxies.build(), no_proxy: NoProxy::parse(&variable("NO_PROXY")), direct }
    }

    /// Malformed when the address has no host or a port that is none, or when the proxy is of another kind.
    pub fn to(&self, uri: &Uri) -> Result<Route, HttpError> {
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
        let proxy = self.proxy_for(uri, &host, &authority)?;
        let through = proxy.as_ref().map(|proxy| format!("{}:{}", proxy.host, proxy.port)).unwrap_or_default();
        Ok(Route { key: format!("{secure} {authority} {through}"), host, port, secure, authority, proxy })
    }

    fn proxy_for(&self, uri: &Uri, host: &str, authority: &str) -> Result<Option<Proxy>, HttpError> {
        // Link-local addresses are those of IMDS and of the container endpoints.
        let is_local = host.starts_with("169.254.") || host.starts_with("[fd00:ec2:");
        if is_local || self.direct.contains(authority) || self.no_proxy.contains(uri) {
            return Ok(None);
        }
        let Some(proxy) = self.proxies.intercept(uri) else { return Ok(None) };
        if proxy.uri().scheme_str() != Some("http") {
            let why = "only http:// proxies are spoken to; set HTTPS_PROXY=http://… or NO_PROXY";
            return Err(HttpError::Malformed(why.into()));
        }
        let host = proxy.uri().host().ok_or_else(|| HttpError::Proxy("its address has no host".into()))?;
        let port = proxy.uri().port_u16().unwrap_or(80);
        Ok(Some(Proxy { host: host.to_owned(), port, authorization: proxy.basic_auth().cloned() }))
    }
}

/// The variable, or else its lower-case twin. An empty one counts as unset.
fn variable(name: &str) -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    set(name).or_else(|| set(&name.to_lowercase())).unwrap_or_default()
}
