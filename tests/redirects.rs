//! `--credentials instance-profile` against everything that redirects credentials: each setting alone, and all at once.
//! Under `auto` each of them does redirect, which is the control.

mod common;

use common::network::with_addresses;
use common::{ARTICLE, Directory, PROCESS, ROLE, Ran, offline, users};
use fake_aws::{Fake, Service};

/// The instance, and somebody who wants to be asked in its place.
struct World {
    genuine: Fake,
    decoy: Fake,
    /// With `.aws/config`, `.aws/credentials`, a token, and what a `credential_process` leaves when it is run.
    home: Directory,
}

type Setting = (&'static str, String);

/// What one has to set for it, and whether it redirects anything under `auto`.
struct Row {
    name: &'static str,
    settings: Vec<Setting>,
    redirects: bool,
}

const VALUE: &str = ARTICLE[0].1;

impl World {
    fn new() -> Self {
        let genuine = Fake::builder().imds_listen("0.0.0.0:80").start();
        genuine.put("k", "SecureString", VALUE);
        users(&genuine, &["ENVIRONMENT", "SHARED", "PROCESS"]);
        genuine.web_identity_token("web-token");
        let world = World { genuine, decoy: Fake::builder().tls(false).start(), home: Directory::new() };
        let (home, keys) = (&world.home, "[default]\naws_access_key_id = AKIDSHARED\naws_secret_access_key = secret\n");
        home.file("token", "web-token");
        home.file("process.sh", format!("#!/bin/sh\necho >> '{}'\n{PROCESS}\n", home.arg("ran")));
        let process = format!("credential_process = sh {}\n", home.arg("process.sh"));
        home.file("process", format!("[default]\n{process}"));
        home.file("named", format!("[profile named]\n{process}"));
        home.file("imds", format!("[default]\nec2_metadata_service_endpoint = {}\n", world.decoy.imds_url()));
        home.file("config-home/.aws/config", format!("[default]\n{process}"));
        home.file("keys", keys);
        home.file("keys-home/.aws/credentials", keys);
        world
    }

    /// A run on the instance with these settings and nothing else but where Systems Manager is, and whom to trust.
    fn run(&self, credentials: &str, settings: &[Setting]) -> Ran {
        let args = ["exec", "--credentials", credentials, "--timeout", "5s", "--parameter", "k", "printenv", "K"];
        let run = offline(args)
            .env("AWS_ENDPOINT_URL_SSM", self.genuine.endpoint_url())
            .env("AWS_CA_BUNDLE", self.genuine.ca_path());
        run.envs(settings.iter().cloned()).output()
    }

    fn forget(&self) {
        self.genuine.clear_log();
        self.decoy.clear_log();
        // It is there when something has gone wrong before.
        let _ = std::fs::remove_file(self.home.join("ran"));
    }

    /// Whether the instance's role signed the call, and nobody else was asked or run.
    fn is_the_instance(&self, ran: &Ran) -> bool {
        let calls = self.genuine.calls("GetParameters");
        let role = |principal: &String| principal.contains(&format!(":assumed-role/{ROLE}/"));
        let asked = ["GetCredentials", "AssumeRole", "AssumeRoleWithWebIdentity"];
        ran.code() == 0
            && ran.stdout().trim_end() == VALUE
            && calls.iter().all(|call| call.principal.as_ref().is_some_and(role))
            && asked.iter().all(|operation| self.genuine.calls(operation).is_empty())
            && self.decoy.log().is_empty()
            && !self.home.join("ran").exists()
    }

    fn rows(&self) -> Vec<Row> {
        let here = |name: &str| self.home.arg(name);
        let text = |value: &str| value.to_owned();
        let (container, imds, token) = (self.genuine.container_url(), self.decoy.imds_url(), here("token"));
        let relative = container.splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("it has a path");
        let secret = self.genuine.container_token().expect("the fake has one");
        let row =
            |name, redirects, settings: &[(&'static str, String)]| Row { name, settings: settings.to_vec(), redirects };
        vec![
            row(
                "static keys",
                true,
                &[("AWS_ACCESS_KEY_ID", text("AKIDENVIRONMENT")), ("AWS_SECRET_ACCESS_KEY", text("secret"))],
            ),
            row("a configuration with a process", true, &[("AWS_CONFIG_FILE", here("process"))]),
            row(
                "a profile with a process",
                true,
                &[("AWS_CONFIG_FILE", here("named")), ("AWS_PROFILE", text("named"))],
            ),
            row("a profile that is not there", true, &[("AWS_PROFILE", text("nope"))]),
            row("a home with a process", true, &[("HOME", here("config-home"))]),
            row("a home with keys", true, &[("HOME", here("keys-home"))]),
            row("a file of keys", true, &[("AWS_SHARED_CREDENTIALS_FILE", here("keys"))]),
            row("a configuration that is none", true, &[("AWS_CONFIG_FILE", here("process.sh"))]),
            row(
                "a web identity",
                true,
                &[
                    ("AWS_WEB_IDENTITY_TOKEN_FILE", token),
                    ("AWS_ROLE_ARN", text("arn:aws:iam::123456789012:role/web")),
                    ("AWS_ENDPOINT_URL_STS", self.genuine.endpoint_url()),
                ],
            ),
            row(
                "a container",
                true,
                &[
                    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container),
                    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", secret.clone()),
                ],
            ),
            row(
                "a container on this host",
                true,
                &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", relative), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", secret)],
            ),
            row("another IMDS", true, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds)]),
            row("another IMDS by configuration", true, &[("AWS_CONFIG_FILE", here("imds"))]),
            row("an IMDS of IPv6", true, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", text("IPv6"))]),
            row("no IMDS", true, &[("AWS_EC2_METADATA_DISABLED", text("true"))]),
            // IMDS is never asked through a proxy, whoever asks.
            row("a proxy", false, &["HTTP_PROXY", "http_proxy"].map(|name| (name, self.decoy.proxy()))),
            row("settings of STS", false, &[("AWS_ENDPOINT_URL_STS", self.decoy.endpoint_url())]),
            row("a role alone", false, &[("AWS_ROLE_ARN", text("arn:aws:iam::123456789012:role/web"))]),
        ]
    }
}

/// In a network of its own, where IMDS is at its real address.
#[test]
fn nothing_redirects_the_instance_profile() {
    let addresses = ["169.254.169.254", "169.254.170.2"];
    with_addresses("nothing_redirects_the_instance_profile", &addresses, || {
        let world = World::new();
        let rows = world.rows();
        for row in &rows {
            world.forget();
            let ran = world.run("instance-profile", &row.settings);
            assert!(world.is_the_instance(&ran), "{}: {} {:#?}", row.name, ran.stderr(), world.decoy.log());
            world.forget();
            let ran = world.run("auto", &row.settings);
            assert_eq!(!world.is_the_instance(&ran), row.redirects, "the control: {}: {ran}", row.name);
        }
        world.forget();
        let all: Vec<Setting> = rows.into_iter().flat_map(|row| row.settings).collect();
        let ran = world.run("instance-profile", &all);
        assert!(world.is_the_instance(&ran), "all at once: {ran}");
    });
}

/// Endpoint and proxies for TLS are honoured, as SECURITY.md says. They see calls of Systems Manager, and nobody asks them
/// for credentials.
#[test]
fn who_stands_in_for_systems_manager_is_not_asked_for_credentials() {
    with_addresses("who_stands_in", &["169.254.169.254"], || {
        let world = World::new();
        let endpoint = world.decoy.endpoint_url();
        let proxy = world.decoy.proxy();
        for (name, value, service) in [
            ("AWS_ENDPOINT_URL_SSM", &endpoint, Service::Ssm),
            ("HTTPS_PROXY", &proxy, Service::Proxy),
            ("ALL_PROXY", &proxy, Service::Proxy),
        ] {
            world.forget();
            // What they answer does not matter here.
            world.run("instance-profile", &[(name, value.clone())]);
            let asked = world.decoy.log();
            assert!(!asked.is_empty(), "the control: {name}");
            assert!(asked.iter().all(|entry| entry.service == service), "{name}: {asked:#?}");
            let hosts = asked.iter().flat_map(|entry| &entry.names);
            assert!(hosts.clone().all(|host| !host.contains("169.254.")), "{name}: {:?}", hosts.collect::<Vec<_>>());
            assert!(!world.genuine.calls("GetRole").is_empty(), "{name}: the instance's own IMDS was asked");
        }
    });
}
