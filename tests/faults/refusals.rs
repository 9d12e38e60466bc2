//! Credentials that AWS refuses, a clock that is wrong, and what the role may not do.

use std::time::Duration;

use fake_aws::{Action, Fake, Fault, KmsDenial, Put, Service};

use crate::common::{
    TempFile, USER, VALUE, allowing, asking, denying, keyed, one, one_with, parameter, plain, secure, stepzero,
    together,
};

const REFUSALS: [&str; 4] = [
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
];

/// A profile that assumes a role with the keys of the environment.
const APP: &str = "[profile app]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/app\n\
                   credential_source = Environment\n";

#[test]
fn refused_credentials_are_fetched_anew_once_and_at_once() {
    together(REFUSALS.len(), &REFUSALS, |code| {
        let fake = plain();
        fake.fault(Fault::once(Action::error(400, code, "no")).operation("GetParameters"));
        let ran = stepzero(&fake, one("30s")).output().case(code).started();
        assert_eq!(ran.stderr(), "", "{code}: nobody has to be told");
        assert_eq!((fake.calls("GetParameters").len(), fake.calls("GetRole").len()), (2, 2), "{code}");

        fake.clear_log();
        fake.fault(Fault::always(Action::error(400, code, "no")).operation("GetParameters"));
        stepzero(&fake, one("30s")).output().case(code).refused(77, &["rejects the credentials", code, "anew"]);
        assert_eq!((fake.calls("GetParameters").len(), fake.calls("GetRole").len()), (2, 2), "{code}");
    });
}

#[test]
fn three_calls_that_are_refused_fetch_credentials_once() {
    let fake = plain();
    let args = asking(&fake, 30, &["exec"]);
    // All three are on their way before the first of them is refused.
    let refused = Fault::times(3, Action::error(400, "ExpiredTokenException", "no")).operation("GetParameters");
    fake.fault(refused.after(Duration::from_millis(500)));
    stepzero(&fake, args).output().case("30 names").started();
    assert_eq!((fake.calls("GetParameters").len(), fake.calls("GetRole").len()), (6, 2));
}

/// IMDS can be away just when the credentials are fetched anew.
#[test]
fn fetching_anew_is_tried_until_it_works() {
    let fake = plain();
    fake.fault(Fault::once(Action::error(400, "ExpiredTokenException", "no")).operation("GetParameters"));
    fake.fault(Fault::times(2, Action::status(503)).operation("GetRole").skip(1));
    stepzero(&fake, one("30s")).output().case("503 twice").started();
    assert_eq!(fake.calls("GetParameters").len(), 2);
}

#[test]
fn unknown_and_wrong_keys_are_noperm() {
    let fake = plain();
    let cases =
        [("AKIDUNKNOWN", "x", "UnrecognizedClientException"), ("AKIDEXAMPLE", "wrong", "InvalidSignatureException")];
    for (id, secret, says) in cases {
        let run = stepzero(&fake, one("30s")).env("AWS_REGION", "us-east-1");
        let run = run.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
        fake.clear_log();
        let ran = run.output().case(says).refused(77, &[says, "renew them"]);
        assert!(!ran.stderr().contains(secret) || secret == "x", "{ran}");
        assert!(fake.calls("GetParameters").len() <= 2, "{says}");
    }
}

#[test]
fn a_clock_that_is_wrong_by_minutes() {
    let skews = [-1200_i64, -600, -310, -240, 240, 310, 600, 1200, 86_400];
    together(skews.len(), &skews, |skew| {
        let fake = plain();
        fake.clock_skew(*skew);
        keyed(&fake, one("30s")).output().case(skew).started();
        let codes: Vec<_> = fake.calls("GetParameters").into_iter().map(|call| call.code).collect();
        assert!(codes.len() <= 2, "{skew}: {codes:?}");
    });
    let fake = plain();
    fake.clock_skew(900);
    fake.fault(Fault::always(Action::error(400, "InvalidSignatureException", "no")));
    let ran = keyed(&fake, one("30s")).output().case("it is the clock").refused(77, &["clock", "set it"]);
    assert!(ran.stderr().contains("900 s") || ran.stderr().contains("899 s"), "{ran}");
}

/// What AWS says of the request stays so: nobody waits for the deadline. Without a code it was not AWS that spoke.
#[test]
fn an_unknown_refusal_ends_at_once() {
    let config = TempFile::config(APP);
    let cases = [
        ("InvalidAction", 400, 78, "GetParameters"),
        ("UnknownOperationException", 404, 78, "GetParameters"),
        ("SomethingNewException", 403, 77, "GetParameters"),
        ("RegionDisabledException", 403, 77, "AssumeRole"),
        ("PackedPolicyTooLarge", 400, 78, "AssumeRole"),
    ];
    together(cases.len(), &cases, |(code, status, exit, operation)| {
        let fake = plain();
        fake.fault(Fault::always(Action::error(*status, code, "no")).operation(operation));
        let run = keyed(&fake, one_with("30s", &["--profile", "app"])).env("AWS_CONFIG_FILE", &config.path);
        run.output().case(code).refused(*exit, &["refuses the request: ", code, "help: "]);
        assert_eq!(fake.calls(operation).len(), 1, "{code}");
    });
    for message in [r#""message":"a","Message":"b""#, r#""message":5"#, r#""code":5"#] {
        let fake = plain();
        let body = format!(r#"{{"__type":"x#InvalidAction",{message}}}"#);
        let content_type = "application/x-amz-json-1.1".into();
        fake.fault(Fault::always(Action::Body { status: 400, content_type, body }));
        keyed(&fake, one("30s")).output().case(message).refused(78, &["refuses the request: InvalidAction"]);
    }
    for (status, code) in [(403, ""), (404, ""), (400, "RequestTimeoutException")] {
        let fake = plain();
        fake.fault(Fault::times(2, Action::error(status, code, "no")).operation("GetParameters"));
        keyed(&fake, one("60s")).output().case(format_args!("{status} {code}")).started();
    }
}

/// A container's endpoint that refuses who asks is no matter of time; another error of it is.
#[test]
fn a_container_s_endpoint_that_refuses_ends_at_once() {
    let run = |fake: &Fake, timeout: &str| {
        stepzero(fake, one(timeout)).env("AWS_REGION", "us-east-1").envs(fake.container_env())
    };
    for status in [401, 403] {
        let fake = plain();
        fake.fault(Fault::always(Action::status(status)).service(Service::Container));
        let says = [&format!("refuses to give credentials (status {status})"), "AWS_CONTAINER_AUTHORIZATION_TOKEN"];
        run(&fake, "30s").output().case(status).refused(77, &says);
        assert_eq!(fake.calls("GetCredentials").len(), 1, "{status}");
    }
    let fake = plain();
    run(&fake, "30s")
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong")
        .output()
        .case("a token")
        .refused(77, &["refuses"]);
    for status in [400, 404, 429, 500, 503] {
        let fake = plain();
        fake.fault(Fault::once(Action::status(status)).service(Service::Container));
        run(&fake, "60s").output().case(status).started();
    }
    // A token that it does not take, or a role that it does not know, is no matter of 120 s.
    for (status, help) in [(400, "AWS_CONTAINER_AUTHORIZATION_TOKEN"), (404, "pod identity association")] {
        let fake = plain();
        fake.fault(Fault::always(Action::status(status)).service(Service::Container));
        let says = [&format!("refuses to give credentials (status {status})"), help];
        run(&fake, "120s").output().case(status).refused(77, &says);
        assert!((2..12).contains(&fake.calls("GetCredentials").len()), "{status}");
    }
    fake.fault(Fault::always(Action::status(500)).service(Service::Container));
    run(&fake, "1s").output().case("500 for ever").refused(75, &["credential endpoint", "answered 500"]);
}

/// The same for STS, which is asked before Parameter Store.
#[test]
fn a_clock_that_is_wrong_while_a_role_is_assumed() {
    let config = TempFile::config(APP);
    together(2, &[-900_i64, 900], |skew| {
        let fake = plain();
        fake.clock_skew(*skew);
        let run = keyed(&fake, one_with("30s", &["--profile", "app"])).env("AWS_CONFIG_FILE", &config.path);
        let ran = run.output().case(skew).started();
        ran.says(&["signing with AWS's time"]);
        assert_eq!((fake.calls("AssumeRole").len(), fake.calls("GetParameters").len()), (2, 1), "{skew}");
    });
}

#[test]
fn a_denial_ends_exec_at_once_and_check_names_exactly_the_denied() {
    let name = |at: usize| format!("p.{at:02}");
    let cases: [(usize, Vec<usize>); 5] =
        [(10, vec![3]), (30, vec![17]), (30, vec![0, 9, 10, 29]), (12, vec![11]), (10, (0..10).collect())];
    together(cases.len(), &cases, |(count, denied)| {
        let (fake, case) = (plain(), format!("{denied:?} of {count}"));
        let resources: Vec<String> = denied.iter().map(|at| parameter(&name(*at))).collect();
        fake.policy(USER, denying(&["ssm:GetParameters"], &resources));
        let exec = keyed(&fake, asking(&fake, *count, &["exec"])).output();
        let ran = exec.case(&case).refused(77, &["denied: ssm:GetParameters on arn:aws:ssm:", "stepzero check"]);
        let said = denied.iter().filter(|at| ran.stderr().contains(&parameter(&name(**at)))).count();
        assert!(said >= 1, "{case}: AWS's resource is named: {ran}");
        assert!(fake.calls("GetParameters").len() <= count.div_ceil(10), "{case}: no more calls");

        let check = keyed(&fake, asking(&fake, *count, &["check"])).output().case(&case).expect(77).hides(&[VALUE]);
        let text = check.stderr();
        for at in 0..*count {
            let named = text.contains(&parameter(&name(at)));
            assert_eq!(named, denied.contains(&at), "{case}: {}: {text}", name(at));
        }
    });
}

#[test]
fn a_denied_decryption_and_a_disabled_key_are_told_apart_from_ssm() {
    let cases: [(&str, Option<KmsDenial>, &[&str]); 3] = [
        ("named", Some(KmsDenial::Named), &["denied: kms:Decrypt on arn:aws:kms:"]),
        ("ciphertext", Some(KmsDenial::Ciphertext), &["denied: kms:Decrypt"]),
        ("disabled", None, &["kms:Decrypt", "the KMS key is disabled"]),
    ];
    together(cases.len(), &cases, |(case, denial, says)| {
        let fake = plain();
        fake.put_with(&Put::secure("app.key", VALUE).key("alias/own"));
        match denial {
            Some(shape) => {
                fake.policy(USER, allowing(&["ssm:*"]));
                fake.kms_denial(*shape);
            }
            None => fake.disable_key("alias/own"),
        }
        keyed(&fake, one("30s")).output().case(case).refused(77, says);
        assert_eq!(fake.calls("GetParameters").len(), 1, "{case}");
    });
}

/// A proxy that inspects TLS, or a missing bundle: said at once, and not after 120 s.
#[test]
fn an_untrusted_certificate_is_config_at_once() {
    let fake = secure();
    let (ran, took) = keyed(&fake, one("120s")).env("AWS_CA_BUNDLE", "").timed();
    ran.case("untrusted").refused(78, &["signed by nobody that is trusted", "AWS_CA_BUNDLE=FILE"]);
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    assert_eq!(fake.log().iter().filter(|entry| entry.service == Service::Ssm).count(), 0);
}
