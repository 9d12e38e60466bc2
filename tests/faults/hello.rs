//! A ClientHello with a post-quantum key share takes two packets. What stands before the server can fail on that.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use fake_aws::{Fake, Service};

use crate::common::{Run, keyed, one, secure, skip, together};

/// What fits into the first packet of a connection over Ethernet.
const PACKET: usize = 1448;

/// X25519MLKEM768 in a list of groups (RFC 8446, 4.2.7): the number of draft-ietf-tls-ecdhe-mlkem.
const HYBRID: [u8; 2] = [0x11, 0xec];

/// What it does to a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// It reads one packet, and resets.
    Reset,
    /// It reads everything, and closes.
    Close,
    /// It cannot read the message, and says so: a fatal alert, decode_error (RFC 8446, 6).
    Alert,
    /// It waits for ever.
    Silence,
}

/// A device before the fake. How many bytes each hello had.
struct Device {
    address: SocketAddr,
    hellos: Arc<Mutex<Vec<usize>>>,
}

impl Device {
    /// `fails` says of a hello of so many bytes whether it is too large.
    fn before(fake: &Fake, end: End, fails: fn(usize) -> bool) -> Device {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (server, hellos) = (fake.endpoint_address(), Arc::<Mutex<Vec<usize>>>::default());
        let seen = hellos.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, seen) = (client.expect("a connection"), seen.clone());
                std::thread::spawn(move || pass(client, server, end, fails, &seen));
            }
        });
        Device { address, hellos }
    }

    fn hellos(&self) -> Vec<usize> {
        self.hellos.lock().expect("nothing panics while it is held").clone()
    }

    fn run(&self, fake: &Fake, timeout: &str) -> Run {
        let url = format!("https://127.0.0.1:{}", self.address.port());
        keyed(fake, one(timeout)).env("AWS_ENDPOINT_URL_SSM", url)
    }
}

fn pass(mut client: TcpStream, server: SocketAddr, end: End, fails: fn(usize) -> bool, seen: &Mutex<Vec<usize>>) {
    let mut header = [0; 5];
    // A connection that was opened ahead, and not used.
    if client.read_exact(&mut header).is_err() {
        return;
    }
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    let mut hello = vec![0; if end == End::Reset { length.min(PACKET) } else { length }];
    client.read_exact(&mut hello).expect("the rest of the hello");
    seen.lock().expect("nothing panics while it is held").push(length);
    if fails(length) {
        match end {
            // What lies unread makes it a reset.
            End::Reset | End::Close => {}
            End::Alert => client.write_all(&[21, 3, 3, 0, 2, 2, 50]).expect("the client reads"),
            End::Silence => drop(client.read(&mut [0; 1])),
        }
        return;
    }
    let mut upstream = TcpStream::connect(server).expect("the fake is there");
    upstream.write_all(&header).and_then(|()| upstream.write_all(&hello)).expect("the fake reads");
    let (mut back, mut answers) = (client.try_clone().expect("a socket"), upstream.try_clone().expect("a socket"));
    let answering = std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut client, &mut upstream);
    let _ = upstream.shutdown(Shutdown::Write);
    answering.join().expect("copying does not panic");
}

fn is_large(length: usize) -> bool {
    length > PACKET
}

fn asked(fake: &Fake) -> usize {
    fake.log().iter().filter(|entry| entry.service == Service::Ssm).count()
}

const ENDS: [End; 4] = [End::Reset, End::Close, End::Alert, End::Silence];

/// Without graviola's instructions there is no large hello; tests/userlands/tls has such processors.
fn is_hybrid(test: &str) -> bool {
    let is_hybrid = graviola::util::is_cpu_supported();
    if !is_hybrid {
        skip(test, "this processor has no post-quantum key exchange");
    }
    is_hybrid
}

#[test]
fn the_first_choice_is_the_hybrid_with_both_shares() {
    if !is_hybrid("the_first_choice_is_the_hybrid_with_both_shares") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("https://{}", listener.local_addr().expect("it is bound"));
    let fake = secure();
    let mut child = keyed(&fake, one("20s")).env("AWS_ENDPOINT_URL_SSM", url).spawn();
    let (mut client, _) = listener.accept().expect("a connection");
    let mut header = [0; 5];
    client.read_exact(&mut header).expect("a record");
    let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    client.read_exact(&mut hello).expect("the rest of the hello");
    child.kill().and_then(|()| child.wait()).expect("it is our child");
    // supported_groups (10) begins with the hybrid, then X25519.
    let groups = extension(&hello, 10);
    assert_eq!((&groups[2..4], &groups[4..6]), (&HYBRID[..], &[0, 29][..]), "{groups:?}");
    // key_share (51): the hybrid one of 1184 + 32 bytes, then that of X25519, which is a part of it.
    let shares = extension(&hello, 51);
    assert_eq!((&shares[2..4], &shares[4..6]), (&HYBRID[..], &1216_u16.to_be_bytes()[..]));
    assert_eq!(&shares[1222..1226], [0, 29, 0, 32]);
    assert_eq!(&shares[1226..], &shares[1190..1222]);
}

/// The content of an extension of a ClientHello (RFC 8446, 4.1.2), which begins with its own length.
fn extension(hello: &[u8], wanted: u16) -> &[u8] {
    let number = |at: usize| u16::from_be_bytes([hello[at], hello[at + 1]]);
    // Type, length, version and random come first.
    let session = 4 + 2 + 32;
    let suites = session + 1 + usize::from(hello[session]);
    let compression = suites + 2 + usize::from(number(suites));
    let mut at = compression + 1 + usize::from(hello[compression]) + 2;
    while number(at) != wanted {
        at += 4 + usize::from(number(at + 2));
    }
    &hello[at + 4..at + 4 + usize::from(number(at + 2))]
}

#[test]
fn a_device_that_fails_on_two_packets_is_named_and_so_is_the_way_out() {
    if !is_hybrid("a_device_that_fails_on_two_packets_is_named_and_so_is_the_way_out") {
        return;
    }
    together(ENDS.len(), &ENDS, |end| {
        let fake = secure();
        let device = Device::before(&fake, *end, is_large);
        // Silence takes three seconds to be noticed, and one more to be told apart.
        let says = ["takes two packets", "STEPZERO_KEY_EXCHANGE=classical"];
        device.run(&fake, "9s").output().case(format_args!("{end:?}")).refused(75, &says);
        assert_eq!(asked(&fake), 0, "{end:?}: the question is a hello and nothing more");
        let small = device.hellos().into_iter().filter(|length| !is_large(*length)).count();
        assert_eq!(small, 1, "{end:?}: it is asked once: {:?}", device.hellos());

        let run = device.run(&fake, "20s").env("STEPZERO_KEY_EXCHANGE", "classical");
        run.output().case(format_args!("{end:?}")).started();
    });
}

/// It is down, whatever the hello: nothing is said of packets.
#[test]
fn a_server_that_answers_no_hello_is_not_called_too_small() {
    together(ENDS.len(), &ENDS, |end| {
        let fake = secure();
        let device = Device::before(&fake, *end, |_| true);
        let ran = device.run(&fake, "9s").output().case(format_args!("{end:?}"));
        ran.refused(75, &["127.0.0.1"]).hides(&["packets"]);
    });
}

#[test]
fn an_unknown_key_exchange_is_config() {
    let fake = secure();
    let run = keyed(&fake, one("20s")).env("STEPZERO_KEY_EXCHANGE", "none");
    run.output().refused(78, &["STEPZERO_KEY_EXCHANGE", "\"classical\""]);
}
