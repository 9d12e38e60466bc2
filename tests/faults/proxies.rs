//! What a proxy can answer, and the variables that name one.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use fake_aws::Service;

use crate::common::{keyed, one, secure, together};

/// A proxy that gives every CONNECT the same answer, and opens a tunnel to the server when that is of 200 to 299. Its
/// address.
fn proxy(answer: String, server: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            // Whoever is gone needs no answer.
            std::thread::spawn(move || serve(client, &answer, server));
        }
    });
    format!("http://user:hunter2@{address}")
}

fn serve(mut client: TcpStream, answer: &str, server: SocketAddr) -> io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        request.extend(byte);
    }
    let request = String::from_utf8_lossy(&request);
    assert!(
        request.starts_with("CONNECT ") && request.contains("proxy-authorization: Basic dXNlcjpodW50ZXIy"),
        "{request}"
    );
    client.set_nodelay(true)?;
    client.write_all(answer.as_bytes())?;
    if answer.starts_with("HTTP/1.1 2") {
        let server = TcpStream::connect(server)?;
        server.set_nodelay(true)?;
        let (mut there, mut back) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || {
            let copied = io::copy(&mut back, &mut there);
            there.shutdown(Shutdown::Write).and(copied)
        });
        io::copy(&mut client, &mut &server)?;
        server.shutdown(Shutdown::Write)?;
    }
    Ok(())
}

#[test]
fn its_answer_opens_the_tunnel_or_says_why_not() {
    let headers: String = (0..100).map(|at| format!("X-Header-{at}: {}\r\n", "x".repeat(40))).collect();
    let cases = [
        ("HTTP/1.1 200 Connection established\r\n\r\n".to_owned(), 0, ""),
        ("HTTP/1.1 299 Fine\r\n\r\n".to_owned(), 0, ""),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), 0, ""),
        (format!("HTTP/1.1 200 OK\r\n{headers}\r\n"), 0, ""),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret".to_owned(), 78, "status 403"),
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".to_owned(), 78, "status 407"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n".to_owned(), 75, "it answered 502 for a tunnel to 127.0.0.1"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(), 75, "the proxy: "),
    ];
    together(8, &cases, |(answer, code, says)| {
        let fake = secure();
        let seconds = if *code == 75 { "3s" } else { "60s" };
        let run = keyed(&fake, one(seconds)).env("HTTPS_PROXY", proxy(answer.clone(), fake.endpoint_address()));
        if *code == 0 {
            run.output().case(answer).started();
        } else {
            run.output().case(answer).refused(*code, &[says, "NO_PROXY"]).hides(&["hunter2", "secret"]);
        }
    });
}

#[test]
fn an_empty_variable_does_not_hide_its_twin() {
    let cases = [
        (["HTTPS_PROXY", "https_proxy"], "", true),
        (["HTTPS_PROXY", "https_proxy"], "NO_PROXY= no_proxy=127.0.0.1", false),
        (["https_proxy", "HTTPS_PROXY"], "NO_PROXY=[::1]:443,127.0.0.1:1", true),
        (["https_proxy", "ALL_PROXY"], "no_proxy=10.0.0.0/8,127.0.0.0/8", false),
    ];
    together(4, &cases, |([empty, set], others, through)| {
        let fake = secure();
        let run = keyed(&fake, one("20s")).env(*empty, "").env(*set, fake.proxy());
        let others = others.split_whitespace().filter_map(|other| other.split_once('='));
        run.envs(others).output().case("a variable").started();
        let seen = fake.log().iter().any(|entry| entry.service == Service::Proxy);
        assert_eq!(seen, *through, "{set}");
    });
}
