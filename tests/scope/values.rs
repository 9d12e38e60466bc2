//! Secrets Manager, and what is done to a value: a JSON field, a list, base64.

use fake_aws::{Fake, Put, Secret};
use serde_json::json;

use crate::{exec, variable};

const ROLE: &str = "projectA-production";

#[test]
fn a_secret_in_the_same_run_and_call_as_parameters() {
    let fake = Fake::start();
    fake.put("shared.key", "SecureString", "p");
    fake.secret("prod/stripe", r#"{"api_key": "k", "n": 1}"#);
    let ran = exec(
        &fake,
        "scopes = [\"shared\"]\n[env]\nP = \"key\"\nWHOLE = { secret = \"prod/stripe\" }\n\
         KEY = { secret = \"prod/stripe\", json = \"api_key\" }\nNAMED = { parameter = \"/aws/reference/secretsmanager/prod/stripe\", json = \"n\" }\n",
    );
    for (name, want) in [("P", "p"), ("WHOLE", r#"{"api_key": "k", "n": 1}"#), ("KEY", "k"), ("NAMED", "1")] {
        assert_eq!(variable(&ran, name).as_deref(), Some(want), "{name}");
    }
    let calls = fake.calls("GetParameters");
    assert_eq!((calls.len(), calls[0].names.len()), (1, 2));
}

#[test]
fn a_version_id_and_a_stage() {
    let fake = Fake::start();
    let id = "EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE";
    fake.secret_with(Secret::new("db", "before").version_id(id).stages(&["AWSPREVIOUS"]));
    fake.secret_with(Secret::new("db", "now").version_id("v2").stages(&["AWSCURRENT", "blue"]));
    let ran = exec(
        &fake,
        &format!(
            "[env]\nNOW = {{ secret = \"db\" }}\nID = {{ secret = \"db\", version = \"{id}\" }}\n\
             STAGE = {{ secret = \"db\", label = \"AWSPREVIOUS\" }}\nBLUE = {{ secret = \"db\", label = \"blue\" }}\n"
        ),
    );
    for (name, want) in [("NOW", "now"), ("ID", "before"), ("STAGE", "before"), ("BLUE", "now")] {
        assert_eq!(variable(&ran, name).as_deref(), Some(want), "{name}");
    }
    exec(&fake, "[env]\nA = { secret = \"db\", version = 3 }\n").expect(78).says(&["the id of a secret's version"]);
}

#[test]
fn a_missing_secret_is_named() {
    let fake = Fake::start();
    fake.secret("there", "x");
    exec(&fake, "[env]\nA = { secret = \"none\" }\nB = { secret = \"there\", label = \"AWSPENDING\" }\n")
        .expect(66)
        .says(&["A: /aws/reference/secretsmanager/none", "B: /aws/reference/secretsmanager/there:AWSPENDING"]);
    exec(&fake, "[env]\nA = { secret = \"none\", optional = true }\n").expect(0);
}

#[test]
fn a_denied_secret_is_told_from_a_denied_parameter() {
    let fake = Fake::builder().role(ROLE).start();
    fake.secret("s", "x");
    let allow = |actions: &[&str]| {
        fake.policy(ROLE, json!({"Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}));
        exec(&fake, "[env]\nA = { secret = \"s\" }\n").expect(77)
    };
    allow(&["ssm:GetParameters"]).says(&["secretsmanager:GetSecretValue", ":secret:s-"]);
    allow(&["secretsmanager:GetSecretValue"]).says(&[
        "ssm:GetParameters",
        "parameter/aws/reference/secretsmanager/s",
        "A, from",
    ]);
}

/// A parameter of a JSON value, and one field of it.
fn field(json: &str, path: &str) -> crate::common::Ran {
    let fake = Fake::start();
    fake.put("/j", "SecureString", json);
    exec(&fake, &format!("[env]\nV = {{ parameter = \"/j\", json = '{path}' }}\n"))
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
        assert_eq!(variable(&field(json, path), "V").as_deref(), Some(want), "{path}");
    }
    assert_eq!(variable(&field("[\"a\",\"b\"]", "1"), "V").as_deref(), Some("b"));
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
        let ran = field(json, path).expect(65).says(&["V: the value of /j", says]);
        assert!(!ran.stderr().contains("hunter2"), "{}", ran.stderr());
    }
    for text in ["hunter2", "", "{\"a\":1} hunter2", "{\"a\":"] {
        let ran = field(text, "a").expect(65).says(&["not JSON"]);
        assert!(!ran.stderr().contains("hunter2"), "{}", ran.stderr());
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
        exec(&fake, &format!("[env]\nV = {{ parameter = \"{name}\", list = \"{separator}\" }}\n"))
    };
    for (separator, want) in [(" ", "a b c  d"), (":", "a:b c::d"), ("", "ab cd"), (", ", "a, b c, , d")] {
        assert_eq!(variable(&list("/l", separator), "V").as_deref(), Some(want));
    }
    assert_eq!(variable(&exec(&fake, "[env]\nV = { parameter = \"/l\" }\n"), "V").as_deref(), Some("a,b c,,d"));
    list("/s", " ").expect(65).says(&["V: the value of /s", "for a StringList", "String"]);
    exec(&fake, "[env]\nV = { parameter = \"/l\", list = \" \", json = \"a\" }\n").expect(78);
}

#[test]
fn base64_is_decoded_into_files_only() {
    let fake = Fake::start();
    fake.put("/b", "SecureString", "AAEC\n/w==\n");
    fake.put("/bad", "SecureString", "hunter2!");
    exec(&fake, "[env]\nV = { parameter = \"/b\", decode = \"base64\" }\n").expect(78).says(&["unknown key `decode`"]);
    exec(&fake, "[files]\nV = { parameter = \"/b\", decode = \"hex\" }\n").expect(78).says(&["knows \"base64\""]);
    let ran =
        exec(&fake, "[files]\nV = { parameter = \"/bad\", decode = \"base64\" }\n").expect(65).says(&["not base64"]);
    assert!(!ran.stderr().contains("hunter2"));
}
