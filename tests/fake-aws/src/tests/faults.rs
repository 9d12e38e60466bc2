//! Each fault as it arrives at the client.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{connect, encode, exchange, fake, imds, keys, send, signed, ssm, tls, with_keys};
use crate::http::Request;
use crate::{Action, Fake, Fault, Gate, Service};

fn get(name: &str) -> Request {
    signed(&keys(), "ssm", Some("GetParameters"), &json!({ "Names": [name] }).to_string())
}

/// A fake with one parameter and one fault, over TLS or not.
fn faulty(tls: bool, action: Action) -> Fake {
    let fake = with_keys(Fake::builder().tls(tls));
    fake.put("x", "String", "value-of-x");
    fake.fault(Fault::once(action));
    fake
}

#[test]
fn errors_and_bodies() {
    let fake = faulty(false, Action::error(503, "ServiceUnavailable", "later").header("Retry-After", "7"));
    let reply = send(&fake, &get("x"));
    assert_eq!((reply.status, reply.code().as_str()), (503, "ServiceUnavailable"));
    assert!(reply.head.contains("Retry-After: 7") && reply.head.contains("x-amzn-errortype: ServiceUnavailable"));
    fake.fault(Fault::once(Action::body("{}")));
    assert_eq!((send(&fake, &get("x")).body.as_str(), fake.log()[1].status), ("{}", Some(200)));
    fake.fault(Fault::once(Action::EchoValues));
    let echoed = send(&fake, &get("x"));
    assert!(echoed.status == 500 && echoed.body.contains("value-of-x"), "{echoed:?}");
    fake.fault(Fault::once(Action::rewrite(|mut body| {
        body["Parameters"][0]["Name"] = json!("other");
        body
    })));
    assert_eq!(send(&fake, &get("x")).values(), ["other=value-of-x"]);
    fake.fault(Fault::once(Action::TruncateBody(9)));
    let cut = send(&fake, &get("x"));
    assert!(cut.head.contains("Content-Length: 9") && cut.body.len() == 9, "{cut:?}");
    assert_eq!(send(&fake, &get("x")).values(), ["x=value-of-x"]);
}

#[test]
fn cut_answers() {
    for tls in [false, true] {
        let reset = exchange(&faulty(tls, Action::ResetAfter(20)), &get("x"));
        assert_eq!(reset.expect_err("reset").kind(), io::ErrorKind::ConnectionReset, "tls {tls}");
        let closed = exchange(&faulty(tls, Action::CloseAfter(20)), &get("x")).expect("an orderly end");
        assert_eq!(closed.len(), 20, "tls {tls}");
    }
    assert_eq!(exchange(&faulty(false, Action::FinAfter(20)), &get("x")).expect("a FIN").len(), 20);
    let cut = exchange(&faulty(true, Action::FinAfter(20)), &get("x"));
    assert_eq!(cut.expect_err("no close_notify").kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn at_the_connection() {
    let reset = exchange(&faulty(true, Action::ResetAccept), &get("x"));
    assert_eq!(reset.expect_err("reset").kind(), io::ErrorKind::ConnectionReset);
    let closed = exchange(&faulty(true, Action::CloseImmediately), &get("x"));
    assert_eq!(closed.expect_err("closed").kind(), io::ErrorKind::UnexpectedEof);
    let garbage = exchange(&faulty(true, Action::GarbageAccept(b"hello".to_vec())), &get("x"));
    assert_eq!(garbage.expect_err("no TLS").kind(), io::ErrorKind::InvalidData);
    let fake = faulty(false, Action::HangAccept);
    let mut tcp = connect(fake.endpoint_address()).expect("accepted");
    tcp.set_read_timeout(Some(Duration::from_millis(100))).expect("a valid timeout");
    tcp.write_all(&encode(&get("x"), "close")).expect("the kernel takes it");
    assert!(tcp.read(&mut [0]).is_err(), "an answer came");
    assert!(fake.log().is_empty());
    // The fault is used up; the next connection is served.
    assert_eq!(send(&fake, &get("x")).status, 200);
}

#[test]
fn too_much_and_too_slow() {
    let huge = exchange(&faulty(false, Action::HugeBody(3_000_000)), &get("x")).expect("a long answer");
    assert!(huge.len() > 3_000_000 && huge.len() < 3_001_000);
    let fake = faulty(false, Action::EndlessHeaders);
    let mut tcp = connect(fake.endpoint_address()).expect("accepted");
    tcp.write_all(&encode(&get("x"), "close")).expect("the kernel takes it");
    let mut bytes = vec![0; 1_000_000];
    tcp.read_exact(&mut bytes).expect("header after header");
    assert!(!String::from_utf8_lossy(&bytes).contains("\r\n\r\n"));
    let raw = exchange(&faulty(false, Action::Raw(b"garbage".to_vec())), &get("x")).expect("an orderly end");
    assert_eq!(raw, b"garbage");
    let fake = faulty(false, Action::Slow { bytes: 50, tick: Duration::from_millis(20) });
    let start = Instant::now();
    assert_eq!(send(&fake, &get("x")).values(), ["x=value-of-x"]);
    assert!(start.elapsed() >= Duration::from_millis(60), "{:?}", start.elapsed());
}

#[test]
fn held_until_released() {
    let gate = Gate::new();
    let fake = faulty(true, Action::Hold(gate.clone()));
    let client = std::thread::spawn({
        let fake = fake.clone();
        move || send(&fake, &get("x")).values()
    });
    fake.wait_until(|log| log.iter().any(|entry| entry.fault.as_deref() == Some("Hold")));
    assert_eq!(fake.log()[0].status, None);
    gate.release();
    assert_eq!(client.join().expect("the client ends"), ["x=value-of-x"]);
    assert_eq!(fake.log()[0].status, Some(200));
    // A client that leaves a held answer is noticed.
    fake.fault(Fault::once(Action::Hold(Gate::new())));
    let mut client = tls(connect(fake.endpoint_address()).expect("accepted"), fake.ca_pem()).expect("TLS");
    client.write_all(&encode(&get("x"), "close")).expect("sent");
    fake.wait_until(|log| log.len() == 2);
    drop(client);
    fake.wait_for_connections(|connections| connections.open == 0);
}

#[test]
fn delays_and_the_hop_limit() {
    let fake = faulty(false, Action::Delay(Duration::from_millis(50)));
    let start = Instant::now();
    send(&fake, &get("x"));
    assert!(start.elapsed() >= Duration::from_millis(50));
    fake.delay(Duration::from_millis(30));
    fake.connect_delay(Duration::from_millis(30));
    let start = Instant::now();
    send(&fake, &get("x"));
    assert!(start.elapsed() >= Duration::from_millis(60));
    fake.hop_limit_exceeded(true);
    let mut tcp = connect(fake.imds_address()).expect("accepted");
    tcp.set_read_timeout(Some(Duration::from_millis(200))).expect("a valid timeout");
    tcp.write_all(b"PUT /latest/api/token HTTP/1.1\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n").expect("sent");
    assert!(tcp.read(&mut [0]).is_err(), "an answer came");
    assert_eq!(fake.calls("PutToken")[0].fault.as_deref(), Some("Hang"));
}

#[test]
fn sequences_for_one_service() {
    let fake = fake();
    for status in [404, 429, 500] {
        fake.fault(Fault::once(Action::status(status)).service(Service::Imds));
    }
    let token = || imds(&fake, "PUT", "/latest/api/token", &[("x-aws-ec2-metadata-token-ttl-seconds", "60")]).status;
    assert_eq!(ssm(&fake, "GetParameters", &json!({"Names": ["x"]})).status, 200);
    assert_eq!([token(), token(), token(), token()], [404, 429, 500, 200]);
}

#[test]
fn the_bucket_throttles_reads() {
    let fake = fake();
    fake.bucket(2.0, 0.0);
    let code = |operation: &str, input| ssm(&fake, operation, &input).code();
    assert_eq!(code("GetParameters", json!({"Names": ["x"]})), "");
    assert_eq!(code("GetParametersByPath", json!({"Path": "/"})), "");
    assert_eq!(code("GetParameters", json!({"Names": ["x"]})), "ThrottlingException");
    assert_eq!(code("DescribeParameters", json!({})), "");
    fake.no_bucket();
    assert_eq!(code("GetParameters", json!({"Names": ["x"]})), "");
}
