//! A role without a profile: `--role-arn`, assumed with whatever credentials the chain gives.

use fake_aws::{Action, Fault, Service};

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/team/reader";
/// What AWS makes of it.
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/reader/";
const DENIED: &str = "the role cannot be assumed: denied: sts:AssumeRole on arn:aws:iam::123456789012:role/team/reader";

/// Who signed the one call of an operation.
#[track_caller]
fn principal(fake: &Fake, operation: &str) -> String {
    let calls = fake.calls(operation);
    assert_eq!(calls.len(), 1, "{operation}: {calls:#?}");
    calls[0].principal.clone().expect("it was signed")
}

#[test]
fn it_is_assumed_with_whatever_the_chain_gives() {
    let machine = Machine::new(article());
    for (place, asks) in [
        ("environment", ":user/environment"),
        ("profile", ":user/shared"),
        ("web identity", ":assumed-role/irsa/"),
        ("container", ":assumed-role/projectA-container/"),
        ("other", ":user/other"),
        // A profile's own role comes first.
        ("app", ":assumed-role/app/"),
        ("app-of-instance", ":assumed-role/app/"),
        ("web", ":assumed-role/web/"),
        ("process", ":user/process"),
        ("nothing", ":assumed-role/projectA-production/"),
    ] {
        let run = machine.run(&["-vv", "--role-arn", ROLE]);
        let run = if place == "nothing" { run } else { run.envs(machine.variables(place)) };
        machine.fake.clear_log();
        let ran = run.output().expect(0).says(&[&format!("assumed the role {ROLE}, as {SESSION}stepzero")]);
        assert_eq!(ran.stdout(), VALUE, "{place}");
        let calls = machine.fake.calls("AssumeRole");
        let last = calls.last().and_then(|call| call.principal.clone()).expect("it was signed");
        assert!(last.contains(asks), "{place}: {last}");
        let agent = calls.last().map(|call| call.user_agent.clone()).unwrap_or_default();
        assert!(agent.contains("stepzero"), "{agent}");
        assert_eq!(principal(&machine.fake, "GetParameters"), format!("{SESSION}stepzero"), "{place}");
    }
}

#[test]
fn a_flag_goes_before_the_spec_and_each_alone() {
    let machine = Machine::new(article());
    machine.fake.external_id(ROLE, "customer/7");
    let spec =
        TempFile::spec(format!("role_arn = \"{ROLE}\"\nexternal_id = \"customer/7\"\nrole_session_name = \"web\"\n"));
    let path = spec.arg();
    let bare = TempFile::spec("role_arn = \"arn:aws:iam::123456789012:role/other\"\nexternal_id = \"nobody\"\n");
    let bare = bare.arg();
    let (id, name) = (["--external-id", "customer/7"], ["--role-session-name", "by.flag"]);
    for (args, session) in [
        (vec!["-s", &path], "reader/web"),
        ([&["-s", &path][..], &name].concat(), "reader/by.flag"),
        ([&["--role-arn", ROLE][..], &id].concat(), "reader/stepzero"),
        ([&["-s", &bare, "--role-arn", ROLE][..], &id, &name].concat(), "reader/by.flag"),
        (vec!["-s", &bare], "other/stepzero"),
    ] {
        machine.fake.clear_log();
        machine.run(&args).envs(machine.variables("environment")).output().expect(0);
        let who = principal(&machine.fake, "GetParameters");
        assert!(who.ends_with(&format!(":assumed-role/{session}")), "{args:?}: {who}");
    }
    // Without it, or with another one, the role says no.
    for args in [&["--role-arn", ROLE][..], &["-s", &path, "--external-id", "customer/8"]] {
        machine.fake.clear_log();
        let run = machine.run(args).envs(machine.variables("environment"));
        run.output().expect(77).says(&[DENIED, "trust policy", "external ID"]);
        assert!(machine.fake.calls("GetParameters").is_empty());
    }
}

/// The Region can come from IMDS alone, and so can the first credentials.
#[test]
fn sts_gets_the_region_first() {
    let fake = article();
    let ran = stepzero(&fake, ["exec", "--role-arn", ROLE].iter().chain(&EXEC[1..])).output().expect(0);
    assert_eq!(ran.stdout(), VALUE);
    let order: Vec<String> = fake.log().into_iter().map(|entry| entry.operation).collect();
    let at = |operation: &str| order.iter().position(|seen| seen == operation).expect("it was asked");
    assert!(at("GetRegion") < at("AssumeRole"), "{order:?}");
    // The signature has it: a fake of another Region would refuse it.
    let elsewhere = Fake::builder().region("eu-west-1").start();
    elsewhere.put("shared.newrelic_key", "SecureString", VALUE.trim_end());
    stepzero(&elsewhere, ["exec", "--role-arn", ROLE].iter().chain(&EXEC[1..])).output().expect(0);
}

#[test]
fn a_role_that_is_refused_is_told_with_who_asked() {
    let machine = Machine::new(article());
    machine.fake.deny_assume(ROLE);
    for (place, who) in [("environment", "user/environment"), ("app", "assumed-role/app/")] {
        machine.fake.clear_log();
        let ran = machine.run(&["--role-arn", ROLE]).envs(machine.variables(place)).output().expect(77);
        let ran = ran.says(&[DENIED, who, "help: ", "trust policy"]);
        assert!(!ran.stderr().contains("stepzero check"), "{}", ran.stderr());
        assert!(machine.fake.calls("GetParameters").is_empty(), "{place}: nor with the first credentials");
    }
}

#[test]
fn sts_is_waited_for_until_the_deadline() {
    let machine = Machine::new(article());
    let run = |timeout| {
        let run = machine.run(&["--timeout", timeout, "--role-arn", ROLE]);
        run.envs(machine.variables("environment"))
    };
    // Each is over in a moment.
    let sts = |action| Fault::once(action).service(Service::Sts);
    for fault in [
        || Action::status(503),
        || Action::error(400, "Throttling", "slow down"),
        || Action::ResetAfter(0),
        || Action::Body { status: 200, content_type: "text/xml".into(), body: "<html>".into() },
    ] {
        machine.fake.clear_log();
        machine.fake.fault(sts(fault()));
        run("60s").output().expect(0);
        assert_eq!(machine.fake.calls("AssumeRole").len(), 2);
    }
    machine.fake.fault(Fault::always(Action::status(500)).service(Service::Sts));
    run("2s").output().expect(75).says(&["gave up on credentials", "STS answered status 500"]);
    let nobody = run("1s").env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:7");
    nobody.output().expect(75).says(&["gave up on credentials", "127.0.0.1:7"]);
}

/// The role's are fetched anew once, and the first ones with them.
#[test]
fn credentials_that_have_expired_are_fetched_anew_once() {
    let machine = Machine::new(article());
    let run = || machine.run(&["-vv", "--role-arn", ROLE]).envs(machine.variables("environment"));
    let expired = || Action::error(400, "ExpiredTokenException", "no");
    machine.fake.fault(Fault::once(expired()).operation("GetParameters"));
    run().output().expect(0).says(&["fetching the credentials anew"]);
    assert_eq!(machine.fake.calls("AssumeRole").len(), 2);
    machine.fake.clear_log();
    machine.fake.fault(Fault::always(expired()).operation("GetParameters"));
    run().output().expect(77).says(&["AWS rejects the credentials"]);
    assert_eq!(machine.fake.calls("AssumeRole").len(), 2);
}

/// In a network of its own, where IMDS is at its real address.
#[test]
fn with_the_instance_profile_alone() {
    with_addresses("roles::with_the_instance_profile_alone", &["169.254.169.254"], || {
        let fake = Fake::builder().imds_listen("0.0.0.0:80").start();
        fake.put("shared.newrelic_key", "SecureString", VALUE.trim_end());
        let machine = Machine::new(fake);
        let run = machine.run(&["--credentials", "instance-profile", "--role-arn", ROLE]);
        // None of these has a say, nor has the profile that they would choose.
        let run = ["environment", "profile", "container", "app"]
            .iter()
            .fold(run, |run, place| run.envs(machine.variables(place)));
        assert_eq!(machine.signer(run), "reader");
        let asked = principal(&machine.fake, "AssumeRole");
        assert!(asked.contains(":assumed-role/projectA-production/"), "{asked}");
    });
}

/// STS is where variables and the chosen profile say, as for a profile's own role.
#[test]
fn sts_is_asked_where_the_settings_say() {
    let machine = Machine::new(article());
    let variables = || machine.fake.env().into_iter().filter(|(name, _)| name != "AWS_ENDPOINT_URL");
    let keys = "aws_access_key_id = AKIDOTHER\naws_secret_access_key = secret\nregion = us-east-1";
    let services = "services = s\n[services s]\nsts =\n  endpoint_url = http://127.0.0.1:7";
    let nobody = ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:7");
    for (profile, variable) in [("endpoint_url = http://127.0.0.1:7", None), (services, None), ("", Some(nobody))] {
        let config = TempFile::spec(format!("[profile r]\n{keys}\n{profile}\n"));
        let args = ["exec", "--timeout", "1s", "--profile", "r", "--role-arn", ROLE];
        let run = common::offline(args.iter().chain(&EXEC[1..])).envs(variables());
        let run = run.env("AWS_CONFIG_FILE", config.arg()).env("AWS_ENDPOINT_URL_SSM", machine.fake.endpoint_url());
        let run = variable.into_iter().fold(run, |run, (name, value)| run.env(name, value));
        run.output().expect(75).says(&["127.0.0.1:7"]);
        assert!(machine.fake.calls("AssumeRole").is_empty(), "{profile} {variable:?}");
    }
    // By the rules, with FIPS: the proxy sees which host.
    let run = common::offline(["exec", "--role-arn", ROLE].iter().chain(&EXEC[1..])).envs(variables());
    let run = run.envs(machine.variables("environment")).env("HTTPS_PROXY", machine.fake.proxy());
    run.env("AWS_REGION", "us-east-1").env("AWS_USE_FIPS_ENDPOINT", "true").env("STEPZERO_TIMEOUT", "2s").output();
    let hosts: Vec<String> = machine.fake.calls("CONNECT").into_iter().flat_map(|call| call.names).collect();
    assert!(hosts.iter().any(|host| host == "sts-fips.us-east-1.amazonaws.com:443"), "{hosts:?}");
}
