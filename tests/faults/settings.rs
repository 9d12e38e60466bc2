//! Settings of the environment that make the AWS SDK panic, or that would let its retries multiply ours.

use fake_aws::{Action, Fault};

use crate::common::{KEYS, Ran, TempFile, can_unshare, keyed, offline, one, plain, set_mode, skip, stepzero, together};
use crate::supervisor::at_deadline;

#[test]
fn the_sdk_s_own_settings_change_nothing() {
    let cases = [
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_MAX_ATTEMPTS", "-1"),
        ("AWS_MAX_ATTEMPTS", "garbage"),
        ("AWS_MAX_ATTEMPTS", "1000000"),
        ("AWS_RETRY_MODE", "legacy"),
        ("AWS_RETRY_MODE", "adaptive"),
        ("AWS_RETRY_MODE", "\u{1b}[31m"),
        ("AWS_DEFAULTS_MODE", "garbage"),
        ("AWS_SDK_UA_APP_ID", "a\nb"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "garbage"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "0"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "garbage"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "garbage"),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "garbage"),
        ("RUST_LOG", "trace"),
        ("LOG_SENSITIVE_BODIES", "true"),
    ];
    together(8, &cases, |(name, value)| {
        let fake = plain();
        let ran = keyed(&fake, one("30s")).env(*name, *value).output().case(name).started();
        assert_eq!((ran.stderr().as_str(), fake.calls("GetParameters").len()), ("", 1), "{name}={value}");
    });
}

#[test]
fn settings_that_say_nothing_sensible_are_refused_without_a_panic() {
    let cases: [(&str, &str, i32, &[&str]); 17] = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:99999", 78, &["port", "65535"]),
        ("AWS_ENDPOINT_URL", "http://[::1]:99999", 78, &["port", "65535"]),
        ("ALL_PROXY", "socks5://127.0.0.1:1", 78, &["only http:// proxies"]),
        ("HTTP_PROXY", "https://127.0.0.1:1", 78, &["only http:// proxies"]),
        ("AWS_ACCESS_KEY_ID", "AKID\nEXAMPLE", 77, &["access key id", "newline"]),
        ("AWS_ACCESS_KEY_ID", "AKID EXAMPLE", 77, &["access key id"]),
        ("AWS_SECRET_ACCESS_KEY", "secret\r\n", 77, &["secret access key"]),
        ("AWS_SESSION_TOKEN", "a\nb", 77, &["session token"]),
        ("AWS_REGION", "us east\n1", 78, &["AWS_REGION", "us-east-1"]),
        ("AWS_REGION", "eu-west-3a", 78, &["AWS_REGION: \"eu-west-3a\" is a zone, the Region is eu-west-3"]),
        ("AWS_REGION", "us-east", 78, &["AWS_REGION: \"us-east\" is not a Region"]),
        ("AWS_REGION", "aws-global", 78, &["AWS_REGION: \"aws-global\" is not a Region"]),
        ("AWS_ENDPOINT_URL_SSM", "127.0.0.1:99", 78, &["https://127.0.0.1:99", "AWS_ENDPOINT_URL_SSM"]),
        ("AWS_ENDPOINT_URL", "not a url", 78, &["AWS_ENDPOINT_URL"]),
        ("AWS_ENDPOINT_URL", "ftp://127.0.0.1:99", 78, &["AWS_ENDPOINT_URL"]),
        ("AWS_CA_BUNDLE", "/nowhere.pem", 78, &["AWS_CA_BUNDLE", "/nowhere.pem"]),
        ("STEPZERO_TIMEOUT", "garbage", 78, &["STEPZERO_TIMEOUT"]),
    ];
    together(8, &cases, |(name, value, code, says)| {
        let fake = plain();
        let args = ["exec", "--parameter", "KEY=app.key", "--", "printenv", "KEY"];
        keyed(&fake, args).env(*name, *value).output().case(format_args!("{name}={value:?}")).refused(*code, says);
    });
}

/// The SDK's three attempts inside each of ours would be three times the calls.
#[test]
fn our_retries_are_the_only_ones() {
    let fake = plain();
    fake.fault(Fault::always(Action::status(500)));
    let (ran, took) = keyed(&fake, one("4s")).env("AWS_MAX_ATTEMPTS", "10").timed();
    let ran = ran.case("500 for ever").refused(75, &["status 500"]);
    at_deadline(took, 4, "500 for ever");
    let calls = fake.calls("GetParameters").len();
    let said = ran.stderr().contains(&format!("after {calls} tr"));
    assert!(said, "{calls} calls, and the message says so: {ran}");
}

/// A proxy that is not there is named with its variables.
#[test]
fn a_dead_proxy_is_named() {
    let fake = plain();
    let dead = plain();
    dead.down();
    let run = keyed(&fake, one("3s")).env("HTTP_PROXY", dead.endpoint_url());
    let run = run.env("HTTPS_PROXY", dead.endpoint_url());
    run.output().case("a dead proxy").refused(75, &["refused"]);
}

/// What is permanent about the place is known before any wait.
#[test]
fn no_region_is_config() {
    let fake = plain();
    let run = stepzero(&fake, one("20s")).env("AWS_EC2_METADATA_DISABLED", "true");
    run.envs(KEYS).output().case("no Region").refused(78, &["no Region", "--region"]);
    assert_eq!(fake.log().len(), 0);
}

/// It does not depend on an IMDS, so it does not wait for one.
#[test]
fn a_bundle_that_is_not_there_is_told_while_imds_is_silent() {
    let fake = plain();
    let run =
        stepzero(&fake, one("20s")).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}", fake.black_hole()));
    run.env("AWS_CA_BUNDLE", "/nowhere.pem").output().case("no bundle").refused(78, &["AWS_CA_BUNDLE", "/nowhere.pem"]);
}

/// In a user namespace the kernel shows the overflow user in place of an owner that has no number there.
#[test]
fn a_spec_whose_owner_is_not_in_the_user_namespace() {
    use std::os::unix::fs::chown;
    const NAME: &str = "user namespace";
    let flags = ["--user", "--map-root-user"];
    if !can_unshare(NAME, &flags) {
        return;
    }
    let spec = TempFile::spec("[env]\nA = { parameter = \"/a\" }\n");
    if chown(&spec.path, Some(12345), Some(12345)).is_err() {
        return skip(NAME, "only root may give a file away");
    }
    let run = offline(["plan", "-s", &spec.arg()]);
    let program = [&["unshare"], &flags[..]].concat();
    set_mode(&spec.path, 0o644);
    assert_eq!(run.output().code(), 78, "outside, the owner is another user");
    assert_eq!(Ran::of(&mut run.behind(&program)).code(), 0, "inside, nobody can write it");
    set_mode(&spec.path, 0o666);
    Ran::of(&mut run.behind(&program)).expect(78).says(&["its owner is not in this user namespace", "go-w"]);
}
