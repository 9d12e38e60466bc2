//! HTTP/1.1 over TCP and TLS: connections, proxies, trust anchors. Knows nothing of what is asked.

pub mod connect;
pub mod connection;
mod dial;
pub mod error;
mod hello;
pub mod http;
pub mod no_proxy;
pub mod route;
pub mod tls;
