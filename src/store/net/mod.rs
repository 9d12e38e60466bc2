//! HTTP/1.1 over TCP and TLS: connections, proxies, trust anchors. Knows nothing of what is asked.

pub mod connect;
pub mod error;
pub mod http;
pub mod pool;
pub mod pulse;
pub mod tls;
