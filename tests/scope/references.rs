//! References: inherited variables whose value names a parameter.

use fake_aws::{Fake, Put};

use crate::common::{Given, Ran, STEPZERO, assert_untouched, has_program, parameter, program, store};

fn world() -> Fake {
    let fake = Fake::start();
    fake.put_with(&Put::secure("shared.key", "one").label("current"));
    fake.put("shared.key", "SecureString", "two");
    fake.put("/app/db", "SecureString", "db");
    fake
}

fn run(fake: &Fake, flags: &[&str], env: &[(&str, &str)]) -> Ran {
    Given::args(&[&["--references"], flags].concat()).and_env(env).exec(fake)
}

#[test]
fn every_spelling() {
    let fake = world();
    for (text, want) in [
        ("ssm:shared.key", "two"),
        ("ssm://shared.key", "two"),
        ("ssm:shared.key:1", "one"),
        ("ssm://shared.key:current", "one"),
        ("ssm:/app/db", "db"),
        ("ssm:///app/db", "db"),
        ("ssm:///app/db:1", "db"),
        (&format!("ssm:{}", parameter("app/db")), "db"),
        (&format!("ssm:{}", parameter("shared.key:1")), "one"),
    ] {
        run(&fake, &[], &[("V", text)]).has(&[("V", want)]);
    }
}

#[test]
fn several_of_one_name_are_asked_once() {
    let fake = world();
    let ran = run(
        &fake,
        &[],
        &[("A", "ssm:/app/db"), ("B", "ssm:///app/db"), ("C", "ssm:shared.key:1"), ("D", "ssm:shared.key")],
    );
    ran.has(&[("A", "db"), ("B", "db"), ("C", "one"), ("D", "two")]);
    let calls = fake.calls("GetParameters");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].names.len(), 3, "{:?}", calls[0].names);
}

#[test]
fn what_is_none_is_left_alone_and_costs_no_network() {
    let fake = world();
    let plain = [
        ("A", "see ssm:shared.key"),
        ("B", "arn:aws:ssm:us-east-1:123456789012:parameter"),
        ("C", "SSM: a note"),
        ("D", "ssm"),
        ("E", "\"see ssm:shared.key\""),
    ];
    let ran = run(&fake, &[], &plain);
    for (name, value) in plain {
        ran.has(&[(name, value)]);
    }
    assert_untouched(&fake);
}

/// The command must not start with the reference in place of the secret.
#[test]
fn a_reference_but_for_how_it_is_written_is_refused() {
    let fake = world();
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
        let ran = run(&fake, &[], &[("V", text)]).refused(78, &["the reference in V", why]);
        ran.hides(&["hunter2", "/app/db}"]);
    }
    assert!(fake.log().is_empty(), "nobody was asked");
}

/// AWS publishes them, and their ARN has no account.
#[test]
fn a_public_parameter_by_its_arn() {
    let fake = world();
    fake.put_with(&Put::string("/aws/service/x", "published").account(""));
    run(&fake, &[], &[("V", "ssm:arn:aws:ssm:us-east-1::parameter/aws/service/x")]).has(&[("V", "published")]);
}

#[test]
fn off_unless_asked_for_by_flag_variable_or_spec() {
    let fake = world();
    let env = [("V", "ssm:/app/db")];
    Given::spec("# nothing\n").and_env(&env).exec(&fake).has(&[("V", "ssm:/app/db")]);
    let on = [("V", "ssm:/app/db"), ("STEPZERO_REFERENCES", "true")];
    // The command does not inherit the setting.
    Given::spec("# nothing\n").and_env(&on).exec(&fake).has(&[("V", "db")]).lacks(&["STEPZERO_REFERENCES"]);
    Given::spec("references = true\n").and_env(&env).exec(&fake).has(&[("V", "db")]);
    Given::spec("# nothing\n").and_env(&[("STEPZERO_REFERENCES", "yes")]).fails(&fake, 78, &["STEPZERO_REFERENCES"]);
    // The reason stands where people read about them.
    for page in [include_str!("../../docs/command-line.md"), include_str!("../../docs/coming-from.md")] {
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains("whoever can set the environment could"), "the reason is said");
    }
}

#[test]
fn an_unresolvable_one_names_the_variable_and_never_the_value() {
    let fake = world();
    for (text, code, says) in [
        ("ssm:hunter 2", 78, "not the name of a parameter"),
        ("ssm:", 78, "not the name of a parameter"),
        ("ssm://hunter/two", 78, "ssm:///a/b"),
        ("ssm:hunter/two", 78, "not the name of a parameter"),
        ("ssm:hunter:awsx", 78, "not the name of a parameter"),
        ("ssm:arn:aws:s3:::hunter", 78, "not the name of a parameter"),
    ] {
        run(&fake, &[], &[("WHO", text)]).refused(code, &["WHO", says]).hides(&["hunter"]);
    }
    assert!(fake.log().is_empty(), "found out offline");
    // What is well-formed and missing has to be named: it is a parameter's name now.
    run(&fake, &[], &[("WHO", "ssm:/app/none"), ("TOO", "ssm:shared.none")])
        .expect(66)
        .says(&["WHO: /app/none", "TOO: shared.none"]);
}

#[test]
fn it_survives_pristine_and_replaces_itself_under_every_policy() {
    let fake = world();
    let env = [("V", "ssm:/app/db"), ("OTHER", "x")];
    for flags in
        [&["--existing", "keep"][..], &["--existing", "error"], &["--pristine"], &["--pristine", "--keep", "V"]]
    {
        let ran = run(&fake, flags, &env);
        ran.has(&[("V", "db")]);
        if flags[0] == "--pristine" {
            ran.lacks(&["OTHER"]);
        } else {
            ran.has(&[("OTHER", "x")]);
        }
    }
}

#[test]
fn a_source_of_the_operator_s_goes_before_it_and_it_before_a_load() {
    let fake = world();
    fake.put("/load/v", "SecureString", "load");
    let env = [("V", "ssm:/app/db")];
    let load = run(&fake, &["--load", "/load"], &env);
    load.has(&[("V", "db")]);
    run(&fake, &["--parameter", "V=/load/v"], &env).has(&[("V", "load")]);
    // What is kept is a reference, and resolved.
    run(&fake, &["--parameter", "V=/load/v", "--existing", "keep"], &env).has(&[("V", "db")]);
}

#[test]
fn a_repeated_variable_counts_as_getenv_sees_it_and_all_its_entries_go() {
    let fake = world();
    // `env -i` cannot make a variable twice; a raw execve can.
    let script = "import os, sys\nlib = __import__('ctypes').CDLL(None, use_errno=True)\n\
        A = __import__('ctypes').c_char_p\nargs = [a.encode() for a in sys.argv[1:]]\n\
        env = [b'V=ssm:/app/db', b'V=second', b'PATH=/usr/bin:/bin'] + [f'{k}={v}'.encode() for k, v in os.environ.items() if k.startswith('AWS_')]\n\
        lib.execve(args[0], (A * (len(args) + 1))(*args, None), (A * (len(env) + 1))(*env, None))\nsys.exit('execve failed')";
    if !has_program("python3", "a repeated variable") {
        return;
    }
    let mut command = program("python3");
    command.args(["-c", script, STEPZERO, "exec", "--references", "--", "env", "-0"]).envs(fake.env());
    // Which finds no variable twice.
    Ran::of(&mut command).has(&[("V", "db")]);
}

#[test]
fn one_that_stands_behind_a_written_entry_is_resolved_and_never_handed_on() {
    let fake = world();
    let env = [("V", "ssm:/app/db")];
    for absent in ["optional = true", "default = \"d\""] {
        for pristine in ["", "pristine = true\n"] {
            let spec =
                format!("references = true\n{pristine}scopes = [\"s\"]\n[env]\nV = {{ key = \"nobody\", {absent} }}\n");
            Given::spec(&spec).and_env(&env).exec(&fake).has(&[("V", "db")]);
        }
    }
    fake.put("s.nobody", "String", "written");
    let spec = "references = true\nscopes = [\"s\"]\n[env]\nV = { key = \"nobody\", optional = true }\n";
    Given::spec(spec).and_env(&env).exec(&fake).has(&[("V", "written")]);
}

#[test]
fn a_field_and_a_secret_by_its_id() {
    let fake = store(&[("/app/db", r#"{"host": "h", "deep": {"x": 1}}"#)]);
    fake.secret("prod/db", r#"{"user.name": "u", "password": "p"}"#);
    let ran = run(
        &fake,
        &[],
        &[
            ("HOST", "ssm:/app/db#host"),
            ("X", "ssm:///app/db:1#deep.x"),
            ("WHOLE", "secretsmanager:prod/db"),
            ("USER", "secretsmanager:prod/db#user.name"),
        ],
    );
    ran.has(&[("HOST", "h"), ("X", "1"), ("WHOLE", r#"{"user.name": "u", "password": "p"}"#), ("USER", "u")]);
    run(&fake, &[], &[("V", "ssm:/app/db#gone")]).refused(65, &["V: the value of /app/db", "no field \"gone\""]);
    for (text, why) in [
        ("ssm:/app/db#", "a # without a field"),
        ("secretsmanager:", "not the name of a parameter or a secret"),
        ("'secretsmanager:prod/db'", "quotes"),
        ("SECRETSMANAGER:prod/db", "upper case"),
    ] {
        run(&fake, &[], &[("V", text)]).refused(78, &["the reference in V", why]);
    }
}
