//! Transparency: beside its environment, the command cannot tell that it was not run directly. Each test runs a command
//! through stepzero, with a real fetch over TLS, and compares with what it was given or with a direct run.

mod common;

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};

use common::{
    Directory, PROCESS, Ran, Run, TempFile, article, assert_untouched, before_exec, block_signals, close, fed, offline,
    program, set_signal, stepzero, tested, users,
};
use fake_aws::Fake;

const EXEC: [&str; 4] = ["exec", "--parameter", "FETCHED=shared.newrelic_key", "--"];

fn exec<S: AsRef<OsStr>>(fake: &Fake, command: &[S]) -> Run {
    let command = command.iter().map(|part| part.as_ref().to_owned());
    stepzero(fake, EXEC.into_iter().map(OsString::from).chain(command))
}

/// What a command prints when it is run through stepzero, and when it is run directly, after the same preparation.
fn both(command: &[&str], prepare: impl Fn(&mut Command)) -> (String, String) {
    let fake = article();
    let mut through = exec(&fake, command).command();
    prepare(&mut through);
    let through = Ran::of(&mut through).expect(0);
    let mut direct = program(command[0]);
    direct.args(&command[1..]);
    prepare(&mut direct);
    let direct = Ran::of(&mut direct).expect(0);
    assert_eq!(fake.calls("GetParameters").len(), 1, "the fetch was real");
    (through.stdout(), direct.stdout())
}

#[test]
fn the_pid_is_the_same() {
    let fake = article();
    let child = exec(&fake, &["sh", "-c", "echo $$"]).spawn();
    let pid = child.id();
    Ran::of_child(child).prints(&format!("{pid}\n"));
}

#[test]
fn arguments_arrive_byte_for_byte() {
    let fake = article();
    let bin = Directory::new();
    symlink("/bin/cat", bin.join("-h")).expect("the directory is ours");
    let path = format!("{}:/usr/bin:/bin", bin.path().display());
    let odd = OsString::from_vec(b"\xff\xfe=\x01\n".to_vec());
    let args: Vec<OsString> = ["--", "/proc/self/cmdline", "", "-k", "x", "--help", "--", " ", "$HOME", "*"]
        .into_iter()
        .map(OsString::from)
        .chain([odd, "é".into(), "".into()])
        .collect();
    let command: Vec<OsString> = [OsString::from("-h")].into_iter().chain(args).collect();
    // The other arguments are no files, so the command ends with 1.
    let ran = exec(&fake, &command).env("PATH", &path).output().expect(1);
    let want: Vec<u8> = command.iter().flat_map(|arg| [arg.as_bytes(), b"\0"].concat()).collect();
    assert_eq!(ran.output.stdout, want);

    // Without `--`, the first operand is the command.
    let plain = ["exec", "--parameter", "shared.newrelic_key", "echo", "-k", "--", "--help"];
    stepzero(&fake, plain).output().prints("-k -- --help\n");
}

/// A process with exactly this environment, which std's own would tidy up.
fn with_raw_environment(args: &[&str], environment: &[Vec<u8>]) -> Command {
    let c = |bytes: &[u8]| CString::new(bytes).expect("no NUL");
    let path = c(tested().as_bytes());
    let args: Vec<CString> = ["stepzero"].iter().chain(args).map(|arg| c(arg.as_bytes())).collect();
    let entries: Vec<CString> = environment.iter().map(|entry| c(entry)).collect();
    let mut command = program(tested());
    let pointers = |strings: &[CString]| {
        let pointers = strings.iter().map(|string| string.as_ptr() as usize);
        pointers.chain([0]).collect::<Vec<usize>>()
    };
    let (argv, envp) = (pointers(&args), pointers(&entries));
    // SAFETY: execve(2) is safe after a fork. The arrays end with a null, and the closure owns what they point to.
    unsafe {
        command.pre_exec(move || {
            let _owned = (&args, &entries);
            libc::execve(path.as_ptr(), argv.as_ptr().cast(), envp.as_ptr().cast());
            Err(io::Error::last_os_error())
        });
    }
    command
}

#[test]
fn inherited_entries_stay_byte_for_byte() {
    let fake = article();
    let harness = fake.env().into_iter().map(|(name, value)| format!("{name}={value}").into_bytes());
    let kept: Vec<Vec<u8>> = [
        &b"DOUBLE=1"[..],
        b"no equals sign",
        b"",
        b"DOUBLE=2",
        b"\xff\xfe=\xfd",
        b"=C:=x",
        b"EMPTY=",
        b"=",
        b"NL=a\nb",
        b"FETCHEDX=1",
        b"fetched=1",
        b"STEPZERO_PROJECTX=1",
    ]
    .iter()
    .map(|entry| entry.to_vec())
    .chain([b"PATH=/usr/bin:/bin".to_vec()])
    .chain(harness)
    .collect();
    let gone: [&[u8]; 5] =
        [b"FETCHED=old", b"STEPZERO_PROJECT=p", b"FETCHED=older", b"STEPZERO_SPEC=", b"STEPZERO_TIMEOUT=60s"];
    let mut given = kept.clone();
    for (at, entry) in gone.iter().enumerate() {
        given.insert(at * 2 + 1, entry.to_vec());
    }
    let args: Vec<&str> = EXEC.into_iter().chain(["cat", "/proc/self/environ"]).collect();
    let ran = Ran::of(&mut with_raw_environment(&args, &given)).expect(0);
    let want = kept.into_iter().chain([b"FETCHED=2039402939302293029230923093".to_vec()]);
    let want: Vec<u8> = want.flat_map(|entry| [entry, vec![0]].concat()).collect();
    assert_eq!(ran.output.stdout.escape_ascii().to_string(), want.escape_ascii().to_string());
}

#[test]
fn an_environment_without_anything() {
    let spec = TempFile::spec("");
    Ran::of(&mut with_raw_environment(&["exec", "-s", &spec.arg(), "cat", "/proc/self/environ"], &[])).prints("");
}

/// What must be the same of `/proc/self/status` (proc_pid_status(5)).
fn kept_status(text: &str) -> String {
    const KEPT: &str =
        "Umask Uid Gid Groups VmLck Threads SigPnd ShdPnd SigBlk SigIgn SigCgt CapInh CapPrm CapEff NoNewPrivs Seccomp";
    let is_kept = |name: &str| KEPT.split(' ').any(|kept| kept == name);
    let lines: Vec<&str> = text.lines().filter(|line| line.split(':').next().is_some_and(is_kept)).collect();
    assert_eq!(lines.len(), KEPT.split(' ').count(), "the control: Linux says all of them: {text}");
    lines.join("\n")
}

#[test]
fn signals_are_as_they_were() {
    fn ignore(signals: impl IntoIterator<Item = libc::c_int>) -> io::Result<()> {
        signals.into_iter().for_each(|signal| set_signal(signal, libc::SIG_IGN));
        Ok(())
    }
    let changes: [(&str, fn() -> io::Result<()>); 6] = [
        ("nothing", || Ok(())),
        ("SIGPIPE ignored", || ignore([libc::SIGPIPE])),
        ("SIGPIPE not ignored", || {
            set_signal(libc::SIGPIPE, libc::SIG_DFL);
            Ok(())
        }),
        ("all ignored", || ignore(1..=64)),
        ("some ignored", || ignore([libc::SIGCHLD, libc::SIGHUP, libc::SIGURG])),
        ("some blocked", || block_signals(&[libc::SIGTERM, libc::SIGPIPE, libc::SIGCHLD, libc::SIGUSR2, 40])),
    ];
    for (name, change) in changes {
        let (through, direct) = both(&["cat", "/proc/self/status"], |command| before_exec(command, change));
        assert_eq!(kept_status(&through), kept_status(&direct), "{name}");
    }
}

/// With SIGCHLD ignored, the kernel reaps children by itself: the credential process still has to be understood.
#[test]
fn an_ignored_sigchld_does_not_confuse_a_credential_process() {
    let fake = article();
    users(&fake, &["PROCESS"]);
    let config = TempFile::config(format!("[default]\nregion = us-east-1\ncredential_process = {PROCESS}\n"));
    let run = exec(&fake, &["cat", "/proc/self/status"]).env("AWS_CONFIG_FILE", config.arg());
    let mut command = run.command();
    before_exec(&mut command, || {
        set_signal(libc::SIGCHLD, libc::SIG_IGN);
        Ok(())
    });
    let ran = Ran::of(&mut command).expect(0);
    let ignored = ran.stdout().lines().find_map(|line| line.strip_prefix("SigIgn:\t").map(str::to_owned));
    let ignored = u64::from_str_radix(&ignored.expect("Linux says it"), 16).expect("hexadecimal");
    assert_ne!(ignored & (1 << (libc::SIGCHLD - 1)), 0, "still ignored");
}

#[test]
fn limits_umask_directory_and_the_rest_are_as_they_were() {
    let script = "umask; pwd; ulimit -a; cat /proc/self/oom_score_adj /proc/self/timerslack_ns /proc/self/coredump_filter \
                  /proc/self/personality /proc/self/limits; ls -l /proc/$$/exe /proc/$$/cwd /proc/$$/root | sed 's/.* -> //'; \
                  cut -d' ' -f4-8,18,19 /proc/$$/stat > /dev/null; ps -o pgid=,sid=,ni= -p $$ > /dev/null; stat -c %u /proc/$$/exe /proc/$$/environ";
    let (through, direct) = both(&["sh", "-c", script], |command| {
        command.current_dir("/usr");
        before_exec(command, || {
            let limit = libc::rlimit { rlim_cur: 100, rlim_max: 200 };
            // SAFETY: both only read a constant.
            unsafe {
                libc::umask(0o027);
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            }
            Ok(())
        });
    });
    assert_eq!(through, direct);
}

#[test]
fn no_descriptor_of_ours_is_open_and_those_of_the_caller_are() {
    let (through, direct) = both(&["sh", "-c", "ls /proc/$$/fd; readlink /proc/$$/fd/7; cat <&7"], |command| {
        before_exec(command, || {
            // SAFETY: open(2) and dup2(2) with constants; what is opened is left to the process.
            unsafe {
                let opened = libc::open(c"/proc/sys/kernel/ostype".as_ptr(), libc::O_RDONLY);
                libc::dup2(opened, 7);
                libc::close(opened);
            }
            Ok(())
        });
    });
    assert_eq!(through, direct);
    assert!(through.contains("Linux"), "{through}");
}

#[test]
fn closed_standard_descriptors_stay_closed() {
    let sets: [&[libc::c_int]; 8] = [&[], &[0], &[1], &[0, 1], &[2], &[0, 2], &[1, 2], &[0, 1, 2]];
    let fake = article();
    for closed in sets {
        let directory = Directory::new();
        let told = directory.arg("told");
        let script =
            format!("for n in 0 1 2 3 4 5; do [ -e /proc/$$/fd/$n ] && r=$r$n; done; echo \"$r$FETCHED\" > {told}");
        let mut command = exec(&fake, &["sh", "-c", &script]).command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        close(&mut command, closed);
        let status = command.status().expect("it was built");
        assert_eq!(status.code(), Some(0), "without {closed:?}");
        let open: String = (0..3).filter(|n| !closed.contains(n)).map(|n| n.to_string()).collect();
        let told = std::fs::read_to_string(&told).expect("the command wrote it");
        assert_eq!(told, format!("{open}2039402939302293029230923093\n"), "without {closed:?}");
    }
}

#[test]
fn standard_input_is_the_command_s() {
    let fake = article();
    let ran = fed(&mut exec(&fake, &["cat"]).command(), b"\0every\xffbyte\n").expect(0);
    assert_eq!(ran.output.stdout, b"\0every\xffbyte\n");
}

#[test]
fn the_command_s_end_is_its_own() {
    let fake = article();
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGPIPE] {
        let status =
            exec(&fake, &["sh", "-c", &format!("kill -{signal} $$")]).command().status().expect("it was built");
        assert_eq!(status.signal(), Some(signal));
    }
}

/// A directory with every kind of file that cannot be run.
fn unrunnable() -> Directory {
    let bin = Directory::new();
    for (name, text, mode) in [
        ("plain", "#!/bin/sh\n", 0o644),
        ("lost", "#!/no/such/interpreter -x\n", 0o755),
        ("windows", "#!/bin/sh\r\n", 0o755),
        ("bare", "#!\n", 0o755),
        ("folder-run", "#!/bin\n", 0o755),
        ("good", "#! /bin/sh -e\necho good $1\n", 0o755),
        ("later/plain", "#!/bin/sh\necho later\n", 0o755),
    ] {
        bin.file_of_mode(name, text, mode);
    }
    std::fs::create_dir(bin.join("folder")).expect("the directory is ours");
    symlink("nowhere", bin.join("dangling")).expect("the directory is ours");
    symlink("loop", bin.join("loop")).expect("the directory is ours");
    bin
}

#[test]
fn a_command_that_cannot_run_is_known_before_any_fetch() {
    let fake = article();
    let directory = unrunnable();
    let (in_bin, bin) = (|name: &str| directory.arg(name), directory.path().display());
    for (command, code, words) in [
        ("no-such-command".to_owned(), 127, &["no-such-command: command not found", "PATH"][..]),
        (String::new(), 127, &["command not found"]),
        (in_bin("nope"), 127, &["command not found", "no such file"]),
        (in_bin("plain/nope"), 127, &["command not found"]),
        (in_bin("dangling"), 127, &["command not found"]),
        ("dangling".into(), 127, &["command not found"]),
        ("x".repeat(300), 127, &["command not found"]),
        ("plain".into(), 126, &["/plain: cannot be executed", "chmod +x"]),
        (in_bin("plain"), 126, &["/plain: cannot be executed", "chmod +x"]),
        (in_bin("folder"), 126, &["/folder: cannot be executed"]),
        ("folder".into(), 126, &["/folder: cannot be executed"]),
        (in_bin("loop"), 126, &["/loop: cannot be executed"]),
        ("lost".into(), 126, &["/lost: its interpreter /no/such/interpreter"]),
        (in_bin("windows"), 126, &["its interpreter /bin/sh\\r "]),
        (in_bin("bare"), 126, &["its interpreter"]),
        (in_bin("folder-run"), 126, &["its interpreter /bin "]),
    ] {
        let run = exec(&fake, &[command.as_str()]).env("PATH", format!("{bin}:/usr/bin:/bin"));
        run.output().case(&command).refused(code, words);
    }
    assert_untouched(&fake);
}

#[test]
fn the_command_is_looked_up_as_execvp_does() {
    let directory = unrunnable();
    let (bin, good) = (directory.arg(""), directory.arg("good"));
    for (path, command, want) in [
        (Some(bin.as_str()), "good", Some("good x\n")),
        (Some("/nowhere::/bin"), "good", Some("good x\n")),
        (Some(""), "good", Some("good x\n")),
        (Some(":/nowhere"), "good", Some("good x\n")),
        (Some("."), "good", Some("good x\n")),
        (Some("./"), "good", Some("good x\n")),
        (Some("../../../../.."), "good", None),
        (Some("later"), "plain", Some("later\n")),
        (Some(".:later"), "plain", Some("later\n")),
        (Some("/nowhere"), "./good", Some("good x\n")),
        (Some("/nowhere"), &good, Some("good x\n")),
        (None, "good", None),
        (None, "echo", Some("x\n")),
    ] {
        // No reference is inherited, so nothing is asked for.
        let mut process = offline(["exec", "--references", command, "x"]).command();
        process.current_dir(&bin);
        match path {
            Some(path) => process.env("PATH", path),
            None => process.env_remove("PATH"),
        };
        let ran = Ran::of(&mut process).case(format_args!("{path:?} {command}"));
        match want {
            Some(want) => ran.prints(want),
            None => ran.expect(127),
        };
    }
}
