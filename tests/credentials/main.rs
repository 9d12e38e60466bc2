//! Who stepzero is to AWS: every place where credentials can be, their order, the instance profile alone, and proxies.
//! The fake says who signed a call.

#[path = "../common/mod.rs"]
mod common;
mod halves;
mod roles;
mod sources;

use common::network::with_addresses;
use common::{ARTICLE, Directory, PROCESS, ROLE, Ran, Run, TempFile, article, stepzero, store, users};
use fake_aws::Fake;

const EXEC: [&str; 5] = ["exec", "--parameter", "V=shared.newrelic_key", "printenv", "V"];
const VALUE: &str = "2039402939302293029230923093\n";

/// The files and variables of a machine that has every kind of credentials at once.
struct Machine {
    fake: Fake,
    /// With `config`, `shared` and `token`.
    files: Directory,
}

const CONFIG: &str = r#"
[default]
region = us-east-1
[profile other]
aws_access_key_id = AKIDOTHER
aws_secret_access_key = secret
region = us-east-1
[profile empty-token]
aws_access_key_id = AKIDOTHER
aws_secret_access_key = secret
aws_session_token =
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
credential_process = PROCESS
[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_account_id = 123456789012
sso_region = us-east-1
sso_role_name = admin
[profile sso-before-process]
sso_start_url = https://example.awsapps.com/start
sso_account_id = 123456789012
sso_region = us-east-1
sso_role_name = admin
credential_process = printf '{"Version":1,"AccessKeyId":"AKIDPROCESS","SecretAccessKey":"secret"}'
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

/// `EXEC` with options.
fn exec<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [&EXEC[..1], options, &EXEC[1..]].concat()
}

impl Machine {
    fn new(fake: Fake) -> Self {
        users(&fake, &["ENVIRONMENT", "SHARED", "OTHER", "PROCESS"]);
        fake.web_identity_token("web-token");
        let files = Directory::new();
        let token = files.file("token", "web-token");
        files.file("config", CONFIG.replace("TOKEN", &token).replace("PROCESS", PROCESS));
        files.file("shared", "[default]\naws_access_key_id = AKIDSHARED\naws_secret_access_key = secret\n");
        Machine { fake, files }
    }

    /// With the configuration files, and nothing else that could have credentials but IMDS.
    fn run(&self, args: &[&str]) -> Run {
        let config = self.files.arg("config");
        stepzero(&self.fake, exec(args)).env("AWS_CONFIG_FILE", config).env("AWS_REGION", "us-east-1")
    }

    /// The variables of one place.
    fn variables(&self, place: &str) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match place {
            "environment" => {
                vec![pair("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"), pair("AWS_SECRET_ACCESS_KEY", "secret")]
            }
            "profile" => vec![pair("AWS_SHARED_CREDENTIALS_FILE", &self.files.arg("shared"))],
            "web identity" => vec![
                pair("AWS_WEB_IDENTITY_TOKEN_FILE", &self.files.arg("token")),
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
        run.output().prints(VALUE);
        let principal = self.fake.calls("GetParameters")[0].principal.clone().expect("it was signed");
        let name = principal.rsplit_once(":user/").map(|(_, name)| name);
        let role = principal.split_once(":assumed-role/").and_then(|(_, rest)| rest.split('/').next());
        name.or(role).expect("a user or a role").to_owned()
    }
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
        ("empty-token", "other"),
        ("app", "app"),
        ("app-of-instance", "app"),
        ("web", "web"),
        ("process", "process"),
    ] {
        let run = machine.run(&[]).envs(machine.variables(place));
        assert_eq!(machine.signer(run), signer, "{place}");
    }
    assert_eq!(machine.signer(machine.run(&[])), ROLE, "IMDS");
    let run = machine.run(&["--profile", "app-of-environment"]).envs(machine.variables("environment"));
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
        let run = machine.run(&[]).envs(rest.iter().flat_map(|(place, _)| machine.variables(place)));
        let signer = rest.first().map_or(ROLE, |(_, signer)| signer);
        assert_eq!(machine.signer(run), signer);
        let imds = machine.fake.log().iter().any(|entry| entry.operation == "GetRole");
        assert_eq!(imds, rest.is_empty(), "IMDS is only asked when nobody else has any");
    }
}

#[test]
fn a_profile_by_flag_is_the_only_place() {
    let machine = Machine::new(article());
    let everything = ["environment", "profile", "web identity", "container", "process"];
    let all = |run: Run| run.envs(everything.iter().flat_map(|place| machine.variables(place)));
    assert_eq!(machine.signer(all(machine.run(&["--profile", "other"]))), "other");
    assert_eq!(machine.signer(all(machine.run(&["--profile", ""]))), "environment", "an empty one is none");
    // A typing error must not end with another identity.
    for run in [all(machine.run(&["--profile", "nope"])), machine.run(&[]).envs(machine.variables("nope"))] {
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
        ("sso-before-process", 77, &["SSO", "aws configure export-credentials"]),
        ("app-of-sso", 77, &["SSO", "aws configure export-credentials"]),
        ("login", 77, &["aws login", "aws configure export-credentials"]),
        ("app-with-mfa", 77, &["sts:AssumeRole", "mfa_serial", "aws configure export-credentials"]),
    ] {
        let ran = machine.run(&[]).envs(machine.variables(place)).output().case(place);
        // `check` is for Parameter Store, and would ask with the same credentials.
        let ran = ran.refused(code, words).hides(&["stepzero check"]);
        assert_eq!(ran.stderr().contains("mfa_serial"), place == "app-with-mfa", "{place}: {}", ran.stderr());
    }
    let absent = machine.run(&[]).env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token").env("AWS_ROLE_ARN", "x");
    let words = ["the web identity", "no such file", "AWS_WEB_IDENTITY_TOKEN_FILE"];
    absent.output().expect(77).says(&words);
    let broken = TempFile::config("[default\nregion");
    let words = ["AWS configuration files", &format!("{}: line 1", broken.arg())];
    machine.run(&[]).env("AWS_CONFIG_FILE", broken.arg()).output().expect(78).says(&words);
    let stray = [("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "hunter2\nx")];
    let ran = machine.run(&[]).envs(stray).output();
    ran.refused(77, &["secret access key", "the environment", "newline"]).hides(&["hunter2"]);
}

/// Nor does it end a child that it inherited.
#[test]
fn a_credential_process_ends_with_the_deadline() {
    let machine = Machine::new(article());
    let told = machine.files.file("told", "");
    let process = format!("sh -c 'echo $$ >> {told}; sleep 90 & echo $! >> {told}; wait'");
    let config = TempFile::config(format!("[profile slow]\nregion = us-east-1\ncredential_process = {process}\n"));
    let run = machine.run(&["--timeout", "1s", "--profile", "slow"]).env("AWS_CONFIG_FILE", config.arg());
    let ran = Ran::of(&mut run.under("sleep 90 >/dev/null 2>&1 & echo $!; exec \"$@\""));
    let ran = ran.expect(75).says(&["gave up on credentials"]);
    let runs = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
    };
    let pids = std::fs::read_to_string(&told).expect("it is there");
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
    stepzero(&fake, EXEC).output().prints(VALUE);
    assert_eq!(fake.calls("GetRegion").len(), 1);
    assert_eq!(fake.calls("PutToken").len(), 1, "one session token for all");
    for run in [stepzero(&fake, EXEC).env("AWS_REGION", "us-east-1"), stepzero(&fake, exec(&["--region", "us-east-1"]))]
    {
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
    assert_eq!(machine.signer(run), ROLE);
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
            let run = if place == "container" { run.envs(fake.container_env()) } else { run };
            run.output().prints(VALUE);
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
    with_addresses("the_instance_profile_alone_believes_no_variable", &["169.254.169.254", "169.254.170.2"], || {
        let fake = Fake::builder().imds_listen("0.0.0.0:80").start();
        fake.put(ARTICLE[0].0, "SecureString", ARTICLE[0].1);
        let machine = Machine::new(fake);
        let decoy = Fake::start();
        let disturb = |run: Run| {
            let places = ["environment", "profile", "web identity", "container", "process"];
            run.envs(places.iter().flat_map(|place| machine.variables(place)))
                .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", decoy.imds_url())
                .env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .env("AWS_DEFAULT_PROFILE", "other")
                .env("HTTP_PROXY", "http://127.0.0.1:9")
        };
        let flag = disturb(machine.run(&["--credentials", "instance-profile"]));
        let variable = disturb(machine.run(&[])).env("STEPZERO_CREDENTIALS", "instance-profile");
        let spec = TempFile::spec("credentials = \"instance-profile\"\n");
        let file = disturb(machine.run(&["-s", &spec.arg()]));
        for run in [flag, variable, file] {
            assert_eq!(machine.signer(run), ROLE);
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
        Ran::of(&mut plain()).prints(VALUE);
        machine.fake.clear_log();
        let path = machine.fake.container_url();
        let path = path.splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("it has a path");
        let token = machine.fake.container_token().expect("the fake has one");
        let mut relative = plain();
        relative.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path).env("AWS_CONTAINER_AUTHORIZATION_TOKEN", token);
        Ran::of(&mut relative).expect(0);
        assert_eq!(machine.fake.calls("GetCredentials").len(), 1);
    });
}

/// As with a misspelt profile: not somebody else.
#[test]
fn half_a_key_is_no_word_for_the_next_place() {
    let machine = Machine::new(article());
    for secret in [None, Some(""), Some(" ")] {
        let run = machine.run(&[]).env("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT");
        let run = run.envs(secret.map(|secret| ("AWS_SECRET_ACCESS_KEY", secret)));
        run.output().expect(77).says(&["AWS_SECRET_ACCESS_KEY is not", "help: "]);
    }
    assert!(machine.fake.log().is_empty());
    let run = machine.run(&["--profile", "other"]).env("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT");
    assert_eq!(machine.signer(run), "other", "the environment is not asked");
}

/// The SDK would take an empty endpoint for an address, and panic.
#[test]
fn empty_settings_of_aws_count_as_unset() {
    let fake = store(&[("k", "v")]);
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
        let ran = run.output().case(name).expect(0);
        assert!(ran.stdout().starts_with("v\n"), "{ran}");
        assert!(ran.stdout().contains(&format!("{name}=\n")), "the command inherits it as it is: {ran}");
    }
}
