//! A recording HTTP proxy. Tunnels and forwarded requests end at the fake, whatever host they name,
//! and the log shows them as service `proxy`: so a test sees what went through it, and what not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use crate::answer;
use crate::call::{Call, Service};
use crate::http::{self, Request};
use crate::log::Origin;
use crate::shared::Shared;
use crate::wire;

/// The link-local address under which programs know IMDS.
const IMDS: &str = "169.254.169.254";

pub(crate) struct Proxy {
    pub shared: Arc<Shared>,
    pub aws: SocketAddr,
    pub imds: SocketAddr,
    pub connections: AtomicU64,
}

impl Proxy {
    pub async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        // What goes wrong on a wire is the peer's to notice; the log has the requests.
        let _ = self.connection(stream, peer).await;
    }

    async fn connection(&self, mut client: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let mut buffer = Vec::new();
        let Some(request) = http::read(&mut client, &mut buffer).await? else {
            return Ok(());
        };
        let call = Call {
            service: Service::Proxy,
            operation: request.method.clone(),
            names: vec![request.target.clone()],
            with_decryption: None,
        };
        let chosen = self.shared.state().faults.for_call(&call, number);
        let action = chosen.as_ref().map(|chosen| &chosen.action);
        let origin = Origin {
            connection: number,
            peer,
            user_agent: request.header("user-agent").unwrap_or_default(),
            host: request.header("host").unwrap_or_default(),
        };
        let ticket = self.shared.log.arrived(&call, origin, action.map(crate::action::Action::label));
        if action.is_some() {
            let answer = answer::under(action, &self.shared, &request, &call);
            let response = answer.map(|answer| answer.response);
            self.shared.log.update(ticket, |entry| entry.status = response.as_ref().map(|r| r.status));
            wire::send(&mut client, response.as_ref(), action).await?;
            return Ok(());
        }
        self.shared.log.update(ticket, |entry| entry.status = Some(200));
        let mut server = TcpStream::connect(self.target(&request)).await?;
        // Else what is small waits for the acknowledgement of what was sent before (Nagle), which comes late.
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        if request.method == "CONNECT" {
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        } else {
            server.write_all(&forwarded(&request)).await?;
        }
        server.write_all(&buffer).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }

    /// IMDS when it is meant, and the AWS endpoint for every other host.
    fn target(&self, request: &Request) -> SocketAddr {
        let authority = authority(&request.target);
        let is_imds = authority == self.imds.to_string() || authority.starts_with(IMDS);
        if is_imds { self.imds } else { self.aws }
    }
}

fn authority(target: &str) -> &str {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

/// A request in the form that a server expects, for this one exchange.
fn forwarded(request: &Request) -> Vec<u8> {
    let rest = request.target.split_once("://").map_or(request.target.as_str(), |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
    let mut head = format!("{} {path} HTTP/1.1\r\nConnection: close\r\n", request.method);
    let hop = |name: &str| matches!(name, "connection" | "proxy-connection" | "proxy-authorization");
    for (name, value) in request.headers.iter().filter(|(name, _)| !hop(name)) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), &request.body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (target, expected) in [
            ("ssm.us-east-1.amazonaws.com:443", "ssm.us-east-1.amazonaws.com:443"),
            ("http://169.254.169.254/latest", "169.254.169.254"),
            ("http://127.0.0.1:80", "127.0.0.1:80"),
        ] {
            assert_eq!(authority(target), expected);
        }
    }

    #[test]
    fn absolute_form_becomes_a_path() {
        let request = Request {
            method: "PUT".into(),
            target: "http://h:1/a/b?c".into(),
            headers: vec![("proxy-connection".into(), "keep-alive".into()), ("host".into(), "h:1".into())],
            body: b"x".to_vec(),
        };
        let expected = "PUT /a/b?c HTTP/1.1\r\nConnection: close\r\nhost: h:1\r\n\r\nx";
        assert_eq!(String::from_utf8_lossy(&forwarded(&request)), expected);
    }
}
