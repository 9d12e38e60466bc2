//! The floor client: the least that the exchange costs. The same answers are waited for over the same TLS, but there is
//! no SDK, no command line, no spec, no JSON, no retry and no limit, and requests were signed by somebody else before.
//!
//! `floor IMDS_ADDRESS|- SERVICE_ADDRESS CA_FILE REQUESTS_FILE CONNECTIONS COMMAND`

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [imds, service, ca, requests, connections, command] = &args[..] else {
        return Err(io::Error::other("six arguments are needed"));
    };
    let requests = std::fs::read(requests)?;
    let requests = split(&requests);
    let connections = connections.parse().map_err(io::Error::other)?;
    let answers = if imds == "-" {
        exchange(&mut open(service, &config(ca)?, connections)?, &requests)?
    } else {
        // Before the first answer of IMDS is waited for, the handshakes are done.
        let mut metadata = tcp(imds)?;
        let token = "PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n\r\n";
        metadata.write_all(token.as_bytes())?;
        let mut service = open(service, &config(ca)?, connections)?;
        let token = String::from_utf8(answer(&mut metadata)?).map_err(io::Error::other)?;
        let role = get(&mut metadata, &token, "")?;
        get(&mut metadata, &token, &role)?;
        exchange(&mut service, &requests)?
    };
    if answers.iter().any(|answer| !answer.starts_with(b"{")) {
        return Err(io::Error::other("an answer is not JSON"));
    }
    Err(std::process::Command::new(command).exec())
}

/// Requests in a file: four bytes of length, little endian, then the request.
fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut requests = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (request, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        requests.push(request);
        bytes = rest;
    }
    requests
}

fn config(ca: &str) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(ca).map_err(io::Error::other)?;
    roots.add(certificate).map_err(io::Error::other)?;
    // As stepzero offers it.
    let mut provider = rustls::crypto::ring::default_provider();
    if graviola::util::is_cpu_supported() {
        provider.kx_groups.insert(0, rustls_graviola::kx::X25519MLKEM768);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn tcp(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// All hellos are under way before the first answer is read.
fn open(address: &str, config: &Arc<ClientConfig>, count: usize) -> io::Result<Vec<Tls>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
    let name = rustls::pki_types::ServerName::try_from(host).map_err(io::Error::other)?;
    let mut streams = Vec::new();
    for _ in 0..count {
        let client = ClientConnection::new(config.clone(), name.clone()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(client, tcp(address)?);
        stream.conn.write_tls(&mut stream.sock)?;
        streams.push(stream);
    }
    for stream in &mut streams {
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
    }
    Ok(streams)
}

/// One request on each connection, then their answers, until there is none left.
fn exchange(streams: &mut [Tls], requests: &[&[u8]]) -> io::Result<Vec<Vec<u8>>> {
    let mut answers = Vec::new();
    for round in requests.chunks(streams.len()) {
        for (stream, request) in streams.iter_mut().zip(round) {
            stream.write_all(request)?;
            stream.flush()?;
        }
        for stream in streams.iter_mut().take(round.len()) {
            answers.push(answer(stream)?);
        }
    }
    Ok(answers)
}

fn get(stream: &mut TcpStream, token: &str, role: &str) -> io::Result<String> {
    let path = "/latest/meta-data/iam/security-credentials/";
    let request = format!("GET {path}{role} HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token: {token}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    String::from_utf8(answer(stream)?).map_err(io::Error::other)
}

/// The body of an answer with a length. Nothing follows it, because no further request was sent.
fn answer(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(io::Error::other("an answer that is not 200"));
        }
        let length = head.split("content-length:").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        let length: usize = length.ok_or_else(|| io::Error::other("no length"))?;
        if bytes.len() >= end + 4 + length {
            return Ok(bytes.split_off(end + 4));
        }
    }
}
