//! A machine or a container that has little: descriptors, memory, no /proc, nothing writable, no standard streams, and
//! an environment that does not fit.

use std::os::unix::fs::FileTypeExt as _;
use std::process::Stdio;
use std::time::Duration;

use fake_aws::{Action, Fake, Fault, Gate, Service};

use crate::common::{Ran, Spec, stepzero};
use crate::kit::{
    Supervisor, VALUE, can_unshare, keyed, one, plain, ran, refused, secure, started, together, under, wrapped,
};

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
        let ran = ran(under(script, &run));
        if ["7 descriptors", "8 descriptors"].contains(case) {
            refused(ran, 71, &["ulimit -n"], case);
        } else {
            started(ran, case);
        }
    });
}

/// Sixty names are six calls, with a connection each while there are descriptors for them.
#[test]
fn few_descriptors_are_shared_by_many_calls() {
    let fake = secure();
    // So long that every call would rather have a connection of its own.
    fake.delay(Duration::from_millis(50));
    let args = many(&fake, 60);
    refused(ran(under("ulimit -n 9 && exec \"$@\"", &keyed(&fake, &args))), 71, &["ulimit -n"], "9 descriptors");
    for (descriptors, connections) in [(12, 1..=4), (13, 2..=5), (32, 6..=6)] {
        let before = fake.connections().accepted;
        let script = format!("ulimit -n {descriptors} && exec \"$@\"");
        started(ran(under(&script, &keyed(&fake, &args))), &script);
        let opened = fake.connections().accepted - before;
        assert!(connections.contains(&opened), "{opened} connections with {descriptors} descriptors");
    }
}

/// A start that asks for so many parameters, and prints the last one.
fn many(fake: &Fake, count: usize) -> Vec<String> {
    let mut args = vec!["exec".to_owned(), "--timeout".into(), "20s".into()];
    for at in 0..count {
        fake.put(&format!("p.{at}"), "SecureString", VALUE);
        args.extend(["--parameter".to_owned(), format!("P{at}=p.{at}")]);
    }
    args.extend(["--".to_owned(), "printenv".into(), format!("P{}", count - 1)]);
    args
}

/// While the credentials are waited for, connections take every descriptor, and the certificates are not read yet.
#[test]
fn few_descriptors_leave_one_for_the_certificates() {
    let fake = secure();
    let profile = "[default]\nregion = us-east-1\ncredential_process = sh -c 'sleep 0.1; \
                   echo {\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"AKIDEXAMPLE\\\",\\\"SecretAccessKey\\\":\\\"wJalrXUtnFEMI\\\"}'\n";
    let config = Spec::new(profile);
    let run = stepzero(&fake, many(&fake, 1000)).env("AWS_CONFIG_FILE", config.arg());
    started(ran(under("ulimit -n 16 && exec \"$@\"", &run)), "16 descriptors");
}

/// Connections take every descriptor, and the exec wants one for each file.
#[test]
fn few_descriptors_leave_some_for_files() {
    let fake = secure();
    fake.delay(Duration::from_millis(50));
    let files = Spec::new("[files]\nF0 = { parameter = \"p.0\" }\nF1 = { parameter = \"p.1\" }\n");
    let mut args = many(&fake, 200);
    args.splice(1..1, ["--spec".to_owned(), files.arg()]);
    let run = stepzero(&fake, args);
    started(ran(under("ulimit -n 16 && exec \"$@\"", &run)), "16 descriptors");
}

/// Connections take every descriptor, and systemd is to be asked for more time.
#[test]
fn few_descriptors_leave_one_for_the_supervisor() {
    let fake = secure();
    let gate = Gate::new();
    fake.fault(Fault::always(Action::Hold(gate.clone())).operation("GetParameters"));
    let supervisor = Supervisor::start();
    let run = keyed(&fake, many(&fake, 200)).env("NOTIFY_SOCKET", &supervisor.path);
    let mut command = under("ulimit -n 16 && exec \"$@\"", &run);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh is there");
    let message = supervisor.wait();
    gate.release();
    started(Ran(child.wait_with_output().expect("our child")), "16 descriptors");
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
    let mut args = many(&fake, 100);
    args.insert(1, "-vv".into());
    let ran = started(keyed(&fake, &args).output(), "two connections");
    assert!(!ran.stderr().contains(": try 1:"), "a call was made again: {}", ran.stderr());
    assert!(ran.stderr().contains("no further connection"), "none was refused: {}", ran.stderr());
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
        started(ran(wrapped(&["unshare", "--mount", "sh", "-c", script, "sh"], &run)), case);
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
        let place = Spec::new("");
        let show = "x=; for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && x=\"$x$n\"; done; printf '%s %s' \"$x\" \"$KEY\" > \"$OUT\"";
        let args = ["exec", "--parameter", "KEY=app.key", "--", "sh", "-c", show];
        let run = stepzero(&fake, args).env("OUT", &place.path);
        let is_closed = |descriptor: u32| closed & (1 << descriptor) != 0;
        let redirections = ["<&-", ">&-", "2>&-"];
        let redirections: Vec<&str> = (0..3).filter(|at| is_closed(*at)).map(|at| redirections[at as usize]).collect();
        let child = under(&format!("exec \"$@\" {}", redirections.join(" ")), &run);
        let mut child = { child }.spawn().expect("sh is there");
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
        let seen = std::fs::read_to_string(&place.path).expect("the command wrote it");
        assert_eq!(seen, format!("{open} {VALUE}"), "closed {closed:03b}");
    });
}

#[test]
fn outputs_that_are_full() {
    let fake = plain();
    let quiet = |args: Vec<String>, script: &str| ran(under(script, &keyed(&fake, args)));
    let full = "exec \"$@\" >/dev/full 2>/dev/full";
    let start = ["exec", "--parameter", "KEY=app.key", "--", "true"].map(str::to_owned).to_vec();
    assert_eq!(quiet(start, full).code(), 0, "nobody has to write");
    let check = ["check", "--parameter", "KEY=app.key"].map(str::to_owned).to_vec();
    refused(quiet(check, "exec \"$@\" >/dev/full"), 71, &["cannot write to stdout"], "check");
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
    ran(under(&format!("ulimit -s {stack} && exec \"$@\""), &run))
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
            assert_eq!((ran.code(), ran.stdout().as_str()), (0, "4096\n"), "{case}: {}", ran.stderr());
        } else {
            let says = ["the environment is too large: ", "fetched: ", "the biggest: P", "ulimit -s"];
            refused(ran, 65, &says, &case);
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
            assert_eq!((ran.code(), ran.stdout()), (0, format!("{length}\n")), "{}", ran.stderr());
        } else {
            refused(ran, 65, &["KEY is too large", "131072", "[files]"], &length.to_string());
        }
    }
}
