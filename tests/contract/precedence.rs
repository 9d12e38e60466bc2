//! Section 3: flag, then `STEPZERO_*`, then spec, then `AWS_*` and profile, then IMDS. Lists and scalars replace; `-k` and
//! `--parameter` add.

use crate::common::{Given, KEYS, TempFile, article, assert_untouched, map, stepzero, store};
use fake_aws::Fake;

const BOTH: &str = "project = \"fp\"\nenvironment = \"fe\"\n[env]\nA = \"k\"\n";

#[test]
fn project_and_environment() {
    let fake = Fake::start();
    let variables = [("STEPZERO_PROJECT", "vp"), ("STEPZERO_ENVIRONMENT", "ve")];
    let empty = [("STEPZERO_PROJECT", ""), ("STEPZERO_ENVIRONMENT", "")];
    for (spec, args, env, first) in [
        (BOTH, &[][..], &[][..], "fp.fe.k"),
        (BOTH, &[], &variables, "vp.ve.k"),
        (BOTH, &[], &empty, "fp.fe.k"),
        (BOTH, &["-p", "ap"], &variables, "ap.ve.k"),
        (BOTH, &["--project=ap", "--environment=ae"], &variables, "ap.ae.k"),
        (BOTH, &["-e", "ae"], &[], "fp.ae.k"),
        ("", &["-k", "k"], &variables, "vp.ve.k"),
        ("", &["-k", "k", "-pap", "-eae"], &[], "ap.ae.k"),
    ] {
        assert_eq!(Given { spec, args, env }.names(&fake)[0], first, "{args:?} {env:?}");
    }
    // A setting that is replaced does not have to be good.
    let bad = "project = \"shared\"\nenvironment = \"a.b\"\n[env]\nA = \"k\"\n";
    assert_eq!(Given::spec(bad).and_env(&variables).names(&fake)[0], "vp.ve.k");
    for (env, word) in [
        (("STEPZERO_PROJECT", "a.b"), "STEPZERO_PROJECT"),
        (("STEPZERO_ENVIRONMENT", "shared"), "STEPZERO_ENVIRONMENT"),
    ] {
        Given::spec(BOTH).and_env(&[env]).refused(&fake, 78, &[word, env.1]);
    }
}

#[test]
fn the_spec_itself() {
    let fake = Fake::start();
    let (by_flag, by_variable) = (
        TempFile::spec("[env]\nA = { parameter = \"flag\" }"),
        TempFile::spec("[env]\nA = { parameter = \"variable\" }"),
    );
    for (args, variable, want) in [
        (vec!["plan", "-s"], Some(&by_variable), "flag"),
        (vec!["plan"], Some(&by_variable), "variable"),
        (vec!["plan", "--spec"], None, "flag"),
    ] {
        let path = by_flag.arg();
        let args: Vec<&str> = if args.len() == 2 { [args, vec![&path]].concat() } else { args };
        let run = stepzero(&fake, &args);
        let run = match variable {
            Some(spec) => run.env("STEPZERO_SPEC", spec.arg()),
            None => run,
        };
        let plan = run.output().expect(0).stdout();
        assert!(plan.contains(want), "{plan}");
    }
}

#[test]
fn keys_and_names_add_to_the_spec() {
    let fake = Fake::start();
    let args = &["-k", "l", "--parameter", "/x/m", "-k", "n", "--parameter", "/x/o"];
    let plan = Given::spec(BOTH).and_args(args).plan(&fake);
    let variables: Vec<&str> =
        plan["variables"].as_array().expect("a list").iter().filter_map(|v| v["variable"].as_str()).collect();
    assert_eq!(variables, ["A", "L", "N", "M", "O"]);
}

#[test]
fn references_are_switched_by_flag_variable_and_spec() {
    let fake = store(&[("s.k", "resolved")]);
    let (on, off) = ("references = true\n", "references = false\n");
    for (spec, args, variable, want) in [
        (on, &[][..], None, "resolved"),
        (on, &[], Some("false"), "ssm:s.k"),
        (on, &[], Some(""), "resolved"),
        (off, &[], Some("true"), "resolved"),
        (off, &["--references"], Some("false"), "resolved"),
        (off, &[], None, "ssm:s.k"),
    ] {
        let env: Vec<_> =
            [("R", "ssm:s.k")].into_iter().chain(variable.map(|value| ("STEPZERO_REFERENCES", value))).collect();
        let got = Given { spec, args, env: &env }.environment(&fake);
        assert_eq!(got, map(&[("R", want)]), "{spec} {args:?} {variable:?}");
    }
}

/// The message about an ARN of another Region says which Region this is.
#[test]
fn the_region_and_its_order() {
    let fake = Fake::start();
    let files = TempFile::config("[default]\nregion = profile-1\n[profile other]\nregion = other-1\n");
    let path = files.arg();
    let config = ("AWS_CONFIG_FILE", &*path);
    let aws = [("AWS_REGION", "aws-1"), ("AWS_DEFAULT_REGION", "default-1"), config];
    for (spec, args, env, want) in [
        ("region = \"spec-1\"\n", &["--region", "flag-1"][..], &aws[..], "flag-1"),
        ("region = \"spec-1\"\n", &[], &aws, "spec-1"),
        ("", &[], &aws, "aws-1"),
        ("", &[], &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "default-1"), config], "default-1"),
        ("", &[], &[config], "profile-1"),
        ("", &[], &[config, ("AWS_PROFILE", "other")], "other-1"),
        ("", &[], &[], "us-east-1"),
        ("region = \"\"\n", &["--region", ""], &[], "us-east-1"),
    ] {
        let args = [args, &["--parameter", "arn:aws:ssm:zz-1:123456789012:parameter/x"]].concat();
        let given = Given { spec, args: &args, env: &[env, &KEYS].concat() };
        given.fails(&fake, 78, &["ssm:zz-1:", &format!("another Region than {want}")]);
    }
    for (spec, args, env, words) in [
        ("region = \"EU\"\n", &[][..], &[][..], &["spec.toml:1:10", "EU"][..]),
        ("", &["--region", "eu west"], &[], &["--region", "eu west"]),
    ] {
        let args = [args, &["--parameter", "x"]].concat();
        Given { spec, args: &args, env }.refused(&Fake::start(), 78, words);
    }
    let env = [("AWS_REGION", "eu/west"), KEYS[0], KEYS[1]];
    Given::args(&["--parameter", "x"]).and_env(&env).fails(&fake, 78, &["AWS_REGION", "eu/west"]);
}

#[test]
fn timeout_and_credentials() {
    let fake = store(&[("s.k", "v")]);
    for (spec, env, words) in [
        ("", [("STEPZERO_TIMEOUT", "soon")], &["STEPZERO_TIMEOUT", "soon", "120s"][..]),
        ("", [("STEPZERO_TIMEOUT", "0")], &["STEPZERO_TIMEOUT"]),
        ("", [("STEPZERO_CREDENTIALS", "guess")], &["STEPZERO_CREDENTIALS", "instance-profile"]),
        ("", [("STEPZERO_REFERENCES", "yes")], &["STEPZERO_REFERENCES", "true"]),
        ("timeout = \"x\"\n", [("X", "")], &["spec.toml:1:11", "timeout"]),
        ("credentials = \"x\"\n", [("X", "")], &["spec.toml:1:15", "auto"]),
        ("existing = \"x\"\n", [("X", "")], &["spec.toml:1:12", "replace"]),
        ("separator = \"x\"\n", [("X", "")], &["spec.toml:1:13", "separator"]),
    ] {
        Given { spec, args: &["--parameter", "s.k"], env: &env }.refused(&fake, 78, words);
    }
    // The deadline that a stuck store runs into is the one of the highest place.
    fake.down();
    for (spec, args, env, want) in [
        ("timeout = \"500ms\"\n", &[][..], &[][..], "0.5"),
        ("timeout = \"90s\"\n", &[], &[("STEPZERO_TIMEOUT", "600ms")], "0.6"),
        ("timeout = \"90s\"\n", &["--timeout", "700ms"], &[("STEPZERO_TIMEOUT", "80s")], "0.7"),
    ] {
        let args = [args, &["--parameter", "s.k"]].concat();
        Given { spec, args: &args, env }.fails(&fake, 75, &["gave up", &format!("--timeout {want}s")]);
    }
}

/// They would count as unset, and somebody else's profile or Region be taken.
#[test]
fn settings_of_aws_that_say_nothing_are_78() {
    use std::os::unix::ffi::OsStrExt as _;
    let fake = article();
    let odd = std::ffi::OsStr::from_bytes(b"\xff");
    let run = |args: &[&str]| stepzero(&fake, args).env("AWS_PROFILE", odd).env("AWS_REGION", odd);
    let keyed = ["exec", "--parameter", "shared.newrelic_key", "true"];
    run(&keyed).output().expect(78).says(&["AWS_PROFILE is not UTF-8", "AWS_REGION is not UTF-8"]);
    for name in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
        let ran = stepzero(&fake, keyed).env(name, "yes").output().expect(78);
        ran.says(&[&format!("{name} is neither true nor false")]);
    }
    assert_untouched(&fake);
    stepzero(&fake, keyed)
        .env("AWS_USE_FIPS_ENDPOINT", "False")
        .env("AWS_USE_DUALSTACK_ENDPOINT", "")
        .output()
        .expect(0);
    // An endpoint that is named has no twin for FIPS or dual stack: not another one in its place.
    for name in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
        stepzero(&fake, keyed).env(name, "True").output().expect(78).says(&["no endpoint of Systems Manager", name]);
    }
    // The endpoint of AWS in the place of the fake. Nobody is at the proxy that leads to it.
    fake.clear_log();
    let ignoring = stepzero(&fake, ["exec", "--timeout", "1s", "--parameter", "shared.newrelic_key", "true"])
        .env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
        .env("HTTPS_PROXY", "http://127.1.2.3:7");
    ignoring.output().expect(75).says(&["127.1.2.3:7"]);
    assert!(fake.calls("GetParameters").is_empty());
    // Nothing to fetch, nobody to ask with them. Nor are an application's own anybody's matter.
    run(&["exec", "--references", "true"]).output().expect(0);
    stepzero(&fake, keyed).env("LC_ODD", odd).output().expect(0);
    let reference = stepzero(&fake, ["exec", "--references", "true"]).env(odd, "ssm:shared.newrelic_key");
    reference.output().expect(78).says(&["the reference in"]);
}
