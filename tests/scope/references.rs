//! References: inherited variables whose value names a parameter.

use fake_aws::{Fake, Put};

use crate::common::{Ran, stepzero};
use crate::{exec_with, variable};

const ARN: &str = "arn:aws:ssm:us-east-1:123456789012:parameter";

fn store() -> Fake {
    let fake = Fake::start();
    fake.put_with(&Put::secure("shared.key", "one").label("current"));
    fake.put("shared.key", "SecureString", "two");
    fake.put("/app/db", "SecureString", "db");
    fake
}

fn run(fake: &Fake, flags: &[&str], env: &[(&str, &str)]) -> Ran {
    let line: Vec<&str> = ["exec", "--references"].iter().chain(flags).chain(&["--", "env"]).copied().collect();
    env.iter().fold(stepzero(fake, line), |run, (name, value)| run.env(name, value)).output()
}

#[test]
fn every_spelling() {
    let fake = store();
    for (text, want) in [
        ("ssm:shared.key", "two"),
        ("ssm://shared.key", "two"),
        ("ssm:shared.key:1", "one"),
        ("ssm://shared.key:current", "one"),
        ("ssm:/app/db", "db"),
        ("ssm:///app/db", "db"),
        ("ssm:///app/db:1", "db"),
        (&format!("ssm:{ARN}/app/db"), "db"),
        (&format!("ssm:{ARN}/shared.key:1"), "one"),
    ] {
        assert_eq!(variable(&run(&fake, &[], &[("V", text)]), "V").as_deref(), Some(want), "{text}");
    }
}

#[test]
fn several_of_one_name_are_asked_once() {
    let fake = store();
    let ran = run(
        &fake,
        &[],
        &[("A", "ssm:/app/db"), ("B", "ssm:///app/db"), ("C", "ssm:shared.key:1"), ("D", "ssm:shared.key")],
    );
    for (name, want) in [("A", "db"), ("B", "db"), ("C", "one"), ("D", "two")] {
        assert_eq!(variable(&ran, name).as_deref(), Some(want), "{name}");
    }
    let calls = fake.calls("GetParameters");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].names.len(), 3, "{:?}", calls[0].names);
}

#[test]
fn what_is_none_is_left_alone_and_costs_no_network() {
    let fake = store();
    let plain =
        [("A", "see ssm:shared.key"), ("B", ARN), ("C", "SSM: a note"), ("D", "ssm"), ("E", "\"see ssm:shared.key\"")];
    let ran = run(&fake, &[], &plain);
    for (name, value) in plain {
        assert_eq!(variable(&ran, name).as_deref(), Some(value), "{name}");
    }
    assert!(fake.log().is_empty() && fake.connections().accepted == 0 && fake.imds_connections().accepted == 0);
}

/// The command must not start with the reference in place of the secret.
#[test]
fn a_reference_but_for_how_it_is_written_is_refused() {
    let fake = store();
    for (text, why) in [
        ("\"ssm:/app/db\"", "has quotes around it"),
        ("'ssm:/app/db'", "has quotes around it"),
        (" ssm:/app/db", "has white space around it"),
        ("ssm:/app/db ", "has white space around it"),
        ("SSM:/app/db", "in upper case"),
        ("'SSM:/app/db'", "has quotes around it"),
        ("SSM://hunter2/db", "in upper case"),
        // What stands between the quotes can be wrong as well: bare it would be refused too.
        ("\"ssm://hunter2/db\"", "has quotes around it"),
        ("\"ssm:hunter2 x\"", "has quotes around it"),
        ("\"ssm:/app/db", "has quotes around it"),
        ("\"'ssm:/app/db'\"", "has quotes around it"),
        ("\\\"ssm:/app/db\\\"", "has quotes around it"),
        ("“ssm:/app/db”", "has quotes around it"),
        ("ssm:/app/db\r", "has white space around it"),
        ("\u{feff}ssm:/app/db", "has white space around it"),
        ("\"{{resolve:ssm-secure:/app/db:1}}\"", "CloudFormation"),
        ("{{resolve:ssm:/app/db}}", "CloudFormation"),
        ("{{resolve:secretsmanager:prod/db:SecretString:hunter2}}", "CloudFormation"),
    ] {
        let ran = run(&fake, &[], &[("V", text)]).expect(78).says(&["the reference in V", why]);
        assert!(!ran.stderr().contains("hunter2") && !ran.stderr().contains("/app/db}"), "{}", ran.stderr());
    }
    assert!(fake.log().is_empty(), "nobody was asked");
}

/// AWS publishes them, and their ARN has no account.
#[test]
fn a_public_parameter_by_its_arn() {
    let fake = store();
    fake.put_with(&Put::string("/aws/service/x", "published").account(""));
    let ran = run(&fake, &[], &[("V", "ssm:arn:aws:ssm:us-east-1::parameter/aws/service/x")]);
    assert_eq!(variable(&ran, "V").as_deref(), Some("published"));
}

#[test]
fn off_unless_asked_for_by_flag_variable_or_spec() {
    let fake = store();
    let env = [("V", "ssm:/app/db")];
    assert_eq!(variable(&exec_with(&fake, "", &[], &env), "V").as_deref(), Some("ssm:/app/db"));
    let on = [("V", "ssm:/app/db"), ("STEPZERO_REFERENCES", "true")];
    let ran = exec_with(&fake, "", &[], &on);
    assert_eq!(variable(&ran, "V").as_deref(), Some("db"));
    assert_eq!(variable(&ran, "STEPZERO_REFERENCES"), None, "the command does not inherit it");
    assert_eq!(variable(&exec_with(&fake, "references = true\n", &[], &env), "V").as_deref(), Some("db"));
    exec_with(&fake, "", &[], &[("STEPZERO_REFERENCES", "yes")]).expect(78).says(&["STEPZERO_REFERENCES"]);
    // The reason stands where people read about them.
    for page in [include_str!("../../docs/command-line.md"), include_str!("../../docs/coming-from.md")] {
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains("whoever can set the environment could"), "the reason is said");
    }
}

#[test]
fn an_unresolvable_one_names_the_variable_and_never_the_value() {
    let fake = store();
    for (text, code, says) in [
        ("ssm:hunter 2", 78, "not the name of a parameter"),
        ("ssm:", 78, "not the name of a parameter"),
        ("ssm://hunter/two", 78, "ssm:///a/b"),
        ("ssm:hunter/two", 78, "not the name of a parameter"),
        ("ssm:hunter:awsx", 78, "not the name of a parameter"),
        ("ssm:arn:aws:s3:::hunter", 78, "not the name of a parameter"),
    ] {
        let ran = run(&fake, &[], &[("WHO", text)]).expect(code).says(&["WHO", says]);
        assert!(!ran.stderr().contains("hunter"), "{}", ran.stderr());
    }
    assert!(fake.log().is_empty(), "found out offline");
    // What is well-formed and missing has to be named: it is a parameter's name now.
    run(&fake, &[], &[("WHO", "ssm:/app/none"), ("TOO", "ssm:shared.none")])
        .expect(66)
        .says(&["WHO: /app/none", "TOO: shared.none"]);
}

#[test]
fn it_survives_pristine_and_replaces_itself_under_every_policy() {
    let fake = store();
    let env = [("V", "ssm:/app/db"), ("OTHER", "x")];
    for flags in
        [&["--existing", "keep"][..], &["--existing", "error"], &["--pristine"], &["--pristine", "--keep", "V"]]
    {
        let ran = run(&fake, flags, &env);
        assert_eq!(variable(&ran, "V").as_deref(), Some("db"), "{flags:?}");
        assert_eq!(variable(&ran, "OTHER").is_none(), flags[0] == "--pristine", "{flags:?}");
    }
}

#[test]
fn a_source_of_the_operator_s_goes_before_it_and_it_before_a_load() {
    let fake = store();
    fake.put("/load/v", "SecureString", "load");
    let env = [("V", "ssm:/app/db")];
    let load = run(&fake, &["--load", "/load"], &env);
    assert_eq!(variable(&load, "V").as_deref(), Some("db"));
    let flag = run(&fake, &["--parameter", "V=/load/v"], &env);
    assert_eq!(variable(&flag, "V").as_deref(), Some("load"));
    let kept = run(&fake, &["--parameter", "V=/load/v", "--existing", "keep"], &env);
    assert_eq!(variable(&kept, "V").as_deref(), Some("db"), "what is kept is a reference, and resolved");
}

#[test]
fn a_repeated_variable_counts_as_getenv_sees_it_and_all_its_entries_go() {
    let fake = store();
    // `env -i` cannot make a variable twice; a raw execve can.
    let script = "import os, sys\nlib = __import__('ctypes').CDLL(None, use_errno=True)\n\
        A = __import__('ctypes').c_char_p\nargs = [a.encode() for a in sys.argv[1:]]\n\
        env = [b'V=ssm:/app/db', b'V=second', b'PATH=/usr/bin:/bin'] + [f'{k}={v}'.encode() for k, v in os.environ.items() if k.startswith('AWS_')]\n\
        lib.execve(args[0], (A * (len(args) + 1))(*args, None), (A * (len(env) + 1))(*env, None))\nsys.exit('execve failed')";
    let mut command = crate::common::program("python3");
    command.args(["-c", script, crate::common::STEPZERO, "exec", "--references", "--", "env"]);
    let Ok(output) = command.envs(fake.env()).output() else {
        return crate::common::skip("a repeated variable", "no python3");
    };
    let ran = Ran(output).expect(0);
    let lines: Vec<String> = ran.stdout().lines().filter(|line| line.starts_with("V=")).map(str::to_owned).collect();
    assert_eq!(lines, ["V=db"]);
}

#[test]
fn one_that_stands_behind_a_written_entry_is_resolved_and_never_handed_on() {
    let fake = store();
    let env = [("V", "ssm:/app/db")];
    for absent in ["optional = true", "default = \"d\""] {
        for pristine in ["", "pristine = true\n"] {
            let spec =
                format!("references = true\n{pristine}scopes = [\"s\"]\n[env]\nV = {{ key = \"nobody\", {absent} }}\n");
            assert_eq!(variable(&exec_with(&fake, &spec, &[], &env), "V").as_deref(), Some("db"), "{spec}");
        }
    }
    fake.put("s.nobody", "String", "written");
    let spec = "references = true\nscopes = [\"s\"]\n[env]\nV = { key = \"nobody\", optional = true }\n";
    assert_eq!(variable(&exec_with(&fake, spec, &[], &env), "V").as_deref(), Some("written"));
}
