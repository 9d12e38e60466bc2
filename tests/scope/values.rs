//! Secrets Manager, and what is done to a value: a JSON field, a list, base64.

use fake_aws::{Fake, Put, Secret};
use serde_json::{Value, json};

use crate::common::{Given, ROLE, Ran, allowing, map, store};

#[test]
fn a_secret_in_the_same_run_and_call_as_parameters() {
    let fake = Fake::start();
    fake.put("shared.key", "SecureString", "p");
    fake.secret("prod/stripe", r#"{"api_key": "k", "n": 1}"#);
    let ran = Given::spec("scopes = [\"shared\"]\n[env]\nP = \"key\"\nWHOLE = { secret = \"prod/stripe\" }\n\
         KEY = { secret = \"prod/stripe\", json = \"api_key\" }\nNAMED = { parameter = \"/aws/reference/secretsmanager/prod/stripe\", json = \"n\" }\n").exec(&fake);
    ran.has(&[("P", "p"), ("WHOLE", r#"{"api_key": "k", "n": 1}"#), ("KEY", "k"), ("NAMED", "1")]);
    let calls = fake.calls("GetParameters");
    assert_eq!((calls.len(), calls[0].names.len()), (1, 2));
}

#[test]
fn a_version_id_and_a_stage() {
    let fake = Fake::start();
    let id = "EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE";
    fake.secret_with(Secret::new("db", "before").version_id(id).stages(&["AWSPREVIOUS"]));
    fake.secret_with(Secret::new("db", "now").version_id("v2").stages(&["AWSCURRENT", "blue"]));
    let ran = Given::spec(&format!(
        "[env]\nNOW = {{ secret = \"db\" }}\nID = {{ secret = \"db\", version = \"{id}\" }}\n\
             STAGE = {{ secret = \"db\", label = \"AWSPREVIOUS\" }}\nBLUE = {{ secret = \"db\", label = \"blue\" }}\n"
    ))
    .exec(&fake);
    ran.has(&[("NOW", "now"), ("ID", "before"), ("STAGE", "before"), ("BLUE", "now")]);
    // Its number is 0 to Parameter Store, whichever version it is.
    let db = Given::spec("[env]\nA = { secret = \"db\" }\n");
    let checked: Value =
        serde_json::from_str(&db.run(&fake, "check", &["--format", "json"]).expect(0).stdout()).expect("JSON");
    assert_eq!(checked["variables"][0]["version"], json!("v2"));
    let logged = db.run(&fake, "exec", &["-v", "--log-format", "json", "true"]).expect(0).stderr();
    let logged: Value = serde_json::from_str(&logged).expect("one line");
    assert_eq!((&logged["version"], &logged["type"]), (&json!("v2"), &json!("SecureString")));
    db.run(&fake, "exec", &["-v", "true"]).says(&["A from /aws/reference/secretsmanager/db version v2 (SecureString)"]);
    Given::spec("[env]\nA = { secret = \"db\", version = 3 }\n").fails(&fake, 78, &["the id of a secret's version"]);
}

#[test]
fn a_missing_secret_is_named() {
    let fake = Fake::start();
    fake.secret("there", "x");
    Given::spec("[env]\nA = { secret = \"none\" }\nB = { secret = \"there\", label = \"AWSPENDING\" }\n").fails(
        &fake,
        66,
        &["A: /aws/reference/secretsmanager/none", "B: /aws/reference/secretsmanager/there:AWSPENDING"],
    );
    Given::spec("[env]\nA = { secret = \"none\", optional = true }\n").exec(&fake).expect(0);
}

#[test]
fn a_denied_secret_is_told_from_a_denied_parameter() {
    let fake = Fake::builder().role(ROLE).start();
    fake.secret("s", "x");
    let allow = |actions: &[&str]| {
        fake.policy(ROLE, allowing(actions));
        Given::spec("[env]\nA = { secret = \"s\" }\n").exec(&fake).expect(77)
    };
    allow(&["ssm:GetParameters"]).says(&["secretsmanager:GetSecretValue", ":secret:s-"]);
    allow(&["secretsmanager:GetSecretValue"]).says(&[
        "ssm:GetParameters",
        "parameter/aws/reference/secretsmanager/s",
        "A, from",
    ]);
}

/// A parameter of a JSON value, and one field of it.
fn field(json: &str, path: &str) -> Ran {
    let fake = store(&[("/j", json)]);
    Given::spec(&format!("[env]\nV = {{ parameter = \"/j\", json = '{path}' }}\n")).exec(&fake)
}

#[test]
fn a_field_comes_byte_for_byte() {
    let json = r#"{"s":"a\"b\u00e9","big":12345678901234567890123,"f":1.10,"e":1E400,"neg":-0,"t":true,
        "o":{"x": [1,  {"y":"deep"}]},"empty":"","0":"zero","é":"unicode"}"#;
    for (path, want) in [
        ("s", "a\"bé"),
        ("big", "12345678901234567890123"),
        ("f", "1.10"),
        ("e", "1E400"),
        ("neg", "-0"),
        ("t", "true"),
        ("o", r#"{"x": [1,  {"y":"deep"}]}"#),
        ("o.x.0", "1"),
        ("o.x.1.y", "deep"),
        ("empty", ""),
        ("0", "zero"),
        ("é", "unicode"),
    ] {
        field(json, path).has(&[("V", want)]);
    }
    field("[\"a\",\"b\"]", "1").has(&[("V", "b")]);
}

#[test]
fn a_missing_field_names_the_path_and_not_the_value() {
    let json = r#"{"a":{"b":["hunter2"]},"none":null,"s":"hunter2"}"#;
    for (path, says) in [
        ("a.c", "no field \"a.c\""),
        ("a.c.d", "no field \"a.c\""),
        ("a.b.1", "no field \"a.b.1\""),
        ("a.b.x", "no field \"a.b.x\""),
        ("a.b.-1", "no field"),
        ("a.b.+0", "no field"),
        ("s.x", "no field \"s.x\""),
        ("none", "\"none\" is null"),
        ("A", "no field \"A\""),
    ] {
        field(json, path).refused(65, &["V: the value of /j", says]).hides(&["hunter2"]);
    }
    for text in ["hunter2", "", "{\"a\":1} hunter2", "{\"a\":"] {
        field(text, "a").refused(65, &["not JSON"]).hides(&["hunter2"]);
    }
    for path in ["", ".", "a.", ".a", "a..b"] {
        field(json, path).expect(78).says(&["spec.toml:2:"]);
    }
}

#[test]
fn a_list_is_joined_anew_and_nothing_else_is_one() {
    let fake = Fake::start();
    fake.put_with(&Put::list("/l", "a,b c,,d"));
    fake.put("/s", "String", "a,b");
    let list = |name: &str, separator: &str| {
        Given::spec(&format!("[env]\nV = {{ parameter = \"{name}\", list = \"{separator}\" }}\n")).exec(&fake)
    };
    for (separator, want) in [(" ", "a b c  d"), (":", "a:b c::d"), ("", "ab cd"), (", ", "a, b c, , d")] {
        list("/l", separator).has(&[("V", want)]);
    }
    Given::spec("[env]\nV = { parameter = \"/l\" }\n").exec(&fake).has(&[("V", "a,b c,,d")]);
    list("/s", " ").expect(65).says(&["V: the value of /s", "for a StringList", "String"]);
    Given::spec("[env]\nV = { parameter = \"/l\", list = \" \", json = \"a\" }\n").exec(&fake).expect(78);
}

#[test]
fn base64_is_decoded_into_files_only() {
    let fake = store(&[("/b", "AAEC\n/w==\n"), ("/bad", "hunter2!")]);
    Given::spec("[env]\nV = { parameter = \"/b\", decode = \"base64\" }\n").fails(&fake, 78, &["unknown key `decode`"]);
    Given::spec("[files]\nV = { parameter = \"/b\", decode = \"hex\" }\n").fails(&fake, 78, &["knows \"base64\""]);
    let ran =
        Given::spec("[files]\nV = { parameter = \"/bad\", decode = \"base64\" }\n").fails(&fake, 65, &["not base64"]);
    ran.hides(&["hunter2"]);
}

#[test]
fn a_field_that_is_not_there_counts_as_absent() {
    let fake = store(&[("/a", r#"{"host": "db", "a.b": "whole", "a": {"b": "deep"}}"#), ("/text", "hunter2")]);
    let one = |keys: &str| format!("[env]\nV = {{ parameter = \"/a\", {keys} }}\n");
    for (keys, want) in [
        ("json = \"none\", optional = true", &[][..]),
        ("json = \"none\", default = \"d\"", &[("V", "d")]),
        ("json = \"host.x\", default = \"d\"", &[("V", "d")]),
        ("json = \"host\", default = \"d\"", &[("V", "db")]),
        ("json = \"a.b\"", &[("V", "whole")]),
        ("json = [\"a\", \"b\"]", &[("V", "deep")]),
        ("json = [\"a.b\"]", &[("V", "whole")]),
    ] {
        assert_eq!(Given::spec(&one(keys)).environment(&fake), map(want), "{keys}");
    }
    Given::spec(&one("json = \"none\"")).fails(&fake, 65, &["V: the value of /a", "no field \"none\""]);
    let text = "[env]\nV = { parameter = \"/text\", json = \"host\", default = \"d\" }\n";
    Given::spec(text).fails(&fake, 65, &["not JSON"]).hides(&["hunter2"]);
    let two = store(&[("one.k", "{}"), ("two.k", r#"{"host": "less specific"}"#)]);
    let spec = "scopes = [\"one\", \"two\"]\n[env]\nV = { key = \"k\", json = \"host\", default = \"d\" }\n";
    assert_eq!(Given::spec(spec).environment(&two), map(&[("V", "d")]), "no fall-through");
}
