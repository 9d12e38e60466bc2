//! From a source to a variable: mapping, layers, `optional` and `default`, what is inherited, and collisions.

use crate::common::{Given, HOME, TempFile, assert_untouched, map, store};
use fake_aws::Fake;

fn world() -> Fake {
    store(&[("s.k", "fetched"), ("s.empty", " ")])
}

#[test]
fn the_mapping_of_names() {
    let fake = Fake::start();
    for (args, want) in [
        (&["-k", "database_password"][..], "DATABASE_PASSWORD"),
        (&["-k", "db.host-name"], "DB_HOST_NAME"),
        (&["-k", "db/host"], "DB_HOST"),
        (&["-k", "1st"], "_1ST"),
        (&["-k", "__x"], "__X"),
        (&["-k", "as_is=k"], "as_is"),
        (&["-k", "1=k"], "1"),
        (&["-k", "a-b.c=k"], "a-b.c"),
        (&["--parameter", "a.b.c-d"], "C_D"),
        (&["--parameter", "/x/y.z:3"], "Y_Z"),
        (&["--parameter", "plain:current"], "PLAIN"),
        (&["--parameter", "/9"], "_9"),
        (&["--parameter", "arn:aws:ssm:us-east-1:123456789012:parameter/x/y:3"], "Y"),
        (&["--parameter", "arn:aws:ssm:us-east-1:123456789012:parameter/a.b"], "B"),
    ] {
        let args = [&["--scope", "/s"], args].concat();
        let plan = Given::args(&args).plan(&fake);
        assert_eq!(plan["variables"][0]["variable"], want, "{args:?}");
    }
}

#[test]
fn optional_and_default() {
    let fake = world();
    let pristine = "pristine = true\n";
    let keeping = "pristine = true\nkeep = [\"V\"]\n";
    for (top, source, inherited, want) in [
        ("", "key = \"k\", optional = true", None, Some("fetched")),
        ("", "key = \"k\", default = \"d\"", None, Some("fetched")),
        ("", "key = \"k\", default = \"d\"", Some("old"), Some("fetched")),
        ("", "key = \"no\", optional = true", None, None),
        ("", "key = \"no\", optional = true", Some("old"), Some("old")),
        ("", "key = \"no\", optional = true", Some(""), Some("")),
        ("", "key = \"no\", optional = false, default = \"d\"", None, Some("d")),
        ("", "key = \"no\", default = \"\"", None, Some("")),
        ("", "key = \"no\", default = \"d\"", Some("old"), Some("old")),
        ("", "parameter = \"s.no\", default = \"d\"", None, Some("d")),
        ("", "parameter = \"s.no:7\", optional = true", Some("old"), Some("old")),
        (pristine, "key = \"no\", default = \"d\"", Some("old"), Some("d")),
        (pristine, "key = \"no\", optional = true", Some("old"), None),
        (keeping, "key = \"no\", default = \"d\"", Some("old"), Some("old")),
        (keeping, "key = \"no\", optional = true", Some("old"), Some("old")),
        (keeping, "key = \"k\"", Some("old"), Some("fetched")),
    ] {
        let spec = format!("{top}scopes = [\"s\"]\n[env]\nV = {{ {source} }}\n");
        let env: Vec<(&str, &str)> = inherited.map(|value| ("V", value)).into_iter().collect();
        let got = Given::spec(&spec).and_env(&env).environment(&fake);
        assert_eq!(got.get("V").map(String::as_str), want, "{spec} {inherited:?}");
    }
    let spec = "scopes = [\"s\"]\n[env]\nV = { key = \"k\", optional = true, default = \"d\" }\n";
    Given::spec(spec).refused(&Fake::start(), 78, &["spec.toml:3:", "optional", "default"]);
}

#[test]
fn existing_under_each_policy() {
    let fake = world();
    let keep = ["--existing", "keep"];
    for (args, inherited, want, calls) in [
        (&[][..], Some("old"), "fetched", 1),
        (&["--existing", "replace"], Some("old"), "fetched", 1),
        (&keep, Some("old"), "old", 0),
        (&keep, Some(""), "", 0),
        (&keep, None, "fetched", 1),
        (&["--existing", "error"], None, "fetched", 1),
        // What is not passed on does not count as set.
        (&["--existing", "keep", "--pristine"], Some("old"), "fetched", 1),
        (&["--existing", "error", "--pristine"], Some("old"), "fetched", 1),
        (&["--existing", "keep", "--pristine", "--keep", "K"], Some("old"), "old", 0),
    ] {
        fake.clear_log();
        let args = [&["--scope", "s", "-k", "k"], args].concat();
        let env: Vec<(&str, &str)> = inherited.map(|value| ("K", value)).into_iter().collect();
        let got = Given::args(&args).and_env(&env).environment(&fake);
        assert_eq!(got, map(&[("K", want)]), "{args:?} {inherited:?}");
        assert_eq!(fake.calls("GetParameters").len(), calls, "{args:?} {inherited:?}");
    }
    let args = &["--scope", "s", "-k", "k", "-k", "L=k", "-k", "M=k", "--existing", "error"];
    let env = &[("K", ""), ("L", "x")];
    let ran = Given::args(args).and_env(env).fails(&fake, 65, &["K is set already", "L is set already"]);
    ran.hides(&["M is set"]);
    // The flag replaces the spec.
    let spec = "existing = \"error\"\nscopes = [\"s\"]\n[env]\nK = \"k\"\n";
    let env = &[("K", "old")];
    Given::spec(spec).and_env(env).fails(&fake, 65, &["K is set already"]);
    let args = &["--existing", "keep"];
    assert_eq!(Given { spec, args, env }.environment(&fake), map(env));
}

#[test]
fn kept_variables_need_no_network() {
    let fake = Fake::start();
    let args = &["-p", "p", "-e", "e", "-k", "k", "-k", "l", "--existing", "keep"];
    let env = &[("K", "1"), ("L", "")];
    assert_eq!(Given::args(args).and_env(env).environment(&fake), map(env));
    assert_untouched(&fake);
    let plan = Given::args(args).and_env(env).plan(&fake);
    assert_eq!((&plan["calls"], &plan["kept"]), (&0.into(), &serde_json::json!(["K", "L"])));
}

#[test]
fn pristine_passes_on_what_is_named() {
    let fake = world();
    let env = &[("HOME", "/h"), ("X", "1"), ("STEPZERO_TIMEOUT", "30s")];
    for (spec, args, want) in [
        ("", &["--pristine"][..], &[("K", "fetched")][..]),
        ("", &["--pristine", "--keep", "X", "--keep", "NOPE"], &[("K", "fetched"), ("X", "1")]),
        ("", &["--pristine", "--keep", "STEPZERO_TIMEOUT"], &[("K", "fetched")]),
        ("", &["--keep", "X"], &[("HOME", "/h"), ("K", "fetched"), ("X", "1")]),
        ("pristine = true\nkeep = [\"HOME\"]\n", &[], &[("HOME", "/h"), ("K", "fetched")]),
        ("pristine = true\nkeep = [\"HOME\"]\n", &["--keep", "X"], &[("K", "fetched"), ("X", "1")]),
    ] {
        let args = [&["--scope", "s", "-k", "k"], args].concat();
        let got = Given { spec, args: &args, env }.environment(&fake);
        assert_eq!(got, map(want), "{spec} {args:?}");
    }
}

#[test]
fn own_variables_are_removed_and_those_of_aws_pass() {
    let fake = world();
    let spec = TempFile::spec("");
    let env = &[
        ("STEPZERO_SPEC", &*spec.arg()),
        ("STEPZERO_PROJECT", "p"),
        ("STEPZERO_ENVIRONMENT", "e"),
        ("STEPZERO_REFERENCES", "true"),
        ("STEPZERO_CREDENTIALS", "auto"),
        ("STEPZERO_TIMEOUT", "30s"),
        ("STEPZERO_OTHER", "not listed"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_SESSION_TOKEN", ""),
    ];
    let got = Given::args(&["--parameter", "s.k"]).and_env(env).environment(&fake);
    let want =
        [("AWS_REGION", "us-east-1"), ("AWS_SESSION_TOKEN", ""), ("K", "fetched"), ("STEPZERO_OTHER", "not listed")];
    assert_eq!(got, map(&want));
}

#[test]
fn flags_replace_the_spec() {
    let fake = world();
    fake.put("s.other", "String", "other");
    let spec = "scopes = [\"s\"]\n[env]\nK = \"other\"\nL = \"other\"\n";
    for (args, k) in [(&["-k", "k"][..], "fetched"), (&["--parameter", "s.k"], "fetched"), (&[], "other")] {
        let got = Given::spec(spec).and_args(args).environment(&fake);
        assert_eq!(got, map(&[("K", k), ("L", "other")]), "{args:?}");
    }
}

#[test]
fn two_sources_in_one_layer() {
    let fake = Fake::start();
    for (spec, args, code, words) in [
        ("", &["-k", "a", "-k", "A=b"][..], 64, &["two sources for A", "--key a", "--key b"][..]),
        ("", &["-k", "a-b", "-k", "a.b"], 64, &["A_B", "a-b", "a.b"]),
        ("", &["-k", "a", "--parameter", "/x/a"], 64, &["--key a", "--parameter /x/a"]),
        ("", &["--parameter", "V=a", "--parameter", "V=b"], 64, &["two sources for V", "a", "b"]),
        ("[env]\nA = \"a\"\n[files]\nA = \"b\"\n", &[], 78, &["two sources for A", "spec.toml:2:1", "spec.toml:4:1"]),
    ] {
        let args = [&HOME[..], args].concat();
        Given::spec(spec).and_args(&args).refused(&fake, code, words);
    }
}

#[test]
fn variables_that_cannot_be_set() {
    let fake = Fake::start();
    for (spec, args, code, words) in [
        ("", &["-k", "=k"][..], 64, &["--key"][..]),
        ("", &["--parameter", "=k"], 64, &["--parameter"]),
        ("", &["-k", "k", "--keep", "A=B"], 64, &["--keep"]),
        ("[env]\n\"\" = \"k\"\n", &[], 78, &["spec.toml:2:1"]),
        ("[env]\n\"A=B\" = \"k\"\n", &[], 78, &["spec.toml:2:1", "A=B"]),
        ("keep = [\"A=B\"]\n", &[], 78, &["spec.toml:1:9", "A=B"]),
    ] {
        let args = [&HOME[..], args].concat();
        Given::spec(spec).and_args(&args).refused(&fake, code, words);
    }
}

#[test]
fn values_arrive_byte_for_byte() {
    let fake = Fake::start();
    let values = [
        " leading and trailing ",
        "line\nbreak\n",
        "tab\t\u{7f}\u{1b}[31m",
        "é ü 漢 🦀",
        "$HOME `id` \"'\\",
        "a=b=c",
        "ssm:a.b",
    ];
    let mut args = vec!["--scope".to_owned(), "s".to_owned()];
    for (at, value) in values.iter().enumerate() {
        fake.put(&format!("s.v{at}"), "SecureString", value);
        args.extend(["-k".to_owned(), format!("v{at}")]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let got = Given::args(&args).environment(&fake);
    assert_eq!(got.into_values().collect::<Vec<_>>(), values);
}
