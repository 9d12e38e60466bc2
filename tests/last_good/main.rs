//! The last good values: what an earlier start has left is used in an outage, and never else.
//! Some 50 s: each outage is waited for, for the grace of a second at least, and three of them for the deadline.

#[path = "../common/mod.rs"]
mod common;

mod manager;

use common::{ROLE, Ran, Run, TempFile, denying, offline, stepzero};
use fake_aws::{Action, Fake, Fault};
use manager::{Manager, memory};

const SPEC: &str = "last_good = \"1h\"\nlast_good_after = \"1s\"\n[env]\nPASSWORD = { parameter = \"app.password\" }\n\
                    NOBODY = { parameter = \"app.nobody\", optional = true }\n[files]\nFILE = { parameter = \"app.file\" }\n\
                    [[load]]\npath = \"/app\"\n";

/// The values, the descriptors, and what tells of them.
const SHOW: [&str; 3] =
    ["sh", "-c", "cat $FILE; echo; echo $PASSWORD $ONE $LISTEN_FDS $LISTEN_FDNAMES ${LISTEN_PID:+for $LISTEN_PID $$}"];

fn furnished() -> Fake {
    let fake = Fake::start();
    rotate(&fake, "first");
    fake
}

fn rotate(fake: &Fake, value: &str) {
    fake.put("app.password", "SecureString", &format!("{value}-password"));
    fake.put("app.file", "SecureString", &format!("{value}-file"));
    fake.put("/app/one", "SecureString", &format!("{value}-one"));
}

fn exec(fake: &Fake, spec: &str, command: &[&str]) -> (Run, TempFile) {
    let spec = TempFile::spec(spec);
    let path = spec.arg();
    (stepzero(fake, [&["exec", "-s", &path, "--"], command].concat()).env("STEPZERO_TIMEOUT", "30s"), spec)
}

fn show(manager: &Manager, fake: &Fake, spec: &str) -> Ran {
    let (run, _spec) = exec(fake, spec, &SHOW);
    manager.run(&run, &[])
}

/// With a grace that no busy machine outlasts, where the store is to answer.
fn patient() -> String {
    SPEC.replace("last_good_after = \"1s\"", "last_good_after = \"30s\"")
}

fn values(value: &str) -> String {
    format!("{value}-file\n{value}-password {value}-one\n")
}

#[test]
fn an_outage_is_outlived_and_what_comes_after_it_is_new() {
    let (manager, fake) = (Manager::start(1), furnished());
    let ran = show(&manager, &fake, SPEC).prints(&values("first"));
    assert_eq!(ran.stderr(), "");
    assert_eq!(manager.names(), ["stepzero"]);

    fake.down();
    for _ in 0..2 {
        let ran = show(&manager, &fake, SPEC).prints(&values("first"));
        ran.says(&[
            "warn: gave up on Parameter Store",
            "warn: the store cannot answer: going on with the last good values, ",
        ])
        .hides(&["first-password\" "]);
        assert_eq!(manager.names(), ["stepzero"], "they stay for the next outage");
    }
    assert!(
        manager.messages().contains("STATUS=stepzero: the store cannot answer: going on with"),
        "{}",
        manager.messages()
    );

    fake.up();
    rotate(&fake, "second");
    show(&manager, &fake, &patient()).prints(&values("second"));
    assert_eq!(manager.names(), ["stepzero"]);
    fake.down();
    show(&manager, &fake, SPEC).prints(&values("second"));
    // `systemctl stop`.
    manager.forget();
    let ran = show(&manager, &fake, &SPEC.replace("last_good_after", "timeout = \"1s\"\nlast_good_after")).expect(75);
    ran.hides(&["last good", "second-"]);
}

/// Throttling and rubbish count as an outage; a grace is waited for, so that a store that is slow is asked to the end.
#[test]
fn every_reason_for_75_is_outlived() {
    let (manager, fake) = (Manager::start(1), furnished());
    show(&manager, &fake, SPEC).expect(0);
    rotate(&fake, "second");
    for action in [Action::throttle(), Action::status(503), Action::Hang, Action::body("rubbish")] {
        fake.fault(Fault::always(action).operation("GetParameters"));
        show(&manager, &fake, SPEC).prints(&values("first")).says(&["last good values"]);
        fake.clear_faults();
    }
    fake.fault(Fault::times(2, Action::status(503)).operation("GetParameters"));
    show(&manager, &fake, &patient()).prints(&values("second"));
}

/// What AWS decided is not papered over.
#[test]
fn what_is_permanent_stays_what_it_is() {
    let (manager, fake) = (Manager::start(1), furnished());
    show(&manager, &fake, SPEC).expect(0);
    let refused = |code: i32, says: &str| {
        let ran = show(&manager, &fake, &patient()).expect(code).says(&[says]);
        assert!(!ran.stdout().contains("first") && !ran.stderr().contains("last good"), "{ran}");
    };
    fake.policy(ROLE, denying(&["ssm:GetParameters"], &["*:parameter/app.password"]));
    refused(77, "denied");
    // Beside a path that cannot answer.
    fake.fault(Fault::always(Action::status(503)).operation("GetParametersByPath"));
    refused(77, "denied");
    fake.clear_policy(ROLE);
    fake.clear_faults();
    fake.fault(Fault::always(Action::error(400, "UnrecognizedClientException", "no")).service(fake_aws::Service::Ssm));
    refused(77, "AWS rejects the credentials");
    fake.clear_faults();
    fake.delete("app.password");
    refused(66, "app.password");
}

#[test]
fn another_plan_another_region_and_old_values_are_not_used() {
    let (manager, fake) = (Manager::start(1), furnished());
    show(&manager, &fake, SPEC).expect(0);
    fake.down();
    let more = format!("timeout = \"2s\"\n{SPEC}");
    let other = format!("{more}recursive = true\n");
    show(&manager, &fake, &other).expect(75).says(&["not used: the spec or a setting has changed since"]);
    // The same names for another variable: worked out anew.
    show(&manager, &fake, &SPEC.replace("PASSWORD =", "SECRET =")).prints("first-file\nfirst-one\n");
    let (run, _spec) = exec(&fake, &more, &SHOW);
    let ran = manager.run(&run, &[("AWS_REGION", "eu-west-1"), ("STEPZERO_TIMEOUT", "2s")]);
    ran.expect(75).says(&["not used: the spec or a setting has changed since"]);
    let (run, _spec) = exec(&fake, &more.replace("1h", "1ms"), &SHOW);
    manager.run(&run.env("STEPZERO_TIMEOUT", "2s"), &[]).expect(75).hides(&["going on"]);
    // It was none of their business.
    show(&manager, &fake, SPEC).prints(&values("first"));
}

#[test]
fn without_a_manager_that_keeps_them_it_is_a_mistake_of_the_unit() {
    let fake = furnished();
    let needs = ["no service manager keeps the values", "FileDescriptorStoreMax=1 and NotifyAccess=main"];
    let (run, _spec) = exec(&fake, SPEC, &SHOW);
    run.output().refused(78, &needs);
    let path = Manager::start(0);
    path.run(&run, &[]).refused(78, &needs);
    path.run(&run, &[("FDSTORE", "0")]).refused(78, &needs);
    // Somebody else's takes the only place.
    let taken = Manager::start(1);
    taken.replace("state", memory(b"x", false));
    taken.run(&run, &[]).refused(78, &needs);
    assert_eq!(fake.calls("GetParameters").len(), 0, "before anything is asked");
    // Since systemd 254 the variable says it.
    let manager = Manager::start(1);
    manager.run(&run, &[("FDSTORE", "1")]).prints(&values("first"));
    assert!(!manager.messages().contains("probe"), "{}", manager.messages());
    assert_eq!(manager.names(), ["stepzero"]);
    // A plan that asks for nothing keeps nothing.
    let nothing = TempFile::spec("last_good = \"1h\"\n");
    offline(["exec", "-s", &nothing.arg(), "--", "true"]).output().expect(0);
}

#[test]
fn what_stands_there_and_is_not_ours_is_not_used() {
    let fake = furnished();
    let spec = SPEC.replace("last_good =", "timeout = \"2s\"\nlast_good =");
    for (content, is_sealed, says) in [
        (&b"no line"[..], true, "they are not as stepzero leaves them"),
        (b"{}\n", true, "they are not as stepzero leaves them"),
        (b"{\"format\": 99}\n", true, "another version of stepzero has left them"),
        (
            b"{\"format\": 1, \"made\": 0, \"fingerprint\": \"\", \"replies\": [], \"loads\": []}\n",
            true,
            "has changed since",
        ),
        (b"\xff\xfe\n\x00", true, "they are not as stepzero leaves them"),
        (b"{\"format\": 1}\n", false, ""),
        (b"", true, ""),
    ] {
        let manager = Manager::start(1);
        manager.replace("stepzero", memory(content, is_sealed));
        let ran = show(&manager, &fake, &spec).prints(&values("first"));
        assert!(ran.stderr().contains(says), "{says}: {ran}");
        fake.down();
        show(&manager, &fake, &spec).prints(&values("first"));
        fake.up();
    }
}

#[test]
fn the_command_sees_nothing_of_it() {
    let fake = furnished();
    let spec = SPEC.replace("[files]\nFILE = { parameter = \"app.file\" }\n", "");
    let look =
        ["sh", "-c", "echo $LISTEN_FDS $LISTEN_FDNAMES; for n in 3 4 5 6; do readlink /proc/$$/fd/$n; done; true"];
    // What the command sees when stepzero has nothing to do with it, and what it sees with it in between.
    let one = std::fs::File::open("/dev/zero").expect("a device");
    let two = std::fs::File::open("/dev/full").expect("a device");
    let socket = |file: &std::fs::File, name: &str| (name.to_owned(), file.try_clone().expect("room").into());
    let mut manager = Manager::start(1);
    let (run, _spec) = exec(&fake, &spec, &look);
    manager.run(&run, &[]).prints("\n");
    manager.run(&run, &[]).prints("\n");
    manager.sockets = vec![socket(&one, "web"), socket(&two, "tls")];
    manager.run(&run, &[]).prints("2 web:tls\n/dev/zero\n/dev/full\n");
    // A socket that happens to have that name is the command's.
    let mut named = Manager::start(1);
    named.sockets = vec![socket(&one, "stepzero"), socket(&two, "tls")];
    named.run(&run, &[]).prints("2 stepzero:tls\n/dev/zero\n/dev/full\n");
    named.run(&run, &[]).prints("2 stepzero:tls\n/dev/zero\n/dev/full\n");
    // In the middle: what the command itself has left stands behind.
    let kept = Manager::start(2);
    kept.replace("before", two.try_clone().expect("room").into());
    let (run, _spec) = exec(&fake, &spec, &look);
    kept.run(&run, &[]).prints("1 before\n/dev/full\n");
    let mut shuffled = Manager::start(3);
    shuffled.sockets = vec![socket(&one, "web")];
    shuffled.run(&run, &[]).expect(0);
    shuffled.sockets.push(shuffled_stored(&shuffled));
    shuffled.sockets.push(socket(&two, "behind"));
    shuffled.forget();
    shuffled.run(&run, &[]).prints("2 web:behind\n/dev/zero\n/dev/full\n");
    // Taken away again: hidden as well, and taken back.
    let without = spec.replace("last_good = \"1h\"\n", "");
    let (run, _spec) = exec(&fake, &without, &look);
    manager.run(&run, &[]).prints("2 web:tls\n/dev/zero\n/dev/full\n");
    assert!(manager.names().is_empty(), "{:?}", manager.names());
    // Of another process: not ours to touch.
    let foreign =
        run.command().env("LISTEN_PID", "1").env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "stepzero").output();
    let ran = Ran::from(foreign.expect("it is built"));
    assert!(ran.stdout().starts_with("1 stepzero\n"), "{ran}");
}

/// Where the limit of locked memory does not allow memfd_secret(2), sealed memory takes its place.
#[test]
fn either_kind_of_memory_is_kept() {
    let fake = furnished();
    for (limits, kinds) in [
        ("", &["/secretmem", "/memfd:stepzero"][..]),
        ("prlimit --memlock=0 setpriv --bounding-set=-ipc_lock --", &["/memfd:stepzero"]),
    ] {
        let mut manager = Manager::start(1);
        manager.limits = limits;
        show(&manager, &fake, SPEC).prints(&values("first"));
        let (_, kept) = manager.stored_copy().expect("it was left");
        let link = std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&kept)))
            .expect("it is open");
        assert!(kinds.iter().any(|kind| link.to_string_lossy().starts_with(kind)), "{}", link.display());
        fake.down();
        show(&manager, &fake, SPEC).prints(&values("first")).says(&["last good values"]);
        fake.up();
    }
}

/// What is stored, to be passed among the sockets.
fn shuffled_stored(manager: &Manager) -> (String, std::os::fd::OwnedFd) {
    manager.stored_copy().expect("it was left")
}

#[test]
fn no_value_is_in_what_is_told() {
    let (manager, fake) = (Manager::start(1), furnished());
    let (run, _spec) = exec(&fake, SPEC, &["true"]);
    for _ in 0..2 {
        let ran = manager.run(&run, &[]).expect(0);
        ran.hides(&["first-"]);
        fake.down();
    }
    assert!(!manager.messages().contains("first-"), "{}", manager.messages());
}
