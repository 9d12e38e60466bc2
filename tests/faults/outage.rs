//! The store is away, for a while or for ever, and who is told about the wait.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::UdpSocket;
use std::process::Child;

use fake_aws::{Action, Fake, Fault, Gate, Service};

use crate::common::{
    Guard, Ran, Run, TempFile, VALUE, asking, can_unshare, keyed, one, one_with, plain, secure, together,
};
use crate::supervisor::{Supervisor, at_deadline};

/// Each way to be away, and what the last message says of it.
type Away = (&'static str, fn(&Fake), &'static [&'static str]);

const AWAYS: [Away; 7] = [
    ("closed port", |fake| fake.down(), &["connection refused"]),
    // The option below names the place.
    ("dropped packets", |_| (), &["answer within"]),
    ("reset", |fake| fake.fault(Fault::always(Action::ResetAccept).service(Service::Ssm)), &["reset"]),
    ("closed", |fake| fake.fault(Fault::always(Action::CloseImmediately).service(Service::Ssm)), &["broke"]),
    ("silent", |fake| fake.fault(Fault::always(Action::HangAccept).service(Service::Ssm)), &["no complete answer"]),
    ("never answers", |fake| fake.fault(Fault::always(Action::Hang)), &["no complete answer"]),
    ("throttles", |fake| fake.bucket(0.0, 0.0), &["ThrottlingException", "transactions per second"]),
];

#[test]
fn away_for_ever_is_tempfail_at_the_deadline() {
    together(AWAYS.len(), &AWAYS, |(case, away, says)| {
        let fake = plain();
        away(&fake);
        let url = format!("http://{}", fake.black_hole());
        let options: &[&str] = if *case == "dropped packets" { &["--endpoint-url", &url] } else { &[] };
        let (ran, took) = keyed(&fake, one_with("5s", options)).timed();
        let ran = ran.case(case).refused(75, says);
        at_deadline(took, 5, case);
        let last = ran.stderr();
        assert!(last.contains("gave up on ") && last.contains(" in 5.") && last.contains("help: "), "{case}: {last}");
    });
}

/// Starts a run, waits until it tells that it waits, mends what is broken, and returns the rest.
fn mended(run: &Run, mend: impl FnOnce()) -> (String, String, std::process::ExitStatus) {
    let mut child = run.spawn();
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut told = String::new();
    stderr.read_line(&mut told).expect("a line");
    mend();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    let ran = Ran::of_child(child);
    assert!(!told.contains(VALUE) && !rest.contains(VALUE));
    (told, ran.stdout() + &rest, ran.output.status)
}

#[test]
fn away_for_a_while_and_the_wait_is_told() {
    let fake = secure();
    fake.down();
    let (told, out, status) = mended(&keyed(&fake, one("60s")), || fake.up());
    assert!(status.success(), "{told}{out}");
    assert_eq!(out.trim_end(), VALUE, "one line about the wait, and no more");
    for part in ["stepzero: waiting for Parameter Store: ", "connection refused", " tr", " s left)"] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn quiet_is_quiet_but_for_the_final_error() {
    let fake = plain();
    fake.down();
    let ran = keyed(&fake, one_with("5s", &["-q"])).output();
    ran.case("quiet").refused(75, &["gave up"]).hides(&["waiting"]);
}

/// A run under systemd whose call is not answered until it is told to go on.
struct Held {
    _fake: Fake,
    gate: Gate,
    child: Child,
}

impl Held {
    fn start(variables: &[(&str, &str)]) -> (Self, Supervisor) {
        let (fake, gate, supervisor) = (plain(), Gate::new(), Supervisor::start());
        fake.fault(Fault::once(Action::Hold(gate.clone())).operation("GetParameters"));
        let run = keyed(&fake, one("60s")).env("NOTIFY_SOCKET", &supervisor.path);
        let child = run.envs(variables.iter().copied()).spawn();
        (Held { _fake: fake, gate, child }, supervisor)
    }

    #[track_caller]
    fn starts(self) {
        self.gate.release();
        Ran::of_child(self.child).case("held").started();
    }
}

#[test]
fn systemd_is_asked_for_time_and_gets_a_generous_last_word() {
    let (held, supervisor) = Held::start(&[]);
    let first = supervisor.wait();
    let microseconds: u64 = first
        .strip_prefix("EXTEND_TIMEOUT_USEC=")
        .and_then(|rest| rest.split_once('\n'))
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or_else(|| panic!("{first}"));
    assert!(microseconds > 50_000_000, "at least what is left: {first}");
    assert!(first.contains("\nSTATUS=stepzero: waiting for Parameter Store: no answer yet"), "{first}");
    held.starts();
    assert_eq!(supervisor.last().as_deref(), Some("EXTEND_TIMEOUT_USEC=600000000\nSTATUS="));
}

/// `WatchdogSec=2`: the wait is told after three seconds, which would be too late.
#[test]
fn the_watchdog_is_told_at_once_and_again() {
    let (held, supervisor) = Held::start(&[("WATCHDOG_USEC", "2000000")]);
    for _ in 0..3 {
        assert_eq!(supervisor.wait(), "WATCHDOG=1");
    }
    held.starts();
}

#[test]
fn the_watchdog_of_another_process_is_left_alone() {
    let (held, supervisor) = Held::start(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "1")]);
    let first = supervisor.wait();
    assert!(first.starts_with("EXTEND_TIMEOUT_USEC="), "{first}");
    held.starts();
}

#[test]
fn a_short_fetch_says_nothing_to_systemd() {
    let fake = plain();
    let supervisor = Supervisor::start();
    keyed(&fake, one("60s")).env("NOTIFY_SOCKET", &supervisor.path).output().case("short").started();
    assert_eq!(supervisor.last(), None, "no message");
}

/// A name server on loopback, which a mount namespace's own resolv.conf names.
#[test]
fn a_name_server_that_is_silent_or_fails_at_first() {
    if !can_unshare("name server", &["--mount"]) {
        return;
    }
    let cases = [("silent", 3, None), ("failing", 3, Some(2)), ("for ever", u32::MAX, Some(2))];
    together(cases.len(), &cases, |(case, bad, code)| {
        let fake = secure();
        let server = NameServer::start(*bad, *code);
        let files =
            TempFile::new("resolv.conf", format!("nameserver {}\noptions timeout:1 attempts:1\n", server.address));
        let port = fake.endpoint_address().port();
        let url = format!("https://ssm.us-east-1.amazonaws.com:{port}");
        let seconds = if *bad == u32::MAX { 5 } else { 60 };
        let args = one_with(&format!("{seconds}s"), &["--endpoint-url", &url]);
        let script = format!("mount --bind {} /etc/resolv.conf && exec \"$@\"", files.arg());
        let begun = std::time::Instant::now();
        let ran = Ran::of(&mut keyed(&fake, args).behind(&["unshare", "--mount", "sh", "-c", &script, "sh"]));
        if *bad == u32::MAX {
            ran.case(case)
                .refused(75, &["ssm.us-east-1.amazonaws.com does not resolve", "is there a Region us-east-1?"]);
            at_deadline(begun.elapsed(), 5, case);
        } else {
            ran.case(case).started();
        }
    });
}

/// Six calls wait for one name: it is asked for once, and not by a thread for each.
#[test]
fn one_thread_waits_for_a_silent_name_server() {
    if !can_unshare("name server, threads", &["--mount"]) {
        return;
    }
    let fake = secure();
    let server = NameServer::start(u32::MAX, None);
    let files = TempFile::new("resolv.conf", format!("nameserver {}\noptions timeout:30 attempts:1\n", server.address));
    let url = format!("https://ssm.us-east-1.amazonaws.com:{}", fake.endpoint_address().port());
    let args = asking(&fake, 60, &["exec", "-vv", "--timeout", "30s", "--endpoint-url", &url]);
    let script = format!("mount --bind {} /etc/resolv.conf && exec \"$@\"", files.arg());
    let mut command = keyed(&fake, args).behind(&["unshare", "--mount", "sh", "-c", &script, "sh"]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("unshare is there");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let child = Guard(child);
    // Six connections are given up after 3 s: one call waits for the next try, and the others for a connection.
    let mut told = String::new();
    while told.matches("cannot connect to ").count() < 6 {
        assert!(stderr.read_line(&mut told).expect("a line") > 0, "it ended: {told}");
    }
    let threads = std::fs::read_dir(format!("/proc/{}/task", child.0.id())).expect("it runs").count();
    assert!(threads <= 4, "{threads} threads: {told}");
}

struct NameServer {
    address: String,
}

impl NameServer {
    /// The first `bad` questions are answered by this code, or not at all; the others by 127.0.0.1.
    fn start(bad: u32, code: Option<u8>) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(1);
        // resolv.conf has no ports, so each server has an address of its own.
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = format!("127.{}.{high}.{low}", 100 + COUNT.fetch_add(1, Ordering::Relaxed));
        let socket = UdpSocket::bind((address.as_str(), 53)).expect("port 53 of an address that nobody uses");
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let mut seen = 0;
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                seen += 1;
                let answer = match code {
                    _ if seen > bad => answer(&buffer[..length], 0),
                    Some(code) => answer(&buffer[..length], code),
                    None => continue,
                };
                // Whoever asked may have gone.
                let _ = socket.send_to(&answer, from);
            }
        });
        NameServer { address }
    }
}

/// The answer to a question of one name (RFC 1035, 4.1): 127.0.0.1 for A, nothing for others, or an error code.
fn answer(question: &[u8], code: u8) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).expect("a name ends") + 5;
    let is_a = question[end - 3] == 1;
    let found = code == 0 && is_a;
    let mut answer = vec![question[0], question[1], 0x81, 0x80 | code, 0, 1, 0, u8::from(found), 0, 0, 0, 0];
    answer.extend(&question[12..end]);
    if found {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    answer
}
