//! Ports, TLS, many connections, the proxy and the control API.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Reply, connect, encode, exchange, fake, keys, send, signed, ssm, talk, tls, with_keys};
use crate::http::Request;
use crate::{Fake, Service};

fn get_x() -> Request {
    signed(&keys(), "ssm", Some("GetParameters"), r#"{"Names": ["x"]}"#)
}

fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().expect("the URL has an address and a port")
}

#[test]
fn trusted_through_its_ca_alone() {
    let fake = with_keys(Fake::builder());
    assert_eq!(std::fs::read_to_string(fake.ca_path()).expect("the file is there"), fake.ca_pem());
    assert_eq!(send(&fake, &get_x()).status, 200);
    let stranger = Fake::start();
    let tcp = connect(fake.endpoint_address()).expect("accepted");
    assert!(tls(tcp, stranger.ca_pem()).is_err(), "a stranger's CA was enough");
    fake.wait_for_connections(|connections| connections.failed_handshakes == 1);
    let path = fake.ca_path().to_owned();
    drop(fake);
    assert!(!path.exists());
}

#[test]
fn down_and_up_on_the_same_port() {
    let fake = fake();
    let before = fake.endpoint_address();
    let mut idle = connect(before).expect("accepted");
    fake.down();
    fake.wait_for_connections(|connections| connections.open == 0);
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0, "the open connection was cut");
    let refused = connect(before).expect_err("refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    fake.up();
    fake.up();
    assert_eq!(fake.endpoint_address(), before);
    assert_eq!(send(&fake, &get_x()).status, 200);
}

#[test]
fn a_black_hole_neither_accepts_nor_refuses() {
    let fake = fake();
    let address = fake.black_hole();
    let started = std::time::Instant::now();
    let error = TcpStream::connect_timeout(&address, Duration::from_millis(300)).expect_err("accepted");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[test]
fn keep_alive_and_pipelining() {
    let fake = fake();
    let mut tcp = connect(fake.endpoint_address()).expect("accepted");
    let two = [encode(&get_x(), "keep-alive"), encode(&get_x(), "close")].concat();
    tcp.write_all(&two).expect("sent");
    let mut bytes = String::new();
    tcp.read_to_string(&mut bytes).expect("two answers");
    assert_eq!(bytes.matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(fake.log().iter().map(|entry| entry.connection).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(fake.connections().accepted, 1);
}

#[test]
fn a_thousand_connections_at_once() {
    crate::raise_descriptor_limit();
    let fake = fake();
    let mut all: Vec<_> = (0..1000).map(|_| connect(fake.endpoint_address()).expect("accepted")).collect();
    fake.wait_for_connections(|connections| connections.open == 1000);
    let request = encode(&get_x(), "close");
    for tcp in &mut all {
        tcp.write_all(&request).expect("sent");
    }
    for mut tcp in all {
        let mut bytes = Vec::new();
        tcp.read_to_end(&mut bytes).expect("an answer");
        assert_eq!(Reply::parse(&bytes).status, 200);
    }
    assert_eq!((fake.log().len(), fake.connections().peak), (1000, 1000));
}

#[test]
fn the_proxy_records() {
    let fake = with_keys(Fake::builder());
    let proxy = address(&fake.proxy());
    let mut tunnel = connect(proxy).expect("accepted");
    tunnel.write_all(b"CONNECT ssm.us-east-1.amazonaws.com:443 HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = [0; 39];
    tunnel.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 Connection established\r\n\r\n");
    let stream = tls(tunnel, fake.ca_pem()).expect("TLS through the tunnel");
    assert_eq!(Reply::parse(&talk(stream, &get_x()).expect("an answer")).status, 200);
    let target = format!("{}/latest/meta-data/", fake.imds_url());
    let request = Request { method: "GET".into(), target: target.clone(), ..Request::default() };
    assert_eq!(Reply::parse(&talk(connect(proxy).expect("accepted"), &request).expect("an answer")).status, 401);
    let seen: Vec<_> = fake
        .log()
        .into_iter()
        .map(|e| (e.service, e.operation, e.names.first().cloned().unwrap_or_default()))
        .collect();
    let through = |operation: &str, name: &str| (Service::Proxy, operation.to_owned(), name.to_owned());
    assert!(seen.contains(&through("CONNECT", "ssm.us-east-1.amazonaws.com:443")), "{seen:?}");
    assert!(seen.contains(&through("GET", &target)), "{seen:?}");
}

#[test]
fn the_control_api_does_what_the_calls_do() {
    let fake = fake();
    let control = address(&fake.control("127.0.0.1:0"));
    let call = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request { method: method.into(), target: path.into(), headers: Vec::new(), body };
        Reply::parse(&talk(connect(control).expect("accepted"), &request).expect("an answer"))
    };
    let put = json!({"name": "x", "value": "v", "key": "alias/x", "labels": ["current"]});
    assert_eq!(call("POST", "/put", put).json(), json!({"version": 1}));
    assert_eq!(call("POST", "/label", json!({"name": "x", "version": 1, "label": "l"})).status, 200);
    assert_eq!(call("POST", "/label", json!({"name": "x", "version": 9, "label": "l"})).status, 400);
    let by_label = json!({"Names": ["x:l"], "WithDecryption": true});
    assert_eq!(ssm(&fake, "GetParameters", &by_label).values(), ["x=v"]);
    assert_eq!(call("POST", "/policy", json!({"role": "tester", "policy": {"Statement": []}})).status, 200);
    assert_eq!(ssm(&fake, "GetParameters", &by_label).code(), "AccessDeniedException");
    assert_eq!(call("POST", "/policy", json!({"role": "tester", "policy": {"Stmt": []}})).status, 400);
    assert_eq!(call("POST", "/policy", json!({"role": "tester", "policy": null})).status, 200);
    assert_eq!(call("POST", "/fault", json!({"action": {"status": {"status": 418}}, "times": 1})).status, 200);
    assert_eq!(ssm(&fake, "GetParameters", &by_label).status, 418);
    assert_eq!(call("POST", "/down", Value::Null).status, 200);
    assert!(exchange(&fake, &get_x()).is_err(), "still up");
    assert_eq!(call("POST", "/up", Value::Null).status, 200);
    assert_eq!(send(&fake, &get_x()).status, 200);
    let log = call("GET", "/log", Value::Null).json();
    assert_eq!(
        (&log[2]["status"], &log[2]["fault"], &log[0]["names"]),
        (&json!(418), &json!("Status"), &json!(["x:l"]))
    );
    assert_eq!(call("GET", "/connections", Value::Null).json()["aws"]["accepted"], json!(4));
    assert_eq!(call("POST", "/nothing", Value::Null).status, 400);
}
