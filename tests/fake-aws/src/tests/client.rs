//! A small blocking client: it signs, speaks TLS when the fake does, and reads to the end.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use time::OffsetDateTime;

use crate::clock;
use crate::http::Request;
use crate::sigv4::Authorization;
use crate::{Builder, Fake};

pub(super) const KEY: &str = "AKIATEST";
pub(super) const SECRET: &str = "secret/of+the/test";

/// A fake over plain HTTP with keys of the user `tester`.
pub(super) fn fake() -> Fake {
    with_keys(Fake::builder().tls(false))
}

pub(super) fn with_keys(builder: Builder) -> Fake {
    let fake = builder.start();
    fake.static_credentials(KEY, SECRET, "tester");
    fake
}

#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The error's code, or nothing.
    pub fn code(&self) -> String {
        self.json()["__type"].as_str().unwrap_or_default().to_owned()
    }

    /// The values of `Parameters`, as `name=value`.
    pub fn values(&self) -> Vec<String> {
        let json = self.json();
        let parameters = json["Parameters"].as_array().unwrap_or_else(|| panic!("no Parameters in {json}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        parameters.iter().map(|p| format!("{}={}", text(&p["Name"]), text(&p["Value"]))).collect()
    }
}

/// Credentials as a client holds them.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

pub(super) fn keys() -> Keys {
    Keys { id: KEY.into(), secret: SECRET.into(), token: None }
}

/// A signed request, ready to be sent or spoilt.
pub(super) fn signed(keys: &Keys, service: &str, target: Option<&str>, body: &str) -> Request {
    let amz_date = clock::amz(OffsetDateTime::now_utc());
    let mut headers = vec![("host".to_owned(), "fake".to_owned()), ("x-amz-date".to_owned(), amz_date.clone())];
    if let Some(token) = &keys.token {
        headers.push(("x-amz-security-token".to_owned(), token.clone()));
    }
    if let Some(target) = target {
        headers.push(("x-amz-target".to_owned(), format!("AmazonSSM.{target}")));
    }
    let mut request = Request { method: "POST".into(), target: "/".into(), headers, body: body.into() };
    let names: Vec<String> = request.headers.iter().map(|(name, _)| name.clone()).collect();
    let authorization = Authorization {
        access_key_id: keys.id.clone(),
        date: amz_date[..8].to_owned(),
        region: "us-east-1".to_owned(),
        service: service.to_owned(),
        signed_headers: names.clone(),
        signature: String::new(),
    };
    let signature = authorization.expected(&keys.secret, &request, &amz_date);
    let value = format!(
        "AWS4-HMAC-SHA256 Credential={}/{}/us-east-1/{service}/aws4_request, SignedHeaders={}, Signature={signature}",
        keys.id,
        &amz_date[..8],
        names.join(";"),
    );
    request.headers.push(("authorization".to_owned(), value));
    request
}

/// An SSM operation with the static keys.
pub(super) fn ssm(fake: &Fake, operation: &str, input: &Value) -> Reply {
    ssm_as(fake, &keys(), operation, input)
}

pub(super) fn ssm_as(fake: &Fake, keys: &Keys, operation: &str, input: &Value) -> Reply {
    send(fake, &signed(keys, "ssm", Some(operation), &input.to_string()))
}

pub(super) fn send(fake: &Fake, request: &Request) -> Reply {
    Reply::parse(&exchange(fake, request).expect("the fake answers"))
}

/// All bytes of an answer, or the error in which it ended.
pub(super) fn exchange(fake: &Fake, request: &Request) -> io::Result<Vec<u8>> {
    let tcp = connect(fake.endpoint_address())?;
    if fake.endpoint_url().starts_with("https") { talk(tls(tcp, fake.ca_pem())?, request) } else { talk(tcp, request) }
}

/// A plain request to IMDS.
pub(super) fn imds(fake: &Fake, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let headers = headers.iter().map(own).collect();
    let request = Request { method: method.into(), target: target.into(), headers, body: Vec::new() };
    let tcp = connect(fake.imds_address()).expect("IMDS listens");
    Reply::parse(&talk(tcp, &request).expect("IMDS answers"))
}

pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address)?;
    // A fault that hangs must fail its test, and not stop the suite.
    tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(tcp)
}

pub(super) fn tls(tcp: TcpStream, ca_pem: &str) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("the fake's CA is PEM");
    roots.add(ca).expect("the fake's CA is a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring offers TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("an address is a server name");
    let mut stream =
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a valid configuration"), tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

pub(super) fn talk<S: Read + Write>(mut stream: S, request: &Request) -> io::Result<Vec<u8>> {
    stream.write_all(&encode(request, "close"))?;
    stream.flush()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn encode(request: &Request, connection: &str) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("connection: {connection}\r\ncontent-length: {}\r\n\r\n", request.body.len()));
    [head.as_bytes(), &request.body].concat()
}
