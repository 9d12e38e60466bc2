//! The evaluator against a table, and the documents that it refuses.

use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:ssm:us-east-1:123456789012:parameter/shared.key";

fn ask(document: Value, action: &str, resource: &str, context: &[(&str, &str)]) -> Decision {
    let policy = Policy::parse(&document).expect("the test's policy parses");
    decide(&[policy], &Question { action, resource, context })
}

#[test]
fn default_is_no_and_deny_wins() {
    let empty = json!({"Version": "2012-10-17", "Statement": []});
    assert_eq!(ask(empty, "ssm:GetParameters", ARN, &[]), Decision::NotAllowed);
    let both = json!({"Statement": [
        {"Effect": "Deny", "Action": "ssm:*", "Resource": "*shared.key"},
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
    ]});
    assert_eq!(ask(both.clone(), "ssm:GetParameters", ARN, &[]), Decision::Denied);
    assert_eq!(ask(both, "ssm:GetParameters", "arn:x", &[]), Decision::Allowed);
}

#[test]
fn actions_ignore_case_and_resources_do_not() {
    let policy = json!({"Statement": {"Effect": "Allow", "Action": ["SSM:getparam*"], "Resource": [ARN]}});
    assert_eq!(ask(policy.clone(), "ssm:GetParameters", ARN, &[]), Decision::Allowed);
    assert_eq!(ask(policy.clone(), "ssm:PutParameter", ARN, &[]), Decision::NotAllowed);
    let upper = ARN.replace("shared", "Shared");
    assert_eq!(ask(policy, "ssm:GetParameters", &upper, &[]), Decision::NotAllowed);
}

#[test]
fn negated_elements() {
    let policy = json!({"Statement": {"Effect": "Allow", "NotAction": "kms:*", "NotResource": "*secret*"}});
    assert_eq!(ask(policy.clone(), "ssm:GetParameters", ARN, &[]), Decision::Allowed);
    assert_eq!(ask(policy.clone(), "kms:Decrypt", ARN, &[]), Decision::NotAllowed);
    assert_eq!(ask(policy, "ssm:GetParameters", "a secret", &[]), Decision::NotAllowed);
}

#[test]
fn conditions() {
    let with = |operator: &str, values: Value| {
        json!({"Statement": {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
            "Condition": {operator: {"kms:EncryptionContext:PARAMETER_ARN": values}}}})
    };
    let context = [("kms:EncryptionContext:PARAMETER_ARN", ARN)];
    for (operator, values, expected, when_absent) in [
        ("StringEquals", json!(ARN), true, false),
        ("StringEquals", json!(["x", "arn:*"]), false, false),
        ("StringLike", json!(["x", "arn:*"]), true, false),
        ("StringNotLike", json!("arn:*"), false, true),
        ("StringEqualsIfExists", json!("x"), false, true),
        ("StringEqualsIgnoreCase", json!(ARN.to_uppercase()), true, false),
        ("ArnLike", json!("arn:aws:ssm:*:*:parameter/shared.*"), true, false),
        ("ArnEquals", json!("arn:aws:*:parameter/shared.key"), false, false),
        ("ArnNotLike", json!("arn:aws:ssm:*:*:parameter/x"), true, true),
    ] {
        let allowed = |context: &[(&str, &str)]| {
            ask(with(operator, values.clone()), "kms:Decrypt", "key", context) == Decision::Allowed
        };
        assert_eq!(allowed(&context), expected, "{operator} {values}");
        assert_eq!(allowed(&[]), when_absent, "{operator} {values}, key absent");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for document in [
        json!("text"),
        json!({}),
        json!({"Statement": [{"Effect": "allow", "Action": "*", "Resource": "*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Action": "*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Action": 1, "Resource": "*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"DateLessThan": {"a": "b"}}}]}),
    ] {
        assert!(Policy::parse(&document).is_err(), "{document} passed");
    }
}
