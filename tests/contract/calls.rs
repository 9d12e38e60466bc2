//! What goes over the wire: how many calls, with what in them, and none at all where there is nothing to fetch.

use crate::common::{Given, Ran, TempFile, assert_untouched, map, stepzero, store};
use fake_aws::{Action, Fake, Fault};
use serde_json::{Value, json};

#[test]
fn ten_names_a_call() {
    for (count, calls) in [(1, 1), (10, 1), (11, 2), (20, 2), (30, 3)] {
        let fake = Fake::start();
        let names: Vec<String> = (0..count).map(|n| format!("s.k{n}")).collect();
        names.iter().for_each(|name| _ = fake.put(name, "SecureString", name));
        let mut args = vec!["--scope", "s"];
        args.extend(names.iter().flat_map(|name| ["-k", &name[2..]]));
        let given = Given::args(&args);
        assert_eq!(given.plan(&fake)["calls"], calls);
        assert_untouched(&fake);
        assert_eq!(given.environment(&fake).len(), count);

        let seen = fake.calls("GetParameters");
        assert_eq!(seen.len(), calls, "{count} names");
        let mut asked: Vec<String> = seen.iter().flat_map(|call| call.names.clone()).collect();
        asked.sort();
        let mut want = names.clone();
        want.sort();
        assert_eq!(asked, want, "each name once");
        assert!(seen.iter().all(|call| call.with_decryption == Some(true) && call.names.len() <= 10));
        assert!(seen.iter().all(|call| call.user_agent.contains("stepzero")), "{}", seen[0].user_agent);
        assert!(seen.iter().all(|call| call.principal.is_some()), "signed");
        assert_eq!(fake.calls("DescribeParameters").len(), 0);
    }
}

/// CloudTrail shows it.
#[test]
fn the_user_agent_names_the_application_as_the_sdks_do() {
    let fake = store(&[("app.key", "value")]);
    let config = TempFile::config("[default]\nsdk_ua_app_id = of-the-profile\n[profile other]\nregion = us-east-1\n");
    let path = config.arg();
    let own = concat!("stepzero/", env!("CARGO_PKG_VERSION"));
    let long = "x".repeat(60);
    let (fits, cannot) = (false, true);
    for (env, want, tells) in [
        (&[][..], own.to_owned(), fits),
        (&[("AWS_SDK_UA_APP_ID", "web")], format!("{own} app/web"), fits),
        (&[("AWS_CONFIG_FILE", &path)], format!("{own} app/of-the-profile"), fits),
        (&[("AWS_CONFIG_FILE", &path), ("AWS_PROFILE", "other")], own.to_owned(), fits),
        (&[("AWS_CONFIG_FILE", &path), ("AWS_SDK_UA_APP_ID", "web")], format!("{own} app/web"), fits),
        (&[("AWS_SDK_UA_APP_ID", "")], own.to_owned(), fits),
        (&[("AWS_SDK_UA_APP_ID", "a b/c\u{e9}#,d")], format!("{own} app/a-b-c-#,d"), cannot),
        (&[("AWS_SDK_UA_APP_ID", &long[..50])], format!("{own} app/{}", &long[..50]), fits),
        (&[("AWS_SDK_UA_APP_ID", &long)], format!("{own} app/{}", &long[..50]), cannot),
    ] {
        fake.clear_log();
        let args = ["-vv", "--parameter", "KEY=app.key", "--role-arn", "arn:aws:iam::123456789012:role/reader"];
        let ran = Given::args(&args).and_env(env).exec(&fake).expect(0);
        assert_eq!(ran.stderr().contains("AWS is told the application"), tells, "{env:?}: {}", ran.stderr());
        for operation in ["GetRole", "AssumeRole", "GetParameters"] {
            assert!(!fake.calls(operation).is_empty(), "{operation}: {:?}", fake.log());
        }
        for call in fake.log() {
            // The tests can run under a service.
            let agent = call.user_agent.split(" md/unit#").next().unwrap_or_default();
            assert_eq!(agent, want, "{}: {env:?}", call.operation);
        }
    }
}

#[test]
fn the_calls_are_in_parallel() {
    let fake = Fake::start();
    let gate = fake_aws::Gate::new();
    fake.fault(Fault::always(Action::Hold(gate.clone())).operation("GetParameters"));
    let keys: Vec<String> = (0..25).map(|n| format!("k{n}")).collect();
    let mut args = vec!["exec", "--scope", "s"];
    args.extend(keys.iter().flat_map(|key| ["-k", key.as_str()]));
    args.push("env");
    let child = stepzero(&fake, &args).spawn();
    fake.wait_until(|log| log.iter().filter(|entry| entry.operation == "GetParameters").count() == 3);
    gate.release();
    Ran::of_child(child).expect(66);
}

#[test]
fn nothing_to_do_is_usage_but_nothing_to_fetch_is_fine() {
    let fake = Fake::start();
    Given::default().refused(&fake, 64, &["nothing to do", "--spec", "--key", "--parameter", "--load", "--references"]);
    let empty = [("STEPZERO_SPEC", ""), ("STEPZERO_PROJECT", "p"), ("STEPZERO_REFERENCES", "")];
    Given::default().and_env(&empty).refused(&fake, 64, &["nothing to do"]);
    Given::default().and_env(&[("STEPZERO_REFERENCES", "false")]).refused(&fake, 64, &["nothing to do"]);

    let spec = "# nothing\n";
    let settings = "project = \"p\"\nenvironment = \"e\"\n";
    for (spec, args, env) in [
        (spec, &[][..], &[][..]),
        (settings, &[], &[]),
        ("[env]\n", &["--region", "nowhere-1"], &[]),
        ("", &["--references"], &[("A", "no reference"), ("B", "see ssm:x")]),
        ("", &[], &[("STEPZERO_REFERENCES", "true")]),
    ] {
        let given = Given { spec, args, env };
        let want: Vec<_> = env.iter().filter(|(name, _)| !name.starts_with("STEPZERO_")).copied().collect();
        assert_eq!(given.environment(&fake), map(&want), "{spec} {args:?}");
        let check = given.run(&fake, "check", &["--format", "json"]).expect(0);
        assert!(check.stdout().contains("\"ok\": true"), "{check}");
    }
    assert_untouched(&fake);
}

#[test]
fn an_empty_spec_by_variable() {
    let fake = Fake::start();
    let spec = TempFile::spec("");
    let ran = stepzero(&fake, ["exec", "env", "-0"]).env("STEPZERO_SPEC", spec.arg()).output().expect(0);
    assert_eq!(ran.environment(), map(&[]));
    assert_untouched(&fake);
}

/// A second try, because the first answer was not what was asked for; never a start on a part.
#[test]
fn an_answer_that_is_not_complete_is_no_answer() {
    let garblings: [fn(Value) -> Value; 5] = [
        |mut body| {
            body["Parameters"].as_array_mut().expect("a list").pop();
            body
        },
        |mut body| {
            body["Parameters"][0]["Value"] = json!(null);
            body
        },
        |mut body| {
            body["Parameters"][0]["Name"] = json!("s.other");
            body
        },
        |mut body| {
            body["Parameters"][1] = body["Parameters"][0].clone();
            body
        },
        |_| json!({}),
    ];
    for garble in garblings {
        let fake = store(&[("s.a", "1"), ("s.b", "2")]);
        fake.fault(Fault::once(Action::rewrite(garble)).operation("GetParameters"));
        let given = Given::args(&["--scope", "s", "-k", "a", "-k", "b"]);
        assert_eq!(given.environment(&fake), map(&[("A", "1"), ("B", "2")]));
        assert_eq!(fake.calls("GetParameters").len(), 2);
    }
}
