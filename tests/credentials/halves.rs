//! Half of a source of credentials is never passed over: the next place would be somebody else.

use super::*;

use crate::common::ROLE;

type Variables = &'static [(&'static str, &'static str)];

/// IMDS could give credentials in each case, and must not be asked.
#[test]
fn half_of_a_source_ends_the_chain() {
    let machine = Machine::new(article());
    let cases: [(Variables, i32, &str); 8] = [
        (&[("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")], 77, "AWS_SECRET_ACCESS_KEY is not"),
        (&[("AWS_SECRET_ACCESS_KEY", "secret")], 78, "AWS_ACCESS_KEY_ID is not"),
        (&[("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_SESSION_TOKEN", "t")], 78, "AWS_ACCESS_KEY_ID is not"),
        (&[("AWS_SESSION_TOKEN", "t")], 78, "AWS_SESSION_TOKEN is set"),
        (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/etc/hostname")], 78, "AWS_ROLE_ARN is not"),
        (&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/etc/hostname"), ("AWS_ROLE_ARN", "")], 78, "AWS_ROLE_ARN is not"),
        (&[("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t")], 78, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        (&[("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/t")], 78, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ];
    for (variables, code, words) in cases {
        machine.fake.clear_log();
        let run = machine.run(&[]).envs(variables.iter().copied());
        run.output().case(format_args!("{variables:?}")).refused(code, &[words]);
        assert!(machine.fake.log().is_empty(), "{variables:?}: somebody was asked: {:#?}", machine.fake.log());
    }
    // A role without a token file is for other tools: botocore and Go pass it over as well.
    assert_eq!(machine.signer(machine.run(&[]).env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x")), ROLE);
    // A whole source before the half wins, as in botocore.
    let run = machine.run(&[]).envs(machine.variables("environment"));
    assert_eq!(machine.signer(run.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t")), "environment");
}

/// The SDK passes over what lacks a part, and over a program beside it.
#[test]
fn half_of_sso_ends_the_chain() {
    let machine = Machine::new(article());
    for (keys, code) in [
        ("sso_start_url = https://x.example", 77),
        ("sso_region = us-east-1", 77),
        ("sso_role_name = admin", 78),
        ("sso_start_url = https://x.example\ncredential_process = echo", 77),
    ] {
        machine.fake.clear_log();
        let config = TempFile::config(format!("[profile half]\nregion = us-east-1\n{keys}\n"));
        let run = machine.run(&["--profile", "half"]).env("AWS_CONFIG_FILE", config.arg());
        run.output().case(keys).expect(code).says(&["profile"]);
        assert!(machine.fake.log().is_empty(), "{keys}: somebody was asked: {:#?}", machine.fake.log());
    }
}

#[test]
fn half_of_a_profile_ends_the_chain() {
    let machine = Machine::new(article());
    let role = "role_arn = arn:aws:iam::123456789012:role/app";
    for (profile, words) in [
        ("aws_access_key_id = AKIDOTHER".to_owned(), "aws_secret_access_key"),
        ("aws_secret_access_key = secret".to_owned(), "aws_access_key_id"),
        ("aws_session_token = t".to_owned(), "aws_access_key_id"),
        ("web_identity_token_file = /etc/hostname".to_owned(), "role_arn"),
        (role.to_owned(), "source_profile"),
        ("source_profile = x".to_owned(), "no role_arn"),
        (format!("{role}\nsource_profile = nope"), "source_profile"),
        (format!("{role}\ncredential_source = Moon"), "it is Environment, Ec2InstanceMetadata or EcsContainer"),
        (format!("{role}\ncredential_source = EcsContainer"), "AWS_CONTAINER_CREDENTIALS_*"),
        (format!("{role}\nsource_profile = x\ncredential_source = Environment"), "source_profile"),
    ] {
        machine.fake.clear_log();
        let config = TempFile::config(format!("[profile half]\nregion = us-east-1\n{profile}\n"));
        let run = machine.run(&["--profile", "half"]).env("AWS_CONFIG_FILE", config.arg());
        let ran = run.output().expect(78).says(&[words]);
        assert!(ran.stderr().matches("credential_source = ").count() <= 1, "said twice: {}", ran.stderr());
        assert!(machine.fake.log().is_empty(), "{profile}: somebody was asked: {:#?}", machine.fake.log());
    }
}

/// A role whose container is half set up says which half is missing, as without the role.
#[test]
fn half_of_a_container_behind_a_role_is_named() {
    let machine = Machine::new(article());
    for (name, value, words) in [
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t", "AWS_CONTAINER_AUTHORIZATION_TOKEN is set, but neither"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/x", "may not be asked for credentials over plain HTTP"),
    ] {
        let run = machine.run(&[]).envs(machine.variables("app-of-container")).env(name, value);
        run.output().expect(78).says(&[words, "credential_source = EcsContainer of profile app-of-container"]);
    }
}

#[test]
fn the_default_profile_can_be_another() {
    let machine = Machine::new(article());
    let run = |variables: &[(&str, &str)]| machine.run(&[]).envs(variables.iter().copied());
    assert_eq!(machine.signer(run(&[("AWS_DEFAULT_PROFILE", "other")])), "other");
    assert_eq!(machine.signer(run(&[("AWS_DEFAULT_PROFILE", "nope"), ("AWS_PROFILE", "other")])), "other");
    assert_eq!(machine.signer(run(&[("AWS_DEFAULT_PROFILE", "other"), ("AWS_PROFILE", "")])), "other");
    assert_eq!(machine.signer(machine.run(&["--profile", "process"]).env("AWS_DEFAULT_PROFILE", "other")), "process");
    run(&[("AWS_DEFAULT_PROFILE", "nope")]).output().expect(78).says(&["no profile \"nope\"", "AWS_DEFAULT_PROFILE"]);
}
