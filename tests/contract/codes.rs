//! Section 6: every exit code, the code of several failures, and messages that name the cause and the way out.

use crate::common::{
    Given, HOME, KEYS, ROLE, Ran, USER, article, assert_untouched, close, denying, map, offline, parameter, stepzero,
    store,
};
use fake_aws::{Action, Fake, Fault, Put};
use std::process::Stdio;

const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/reader";

fn keys(keys: &[&'static str]) -> Vec<&'static str> {
    HOME.into_iter().chain(keys.iter().flat_map(|key| ["-k", *key])).collect()
}

#[test]
fn a_wrong_command_line_is_64() {
    for (args, words) in [
        (&["nope"][..], &["nope"][..]),
        (&["--nope"], &["--nope"]),
        (&["exec"], &["COMMAND"]),
        (&["exec", "-k", "k"], &["COMMAND"]),
        (&["exec", "-k"], &["--key"]),
        (&["exec", "--nope", "env"], &["--nope"]),
        (&["exec", "-k", "k", "--existing", "maybe", "env"], &["maybe", "replace"]),
        (&["exec", "-k", "k", "--separator", ":", "env"], &["--separator"]),
        (&["exec", "-k", "k", "--credentials", "x", "env"], &["instance-profile"]),
        (&["exec", "-k", "k", "--timeout", "soon", "env"], &["soon"]),
        (&["exec", "-k", "k", "--log-format", "xml", "env"], &["xml"]),
        (&["exec", "-p", "a", "-p", "b", "env"], &["--project"]),
        (&["exec", "--format", "json", "env"], &["--format"]),
        (&["plan", "--format", "yaml", "-k", "k"], &["yaml"]),
        (&["plan", "-k", "k", "operand"], &["operand"]),
        (&["check", "-k", "k", "operand"], &["operand"]),
        (&["plan", "-k", "k", "--role-arn", ""], &["--role-arn: \"\"", "arn:aws:iam::"]),
        (&["plan", "-k", "k", "--role-arn", "reader"], &["--role-arn", "reader"]),
        (&["plan", "-k", "k", "--role-arn", "arn:aws:iam::123456789012:user/x"], &["--role-arn", "user/x"]),
        (&["plan", "-k", "k", "--external-id", "id"], &["--external-id: there is no role"]),
        (&["plan", "-k", "k", "--role-session-name", "me"], &["--role-session-name: there is no role"]),
        (&["plan", "-k", "k", "--role-arn", ROLE_ARN, "--external-id", "a b"], &["--external-id", "a b"]),
        (&["plan", "-k", "k", "--role-arn", ROLE_ARN, "--role-session-name", "a/b"], &["--role-session-name", "a/b"]),
        (&["completions"], &["SHELL"]),
        (&["completions", "dos"], &["dos"]),
    ] {
        offline(args).output().case(format_args!("{args:?}")).refused(64, words);
    }
    // To a newcomer, who typed nothing, the help comes first.
    let empty: [&str; 0] = [];
    let ran = offline(empty).output().expect(64).says(&[" <COMMAND>", "  exec ", "\nstepzero: which command?\n"]);
    assert!(ran.output.stdout.is_empty(), "{ran}");
}

#[test]
fn every_missing_parameter_is_named_in_one_message() {
    let fake = article();
    let args = keys(&["newrelic_key", "nope", "database_password", "neither"]);
    let words = [
        "NOPE: projectA.production.nope, projectA.shared.nope, production.nope, shared.nope",
        "NEITHER: projectA.production.neither, projectA.shared.neither, production.neither, shared.neither",
        "help:",
    ];
    let ran = Given::args(&args).fails(&fake, 66, &words).hides(&["NEWRELIC", "DATABASE"]);
    assert_eq!(ran.stderr().matches("stepzero: ").count(), 1, "{ran}");
}

#[test]
fn a_spec_that_cannot_be_read_is_66() {
    let fake = Fake::start();
    for (path, why) in [("/nowhere/spec.toml", "no such file"), ("/", "is a directory")] {
        Given::args(&["-s", path]).refused(&fake, 66, &["the spec", path, why]);
    }
}

#[test]
fn a_spec_that_is_wrong_is_78_with_its_place() {
    let fake = Fake::start();
    for (spec, words) in [
        ("projct = \"a\"\n", &["spec.toml:1:1", "projct", "project"][..]),
        ("[env]\nA = { key = \"k\", optinal = true }\n", &["spec.toml:2:18", "optinal", "optional"]),
        ("\n\n[evn]\nA = \"k\"\n", &["spec.toml:3:2", "evn"]),
        ("[env]\nA = {}\n", &["spec.toml:2:5", "key", "parameter", "secret"]),
        ("[env]\nA = { key = \"k\", parameter = \"p\" }\n", &["spec.toml:2:5", "only one"]),
        ("[env]\nA = 1\n", &["spec.toml:2:5", "integer"]),
        ("[env]\nA = \"k e y\"\n", &["spec.toml:2:5", "k e y"]),
        ("env = 1\n", &["spec.toml:1:7", "a table"]),
        ("project = 1\n", &["spec.toml:1:11", "project"]),
        ("pristine = \"yes\"\n", &["spec.toml:1:12", "pristine"]),
        ("keep = \"PATH\"\n", &["spec.toml:1:8", "keep"]),
        ("scopes = [1]\n", &["spec.toml:1:11", "scopes"]),
        ("a = = b\n", &["spec.toml:1:5", "not TOML"]),
        ("[env]\nA = \"k\"\nA = \"l\"\n", &["spec.toml:3:1"]),
        ("project = \"shared\"\n", &["spec.toml:1:11", "shared"]),
        ("[env]\nA = { key = \"k\", default = \"a\\u0000b\" }\n", &["spec.toml:2:", "NUL"]),
        ("profile = \"p\"\n", &["spec.toml:1:1", "profile"]),
        ("role_arn = 1\n", &["spec.toml:1:12", "role_arn"]),
        ("role_arn = \"\"\n[env]\nA = \"k\"\n", &["spec.toml:1:12", "ARN of a role"]),
        ("\nrole_arn = \"arn:aws:iam::1:role/x\"\n", &["spec.toml:2:12", "ARN of a role"]),
        ("external_id = \"id\"\n", &["spec.toml:1:15", "no role"]),
        ("role_session_name = \"me\"\n", &["spec.toml:1:21", "no role"]),
        (
            "role_arn = \"arn:aws:iam::123456789012:role/reader\"\nexternal_id = \"x\"\nrole_session_name = \"a b\"\n",
            &["spec.toml:2:15", "external ID", "spec.toml:3:21", "session"],
        ),
    ] {
        Given::spec(spec).refused(&fake, 78, words);
    }
    // All of them at once.
    let spec = "nope = 1\nproject = \"a b\"\n[env]\nA = 1\nB = { key = \"\" }\n";
    let words = ["spec.toml:1:1", "spec.toml:4:5", "spec.toml:5:13"];
    Given::spec(spec).refused(&fake, 78, &words);
    // In the order of the file, whatever it is read in.
    let spec = "pristine = 1\n[files]\nF = 1\n[env]\nB = 1\nA = { key = \"k\", mode = \"0400\", kye = 1 }\n[[load]]\nx = 1\n[zz]\n";
    let ran = Given::spec(spec).run(&fake, "plan", &[]).expect(78);
    let stderr = ran.stderr();
    let places: Vec<&str> =
        stderr.lines().filter_map(|line| Some(line.split_once("spec.toml:")?.1.split_once(": ")?.0)).collect();
    assert_eq!(places, ["1:12", "3:5", "5:5", "6:18", "6:33", "7:1", "8:1", "9:2"], "{stderr}");
}

#[test]
fn a_value_that_cannot_be_used_is_65() {
    let fake = store(&[("s.nul", "hunter2\0hunter3")]);
    let given = Given::args(&["--scope", "s", "-k", "nul"]);
    for ran in [given.exec(&fake), given.run(&fake, "check", &[])] {
        ran.expect(65).says(&["NUL: the value of s.nul", "NUL byte"]).hides(&["hunter"]);
    }
}

#[test]
fn a_system_call_that_fails_is_71() {
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("Linux has it").into();
    let unwritable = || std::fs::File::open("/dev/null").expect("Linux has it").into();
    let cases: [(&str, fn() -> Stdio, bool); 3] = [
        ("no space left", full, false),
        ("bad file descriptor", unwritable, false),
        ("bad file descriptor", Stdio::null, true),
    ];
    let fake = article();
    for args in [
        &["--help"][..],
        &["plan", "--parameter", "shared.newrelic_key"],
        &["check", "--parameter", "shared.newrelic_key"],
        &["policy", "--parameter", "shared.newrelic_key"],
        &["completions", "bash"],
    ] {
        for (why, stdout, closes) in cases {
            let mut command = stepzero(&fake, args).command();
            command.stdout(stdout());
            if closes {
                close(&mut command, &[libc::STDOUT_FILENO]);
            }
            let ran = Ran::of(&mut command).case(format_args!("{args:?}"));
            ran.expect(71).says(&["stepzero: cannot write to stdout", why]);
        }
    }
}

/// As with any command whose output is piped into `head`.
#[test]
fn a_reader_that_has_gone_is_no_failure() {
    for args in [&["--help"][..], &["exec", "--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran = Ran::of(offline(args).command().stdout(writer)).expect(0);
        assert_eq!(ran.stderr(), "", "{args:?}");
    }
}

/// A closed standard input is no empty spec, with which a command would start without its secrets.
#[test]
fn a_closed_stdin_is_no_spec() {
    let mut command = offline(["exec", "-s", "/dev/stdin", "--", "echo", "started"]).command();
    close(&mut command, &[libc::STDIN_FILENO]);
    Ran::of(&mut command).refused(66, &["the spec /dev/stdin cannot be read"]);
}

#[test]
fn an_unhelpful_store_is_75() {
    let faults: [fn(&Fake); 4] = [
        |fake| fake.fault(Fault::always(Action::throttle())),
        |fake| fake.down(),
        |fake| fake.fault(Fault::always(Action::body("rubbish"))),
        |fake| fake.fault(Fault::always(Action::Hang).operation("GetParameters")),
    ];
    for fault in faults {
        let fake = article();
        fault(&fake);
        let args = [&keys(&["newrelic_key"])[..], &["--timeout", "1500ms"]].concat();
        Given::args(&args).fails(&fake, 75, &["gave up", "last: ", "help: "]);
    }
}

#[test]
fn a_denied_candidate_is_77_wherever_it_stands() {
    for (scope, source) in [
        ("projectA.production", "\"database_password\""),
        ("shared", "\"database_password\""),
        ("production", "{ key = \"database_password\", optional = true }"),
        ("shared", "{ key = \"nope\", default = \"d\" }"),
    ] {
        let fake = article();
        let name = format!("{scope}.{}", if source.contains("nope") { "nope" } else { "database_password" });
        let denied = parameter(&name);
        fake.policy(ROLE, denying(&["ssm:GetParameters"], &[&denied]));
        let spec = format!("project = \"projectA\"\nenvironment = \"production\"\n[env]\nV = {source}\n");
        let others = ["projectA.production", "projectA.shared", "production", "shared"];
        let others: Vec<String> =
            others.iter().filter(|other| **other != scope).map(|other| format!("--scope {other}")).collect();
        let words = ["denied: ssm:GetParameters", &denied, "wanted for V", &others.join(" "), "stepzero check"];
        // Nor does it tell a value, as no refusal does.
        Given::spec(&spec).fails(&fake, 77, &words);
    }
}

/// A parameter can have the name of a path that is loaded.
#[test]
fn a_denial_names_who_wanted_it() {
    let fake = store(&[("/a/b", "v"), ("/a/b/c", "v")]);
    let given = Given::args(&["--parameter", "/a/b", "--load", "/a/b"]);
    for (action, wanted) in [
        ("ssm:GetParameters", "/a/b, wanted for B, from --parameter"),
        ("ssm:GetParametersByPath", "wanted for the path /a/b, from --load"),
    ] {
        fake.policy(ROLE, denying(&[action], &[&parameter("a/b"), &parameter("a/b/*")]));
        given.fails(&fake, 77, &[&format!("denied: {action} on"), wanted]);
        given.run(&fake, "check", &[]).expect(77).says(&[wanted]);
    }
}

#[test]
fn kms_denials_name_the_action() {
    let fake = article();
    fake.put_with(&Put::secure("shared.guarded", "hunter2").key("alias/shared"));
    let key = fake.key("alias/shared");
    fake.policy(ROLE, denying(&["kms:Decrypt"], &[&key]));
    let args = keys(&["guarded"]);
    for denial in [fake_aws::KmsDenial::Named, fake_aws::KmsDenial::Ciphertext] {
        fake.kms_denial(denial);
        Given::args(&args).fails(&fake, 77, &["kms:Decrypt"]).hides(&["hunter2"]);
    }
    fake.clear_policy(ROLE);
    fake.disable_key("alias/shared");
    Given::args(&args).fails(&fake, 77, &["kms:Decrypt", "disabled"]);
}

#[test]
fn check_finds_every_denied_name() {
    let fake = article();
    let denied = [parameter("shared.*"), parameter("production.nope")];
    fake.policy(ROLE, denying(&["ssm:GetParameters"], &[&denied[0], &denied[1]]));
    let args = keys(&["newrelic_key", "database_username", "nope"]);
    let ran = Given::args(&args).run(&fake, "check", &["--format", "json"]).expect(77);
    let report = ran.json();
    assert_eq!(report["ok"], false);
    let resources: Vec<String> = report["variables"]
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|variable| variable["denied"].as_array().cloned().unwrap_or_default())
        .map(|denial| denial["resource"].as_str().expect("AWS says it").to_owned())
        .collect();
    let names = ["shared.newrelic_key", "shared.database_username", "production.nope", "shared.nope"];
    assert_eq!(resources, names.map(parameter));
    ran.says(&names);
}

#[test]
fn rejected_credentials_are_77() {
    let fake = article();
    let env = [("AWS_ACCESS_KEY_ID", "AKIDUNKNOWN"), ("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_REGION", "us-east-1")];
    let ran = Given::args(&keys(&["newrelic_key"])).and_env(&env).fails(&fake, 77, &["help: "]);
    ran.hides(&["hunter2"]);
}

#[test]
fn no_credentials_anywhere_is_77() {
    let fake = article();
    let env = [("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", "us-east-1")];
    let args = keys(&["newrelic_key"]);
    Given::args(&args).and_env(&env).fails(&fake, 77, &["no credentials", "--profile"]);
    assert_eq!(fake.imds_connections().accepted, 0);
    // Without a Region, that is what has to be set first, or both.
    let ran = Given::args(&args).and_env(&env[..1]).exec(&fake);
    assert!([77, 78].contains(&ran.code()), "{ran}");
}

#[test]
fn no_region_and_an_untrusted_certificate_are_78() {
    let fake = article();
    fake.static_credentials(KEYS[0].1, KEYS[1].1, USER);
    let env = [KEYS[0], KEYS[1], ("AWS_EC2_METADATA_DISABLED", "true")];
    let args = keys(&["newrelic_key"]);
    Given::args(&args).and_env(&env).fails(&fake, 78, &["no Region", "--region", "AWS_REGION"]);

    let other = Fake::start();
    let path = other.ca_path().to_string_lossy().into_owned();
    let ran = Given::args(&args).and_env(&[("AWS_CA_BUNDLE", &path)]).exec(&fake);
    ran.expect(78).says(&["certificate", "AWS_CA_BUNDLE"]);
}

#[test]
fn the_code_of_several_failures() {
    // Missing and unusable.
    let fake = article();
    fake.put("shared.nul", "String", "\0");
    let args = keys(&["nul", "nope"]);
    Given::args(&args).fails(&fake, 66, &["NOPE: ", "NUL: the value of shared.nul"]);
    // And what is set already.
    let args = [keys(&["nope", "newrelic_key"]), vec!["--existing", "error"]].concat();
    let env = [("NEWRELIC_KEY", "x")];
    Given::args(&args).and_env(&env).fails(&fake, 66, &["NOPE: ", "NEWRELIC_KEY is set already"]);
    // Denied, missing and unusable.
    fake.policy(ROLE, denying(&["ssm:GetParameters"], &[&parameter("shared.newrelic_key")]));
    let args = keys(&["nul", "nope", "newrelic_key"]);
    let check = Given::args(&args).run(&fake, "check", &[]);
    check.expect(77).says(&["denied: ", "NOPE: ", "NUL: "]);
    Given::args(&args).fails(&fake, 77, &["denied: "]);
    // Usage and config.
    let fresh = Fake::start();
    let args = ["-p", "a.b", "-k", "=k", "-k", "a b"];
    Given::args(&args).refused(&fresh, 64, &["a.b", "--key", "a b"]);
    // The command and the spec.
    let ran = Given::spec("nope = 1").run(&fresh, "exec", &["/no/such/command"]);
    ran.expect(78).says(&["spec.toml:1:1"]);
    assert_untouched(&fresh);
}

/// Whatever is joined to a scope that is wrong is wrong, so the scope is named, once, at its place.
#[test]
fn a_wrong_scope_is_blamed_on_the_scope() {
    for scope in ["a b", "a/b", "/a/", "/a//b", "a:1", &"/a".repeat(15)] {
        let run = offline(["plan", "--scope", "good", "--scope", scope, "-k", "k", "-k", "l"]);
        let ran = run.output().expect(78).says(&["--scope: the scope \"", scope]);
        assert_eq!(ran.stderr().matches("stepzero: ").count(), 1, "{ran}");
        let spec = format!("scopes = [\"good\", \"{scope}\"]\n[env]\nA = \"k\"\n");
        Given::spec(&spec).refused(&Fake::start(), 78, &["spec.toml:1:19: the scope"]);
    }
    let key = ["plan", "--scope", "/a", "-k", "x//y"];
    offline(key).output().expect(78).says(&["--key: the parameter name"]);
}

/// 75 only when nothing permanent was found: one call answers that a name is missing, the other never answers.
#[test]
fn what_is_missing_is_reported_though_the_rest_never_arrived() {
    let fake = Fake::start();
    let names: Vec<String> = (0..12).map(|n| format!("V{n}=s.k{n:02}")).collect();
    (1..12).for_each(|n| _ = fake.put(&format!("s.k{n:02}"), "String", "v"));
    fake.fault(Fault::always(Action::throttle()).operation("GetParameters").name("s.k11"));
    let mut args = vec!["--timeout", "2s"];
    args.extend(names.iter().flat_map(|name| ["--parameter", name.as_str()]));
    Given::args(&args).fails(&fake, 66, &["V0: s.k00", "gave up"]);
}

/// A denial ends it at once, and what has arrived until then is reported with it.
#[test]
fn what_is_missing_is_reported_with_a_denial() {
    let fake = Fake::start();
    let names: Vec<String> = (0..21).map(|n| format!("V{n}=s.k{n:02}")).collect();
    (1..21).for_each(|n| _ = fake.put(&format!("s.k{n:02}"), "String", "v"));
    fake.policy(ROLE, denying(&["ssm:GetParameters"], &[&parameter("s.k11")]));
    let later = Action::Delay(std::time::Duration::from_secs(1));
    fake.fault(Fault::always(later).operation("GetParameters").name("s.k11"));
    fake.fault(Fault::always(Action::Hang).operation("GetParameters").name("s.k20"));
    let mut args = vec!["--timeout", "60s"];
    args.extend(names.iter().flat_map(|name| ["--parameter", name.as_str()]));
    let begun = std::time::Instant::now();
    let words = [
        "denied: ssm:GetParameters on arn:aws:ssm:us-east-1:123456789012:parameter/s.k11",
        "wanted for V11",
        "V0: s.k00",
    ];
    let ran = Given::args(&args).fails(&fake, 77, &words);
    assert!(begun.elapsed().as_secs() < 30, "the third call is not waited for");
    let stderr = ran.stderr();
    assert_eq!((stderr.matches("stepzero: ").count(), stderr.matches("denied: ").count()), (2, 1), "{stderr}");
}

/// What a server says, and what was typed, could steer a terminal.
#[test]
fn foreign_text_is_escaped() {
    let fake = article();
    let message = "User: arn:aws:iam::1:user/x is not authorized to perform: ssm:GetParameters on resource: \u{1b}[31mred\nstepzero: forged";
    fake.fault(Fault::always(Action::error(400, "AccessDeniedException", message)).operation("GetParameters"));
    let ran = Given::args(&keys(&["newrelic_key"])).fails(&fake, 77, &["denied: ssm:GetParameters"]);
    assert!(!ran.stderr().contains('\u{1b}') && !ran.stderr().contains("forged"), "{:?}", ran.stderr());
    let ran = offline(["plan", "-k", "a\u{1b}[31mb"]).output().expect(78);
    assert!(!ran.stderr().contains('\u{1b}'), "{:?}", ran.stderr());
}

#[test]
fn an_empty_command_is_127_and_called_so() {
    offline(["exec", "--parameter", "k", "--", ""]).output().refused(127, &["the command is empty"]);
}

#[test]
fn the_command_s_own_code() {
    let fake = article();
    let args = keys(&["newrelic_key"]);
    for code in [0, 1, 64, 77, 255] {
        let script = format!("exit {code}");
        Given::args(&args).run(&fake, "exec", &["sh", "-c", &script]).expect(code);
    }
    assert_eq!(Given::args(&args).environment(&fake), map(&[("NEWRELIC_KEY", "2039402939302293029230923093")]));
}
