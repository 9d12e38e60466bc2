//! Full names, ARNs, versions and labels: what is asked for, and which answer goes to which variable.

use crate::common::{Directory, Given, HOME, Ran, STEPZERO, article, map, offline, parameter, program, store};
use fake_aws::{Action, Fake, Fault};
use serde_json::json;

/// `a.b` with three versions, labelled, and some neighbours.
fn world() -> Fake {
    let fake = Fake::start();
    for value in ["one", "two", "three"] {
        fake.put("a.b", "SecureString", value);
    }
    fake.label("a.b", 1, "old");
    fake.label("a.b", 2, "current");
    fake.put("/deep/er/name", "String", "deep");
    fake.put("root", "String", "root");
    fake.put("/slashed", "String", "slashed");
    fake.put("s.list", "StringList", "x,y");
    fake
}

#[test]
fn full_names_by_flag_and_by_spec() {
    let fake = world();
    let arn = parameter("a.b:old");
    let deep_arn = format!("V={}", parameter("deep/er/name"));
    let spec_arn = format!("[env]\nV = {{ parameter = \"{}\", version = 2 }}\n", parameter("a.b"));
    for (spec, args, want) in [
        ("", &["--parameter", "a.b"][..], &[("B", "three")][..]),
        ("", &["--parameter", "a.b:1"], &[("B", "one")]),
        ("", &["--parameter", "a.b:old"], &[("B", "one")]),
        ("", &["--parameter", "V=a.b:current"], &[("V", "two")]),
        ("", &["--parameter", "lower case=a.b"], &[("lower case", "three")]),
        ("", &["--parameter", "/deep/er/name"], &[("NAME", "deep")]),
        ("", &["--parameter", "s.list"], &[("LIST", "x,y")]),
        ("", &["--parameter", &arn], &[("B", "one")]),
        ("", &["--parameter", &deep_arn], &[("V", "deep")]),
        ("[env]\nV = { parameter = \"a.b\" }", &[], &[("V", "three")]),
        ("[env]\nV = { parameter = \"a.b:2\" }", &[], &[("V", "two")]),
        ("[env]\nV = { parameter = \"a.b\", version = 1 }", &[], &[("V", "one")]),
        ("[env]\nV = { parameter = \"a.b\", label = \"current\" }", &[], &[("V", "two")]),
        ("environment = \"er\"\n[env]\nV = { parameter = \"/deep/{environment}/name\" }", &[], &[("V", "deep")]),
        (&spec_arn, &[], &[("V", "two")]),
    ] {
        assert_eq!(Given::spec(spec).and_args(args).environment(&fake), map(want), "{spec} {args:?}");
    }
}

/// Also a name and its own ARN, and one version asked for by number, by label and by neither.
#[test]
fn several_versions_of_one_parameter_in_one_call() {
    let fake = world();
    let by_arn = format!("E={}", parameter("a.b:1"));
    let sources = ["A=a.b", "B=a.b:1", "C=a.b:old", "D=a.b:3", &by_arn, "F=a.b:current"];
    let want = map(&[("A", "three"), ("B", "one"), ("C", "one"), ("D", "three"), ("E", "one"), ("F", "two")]);
    assert_eq!(Given::args(&sources.map(|source| ["--parameter", source]).concat()).environment(&fake), want);
    let calls = fake.calls("GetParameters");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].names.len(), 6);
}

#[test]
fn a_root_parameter_has_two_spellings_and_is_asked_for_once() {
    let fake = world();
    let args =
        &["--parameter", "A=/root", "--parameter", "B=root", "--parameter", "C=slashed", "--parameter", "/slashed"];
    let want = map(&[("A", "root"), ("B", "root"), ("C", "slashed"), ("SLASHED", "slashed")]);
    assert_eq!(Given::args(args).environment(&fake), want);
    assert_eq!(fake.calls("GetParameters")[0].names.len(), 2);
}

#[test]
fn a_name_is_asked_for_once_however_many_variables_want_it() {
    let fake = world();
    let args = &["--parameter", "A=a.b", "--parameter", "B=a.b", "--scope", "a", "-k", "b", "-k", "C=b"];
    let spec = "[env]\nD = { parameter = \"a.b\" }\nE = \"b\"\n";
    let args: Vec<&str> = args.iter().map(|arg| if *arg == "b" { "X=b" } else { arg }).collect();
    let got = Given::spec(spec).and_args(&args).environment(&fake);
    assert_eq!(got, map(&["A", "B", "X", "C", "D", "E"].map(|name| (name, "three"))));
    assert_eq!(fake.calls("GetParameters").iter().map(|call| call.names.clone()).collect::<Vec<_>>(), [["a.b"]]);
}

/// A parameter and its ARN are two requests, which may meet in one call.
#[test]
fn a_parameter_by_name_and_by_arn() {
    let fake = world();
    let arn = format!("B={}", parameter("a.b"));
    let got = Given::args(&["--parameter", "A=a.b", "--parameter", &arn]).environment(&fake);
    assert_eq!(got, map(&[("A", "three"), ("B", "three")]));
}

#[test]
fn answers_in_any_order_go_where_they_belong() {
    let fake = Fake::start();
    let names: Vec<String> = (0..10).map(|n| format!("z{}.p", (n * 7) % 10)).collect();
    names.iter().for_each(|name| _ = fake.put(name, "String", name));
    fake.fault(
        Fault::always(Action::rewrite(|mut body| {
            let reversed: Vec<_> = body["Parameters"].as_array().expect("a list").iter().rev().cloned().collect();
            body["Parameters"] = json!(reversed);
            body
        }))
        .operation("GetParameters"),
    );
    let args: Vec<String> =
        names.iter().flat_map(|name| ["--parameter".into(), format!("{}={name}", &name[..2])]).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let want = names.iter().map(|name| (name[..2].to_owned(), name.clone())).collect();
    assert_eq!(Given::args(&args).environment(&fake), want);
}

#[test]
fn names_are_never_altered() {
    let fake = store(&[("projecta.production.key", "lower case"), ("projectA.production.KEY", "upper case")]);
    let key = |key| [&HOME[..], &["-k", key]].concat();
    Given::args(&key("Key")).fails(&fake, 66, &["KEY", "projectA.production.Key", "shared.Key"]);
    assert_eq!(Given::args(&key("KEY")).environment(&fake), map(&[("KEY", "upper case")]));
}

#[test]
fn another_region_s_arn_is_config() {
    let fake = world();
    let args = &["--parameter", "arn:aws:ssm:eu-west-1:123456789012:parameter/a.b"];
    Given::args(args).fails(&fake, 78, &["arn:aws:ssm:eu-west-1", "us-east-1", "--region"]);
    assert_eq!(fake.calls("GetParameters").len(), 0);
}

#[test]
fn another_account_s_parameter_by_arn() {
    let fake = Fake::start();
    fake.put_with(&fake_aws::Put::string("theirs.k", "shared with us").account("210987654321"));
    let arn = "arn:aws:ssm:us-east-1:210987654321:parameter/theirs.k";
    let got = Given::args(&["--parameter", arn]).environment(&fake);
    assert_eq!(got, map(&[("K", "shared with us")]));
}

#[test]
fn a_label_on_a_key_never_falls_through() {
    let fake = store(&[("p.k", "p1"), ("s.k", "s1")]);
    fake.label("s.k", 1, "current");
    let spec = "scopes = [\"p\", \"s\"]\n[env]\nV = { key = \"k\", label = \"current\" }\n";
    let given = Given::spec(spec);
    assert_eq!(given.names(&fake), ["p.k:current", "p.k", "s.k:current", "s.k"]);
    given.fails(&fake, 66, &["V", "p.k:current", "p.k"]);
    for absent in ["optional = true", "default = \"d\""] {
        let spec = spec.replace(" }", &format!(", {absent} }}"));
        Given::spec(&spec).fails(&fake, 66, &["V", "p.k:current"]);
    }

    fake.label("p.k", 1, "current");
    fake.put("p.k", "String", "p2");
    assert_eq!(given.environment(&fake), map(&[("V", "p1")]));
    fake.delete("p.k");
    assert_eq!(given.environment(&fake), map(&[("V", "s1")]), "the parameter itself is not there");
    // A less specific scope that has it without the label is no matter once there is a winner.
    fake.put("s.k", "String", "s2");
    fake.delete("s.k");
    fake.put("s.k", "String", "bare");
    fake.put("p.k", "String", "p3");
    fake.label("p.k", 1, "current");
    assert_eq!(given.environment(&fake), map(&[("V", "p3")]));
}

#[test]
fn a_version_on_a_key_needs_one_scope() {
    let fake = world();
    let spec = "scopes = [\"a\"]\n[env]\nV = { key = \"b\", version = 2 }\n";
    assert_eq!(Given::spec(spec).environment(&fake), map(&[("V", "two")]));
    fake.clear_log();
    let two = spec.replace("[\"a\"]", "[\"a\", \"c\"]");
    let fresh = Fake::start();
    Given::spec(&two).refused(&fresh, 78, &["spec.toml:3:1", "version", "several scopes"]);
}

#[test]
fn selectors_that_are_missing_or_wrong() {
    let fake = world();
    Given::args(&["--parameter", "a.b:9"]).fails(&fake, 66, &["a.b:9"]);
    Given::args(&["--parameter", "a.b:nope"]).fails(&fake, 66, &["a.b:nope"]);
    let fresh = Fake::start();
    for (spec, args, words) in [
        ("[env]\nV = { parameter = \"a:1\", version = 2 }", &[][..], &["spec.toml:2:1", "selector"][..]),
        ("[env]\nV = { parameter = \"a:x\", label = \"y\" }", &[], &["spec.toml:2:1", "selector"]),
        ("[env]\nV = { parameter = \"a\", version = 1, label = \"y\" }", &[], &["spec.toml:2:5", "only one"]),
        ("[env]\nV = { parameter = \"a\", version = 0 }", &[], &["spec.toml:2:"]),
        ("[env]\nV = { parameter = \"a\", version = -1 }", &[], &["spec.toml:2:"]),
        ("[env]\nV = { parameter = \"a\", version = \"1\" }", &[], &["spec.toml:2:", "number"]),
        ("[env]\nV = { parameter = \"a\", label = \"1x\" }", &[], &["spec.toml:2:", "1x"]),
        ("[env]\nV = { parameter = \"a\", label = \"awsome\" }", &[], &["spec.toml:2:", "awsome"]),
        ("[env]\nV = \"a:1\"", &[], &["spec.toml:2:5", "selector"]),
        ("", &["-k", "a:1"], &["--key", "selector", "--parameter"]),
        ("", &["--parameter", "a:0"], &["--parameter", "number from 1"]),
        ("", &["--parameter", "a:"], &["--parameter", "label"]),
        ("", &["--parameter", "a:b:c"], &["--parameter"]),
        ("", &["--parameter", "a b"], &["--parameter", "a b"]),
        ("", &["--parameter", "a/b"], &["--parameter", "does not begin"]),
        ("", &["--parameter", "/a//b"], &["--parameter", "empty level"]),
        ("", &["--parameter", "arn:aws:ssm:us-east-1:1:parameter/x"], &["--parameter", "account"]),
        ("", &["--parameter", "{nope}"], &["{nope}"]),
    ] {
        Given::spec(spec).and_args(args).refused(&fresh, 78, words);
    }
}

/// A spec can be a pipe: what a shell makes of `<(…)`, standard input, or a named one, whose writer may come late.
#[test]
fn a_spec_from_a_pipe() {
    let fake = article();
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    let text = "[env]\nV = { parameter = \"shared.newrelic_key\" }";
    for script in [
        "exec \"$0\" exec -s <(echo \"$SPEC\") printenv V",
        "exec \"$0\" exec -s <(printf '%s' \"${SPEC:0:9}\"; sleep 0.1; echo \"${SPEC:9}\") printenv V",
        "exec \"$0\" exec -s /dev/stdin printenv V < <(echo \"$SPEC\")",
        "exec \"$0\" exec -s /dev/stdin printenv V <<< \"$SPEC\"",
        "(sleep 0.2; echo \"$SPEC\" > \"$FIFO\") & exec \"$0\" exec -s \"$FIFO\" printenv V",
        "echo \"$SPEC\" | (sleep 0.1; exec \"$0\" exec -s /dev/fd/0 printenv V)",
        "exec \"$0\" exec --allow-writable-spec -s <(cat; sleep 0.2; echo \"$SPEC\") printenv V",
    ] {
        let mut command = program("bash");
        command.args(["-c", script, STEPZERO]).env("SPEC", text).env("FIFO", &fifo).envs(fake.env());
        Ran::of(&mut command).case(script).prints("2039402939302293029230923093\n");
    }
}

/// One deadline over everything: over a pipe that nobody writes, or never to its end, too.
#[test]
fn a_spec_that_never_comes_is_66_at_the_deadline() {
    let directory = Directory::new();
    let fifo = directory.fifo("fifo");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    for (path, timeout) in [(fifo.as_str(), "1s"), ("/dev/stdin", "500ms")] {
        let mut command = offline(["exec", "-s", path, "--timeout", timeout, "--", "echo", "started"]).command();
        command.stdin(reader.try_clone().expect("a descriptor is free"));
        let begun = std::time::Instant::now();
        let ran = Ran::of(&mut command);
        assert!(begun.elapsed().as_secs() < 10, "{path}: {:?}", begun.elapsed());
        ran.refused(66, &["the spec", path, "timed out", "nobody wrote it"]);
    }
}
