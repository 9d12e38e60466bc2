//! `stepzero policy --writer`: it lets what `exec` reads be put, nothing in it can go, and nothing can be read with it.

use fake_aws::Fake;
use serde_json::{Value, json};

use crate::policy::{PLACE, SPEC, document, policy, reduced};
use crate::venv::{feed, tool};

const ROLE: &str = "writer";

fn writer(spec: &str, flags: &[&str]) -> Value {
    document(spec, &[&PLACE[..], &["--writer"], flags].concat())
}

fn arn(name: &str) -> String {
    format!("arn:aws:ssm:us-east-1:123456789012:parameter/{name}")
}

#[test]
fn it_puts_what_is_read_and_encrypts_with_the_same_bounds() {
    let document = writer("[env]\nA = { parameter = \"/a/b:3\" }\nB = { parameter = \"/a/b:current\" }\n", &[]);
    assert_eq!(
        document,
        json!({ "Version": "2012-10-17", "Statement": [
            { "Sid": "WriteParameters", "Effect": "Allow", "Action": "ssm:PutParameter", "Resource": arn("a/b") },
            { "Sid": "Encrypt", "Effect": "Allow", "Action": ["kms:Encrypt", "kms:GenerateDataKey"],
              "Resource": "arn:aws:kms:us-east-1:123456789012:key/*",
              "Condition": { "StringEquals": {
                  "kms:ViaService": "ssm.us-east-1.amazonaws.com", "kms:EncryptionContext:PARAMETER_ARN": arn("a/b") } } },
        ]})
    );
    // Of everything that there is to ask for.
    let ran = policy(SPEC, &[&PLACE[..], &["--writer"]].concat()).expect(0);
    let text = ran.stdout();
    for absent in ["Get", "Decrypt", "secretsmanager", "999999999999"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    let ran = ran.says(&["left out", "secretsmanager/prod/stripe", "999999999999:parameter/other/x"]);
    assert!(!ran.stderr().contains("legacy"), "{}", ran.stderr());
    let document: Value = serde_json::from_str(&text).expect("JSON");
    for path in ["projectA/production/*", "flat/*", "legacy/token", "rooted"] {
        assert!(
            document["Statement"][0]["Resource"].as_array().is_some_and(|all| all.contains(&json!(arn(path)))),
            "{text}"
        );
    }
    let key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555";
    assert_eq!(writer(SPEC, &["--kms-key", key])["Statement"][1]["Resource"], json!(key));
    // Nothing of it can be put: said, and no document that IAM would refuse without a word.
    let public = policy("[env]\nA = { parameter = \"/aws/service/x\" }\n", &[&PLACE[..], &["--writer"]].concat());
    public.expect(0).says(&["left out", "aws/service/x", "allows nothing"]);
}

/// Who may do this, in a store of its own.
fn store(policy: &Value) -> Fake {
    let fake = Fake::builder().tls(false).start();
    fake.static_credentials("AKIDWRITER", "secret", ROLE);
    fake.policy(ROLE, policy.clone());
    fake
}

/// What each store says to the writer's requests: an error's code, or nothing. By botocore, in one process, because each start
/// of it takes a second.
fn asked(stores: &[&Fake], requests: &Value) -> Option<Vec<Vec<String>>> {
    const PROGRAM: &str = "import json, sys, boto3
from botocore.exceptions import ClientError
def code(client, operation, arguments):
    try:
        getattr(client, operation)(**arguments)
        return ''
    except ClientError as error:
        return error.response['Error']['Code']
urls, requests = json.load(sys.stdin)
clients = [boto3.client('ssm', endpoint_url=url, region_name='us-east-1', aws_access_key_id='AKIDWRITER',
    aws_secret_access_key='secret') for url in urls]
print(json.dumps([[code(client, *request) for request in requests] for client in clients]))";
    let urls: Vec<String> = stores.iter().map(|fake| fake.endpoint_url()).collect();
    let output = feed(&tool("python3")?, &["-c", PROGRAM], &json!([urls, requests]).to_string());
    let codes = serde_json::from_str(&output.stdout());
    Some(codes.unwrap_or_else(|_| panic!("{}", output.stderr())))
}

fn put(name: &str, key: &str, tier: &str) -> Value {
    let parameter = json!({ "Name": name, "Type": "SecureString", "Value": "v", "KeyId": key, "Tier": tier });
    json!(["put_parameter", parameter])
}

#[test]
fn it_lets_them_be_put_and_nothing_in_it_can_go_and_nothing_is_read() {
    const DENIED: &str = "AccessDeniedException";
    let keys = ["alias/legacy", "alias/flat"].map(|alias| Fake::start().key(alias));
    let flags: Vec<&str> = keys.iter().flat_map(|key| ["--kms-key", key.as_str()]).collect();
    let document = writer("[env]\nA = { parameter = \"/legacy/token\" }\n[[load]]\npath = \"/flat\"\n", &flags);
    let puts = [put("/legacy/token", "alias/legacy", "Standard"), put("/flat/b", "alias/flat", "Advanced")];
    let mut all = puts.to_vec();
    all.extend([
        json!(["get_parameter", { "Name": "/legacy/token", "WithDecryption": true }]),
        json!(["get_parameters_by_path", { "Path": "/flat" }]),
        put("/other", "alias/legacy", "Standard"),
        put("/flat/c", "alias/other", "Standard"),
    ]);
    let Some(codes) = asked(&[&store(&document)], &json!(all)) else { return };
    assert_eq!(codes, [["", "", DENIED, DENIED, DENIED, DENIED]]);
    let parts = reduced(&document);
    assert_eq!(parts.len(), 10, "two statements, and two of each: resources, actions, keys, contexts");
    let stores: Vec<Fake> = parts.iter().map(|(_, less)| store(less)).collect();
    let codes = asked(&stores.iter().collect::<Vec<_>>(), &json!(puts)).expect("the tool is there");
    for ((part, _), codes) in parts.iter().zip(codes) {
        assert!(codes.iter().any(|code| code == DENIED), "without {part}: {codes:?}");
    }
}

#[test]
fn whole_scopes_for_the_writer_too() {
    let spec = "project = \"projectA\"\nenvironment = \"production\"\n[env]\nKEY = \"key\"\n";
    let document = writer(spec, &["--whole-scopes"]);
    let names = ["projectA.production.*", "projectA.shared.*", "production.*", "shared.*"].map(arn);
    assert_eq!(document["Statement"][0]["Resource"], json!(names));
    assert_eq!(
        document["Statement"][1]["Condition"]["StringLike"]["kms:EncryptionContext:PARAMETER_ARN"],
        json!(names)
    );
}
