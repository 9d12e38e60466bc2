//! The sources of a profile and of a container: patient where it can be over in a moment, and clear about what is wrong.

use fake_aws::{Action, Fault, Service};

use super::*;

use crate::common::{PROCESS, fed, offline};

#[test]
fn a_credential_source_is_waited_for() {
    let machine = Machine::new(article());
    let garbled = || Action::Body { status: 200, content_type: "text/html".into(), body: "<html>".into() };
    for fault in [|| Action::status(404), || Action::status(429), || Action::status(503), garbled] {
        machine.fake.fault(Fault::once(fault()).service(Service::Imds));
        assert_eq!(machine.signer(machine.run(&[]).envs(machine.variables("app-of-instance"))), "app");
    }
    let container = |run: Run| run.envs(machine.variables("app-of-container")).envs(machine.fake.container_env());
    for fault in [|| Action::status(404), || Action::status(429), || Action::status(503), garbled] {
        machine.fake.fault(Fault::once(fault()).service(Service::Container));
        assert_eq!(machine.signer(container(machine.run(&[]))), "app");
    }
    // One that stays away is named.
    machine.fake.fault(Fault::always(Action::status(404)).service(Service::Imds));
    let words = ["credential_source = Ec2InstanceMetadata of profile app-of-instance", "IMDS"];
    machine.run(&["--timeout", "2s"]).envs(machine.variables("app-of-instance")).output().expect(75).says(&words);
    machine.fake.fault(Fault::always(Action::status(500)).service(Service::Container));
    let words = ["credential_source = EcsContainer of profile app-of-container", "credential endpoint", "500"];
    container(machine.run(&["--timeout", "2s"])).output().expect(75).says(&words);
}

/// The command's standard input is the command's.
#[test]
fn a_credential_process_reads_nothing_of_the_command_s() {
    let machine = Machine::new(article());
    let line = format!("cat > /dev/null; {PROCESS}").replace('\'', r"'\''");
    let config = TempFile::config(format!("[default]\nregion = us-east-1\ncredential_process = sh -c '{line}'\n"));
    let args = ["exec", "--parameter", "V=shared.newrelic_key", "--", "cat"];
    let run = stepzero(&machine.fake, args).env("AWS_CONFIG_FILE", config.arg());
    fed(&mut run.command(), b"a\nb\n").prints("a\nb\n");
}

#[test]
fn why_a_credential_process_failed_is_told_in_words() {
    let machine = Machine::new(article());
    for (process, why) in [
        ("sh -c 'echo hunter2; echo hunter2 >&2; exit 3'", "exit status 3"),
        ("kill -9 $$", "signal 9"),
        ("/nowhere/hunter2-is-no-secret-here", "not found"),
        ("/etc/passwd", "cannot be executed"),
        ("echo hunter2", "no JSON"),
        ("true", "no JSON"),
        ("yes hunter2", "more than 65536 bytes"),
        (r#"echo '{"AccessKeyId":"hunter2","SecretAccessKey":"hunter2"}'"#, "no `Version`"),
        (r#"echo '{"Version":2,"AccessKeyId":"hunter2","SecretAccessKey":"hunter2"}'"#, "`Version` 2"),
        (r#"echo '{"Version":1,"AccessKeyId":"hunter2"}'"#, "no `SecretAccessKey`"),
    ] {
        let config = TempFile::config(format!("[profile p]\nregion = us-east-1\ncredential_process = {process}\n"));
        let run = machine.run(&["-vv", "--profile", "p"]).env("AWS_CONFIG_FILE", config.arg());
        let ran = run.output().case(process);
        ran.refused(77, &["credential_process of profile p", why]).hides(&["hunter2"]);
    }
    // As the source of a role, too.
    let role = "[profile r]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/app\nsource_profile = p\n";
    for (process, code) in [(PROCESS, 0), ("exit 3", 77)] {
        let config = TempFile::config(format!("{role}[profile p]\ncredential_process = {process}\n"));
        let run = machine.run(&["--profile", "r"]).env("AWS_CONFIG_FILE", config.arg());
        if code == 0 {
            assert_eq!(machine.signer(run), "app");
        } else {
            run.output().expect(code).says(&["credential_process of profile p", "exit status 3"]);
        }
    }
}

/// What a profile says of STS holds wherever its first credentials come from.
#[test]
fn sts_is_asked_where_the_profile_says() {
    let machine = Machine::new(article());
    let process = format!("credential_process = {PROCESS}");
    for (role, source) in [
        ("source_profile = s", "aws_access_key_id = AKIDOTHER\naws_secret_access_key = secret"),
        ("source_profile = s", &process),
        ("credential_source = Ec2InstanceMetadata", "region = us-east-1"),
    ] {
        let arn = "role_arn = arn:aws:iam::123456789012:role/app";
        // Nobody listens there.
        let text = format!(
            "[profile r]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:7\n{arn}\n{role}\n[profile s]\n{source}\n"
        );
        let config = TempFile::config(text);
        let variables = machine.fake.env().into_iter().filter(|(name, _)| name != "AWS_ENDPOINT_URL");
        let args = ["exec", "--timeout", "1s", "--profile", "r", "--parameter", "V=shared.newrelic_key", "true"];
        let run = offline(args).envs(variables).env("AWS_ENDPOINT_URL_SSM", machine.fake.endpoint_url());
        run.env("AWS_CONFIG_FILE", config.arg()).output().expect(75).says(&["127.0.0.1:7"]);
        assert!(machine.fake.calls("AssumeRole").is_empty(), "{source}");
    }
}

/// Which of an agent's addresses is asked is no matter of a path.
#[test]
fn the_path_of_a_container_s_credentials_is_one() {
    let machine = Machine::new(article());
    for path in ["@127.0.0.1:1/x", "x", ":80/x"] {
        let run = machine.run(&[]).env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path);
        run.output().expect(78).says(&["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "begins with /"]);
    }
}

#[test]
fn a_source_that_stays_silent_is_named() {
    let machine = Machine::new(article());
    machine.fake.fault(Fault::always(Action::Hang).service(Service::Container));
    let run = machine.run(&["--timeout", "6s"]).envs(machine.fake.container_env());
    run.output().expect(75).says(&["the container's credential endpoint", "did not answer within 5 s"]);
    machine.fake.fault(Fault::always(Action::Hang).service(Service::Imds));
    let run = machine.run(&[]).envs(machine.variables("app-of-instance"));
    run.output().expect(77).says(&["credential_source = Ec2InstanceMetadata of profile app-of-instance"]);
}

#[test]
fn a_token_file_that_cannot_be_read_is_told_at_once() {
    let machine = Machine::new(article());
    let endpoint = machine.fake.container_env().into_iter().find(|(name, _)| name.ends_with("_FULL_URI")).expect("one");
    let (empty, fifo) = (machine.files.file("empty", ""), machine.files.fifo("fifo"));
    for (file, why) in [
        ("/nowhere/token", "no such file"),
        ("/tmp", "is a directory"),
        (&empty, "is empty"),
        (&fifo, "cannot be read"),
        ("/dev/zero", "cannot be read"),
    ] {
        machine.fake.clear_log();
        let run = machine.run(&[]).env(&endpoint.0, &endpoint.1).env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file);
        run.output().refused(77, &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file, why]);
        assert!(machine.fake.log().is_empty(), "{file}: nobody is asked");
    }
}

#[test]
fn credentials_are_asked_for_over_plain_http_from_known_addresses_only() {
    let machine = Machine::new(article());
    for address in
        ["http://example.com/x", "http://10.0.0.1/x", "http://169.254.169.1/x", "ftp://127.0.0.1/x", "nonsense"]
    {
        let run = machine.run(&[]).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", address);
        run.output().expect(78).says(&["AWS_CONTAINER_CREDENTIALS_FULL_URI", address]);
    }
    let by_name = machine.fake.container_url().replacen("127.0.0.1", "localhost", 1);
    let run = machine.run(&[]).envs(machine.fake.container_env());
    assert_eq!(machine.signer(run.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", by_name)), "projectA-container");
    // With TLS nobody can listen, so any address may be asked. Here nobody is at it.
    let run = machine.run(&["--timeout", "1s"]).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://127.1.2.3:7/x");
    run.output().expect(75).says(&["127.1.2.3:7"]);
}
