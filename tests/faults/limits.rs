//! A machine or a container that has little: descriptors, memory, no /proc, nothing writable, no standard streams, and
//! an environment that does not fit.

use std::os::unix::fs::FileTypeExt as _;
use std::time::Duration;

use fake_aws::{Action, Fault, Gate, Service};

use crate::common::{
    Directory, PROCESS, Ran, TempFile, VALUE, asking, can_unshare, keyed, one, piped, plain, secure, stepzero,
    together, users,
};
use crate::supervisor::Supervisor;

/// What begins with these asks by `asking`.
const EXEC: [&str; 3] = ["exec", "--timeout", "20s"];

#[test]
fn few_descriptors_and_little_memory() {
    let cases = [
        ("7 descriptors", "ulimit -n 7 && exec \"$@\""),
        ("8 descriptors", "ulimit -n 8 && exec \"$@\""),
        ("16 descriptors", "ulimit -n 16 && exec \"$@\""),
        ("64 MiB of addresses", "ulimit -v 65536 && exec \"$@\""),
    ];
    together(5, &cases, |(case, script)| {
        let fake = secure();
        let run = stepzero(&fake, one("20s"));
        let ran = Ran::of(&mut run.under(script));
        if ["7 descriptors", "8 descriptors"].contains(case) {
            ran.case(case).refused(71, &["ulimit -n"]);
        } else {
            ran.case(case).started();
        }
    });
}

/// Sixty names are six calls, with a connection each while there are descriptors for them.
#[test]
fn few_descriptors_are_shared_by_many_calls() {
    let fake = secure();
    // So long that every call would rather have a connection of its own.
    fake.delay(Duration::from_millis(50));
    let args = asking(&fake, 60, &EXEC);
    Ran::of(&mut keyed(&fake, &args).under("ulimit -n 9 && exec \"$@\""))
        .case("9 descriptors")
        .refused(71, &["ulimit -n"]);
    for (descriptors, connections) in [(12, 1..=4), (13, 2..=5), (32, 6..=6)] {
        let before = fake.connections().accepted;
        let script = format!("ulimit -n {descriptors} && exec \"$@\"");
        Ran::of(&mut keyed(&fake, &args).under(&script)).case(script).started();
        let opened = fake.connections().accepted - before;
        assert!(connections.contains(&opened), "{opened} connections with {descriptors} descriptors");
    }
}

/// While the credentials are waited for, connections take every descriptor, and the certificates are not read yet.
#[test]
fn few_descriptors_leave_one_for_the_certificates() {
    let fake = secure();
    users(&fake, &["PROCESS"]);
    let config =
        TempFile::config(format!("[default]\nregion = us-east-1\ncredential_process = sleep 0.1; {PROCESS}\n"));
    let run = stepzero(&fake, asking(&fake, 1000, &EXEC)).env("AWS_CONFIG_FILE", config.arg());
    Ran::of(&mut run.under("ulimit -n 16 && exec \"$@\"")).case("16 descriptors").started();
}

/// Connections take every descriptor, and the exec wants one for each file.
#[test]
fn few_descriptors_leave_some_for_files() {
    let fake = secure();
    fake.delay(Duration::from_millis(50));
    let files = TempFile::spec("[files]\nF0 = { parameter = \"p.00\" }\nF1 = { parameter = \"p.01\" }\n");
    let run = stepzero(&fake, asking(&fake, 200, &[&EXEC[..], &["--spec", &files.arg()]].concat()));
    Ran::of(&mut run.under("ulimit -n 16 && exec \"$@\"")).case("16 descriptors").started();
}

/// Connections take every descriptor, and systemd is to be asked for more time.
#[test]
fn few_descriptors_leave_one_for_the_supervisor() {
    let fake = secure();
    let gate = Gate::new();
    fake.fault(Fault::always(Action::Hold(gate.clone())).operation("GetParameters"));
    let supervisor = Supervisor::start();
    let run = keyed(&fake, asking(&fake, 200, &EXEC)).env("NOTIFY_SOCKET", &supervisor.path);
    let child = piped(&mut run.under("ulimit -n 16 && exec \"$@\""));
    let message = supervisor.wait();
    gate.release();
    Ran::of_child(child).case("16 descriptors").started();
    assert!(message.starts_with("EXTEND_TIMEOUT_USEC="), "{message}");
}

/// A server, or a proxy before it, that allows two connections: those do all the work, and no call has to try again.
#[test]
fn few_connections_are_shared_by_many_calls() {
    let fake = secure();
    fake.delay(Duration::from_millis(300));
    // Refused after the others are open.
    let refusal = Fault::always(Action::ResetAccept).service(Service::Ssm).skip(2).after(Duration::from_secs(1));
    fake.fault(refusal);
    let ran =
        keyed(&fake, asking(&fake, 100, &[&EXEC[..], &["-vv"]].concat())).output().case("two connections").started();
    assert!(!ran.stderr().contains(": try 1:"), "a call was made again: {ran}");
    assert!(ran.stderr().contains("no further connection"), "none was refused: {ran}");
}

#[test]
fn no_proc_and_a_root_that_is_read_only() {
    if !can_unshare("mounts", &["--mount"]) {
        return;
    }
    let cases = [
        ("no /proc", "mount -t tmpfs none /proc && exec \"$@\""),
        ("an empty /dev", "mount -t tmpfs none /dev && exec \"$@\""),
        ("read-only root", "mount --bind / / && mount -o remount,ro,bind / && cd / && exec \"$@\""),
        ("no /etc", "mount -t tmpfs none /etc && exec \"$@\""),
    ];
    together(cases.len(), &cases, |(case, script)| {
        let fake = secure();
        let run = stepzero(&fake, one("20s"));
        Ran::of(&mut run.behind(&["unshare", "--mount", "sh", "-c", script, "sh"])).case(case).started();
    });
}

/// A descriptor that was closed is closed in the command, and during the fetch no socket has its number.
#[test]
fn standard_streams_closed_in_all_combinations() {
    let cases: Vec<u32> = (0..8).collect();
    together(8, &cases, |closed| {
        let fake = secure();
        let gate = Gate::new();
        fake.fault(Fault::once(Action::Hold(gate.clone())).operation("GetParameters"));
        let place = Directory::new();
        let out = place.join("out");
        let show = "x=; for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && x=\"$x$n\"; done; printf '%s %s' \"$x\" \"$KEY\" > \"$OUT\"";
        let args = ["exec", "--parameter", "KEY=app.key", "--", "sh", "-c", show];
        let run = stepzero(&fake, args).env("OUT", &out);
        let is_closed = |descriptor: u32| closed & (1 << descriptor) != 0;
        let redirections = ["<&-", ">&-", "2>&-"];
        let redirections: Vec<&str> = (0..3).filter(|at| is_closed(*at)).map(|at| redirections[at as usize]).collect();
        let mut command = run.under(&format!("exec \"$@\" {}", redirections.join(" ")));
        let mut child = command.spawn().expect("sh is there");
        fake.wait_until(|log| log.iter().any(|entry| entry.fault.is_some()));
        for descriptor in 0..3 {
            // A process that is not dumpable shows its descriptors to root alone.
            let path = format!("/proc/{}/fd/{descriptor}", child.id());
            let is_socket = std::fs::metadata(&path).is_ok_and(|metadata| metadata.file_type().is_socket());
            assert!(!is_socket, "closed {closed:03b}: {descriptor} is a socket");
        }
        gate.release();
        assert!(child.wait().expect("our child").success(), "closed {closed:03b}");
        let open: String = (0..3).filter(|at| !is_closed(*at)).map(|at| at.to_string()).collect();
        let seen = std::fs::read_to_string(&out).expect("the command wrote it");
        assert_eq!(seen, format!("{open} {VALUE}"), "closed {closed:03b}");
    });
}

#[test]
fn outputs_that_are_full() {
    let fake = plain();
    let quiet = |args: Vec<String>, script: &str| Ran::of(&mut keyed(&fake, args).under(script));
    let full = "exec \"$@\" >/dev/full 2>/dev/full";
    let start = ["exec", "--parameter", "KEY=app.key", "--", "true"].map(str::to_owned).to_vec();
    assert_eq!(quiet(start, full).code(), 0, "nobody has to write");
    let check = ["check", "--parameter", "KEY=app.key"].map(str::to_owned).to_vec();
    quiet(check, "exec \"$@\" >/dev/full").case("check").refused(71, &["cannot write to stdout"]);
    let missing = ["exec", "--parameter", "KEY=gone", "--", "true"].map(str::to_owned).to_vec();
    assert_eq!(quiet(missing, full).code(), 66, "the code without the message");
}

/// `count` values of 4 KiB in the environment, under a stack limit in KiB.
fn stuffed(count: usize, stack: &str) -> Ran {
    let fake = plain();
    for at in 0..count {
        fake.put(&format!("/big/p{at:04}"), "String", &"x".repeat(4096));
    }
    fake.page_size(1000);
    let run = keyed(&fake, ["exec", "--load", "/big", "--", "sh", "-c", "echo ${#P0000}"]);
    Ran::of(&mut run.under(&format!("ulimit -s {stack} && exec \"$@\"")))
}

#[test]
fn an_environment_that_is_too_large_is_predicted() {
    let cases: [(usize, &str, bool); 7] = [
        (500, "8192", true),
        (511, "8192", false),
        (50, "1024", true),
        (70, "1024", false),
        (511, "unlimited", true),
        (1400, "unlimited", true),
        (1600, "unlimited", false),
    ];
    together(3, &cases, |(count, stack, fits)| {
        let (ran, case) = (stuffed(*count, stack), format!("{count} under {stack}"));
        if *fits {
            ran.case(case).prints("4096\n");
        } else {
            let says = ["the environment is too large: ", "fetched: ", "the biggest: P", "ulimit -s"];
            ran.case(case).refused(65, &says);
        }
    });
}

/// The kernel's limit for one string is 131,072 bytes with its NUL (MAX_ARG_STRLEN).
#[test]
fn one_string_that_is_too_long_is_predicted() {
    for (length, fits) in [(131_067, true), (131_068, false), (200_000, false)] {
        let fake = plain();
        fake.put("app.key", "String", &"x".repeat(length));
        let ran = keyed(&fake, ["exec", "--parameter", "KEY=app.key", "--", "sh", "-c", "echo ${#KEY}"]).output();
        if fits {
            ran.prints(&format!("{length}\n"));
        } else {
            ran.case(length).refused(65, &["KEY is too large", "131072", "[files]"]);
        }
    }
}
