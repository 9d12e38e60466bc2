//! `check` as a preflight: what every name came to, who denied it, and what it would need.

use fake_aws::{Fake, KmsDenial, Put};
use serde_json::{Value, json};

use crate::common::{Given, ROLE, Ran, denying};

const SPEC: &str = "scopes = [\"a\", \"b\"]\n[env]\nFINE = \"fine\"\nSSM = \"ssm\"\nKMS = { parameter = \"/kms\" }\n\
                    GONE = \"gone\"\nMAYBE = { key = \"maybe\", optional = true }\nELSE = { key = \"else\", default = \"x\" }\n";

/// `a.ssm` may not be read, and the key of `/kms` may not be used.
fn world() -> Fake {
    let fake = Fake::builder().role(ROLE).start();
    for name in ["a.fine", "b.fine", "a.ssm", "b.ssm"] {
        fake.put_with(&Put::secure(name, "hunter2"));
    }
    fake.put_with(&Put::secure("/kms", "hunter2").key("alias/closed"));
    fake.policy(
        ROLE,
        json!({"Statement": [
            {"Effect": "Allow", "Action": ["ssm:GetParameters", "ssm:GetParametersByPath"], "Resource": "*"},
            {"Effect": "Deny", "Action": "ssm:GetParameters", "Resource": "*:parameter/a.ssm"},
        ]}),
    );
    fake
}

fn check(fake: &Fake, spec: &str, flags: &[&str]) -> Ran {
    Given::spec(spec).run(fake, "check", flags)
}

/// As JSON.
fn report(ran: Ran) -> Value {
    ran.hides(&["hunter2"]).json()
}

/// The names of a variable and what each came to.
fn names(report: &Value, variable: &str) -> Value {
    let names = of(report, variable)["names"].as_array().expect("a list");
    names.iter().map(|name| json!([name["name"], name["status"]])).collect()
}

fn of<'a>(report: &'a Value, variable: &str) -> &'a Value {
    let variables = report["variables"].as_array().expect("a list");
    variables.iter().find(|found| found["variable"] == variable).unwrap_or_else(|| panic!("no {variable} in {report}"))
}

#[test]
fn every_name_and_what_it_came_to() {
    let fake = world();
    let ran = check(&fake, SPEC, &["--format", "json"]).expect(77);
    let report = report(ran);
    assert_eq!((&report["format"], &report["ok"]), (&json!(1), &json!(false)));
    for (variable, status, names) in [
        ("FINE", "ok", json!([["a.fine", "found"], ["b.fine", "found"]])),
        ("SSM", "denied", json!([["a.ssm", "ssm_denied"], ["b.ssm", "found"]])),
        ("KMS", "denied", json!([["/kms", "kms_denied"]])),
        ("GONE", "missing", json!([["a.gone", "missing"], ["b.gone", "missing"]])),
        ("MAYBE", "left_alone", json!([["a.maybe", "missing"], ["b.maybe", "missing"]])),
        ("ELSE", "default", json!([["a.else", "missing"], ["b.else", "missing"]])),
    ] {
        assert_eq!(of(&report, variable)["status"], status, "{variable}");
        assert_eq!(self::names(&report, variable), names, "{variable}");
    }
    let ssm = &of(&report, "SSM")["denied"][0];
    assert_eq!(ssm["needs"], "ssm:GetParameters on arn:aws:ssm:us-east-1:123456789012:parameter/a.ssm");
    let kms = &of(&report, "KMS")["denied"][0];
    assert_eq!((&kms["by"], &kms["asked_for"]), (&json!("kms"), &json!(["/kms"])));
    assert_eq!(kms["needs"], format!("kms:Decrypt on {}", fake.key("alias/closed")));
}

#[test]
fn people_see_the_same() {
    let fake = world();
    let ran = check(&fake, SPEC, &[]).expect(77).says(&[
        "a.ssm, wanted for SSM",
        "/kms, wanted for KMS",
        "GONE: a.gone, b.gone",
    ]);
    let text = ran.stdout();
    let line =
        |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
    assert!(line("SSM ").contains("denied by ssm"), "{text}");
    assert!(line("KMS ").contains("denied by kms") && line("KMS ").contains("/kms"), "{text}");
    assert!(line("GONE").contains("missing") && line("FINE").contains("b.fine"), "{text}");
    assert!(text.contains("what is denied would need:\n  ssm:GetParameters on arn:"), "{text}");
    assert!(text.contains("\n  kms:Decrypt on arn:aws:kms:"), "{text}");
}

#[test]
fn a_denial_that_names_no_key_is_still_kms_s() {
    let fake = world();
    fake.kms_denial(KmsDenial::Ciphertext);
    let report = report(check(&fake, SPEC, &["--format", "json"]).expect(77));
    assert_eq!(of(&report, "KMS")["names"][0]["status"], "kms_denied");
    assert_eq!(of(&report, "KMS")["denied"][0]["needs"], "kms:Decrypt on the key of /kms");
    // exec cannot know which of the call it was, and says so.
    Given::spec("[env]\nA = { parameter = \"/kms\" }\nB = { parameter = \"b.fine\" }\n").fails(
        &fake,
        77,
        &["kms:Decrypt", "of one of the call: /kms, b.fine", "stepzero check"],
    );
}

#[test]
fn a_disabled_key_is_told_apart() {
    let fake = world();
    fake.clear_policy(ROLE);
    fake.disable_key("alias/closed");
    let report = report(check(&fake, SPEC, &["--format", "json"]).expect(77));
    assert_eq!(of(&report, "KMS")["names"][0]["status"], "kms_denied");
    let note = of(&report, "KMS")["denied"][0]["note"].as_str().expect("a note").to_owned();
    assert!(note.contains("disabled"), "{note}");
}

#[test]
fn every_denied_name_of_many_is_found() {
    let fake = Fake::builder().role(ROLE).start();
    let (mut spec, mut denied) = ("[env]\n".to_owned(), Vec::new());
    for n in 0..35 {
        fake.put(&format!("/app/n{n}"), "String", "hunter2");
        spec += &format!("N{n} = {{ parameter = \"/app/n{n}\" }}\n");
        if n % 7 == 3 {
            denied.push(format!("N{n}"));
        }
    }
    let resources: Vec<String> = denied.iter().map(|name| format!("*:parameter/app/{}", name.to_lowercase())).collect();
    fake.policy(ROLE, denying(&["*"], &resources));
    let report = report(check(&fake, &spec, &["--format", "json"]).expect(77));
    let variables = report["variables"].as_array().expect("a list");
    let found = variables
        .iter()
        .filter(|variable| variable["status"] == "denied")
        .map(|variable| variable["variable"].as_str());
    assert_eq!(found.collect::<Option<Vec<_>>>().expect("names"), denied);
}

#[test]
fn a_denied_path_is_named_and_the_rest_is_told() {
    let fake = world();
    fake.put("/open/a", "String", "1");
    fake.put("/shut/a", "String", "1");
    fake.policy(ROLE, denying(&["ssm:GetParametersByPath"], &["*:parameter/shut"]));
    let spec = "[[load]]\npath = \"/shut\"\nprefix = \"X_\"\n[[load]]\npath = \"/open\"\n";
    let ran = check(&fake, spec, &["--format", "json"])
        .expect(77)
        .says(&["wanted for the path /shut", "ssm:GetParametersByPath"]);
    let report = report(ran);
    assert_eq!(of(&report, "A")["status"], "ok");
    let denied = &of(&report, "X_*")["denied"][0];
    assert_eq!(denied["needs"], "ssm:GetParametersByPath on arn:aws:ssm:us-east-1:123456789012:parameter/shut");
}

#[test]
fn all_is_well_and_the_codes_are_exec_s() {
    let fake = world();
    fake.clear_policy(ROLE);
    let fine =
        report(check(&fake, "scopes = [\"a\", \"b\"]\n[env]\nFINE = \"fine\"\n", &["--format", "json"]).expect(0));
    assert_eq!(fine["ok"], true);
    let fine = of(&fine, "FINE");
    assert_eq!((&fine["parameter"], &fine["scope"], &fine["version"]), (&json!("a.fine"), &json!("a"), &json!(1)));
    assert_eq!((&fine["type"], &fine["overrode"]), (&json!("SecureString"), &json!(["b.fine"])));
    check(&fake, "scopes = [\"a\"]\n[env]\nGONE = \"gone\"\n", &[]).expect(66);
    check(&fake, "[env]\nA = { parameter = \"a.fine\", json = \"x\" }\n", &[]).expect(65);
    check(&fake, "[env]\nA = 1\n", &[]).expect(78);
}

#[test]
fn a_label_is_told_from_a_parameter() {
    let fake = world();
    fake.clear_policy(ROLE);
    let spec = "scopes = [\"a\", \"b\"]\n[env]\nL = { key = \"fine\", label = \"current\" }\n";
    let ran =
        check(&fake, spec, &["--format", "json"]).expect(66).says(&["a.fine:current does not exist, but a.fine does"]);
    let want =
        json!([["a.fine", "found"], ["a.fine:current", "missing"], ["b.fine", "found"], ["b.fine:current", "missing"]]);
    assert_eq!(names(&report(ran), "L"), want);
}

/// Every key of every object in it.
fn keys(value: &Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            found.insert(key.clone());
            keys(value, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn every_field_and_status_is_documented() {
    let page = include_str!("../../docs/json.md");
    let fake = world();
    let spec = format!("{SPEC}J = {{ parameter = \"b.fine\", json = \"x\" }}\n[[load]]\npath = \"/none\"\n");
    let report = report(check(&fake, &spec, &["--format", "json"]).expect(77));
    let plan = Given::spec(&spec).plan(&fake);
    let mut words = std::collections::BTreeSet::new();
    keys(&report, &mut words);
    keys(&plan, &mut words);
    let variables = report["variables"].as_array().expect("a list");
    words.extend(variables.iter().filter_map(|variable| variable["status"].as_str()).map(str::to_owned));
    let names = variables.iter().filter_map(|variable| variable["names"].as_array()).flatten();
    words.extend(names.filter_map(|name| name["status"].as_str()).map(str::to_owned));
    assert!(words.len() > 35, "{words:?}");
    for word in words {
        assert!(page.contains(&format!("`{word}`")), "{word} is not on the page");
    }
}
