//! Who stepzero is to AWS: every place where credentials can be, their order, the instance profile alone, and proxies.
//! The fake says who signed a call.

#[path = "../common/mod.rs"]
mod common;
mod halves;
mod imds;
#[path = "../common/network.rs"]
mod network;
mod roles;
mod sources;

use common::{Ran, Run, Spec, article, stepzero};
use fake_aws::Fake;

const EXEC: [&str; 5] = ["exec", "--parameter", "V=shared.newrelic_key", "printenv", "V"];
const VALUE: &str = "2039402939302293029230923093\n";
/// The role of the instance profile.
const INSTANCE: &str = "projectA-production";

/// The files and variables of a machine that has every kind of credentials at once.
struct Machine {
    fake: Fake,
    config: Spec,
    shared: Spec,
    token: Spec,
}

const CONFIG: &str = r#"
[default]
region = us-east-1
[profile other]
aws_access_key_id = AKIDOTHER
aws_secret_access_key = secret
region = us-east-1
[profile app]
role_arn = arn:aws:iam::123456789012:role/app
source_profile = other
[profile app-of-instance]
role_arn = arn:aws:iam::123456789012:role/app
credential_source = Ec2InstanceMetadata
[profile app-of-environment]
role_arn = arn:aws:iam::123456789012:role/app
credential_source = Environment
[profile app-of-container]
role_arn = arn:aws:iam::123456789012:role/app
credential_source = EcsContainer
[profile web]
role_arn = arn:aws:iam::123456789012:role/web
web_identity_token_file = TOKEN
[profile process]
credential_process = printf '{"Version":1,"AccessKeyId":"AKIDPROCESS","SecretAccessKey":"secret"}'
[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_account_id = 123456789012
sso_region = us-east-1
sso_role_name = admin
[profile login]
login_session = arn:aws:sts::123456789012:assumed-role/admin/me
[profile app-with-mfa]
role_arn = arn:aws:iam::123456789012:role/app
source_profile = other
mfa_serial = arn:aws:iam::123456789012:mfa/me
[profile app-of-sso]
role_arn = arn:aws:iam::123456789012:role/app
source_profile = sso
"#;

impl Machine {
    fn new(fake: Fake) -> Self {
        for id in ["ENVIRONMENT", "SHARED", "OTHER", "PROCESS"] {
            fake.static_credentials(&format!("AKID{id}"), "secret", &id.to_ascii_lowercase());
        }
        fake.web_identity_token("web-token");
        let token = Spec::new("web-token");
        let config = Spec::new(&CONFIG.replace("TOKEN", &token.arg()));
        let shared = Spec::new("[default]\naws_access_key_id = AKIDSHARED\naws_secret_access_key = secret\n");
        Machine { fake, config, shared, token }
    }

    /// With the configuration files, and nothing else that could have credentials but IMDS.
    fn run(&self, args: &[&str]) -> Run {
        let args = EXEC[..1].iter().chain(args).chain(&EXEC[1..]);
        stepzero(&self.fake, args).env("AWS_CONFIG_FILE", self.config.arg()).env("AWS_REGION", "us-east-1")
    }

    /// The variables of one place.
    fn variables(&self, place: &str) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match place {
            "environment" => {
                vec![pair("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"), pair("AWS_SECRET_ACCESS_KEY", "secret")]
            }
            "profile" => vec![pair("AWS_SHARED_CREDENTIALS_FILE", &self.shared.arg())],
            "web identity" => vec![
                pair("AWS_WEB_IDENTITY_TOKEN_FILE", &self.token.arg()),
                pair("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/irsa"),
            ],
            "container" => self.fake.container_env(),
            profile => vec![pair("AWS_PROFILE", profile)],
        }
    }

    /// Who signed the call for the parameter.
    #[track_caller]
    fn signer(&self, run: Run) -> String {
        self.fake.clear_log();
        assert_eq!(run.output().expect(0).stdout(), VALUE);
        let principal = self.fake.calls("GetParameters")[0].principal.clone().expect("it was signed");
        let name = principal.rsplit_once(":user/").map(|(_, name)| name);
        let role = principal.split_once(":assumed-role/").and_then(|(_, rest)| rest.split('/').next());
        name.or(role).expect("a user or a role").to_owned()
    }
}

fn with(run: Run, variables: impl IntoIterator<Item = (String, String)>) -> Run {
    variables.into_iter().fold(run, |run, (name, value)| run.env(name, value))
}

#[test]
fn each_place_alone() {
    let machine = Machine::new(article());
    for (place, signer) in [
        ("environment", "environment"),
        ("profile", "shared"),
        ("web identity", "irsa"),
        ("container", "projectA-container"),
        ("other", "other"),
        ("app", "app"),
        ("app-of-instance", "app"),
        ("web", "web"),
        ("process", "process"),
    ] {
        let run = with(machine.run(&[]), machine.variables(place));
        assert_eq!(machine.signer(run), signer, "{place}");
    }
    assert_eq!(machine.signer(machine.run(&[])), "projectA-production", "IMDS");
    let run = with(machine.run(&["--profile", "app-of-environment"]), machine.variables("environment"));
    assert_eq!(machine.signer(run), "app");
}

#[test]
fn the_first_place_of_the_chain_wins() {
    let machine = Machine::new(article());
    let chain = [
        ("environment", "environment"),
        ("profile", "shared"),
        ("web identity", "irsa"),
        ("container", "projectA-container"),
    ];
    for first in 0..=chain.len() {
        let rest = &chain[first..];
        let run = rest.iter().fold(machine.run(&[]), |run, (place, _)| with(run, machine.variables(place)));
        let signer = rest.first().map_or("projectA-production", |(_, signer)| signer);
        assert_eq!(machine.signer(run), signer);
        let imds = machine.fake.log().iter().any(|entry| entry.operation == "GetRole");
        assert_eq!(imds, rest.is_empty(), "IMDS is only asked when nobody else has any");
    }
}

#[test]
fn a_profile_by_flag_is_the_only_place() {
    let machine = Machine::new(article());
    let everything = ["environment", "profile", "web identity", "container", "process"];
    let all = |run: Run| everything.iter().fold(run, |run, place| with(run, machine.variables(place)));
    assert_eq!(machine.signer(all(machine.run(&["--profile", "other"]))), "other");
    assert_eq!(machine.signer(all(machine.run(&["--profile", ""]))), "environment", "an empty one is none");
    // A typing error must not end with another identity.
    for run in [all(machine.run(&["--profile", "nope"])), with(machine.run(&[]), machine.variables("nope"))] {
        run.output().expect(78).says(&["there is no profile \"nope\""]);
    }
}

#[test]
fn what_goes_wrong_names_the_place() {
    let machine = Machine::new(article());
    machine.fake.deny_assume("arn:aws:iam::123456789012:role/app");
    machine.fake.deny_assume("arn:aws:iam::123456789012:role/irsa");
    for (place, code, words) in [
        ("app", 77, &["sts:AssumeRole", "role/app"][..]),
        ("web identity", 77, &["sts:AssumeRole"]),
        ("sso", 77, &["SSO", "aws configure export-credentials"]),
        ("app-of-sso", 77, &["SSO", "aws configure export-credentials"]),
        ("login", 77, &["aws login", "aws configure export-credentials"]),
        ("app-with-mfa", 77, &["sts:AssumeRole", "mfa_serial", "aws configure export-credentials"]),
    ] {
        let ran = with(machine.run(&[]), machine.variables(place)).output().expect(code).says(words);
        // It is for Parameter Store, and would ask with the same credentials.
        assert!(!ran.stderr().contains("stepzero check"), "{}", ran.stderr());
    }
    let absent = machine.run(&[]).env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token").env("AWS_ROLE_ARN", "x");
    let words = ["the web identity", "no such file", "AWS_WEB_IDENTITY_TOKEN_FILE"];
    absent.output().expect(77).says(&words);
    let broken = Spec::new("[default\nregion");
    machine.run(&[]).env("AWS_CONFIG_FILE", broken.arg()).output().expect(78).says(&["AWS configuration files"]);
    let stray = [("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "hunter2\nx")];
    let run = stray.iter().fold(machine.run(&[]), |run, (name, value)| run.env(*name, *value));
    let ran = run.output().expect(77).says(&["secret access key", "the environment", "newline"]);
    assert!(!ran.stderr().contains("hunter2"), "{}", ran.stderr());
}

/// Nor does it end a child that it inherited.
#[test]
fn a_credential_process_ends_with_the_deadline() {
    let machine = Machine::new(article());
    let told = Spec::new("");
    let slow = format!(
        "[profile slow]\nregion = us-east-1\ncredential_process = sh -c 'echo $$ >> {0}; sleep 90 & echo $! >> {0}; wait'\n",
        told.arg()
    );
    let config = Spec::new(&slow);
    let run = machine.run(&["--timeout", "1s", "--profile", "slow"]).env("AWS_CONFIG_FILE", config.arg());
    let mut command = common::wrapped(&["sh", "-c", "sleep 90 >/dev/null 2>&1 & echo $!; exec \"$@\"", "sh"], &run);
    let ran = Ran(command.output().expect("there is a shell")).expect(75).says(&["gave up on credentials"]);
    let runs = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
    };
    let pids = std::fs::read_to_string(&told.path).expect("it is there");
    assert_eq!(pids.lines().count(), 2, "it was started once: {pids}");
    let begun = std::time::Instant::now();
    while pids.lines().any(runs) {
        assert!(begun.elapsed().as_secs() < 20, "still there: {pids}");
        std::thread::yield_now();
    }
    let stdout = ran.stdout();
    let inherited = stdout.trim();
    assert!(runs(inherited), "{stdout}");
    let ended = std::process::Command::new("kill").arg(inherited).status().expect("there is a kill");
    assert!(ended.success());
}

#[test]
fn imds_is_asked_for_the_region_only_when_nobody_else_says_it() {
    let fake = article();
    let ran = stepzero(&fake, EXEC).output().expect(0);
    assert_eq!(ran.stdout(), VALUE);
    assert_eq!(fake.calls("GetRegion").len(), 1);
    assert_eq!(fake.calls("PutToken").len(), 1, "one session token for all");
    for run in [
        stepzero(&fake, EXEC).env("AWS_REGION", "us-east-1"),
        stepzero(&fake, ["exec", "--region", "us-east-1"].iter().chain(&EXEC[1..])),
    ] {
        fake.clear_log();
        run.output().expect(0);
        assert_eq!(fake.calls("GetRegion").len(), 0);
    }
}

#[test]
fn a_switched_off_imds_is_not_asked() {
    let machine = Machine::new(article());
    for value in ["true", "TRUE"] {
        machine.run(&[]).env("AWS_EC2_METADATA_DISABLED", value).output().expect(77).says(&["no credentials"]);
    }
    assert_eq!(machine.fake.imds_connections().accepted, 0);
    let run = machine.run(&[]).env("AWS_EC2_METADATA_DISABLED", "false");
    assert_eq!(machine.signer(run), "projectA-production");
}

#[test]
fn a_proxy_gets_the_calls_and_never_imds() {
    let fake = article();
    let url = fake.proxy();
    let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"];
    for name in names {
        for place in ["IMDS", "container"] {
            fake.clear_log();
            let run = stepzero(&fake, EXEC).env(name, &url).env("AWS_REGION", "us-east-1");
            let run = if place == "container" { with(run, fake.container_env()) } else { run };
            assert_eq!(run.output().expect(0).stdout(), VALUE);
            let seen: Vec<_> =
                fake.log().into_iter().filter(|entry| entry.service == fake_aws::Service::Proxy).collect();
            let through = !name.to_ascii_lowercase().starts_with("http_");
            assert_eq!(!seen.is_empty(), through, "{name} {place}");
            let target = fake.endpoint_address().to_string();
            assert!(
                seen.iter().all(|entry| entry.operation == "CONNECT" && entry.names == [target.clone()]),
                "{seen:#?}"
            );
        }
    }
    let spared =
        [("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1"), ("NO_PROXY", "*"), ("NO_PROXY", "x, 127.0.0.0/8")];
    for (name, value) in spared {
        fake.clear_log();
        stepzero(&fake, EXEC).env("HTTPS_PROXY", &url).env(name, value).output().expect(0);
        let seen = fake.log();
        assert!(seen.iter().all(|entry| entry.service != fake_aws::Service::Proxy), "{name}={value}");
    }
}

/// In a network of its own, where IMDS is at its real address.
#[test]
fn the_instance_profile_alone_believes_no_variable() {
    network::with_addresses(
        "the_instance_profile_alone_believes_no_variable",
        &["169.254.169.254", "169.254.170.2"],
        || {
            let fake = Fake::builder().imds_listen("0.0.0.0:80").start();
            fake.put("shared.newrelic_key", "SecureString", VALUE.trim_end());
            let machine = Machine::new(fake);
            let decoy = Fake::start();
            let disturb = |run: Run| {
                let places = ["environment", "profile", "web identity", "container", "process"];
                let run = places.iter().fold(run, |run, place| with(run, machine.variables(place)));
                run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", decoy.imds_url())
                    .env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")
                    .env("AWS_EC2_METADATA_DISABLED", "true")
                    .env("AWS_DEFAULT_PROFILE", "other")
                    .env("HTTP_PROXY", "http://127.0.0.1:9")
            };
            let flag = disturb(machine.run(&["--credentials", "instance-profile"]));
            let variable = disturb(machine.run(&[])).env("STEPZERO_CREDENTIALS", "instance-profile");
            let spec = Spec::new("credentials = \"instance-profile\"\n");
            let file = disturb(machine.run(&["-s", &spec.arg()]));
            for run in [flag, variable, file] {
                assert_eq!(machine.signer(run), "projectA-production");
                assert!(machine.fake.calls("GetCredentials").is_empty() && machine.fake.calls("AssumeRole").is_empty());
            }
            let auto = disturb(machine.run(&["--credentials", "auto"])).env("STEPZERO_CREDENTIALS", "instance-profile");
            assert_eq!(machine.signer(auto), "environment");
            assert!(decoy.log().is_empty());

            // Without the variables of the fake, IMDS is where it is on EC2, and so is the container's endpoint.
            let plain = || {
                let mut command = machine.run(&[]).command();
                command.env_remove("AWS_EC2_METADATA_SERVICE_ENDPOINT").env_remove("AWS_REGION");
                command
            };
            let ran = Ran(plain().output().expect("it was built")).expect(0);
            assert_eq!(ran.stdout(), VALUE);
            machine.fake.clear_log();
            let path = machine.fake.container_url();
            let path = path.splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("it has a path");
            let token = machine.fake.container_token().expect("the fake has one");
            let mut relative = plain();
            relative
                .env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path)
                .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", token);
            Ran(relative.output().expect("it was built")).expect(0);
            assert_eq!(machine.fake.calls("GetCredentials").len(), 1);
        },
    );
}

/// As with a misspelt profile: not somebody else.
#[test]
fn half_a_key_is_no_word_for_the_next_place() {
    let machine = Machine::new(article());
    for secret in [None, Some(""), Some(" ")] {
        let run = machine.run(&[]).env("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT");
        let run = secret.into_iter().fold(run, |run, secret| run.env("AWS_SECRET_ACCESS_KEY", secret));
        run.output().expect(77).says(&["AWS_SECRET_ACCESS_KEY is not", "help: "]);
    }
    assert!(machine.fake.log().is_empty());
    let run = machine.run(&["--profile", "other"]).env("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT");
    assert_eq!(machine.signer(run), "other", "the environment is not asked");
}

/// The SDK would take an empty endpoint for an address, and panic.
#[test]
fn empty_settings_of_aws_count_as_unset() {
    let fake = Fake::start();
    fake.put("k", "String", "v");
    for name in [
        "AWS_ENDPOINT_URL_SSM",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ] {
        let run = stepzero(&fake, ["exec", "--parameter", "k", "--", "sh", "-c", "echo $K; env"]).env(name, "");
        let ran = run.output().expect(0);
        assert!(ran.stdout().starts_with("v\n"), "{name}: {}", ran.stdout());
        assert!(ran.stdout().contains(&format!("{name}=\n")), "{name}: the command inherits it as it is");
    }
}
