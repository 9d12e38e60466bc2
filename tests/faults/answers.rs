//! Answers that are cut, slow, endless, or not what was asked for. Right values or a clean failure, never a part.

use std::time::Duration;

use fake_aws::{Action, Fake, Fault};
use serde_json::json;

use crate::common::{
    Guard, Run, USER, VALUE, asking, denying, keyed, one, one_with, parameter, plain, secure, together,
};
use crate::supervisor::at_deadline;

/// `exec` of one parameter of its own, so that a fault can be meant for this run alone.
fn own(name: &str) -> Vec<String> {
    let parameter = format!("KEY={name}");
    ["exec", "--timeout", "60s", "--parameter", &parameter, "--", "printenv", "KEY"].map(str::to_owned).to_vec()
}

/// Each run's first answer is cut at another byte; the second one is whole.
fn cut(fake: &Fake, name: &str, most: usize, action: impl Fn(usize) -> Action) {
    let cases: Vec<usize> = (0..=most).collect();
    for at in &cases {
        let parameter = format!("{name}.{at:04}");
        fake.put(&parameter, "SecureString", VALUE);
        fake.fault(Fault::once(action(*at)).name(&parameter));
    }
    together(24, &cases, |at| {
        let parameter = format!("{name}.{at:04}");
        keyed(fake, own(&parameter)).output().case(parameter).started();
    });
    let asked = |at: &usize| fake.log().iter().filter(|entry| entry.names == [format!("{name}.{at:04}")]).count();
    assert!(cases.iter().all(|at| (1..=2).contains(&asked(at))), "one cut, one more call");
}

/// The length of the answer to one such call: its body, and with its head.
fn lengths() -> (usize, usize) {
    let body = format!(
        "{{\"Parameters\":[{{\"ARN\":\"arn:aws:ssm:us-east-1:123456789012:parameter/x.0000\",\"DataType\":\"text\",\
         \"LastModifiedDate\":1700000000.000,\"Name\":\"x.0000\",\"Type\":\"SecureString\",\"Value\":\"{VALUE}\",\
         \"Version\":1}}],\"InvalidParameters\":[]}}"
    )
    .len();
    (body, body + 200)
}

#[test]
fn whole_http_and_json_cut_at_every_offset() {
    cut(&plain(), "truncated", lengths().0, Action::TruncateBody);
}

#[test]
fn reset_after_every_other_byte() {
    cut(&plain(), "reset", lengths().1 / 2, |at| Action::ResetAfter(at * 2));
}

#[test]
fn fin_after_every_fifth_byte_of_tls() {
    cut(&secure(), "fin", lengths().1 / 5, |at| Action::FinAfter(at * 5));
}

#[test]
fn what_is_no_answer_never_starts() {
    let answer = |parameters: serde_json::Value| Action::body(&json!({ "Parameters": parameters }).to_string());
    let one_ = |name: &str| json!({ "Name": name, "Type": "String", "Value": VALUE, "Version": 1 });
    let mut labelled = one_("app.key");
    labelled["Selector"] = json!(":3");
    let mut odd = one_("app.key");
    odd["Type"] = json!("Unheard");
    let of = |status, content_type: &str, body: &str| Action::Body {
        status,
        content_type: content_type.into(),
        body: body.into(),
    };
    let value = |value: serde_json::Value| {
        Action::rewrite(move |mut body| {
            body["Parameters"][0]["Value"] = value.clone();
            body
        })
    };
    let echo = format!("{{\"Parameters\": [{{\"Name\": \"app.key\", \"Value\": \"{VALUE}\"");
    let cases = [
        ("{}", Action::body("{}")),
        ("empty body", Action::body("")),
        ("null value", value(json!(null))),
        ("number value", value(json!(7))),
        ("null", Action::body("null")),
        ("array", Action::body("[]")),
        ("HTML", of(200, "text/html", "<html>login</html>")),
        ("duplicate", answer(json!([one_("app.key"), one_("app.key")]))),
        ("extra", answer(json!([one_("app.key"), one_("app.other")]))),
        ("another", answer(json!([one_("app.other")]))),
        ("wrong selector", answer(json!([labelled]))),
        ("unknown type", answer(json!([odd]))),
        ("no type", answer(json!([{ "Name": "app.key", "Value": VALUE, "Version": 1 }]))),
        ("204", of(204, "application/x-amz-json-1.1", "")),
        ("302", Action::status(302).header("Location", "http://127.0.0.1:1/")),
        ("values in an error", Action::EchoValues),
        ("cut JSON with the value", Action::body(&echo)),
        ("status 600", of(599, "text/plain", VALUE)),
        ("garbage", Action::Raw(b"\x00\x01\x02 correct-horse-battery-staple\r\n\r\n".to_vec())),
        ("endless headers", Action::EndlessHeaders),
        (
            "found and missing",
            Action::rewrite(|mut body| {
                body["InvalidParameters"] = json!(["app.key"]);
                body
            }),
        ),
    ];
    together(cases.len(), &cases, |(case, action)| {
        let fake = plain();
        fake.fault(Fault::always(action.clone()));
        keyed(&fake, one_with("3s", &["-vvv"])).output().case(case).refused(75, &[]);
        fake.clear_faults();
        fake.fault(Fault::once(action.clone()));
        keyed(&fake, one("60s")).output().case(case).started();
    });
}

/// Slow and endless answers are cut by the attempt's limit of 10 s; what follows is whole.
#[test]
fn slow_and_huge_answers_are_cut_and_stay_small() {
    let cases = [
        ("1 byte a second", Action::Slow { bytes: 1, tick: Duration::from_secs(1) }),
        ("1 byte in 5 s", Action::Slow { bytes: 1, tick: Duration::from_secs(5) }),
        ("100 MB", Action::HugeBody(100_000_000)),
        ("endless headers", Action::EndlessHeaders),
        ("hang", Action::Hang),
    ];
    together(cases.len(), &cases, |(case, action)| {
        let fake = plain();
        fake.fault(Fault::once(action.clone()));
        let mut child = Guard(keyed(&fake, one("60s")).spawn());
        let (status, peak_kib) = wait4(child.0.id());
        let mut out = String::new();
        std::io::Read::read_to_string(child.0.stdout.as_mut().expect("piped"), &mut out).expect("text");
        assert_eq!((status, out.trim_end()), (0, VALUE), "{case}");
        assert!(peak_kib < 64 * 1024, "{case}: {peak_kib} KiB");
        assert_eq!(fake.calls("GetParameters").len(), 2, "{case}");
    });
}

/// The wait status of a child and the most memory it had.
fn wait4(pid: u32) -> (i32, i64) {
    let pid = libc::pid_t::try_from(pid).expect("a process id");
    let mut status = 0;
    // SAFETY: wait4(2) writes the status and the usage, whose all-zero form is valid; the child is ours, and std has not
    // waited for it.
    let peak = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::wait4(pid, &raw mut status, 0, &raw mut usage), pid);
        usage.ru_maxrss
    };
    (status, peak)
}

#[test]
fn what_the_server_asks_for_is_respected() {
    let fake = plain();
    fake.fault(Fault::once(Action::status(503).header("Retry-After", "2")));
    keyed(&fake, one("60s")).output().case("Retry-After: 2").started();
    let calls = fake.calls("GetParameters");
    assert!(calls[1].at - calls[0].at >= Duration::from_secs(2), "{calls:?}");

    fake.clear_log();
    fake.fault(Fault::always(Action::status(503).header("Retry-After", "3600")));
    let (ran, took) = keyed(&fake, one("3s")).timed();
    ran.case("Retry-After: 3600").refused(75, &["503", "1 try"]);
    at_deadline(took, 3, "Retry-After: 3600");
    assert_eq!(fake.calls("GetParameters").len(), 1);
}

fn pages(fake: &Fake) -> Run {
    for at in 0..45 {
        fake.put(&format!("/app/p{at:02}"), "SecureString", VALUE);
    }
    let count = "env | grep -c '^P[0-9][0-9]='";
    keyed(fake, ["exec", "--timeout", "4s", "--load", "/app", "--", "sh", "-c", count])
}

#[test]
fn all_pages_or_nothing() {
    let fake = plain();
    let run = pages(&fake);
    let by_path = "GetParametersByPath";
    fake.fault(Fault::once(Action::status(500)).operation(by_path).skip(1));
    run.output().case("page 2 fails once").prints("45\n");
    assert_eq!(fake.calls(by_path).len(), 6);
    fake.clear_faults();
    fake.empty_pages(true);
    run.output().case("empty pages between the others").prints("45\n");
    fake.empty_pages(false);
    fake.fault(Fault::always(Action::status(500)).operation(by_path).skip(1));
    run.output().case("page 2 fails for ever").refused(75, &["gave up"]);
    fake.clear_faults();
    let one = json!({ "Name": "/app/p00", "Type": "String", "Value": VALUE, "Version": 1 });
    fake.fault(Fault::always(Action::body(&json!({ "Parameters": [one], "NextToken": "the same" }).to_string())));
    let (ran, took) = run.timed();
    ran.case("the same token again").refused(75, &["the same page token"]);
    assert!(took < Duration::from_secs(3), "found at once: {took:?}");
}

/// More than any environment holds is no matter of time.
#[test]
fn a_path_of_too_many_pages_is_dataerr() {
    let fake = plain();
    let put = |at: usize| _ = fake.put(&format!("/app/p{at:04}"), "String", "v");
    (0..1000).for_each(put);
    fake.page_size(1);
    let run = keyed(&fake, ["exec", "--load", "/app", "--", "sh", "-c", "env | grep -c '^P[0-9]'"]);
    run.output().case("a thousand pages").prints("1000\n");
    put(1000);
    run.output().case("one more").refused(65, &["--load: there are more than 1000 pages", "under /app", "help: "]);
}

/// What has arrived is kept: of 30 names, only the call that failed is made again.
#[test]
fn batches_that_have_arrived_are_kept() {
    let fake = plain();
    let args = asking(&fake, 30, &["exec"]);
    fake.fault(Fault::times(2, Action::status(500)).name("p.15"));
    keyed(&fake, args).output().case("the second of three calls fails twice").started();
    assert_eq!(fake.calls("GetParameters").len(), 5);
}

/// A denial wins over a call that gets no answer, and so does what is known to be missing.
#[test]
fn what_is_permanent_wins_over_what_is_temporary() {
    let fake = plain();
    let args = asking(&fake, 20, &["exec", "--timeout", "3s"]);
    fake.fault(Fault::always(Action::status(500)).name("p.00"));
    fake.delete("p.15");
    keyed(&fake, &args)
        .output()
        .case("one missing, one call failing")
        .refused(66, &["p.15", "gave up on Parameter Store"]);
    fake.policy(USER, denying(&["ssm:*"], &[parameter("p.16")]));
    keyed(&fake, &args).output().case("one denied, one call failing").refused(77, &["parameter/p.16"]);
}
