//! IMDS on a booting machine: every sequence of failures that ends well starts, and requests keep a pace.

use std::time::Duration;

use fake_aws::{Action, Fake, Fault, LogEntry, Service};
use serde_json::json;

use crate::common::{one, plain, stepzero, together};
use crate::supervisor::at_deadline;

/// How IMDS is taken away.
type Away = fn(&Fake);

const STATUSES: [u16; 6] = [401, 403, 404, 429, 500, 503];

/// What one request of a sequence meets.
fn step(kind: usize) -> Action {
    match kind {
        0..=5 => Action::status(STATUSES[kind]),
        6 => Action::ResetAfter(0),
        7 => Action::Hang,
        8 => Action::Body { status: 200, content_type: "text/html".into(), body: "<html>\u{1b}[31m\n".into() },
        9 => Action::Raw(b"\xff\xfe\x00not HTTP".to_vec()),
        10 => Action::CloseAfter(20),
        11 => Action::Body { status: 200, content_type: "text/plain".into(), body: String::new() },
        // A session token that no header can hold: one that is kept would spoil every request after it.
        12 => Action::Raw(
            b"HTTP/1.1 200 OK\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\ncontent-length: 3\r\n\r\na\x1bb".to_vec(),
        ),
        _ => Action::Pass,
    }
}

/// Requests over any stretch of time: at most one a second, and a burst that a normal start has twice.
#[track_caller]
fn keeps_pace(log: &[LogEntry], case: &str) {
    let times: Vec<Duration> =
        log.iter().filter(|entry| entry.service == Service::Imds).map(|entry| entry.at).collect();
    for (first, from) in times.iter().enumerate() {
        for (count, to) in times[first..].iter().enumerate() {
            let most = 10.0 + (*to - *from).as_secs_f64();
            assert!((count + 1) as f64 <= most, "{case}: {} requests in {:?}: {times:?}", count + 1, *to - *from);
        }
    }
}

#[test]
fn sequences_of_failures_that_end_well_start() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut cases: Vec<Vec<usize>> = (0..13).map(|kind| vec![kind]).collect();
    while cases.len() < 73 {
        cases.push((0..random.usize(2..6)).map(|_| random.usize(0..15)).collect());
    }
    together(36, &cases, |steps| {
        let fake = plain();
        for kind in steps {
            fake.fault(Fault::once(step(*kind)).service(Service::Imds));
        }
        let case = format!("{steps:?}");
        stepzero(&fake, one("60s")).output().case(&case).started();
        keeps_pace(&fake.log(), &case);
    });
}

#[test]
fn credentials_that_are_expired_incomplete_or_refused_at_first() {
    let alter = |name: &'static str, value: serde_json::Value| {
        Action::rewrite(move |mut body| {
            body[name] = value.clone();
            body
        })
    };
    let cases = [
        ("expired", alter("Expiration", json!("2001-01-01T00:00:00Z"))),
        ("a code", alter("Code", json!("AssumeRoleUnauthorizedAccess"))),
        ("no key", alter("AccessKeyId", json!(null))),
        ("a number", alter("SecretAccessKey", json!(5))),
        ("an odd date, taken as none", alter("Expiration", json!("tomorrow"))),
    ];
    together(cases.len(), &cases, |(case, action)| {
        let fake = plain();
        fake.fault(Fault::times(2, action.clone()).operation("GetRole"));
        stepzero(&fake, one("60s")).output().case(case).started();
    });
    // In an outage AWS extends what has expired, so after three tries it is used.
    let fake = plain();
    fake.fault(Fault::always(alter("Expiration", json!("2001-01-01T00:00:00Z"))).operation("GetRole"));
    stepzero(&fake, one("60s")).output().case("expired for good").started();
    assert_eq!(fake.calls("GetRole").len(), 4, "expired for good");
}

#[test]
fn requests_keep_a_pace_in_the_long_run() {
    let cases = [(401, "session token"), (404, "404"), (429, "429"), (500, "500"), (503, "503")];
    together(cases.len(), &cases, |(status, says)| {
        let fake = plain();
        fake.fault(Fault::always(Action::status(*status)).service(Service::Imds));
        let case = status.to_string();
        let (ran, took) = stepzero(&fake, one("12s")).timed();
        ran.case(&case).refused(75, &["gave up on ", says]);
        at_deadline(took, 12, &case);
        keeps_pace(&fake.log(), &case);
    });
}

#[test]
fn a_role_that_comes_late_and_one_that_never_comes() {
    let fake = plain();
    fake.fault(Fault::always(Action::status(404)).operation("ListRoles"));
    let run = stepzero(&fake, one("4s"));
    run.output().case("no role").refused(75, &["no role", "attach an instance profile"]);
    let fake = plain();
    fake.fault(Fault::always(Action::status(404)).operation("GetRole"));
    stepzero(&fake, one("2s")).output().case("a role without credentials").refused(75, &["404 for the credentials"]);
}

/// Under `auto` an IMDS that never answers is one that is not there: after 10 s, and not at the deadline.
#[test]
fn an_imds_that_never_answers_names_the_hop_limit() {
    let cases: [(&str, Away); 3] = [
        ("one hop too far", |fake| fake.hop_limit_exceeded(true)),
        ("refused", |fake| fake.imds_down()),
        ("silent", |fake| fake.fault(Fault::always(Action::HangAccept).service(Service::Imds))),
    ];
    together(3, &cases, |(case, away)| {
        let fake = plain();
        away(&fake);
        let (ran, took) = stepzero(&fake, one("60s")).timed();
        let asked = format!("asked {} for 10 s", fake.imds_url());
        ran.case(case).refused(77, &["hop limit must be 2", "--profile", &asked]);
        assert!(took >= Duration::from_secs(9) && took < Duration::from_secs(18), "{case}: {took:?}");
    });
}

#[test]
fn no_metadata_request_reaches_a_proxy() {
    let fake = plain();
    let proxy = fake.proxy();
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let run = || stepzero(&fake, one("20s")).envs(names.map(|name| (name, &proxy)));
    run().output().case("all proxy variables").started();
    let log = fake.log();
    let through: Vec<_> = log.iter().filter(|entry| entry.service == Service::Proxy).collect();
    assert!(!through.is_empty(), "Parameter Store is asked through it");
    let imds = fake.imds_address().to_string();
    assert!(!through.iter().any(|entry| entry.names.iter().any(|name| name.contains(&imds))), "{through:?}");

    fake.clear_log();
    run().envs(fake.container_env()).env("AWS_REGION", "us-east-1").output().case("the container's endpoint").started();
    assert_eq!(fake.calls("GetCredentials").len(), 1);
    assert!(!fake.log().iter().any(|entry| entry.service == Service::Proxy && entry.names[0].contains(&imds)));
}

/// Whatever a role is called, it does not become part of a path, and the SDK never sees it.
#[test]
fn hostile_role_names_are_no_panic() {
    let names = ["a b", "a\tb", "../../user-data", "r\u{e9}le", " x", "", "a%0ab", "\u{0}"];
    together(names.len(), &names, |name| {
        let fake = plain();
        let body = Action::Body { status: 200, content_type: "text/plain".into(), body: (*name).into() };
        fake.fault(Fault::always(body).operation("ListRoles"));
        stepzero(&fake, one("2s")).output().case(name).refused(75, &["no role name"]);
        assert_eq!(fake.calls("GetRole").len(), 0, "{name:?}");
    });
}
