//! `stepzero policy`: it lets exec run, nothing in it can go, and linters that nobody here wrote accept it.

use fake_aws::{Fake, Put, Secret};
use serde_json::{Value, json};

use crate::common::{Given, ROLE, Ran, TempFile, assert_untouched, offline, parameter};
use crate::venv::{feed, tool};

const ACCOUNT: &str = "123456789012";
pub const PLACE: [&str; 4] = ["--account", ACCOUNT, "--region", "us-east-1"];

/// Every way to ask for something.
pub const SPEC: &str = r#"
project = "projectA"
environment = "production"
[env]
KEY = "key"
LABELLED = { key = "labelled", label = "current" }
SLASHED = { parameter = "/legacy/token", version = 1 }
AGAIN = { parameter = "/legacy/token" }
ROOT = { parameter = "/rooted" }
SECRET = { secret = "prod/stripe", json = "k" }
OTHER = { parameter = "arn:aws:ssm:us-east-1:999999999999:parameter/other/x" }
[[load]]
path = "/{project}/{environment}"
recursive = true
[[load]]
path = "/flat"
prefix = "FLAT_"
"#;

/// All of it exists, under keys of its own, so that every right is needed.
fn world() -> Fake {
    let fake = Fake::builder().role(ROLE).start();
    for scope in ["projectA.production", "projectA.shared", "production", "shared"] {
        fake.put_with(&Put::secure(&format!("{scope}.key"), "v").key(&format!("alias/{scope}")));
        fake.put_with(&Put::secure(&format!("{scope}.labelled"), "v").key("alias/labels").label("current"));
    }
    for name in ["/legacy/token", "/rooted", "/projectA/production/a", "/projectA/production/deep/er", "/flat/b"] {
        fake.put_with(&Put::secure(name, "v").key("alias/slashed"));
    }
    fake.put_with(&Put::secure("/other/x", "v").account("999999999999").key(OTHERS_KEY));
    fake.secret_with(Secret::new("prod/stripe", r#"{"k":"v"}"#).key("alias/secrets"));
    fake
}

const OTHERS_KEY: &str = "arn:aws:kms:us-east-1:999999999999:key/11111111-2222-3333-4444-555555555555";

pub fn policy(spec: &str, flags: &[&str]) -> Ran {
    Given::spec(spec).offline("policy", flags)
}

pub fn document(spec: &str, flags: &[&str]) -> Value {
    policy(spec, flags).expect(0).json()
}

fn exec(fake: &Fake, spec: &str, policy: &Value) -> Ran {
    fake.policy(ROLE, policy.clone());
    Given::spec(spec).exec(fake)
}

/// The document without each of its parts: statements, resources, and what a condition allows.
pub fn reduced(document: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let statements = document["Statement"].as_array().expect("a list");
    for (at, statement) in statements.iter().enumerate() {
        let mut less = document.clone();
        less["Statement"].as_array_mut().expect("a list").remove(at);
        all.push((statement["Sid"].to_string(), less));
        let mut lists = vec![format!("/Statement/{at}/Action"), format!("/Statement/{at}/Resource")];
        for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
            for key in keys.as_object().expect("keys").keys() {
                lists.push(format!("/Statement/{at}/Condition/{operator}/{key}"));
            }
        }
        for pointer in lists {
            let Some(items) = document.pointer(&pointer).and_then(Value::as_array) else { continue };
            for (index, item) in items.iter().enumerate() {
                let mut less = document.clone();
                less.pointer_mut(&pointer).and_then(Value::as_array_mut).expect("a list").remove(index);
                all.push((format!("{pointer}: {item}"), less));
            }
        }
    }
    all
}

#[track_caller]
fn assert_minimal(fake: &Fake, spec: &str, document: &Value) -> usize {
    exec(fake, spec, document).expect(0);
    let parts = reduced(document);
    for (part, less) in &parts {
        exec(fake, spec, less).case(format_args!("without {part}")).expect(77);
    }
    parts.len()
}

#[test]
fn it_lets_exec_run_and_nothing_in_it_can_go() {
    let fake = world();
    let document = document(SPEC, &PLACE);
    assert!(assert_minimal(&fake, SPEC, &document) > 25, "{document}");
}

#[test]
fn keys_that_are_named_bound_it_and_none_can_go() {
    let fake = world();
    let mut keys: Vec<String> =
        ["projectA.production", "projectA.shared", "production", "shared", "labels", "slashed", "secrets"]
            .iter()
            .map(|name| fake.key(&format!("alias/{name}")))
            .collect();
    keys.push(OTHERS_KEY.to_owned());
    let flags: Vec<&str> = keys.iter().flat_map(|key| ["--kms-key", key.as_str()]).chain(PLACE).collect();
    let document = document(SPEC, &flags);
    let decrypt = &document["Statement"][3];
    assert_eq!(decrypt["Resource"], json!(keys));
    assert_eq!(decrypt["Condition"], self::document(SPEC, &PLACE)["Statement"][3]["Condition"], "bound as any key is");
    assert_minimal(&fake, SPEC, &document);
}

#[test]
fn whole_scopes_are_the_article_s() {
    let fake = world();
    let spec = "project = \"projectA\"\nenvironment = \"production\"\n[env]\nKEY = \"key\"\nIN = { parameter = \"shared.key\" }\n\
                OUT = { parameter = \"/legacy/token\" }\n";
    let flags = [&PLACE[..], &["--whole-scopes"]].concat();
    let document = document(spec, &flags);
    let names =
        ["projectA.production.*", "projectA.shared.*", "production.*", "shared.*", "legacy/token"].map(parameter);
    assert_eq!(document["Statement"][0]["Resource"], json!(names));
    assert_minimal(&fake, spec, &document);
    let slashed = spec.replace("[env]", "separator = \"/\"\n[env]");
    let document = self::document(&slashed, &flags);
    assert_eq!(document["Statement"][0]["Resource"][3], json!(parameter("shared/*")));
}

#[test]
fn one_parameter_is_one_line() {
    let document = document("[env]\nA = { parameter = \"/a/b:3\" }\nB = { parameter = \"/a/b:current\" }\n", &PLACE);
    let arn = parameter("a/b");
    assert_eq!(
        document,
        json!({ "Version": "2012-10-17", "Statement": [
            { "Sid": "ReadParameters", "Effect": "Allow", "Action": "ssm:GetParameters", "Resource": arn },
            { "Sid": "Decrypt", "Effect": "Allow", "Action": "kms:Decrypt",
              "Resource": format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/*"),
              "Condition": { "StringEquals": {
                  "kms:ViaService": "ssm.us-east-1.amazonaws.com", "kms:EncryptionContext:PARAMETER_ARN": arn } } },
        ]})
    );
}

#[test]
fn a_path_is_its_own_resource_and_the_root_too() {
    let fake = Fake::builder().role(ROLE).start();
    for name in ["/rooted", "/deep/er", "flat.name"] {
        fake.put_with(&Put::secure(name, "v").key("alias/own"));
    }
    let spec = "[[load]]\npath = \"/\"\nrecursive = true\n";
    let document = document(spec, &PLACE);
    assert_eq!(document["Statement"][0]["Resource"], json!(parameter("")));
    assert_minimal(&fake, spec, &document);
}

#[test]
fn references_in_the_environment_count() {
    let run = |flags: &[&str]| {
        let line = ["policy", "--references"].iter().chain(&PLACE).chain(flags).copied().collect::<Vec<_>>();
        offline(line).env("V", "ssm:/app/db:3").env("W", "ssm:shared.key").output()
    };
    let ran = run(&[]).expect(0);
    for name in ["parameter/app/db\"", "parameter/shared.key\""] {
        assert!(ran.stdout().contains(name), "{ran}");
    }
    let kept = run(&["--parameter", "V=/app/x", "--existing", "keep"]).expect(0);
    assert!(!kept.stdout().contains("app/x") && kept.stdout().contains("app/db"), "{}", kept.stdout());
    assert_eq!(kept.stderr(), "", "a reference is resolved, and not left out");
    let ran = offline(["policy", "--parameter", "V=/app/x", "--existing", "keep"]).env("V", "1").output();
    ran.expect(0).says(&["left out, because --existing is keep", "V"]);
}

#[test]
fn what_is_not_known_is_a_placeholder_and_said() {
    let spec = "[env]\nA = { parameter = \"/a\" }\n";
    let ran = policy(spec, &[]).expect(0).says(&["placeholders", "--account", "--region", "--partition"]);
    assert!(ran.stdout().contains("arn:<partition>:ssm:<region>:<account>:parameter/a"), "{}", ran.stdout());
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")] {
        let ran = policy(spec, &["--account", ACCOUNT, "--region", region]).expect(0);
        assert_eq!(ran.stderr(), "");
        assert!(ran.stdout().contains(&format!("arn:{partition}:ssm:{region}:{ACCOUNT}:parameter/a")), "{ran}");
    }
    let ran = Given::spec(spec).and_env(&[("AWS_REGION", "eu-west-1")]).offline("policy", &[]).expect(0);
    assert!(ran.stdout().contains("arn:aws:ssm:eu-west-1:<account>:"), "{ran}");
    for (flags, says) in [
        (["--account", "12345"], "12 digits"),
        (["--partition", "AWS"], "is not a partition"),
        (["--kms-key", "alias/shared"], "never an alias"),
        (["--kms-key", "arn:aws:kms:us-east-1:123456789012:alias/x"], "never an alias"),
    ] {
        policy(spec, &flags).expect(64).says(&[says]);
    }
}

#[test]
fn a_policy_too_large_for_iam_is_said_and_whole_scopes_are_the_way_out() {
    let mut spec = "project = \"projectA\"\nenvironment = \"production\"\n[env]\n".to_owned();
    for n in 0..40 {
        spec += &format!("K{n} = \"key_number_{n}\"\n");
    }
    policy(&spec, &PLACE).expect(0).says(&["of at most 6144", "--whole-scopes"]);
    let whole = policy(&spec, &[&PLACE[..], &["--whole-scopes"]].concat()).expect(0);
    assert_eq!(whole.stderr(), "");
}

#[test]
fn offline_and_never_the_command_s_business() {
    let fake = world();
    Given::spec(SPEC).run(&fake, "policy", &[]).expect(0);
    assert_untouched(&fake);
    offline(["policy"]).output().expect(64).says(&["nothing to do"]);
}

/// What CloudFormation makes of `Fn::Sub` and the pseudo parameters in a stack of this account and Region.
fn deployed(value: &Value) -> Value {
    match value {
        Value::Object(map) => match map.get("Fn::Sub").and_then(Value::as_str) {
            Some(text) => {
                let pairs =
                    [("${AWS::Partition}", "aws"), ("${AWS::Region}", "us-east-1"), ("${AWS::AccountId}", ACCOUNT)];
                json!(pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)))
            }
            None => map.iter().map(|(key, value)| (key.clone(), deployed(value))).collect(),
        },
        Value::Array(items) => items.iter().map(deployed).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_template_comes_to_the_same_policy() {
    let template = document(SPEC, &["--format", "cloudformation"]);
    let inside = &template["Resources"]["StepzeroPolicy"]["Properties"]["PolicyDocument"];
    assert!(!inside.to_string().contains('<'), "pseudo parameters, no placeholders: {inside}");
    assert_eq!(deployed(inside), document(SPEC, &PLACE));
    let fixed = document(SPEC, &[&PLACE[..], &["--partition", "aws", "--format", "cloudformation"]].concat());
    assert!(!fixed.to_string().contains("AWS::Region"), "what is said stands");
    let template = document(SPEC, &["--writer", "--format", "cloudformation"]);
    let inside = &template["Resources"]["StepzeroWriterPolicy"]["Properties"]["PolicyDocument"];
    assert_eq!(deployed(inside), document(SPEC, &[&PLACE[..], &["--writer"]].concat()));
}

#[test]
fn parliament_accepts_the_policies() {
    let Some(parliament) = tool("parliament") else { return };
    let key = ["--kms-key", "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"];
    for more in [&[][..], &["--whole-scopes"], &key, &["--writer"], &["--writer", "--whole-scopes"]] {
        let flags = &[&PLACE[..], more].concat();
        let text = policy(SPEC, flags).expect(0).stdout();
        feed(&parliament, &[], &text).case(format_args!("{flags:?}")).prints("");
    }
    // It does find what is wrong.
    let text = policy(SPEC, &PLACE).expect(0).stdout().replace("ssm:GetParameters\"", "ssm:GetNothing\"");
    assert_ne!(feed(&parliament, &[], &text).stdout(), "");
}

#[test]
fn cfn_lint_accepts_the_templates() {
    let Some(lint) = tool("cfn-lint") else { return };
    let verdict = |text: &str| {
        let template = TempFile::new("template", text);
        feed(&lint, &[&template.arg()], "")
    };
    for more in [&[][..], &["--whole-scopes"], &["--writer"]] {
        let flags = &[&["--format", "cloudformation"], more].concat();
        verdict(&policy(SPEC, flags).expect(0).stdout()).case(format_args!("{flags:?}")).expect(0);
    }
    let text =
        policy(SPEC, &["--format", "cloudformation"]).expect(0).stdout().replace("PolicyDocument", "PolicyDocumen");
    assert_ne!(verdict(&text).code(), 0, "it does find what is wrong");
}

/// AWS publishes them: the ARN has no account, and nothing is encrypted.
#[test]
fn public_parameters_have_no_account_and_no_key() {
    let arn = "arn:aws:ssm:us-east-1::parameter/aws/service/eks/optimized-ami/1.33/image_id";
    let spec = format!(
        "[env]\nAMI = {{ parameter = \"/aws/service/ami-amazon-linux-latest/al2023\" }}\n\
         EKS = {{ parameter = \"{arn}\" }}\n[[load]]\npath = \"/aws/service/bottlerocket\"\n"
    );
    let document = document(&spec, &PLACE);
    let statements = document["Statement"].as_array().expect("a list");
    let shown: Vec<(&Value, &Value)> = statements.iter().map(|one| (&one["Action"], &one["Resource"])).collect();
    let ami = "arn:aws:ssm:us-east-1::parameter/aws/service/ami-amazon-linux-latest/al2023";
    let path = "arn:aws:ssm:us-east-1::parameter/aws/service/bottlerocket";
    assert_eq!(
        shown,
        [(&json!("ssm:GetParameters"), &json!([ami, arn])), (&json!("ssm:GetParametersByPath"), &json!(path))]
    );
    let warned = policy(&spec, &PLACE).expect(0).stderr();
    assert!(!warned.contains("allows nothing"), "{warned}");
    // What is not in the policy is not left open.
    for (flags, says) in [
        (&["--parameter", arn][..], ""),
        (&["--parameter", "/aws/service/x", "--region", "us-east-1"], ""),
        (&["--parameter", "/aws/service/x"], "say --partition and --region\n"),
    ] {
        let ran = offline(["policy"].iter().chain(flags)).output().expect(0);
        assert!(if says.is_empty() { ran.stderr().is_empty() } else { ran.stderr().contains(says) }, "{ran}");
    }
    // As a flag too.
    let plan = offline(["plan", "--parameter", &format!("X={arn}")]).output().expect(0).stdout();
    assert!(plan.contains(arn), "{plan}");
}
