//! Signatures, credentials, policies, keys, STS.

use serde_json::{Value, json};

use super::client::{Keys, fake, imds, keys, send, signed, ssm, ssm_as};
use crate::{Fake, KmsDenial, Put};

fn get(fake: &Fake, names: &[&str]) -> (String, String) {
    let reply = ssm(fake, "GetParameters", &json!({"Names": names, "WithDecryption": true}));
    let json = reply.json();
    let message = json.get("Message").or(json.get("message")).and_then(Value::as_str);
    (reply.code(), message.unwrap_or_default().to_owned())
}

#[test]
fn signatures() {
    let fake = fake();
    let body = r#"{"Names": ["x"]}"#;
    let good = signed(&keys(), "ssm", Some("GetParameters"), body);
    assert_eq!(send(&fake, &good).status, 200);
    let mut spoilt = good.clone();
    spoilt.body = br#"{"Names": ["y"]}"#.to_vec();
    assert_eq!(send(&fake, &spoilt).code(), "InvalidSignatureException");
    let mut bare = good.clone();
    bare.headers.retain(|(name, _)| name != "authorization");
    assert_eq!(send(&fake, &bare).code(), "MissingAuthenticationTokenException");
    let code_as = |keys: &Keys| ssm_as(&fake, keys, "GetParameters", &json!({"Names": ["x"]})).code();
    assert_eq!(code_as(&Keys { id: "AKIAOTHER".into(), ..keys() }), "UnrecognizedClientException");
    assert_eq!(code_as(&Keys { secret: "other".into(), ..keys() }), "InvalidSignatureException");
    assert_eq!(code_as(&Keys { token: Some("x".into()), ..keys() }), "UnrecognizedClientException");
    let other_service = signed(&keys(), "s3", Some("GetParameters"), body);
    assert!(send(&fake, &other_service).body.contains("correct service: 'ssm'"));
    let principals: Vec<_> = fake.log().into_iter().map(|entry| entry.principal).collect();
    assert_eq!(principals[0].as_deref(), Some("arn:aws:iam::123456789012:user/tester"));
    assert!(principals[1..].iter().all(Option::is_none), "{principals:?}");
}

#[test]
fn clocks_that_differ() {
    let fake = fake();
    for (seconds, expected) in [(0, ""), (240, ""), (-240, ""), (360, "Signature expired"), (-360, "not yet current")] {
        fake.clock_skew(seconds);
        let (code, message) = get(&fake, &["x"]);
        let ok = if expected.is_empty() { code.is_empty() } else { code == "InvalidSignatureException" };
        assert!(ok && message.contains(expected), "{seconds}: {code} {message}");
    }
}

#[test]
fn expired_and_rotated_credentials() {
    let fake = fake();
    let first = from_imds(&fake);
    let code = |keys: &Keys| ssm_as(&fake, keys, "GetParameters", &json!({"Names": ["x"]})).code();
    assert_eq!(code(&first), "");
    fake.rotate();
    let second = from_imds(&fake);
    assert_ne!(second.id, first.id);
    assert_eq!(code(&first), "");
    fake.expire_credentials();
    assert_eq!(code(&second), "ExpiredTokenException");
    assert_eq!(code(&from_imds(&fake)), "");
    fake.credential_lifetime(-60);
    assert_eq!(code(&from_imds(&fake)), "ExpiredTokenException");
}

fn from_imds(fake: &Fake) -> Keys {
    let token = imds(fake, "PUT", "/latest/api/token", &[("x-aws-ec2-metadata-token-ttl-seconds", "60")]).body;
    let path = "/latest/meta-data/iam/security-credentials/projectA-production";
    let json = imds(fake, "GET", path, &[("x-aws-ec2-metadata-token", &token)]).json();
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    Keys { id: text("AccessKeyId"), secret: text("SecretAccessKey"), token: Some(text("Token")) }
}

#[test]
fn a_denied_name_fails_the_call() {
    let fake = fake();
    fake.policy(
        "tester",
        json!({"Statement": [
            {"Effect": "Allow", "Action": "ssm:GetParameters",
             "Resource": "arn:aws:ssm:us-east-1:123456789012:parameter/shared.*"},
        ]}),
    );
    assert_eq!(get(&fake, &["shared.x"]).0, "");
    let (code, message) = get(&fake, &["shared.x", "production.x", "production.y"]);
    assert_eq!(code, "AccessDeniedException");
    assert_eq!(
        message,
        "User: arn:aws:iam::123456789012:user/tester is not authorized to perform: ssm:GetParameters on resource: \
         arn:aws:ssm:us-east-1:123456789012:parameter/production.x because no identity-based policy allows the \
         ssm:GetParameters action"
    );
    assert_eq!(fake.log()[1].code.as_deref(), Some("AccessDeniedException"));
    fake.policies("tester", &[]);
    assert_eq!(get(&fake, &["shared.x"]).0, "AccessDeniedException");
    fake.clear_policy("tester");
    assert_eq!(get(&fake, &["production.x"]).0, "");
}

#[test]
fn keys_have_policies_too() {
    let fake = fake();
    let key = fake.key("alias/own");
    fake.put("managed", "SecureString", "v");
    fake.put_with(&Put::secure("own", "v").key("alias/own"));
    let ssm = json!({"Effect": "Allow", "Action": "ssm:*", "Resource": "*"});
    fake.policy("tester", json!({"Statement": [ssm]}));
    assert_eq!(get(&fake, &["managed"]).0, "");
    let (code, message) = get(&fake, &["own"]);
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains(&format!("kms:Decrypt on resource: {key} because")), "{message}");
    fake.kms_denial(KmsDenial::Ciphertext);
    assert!(get(&fake, &["own"]).1.starts_with("The ciphertext refers to"));
    fake.guard_managed_key(true);
    assert_eq!(get(&fake, &["managed"]).0, "AccessDeniedException");
    let decrypt = |condition: Value| json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": {"StringEquals": condition}});
    let arn = "arn:aws:ssm:us-east-1:123456789012:parameter/own";
    let good = json!({"kms:ViaService": "ssm.us-east-1.amazonaws.com", "kms:EncryptionContext:PARAMETER_ARN": arn});
    fake.policy("tester", json!({"Statement": [ssm, decrypt(good)]}));
    assert_eq!(get(&fake, &["own"]).0, "");
    fake.policy(
        "tester",
        json!({"Statement": [ssm, decrypt(json!({"kms:ViaService": "s3.us-east-1.amazonaws.com"}))]}),
    );
    assert_eq!(get(&fake, &["own"]).0, "AccessDeniedException");
    fake.clear_policy("tester");
    fake.disable_key("alias/own");
    assert_eq!(get(&fake, &["own"]), ("InvalidKeyId".to_owned(), format!("{key} is disabled.")));
    fake.enable_key("alias/own");
    assert_eq!(get(&fake, &["own"]).0, "");
}

#[test]
fn secrets_need_a_permission_of_their_own() {
    let fake = fake();
    fake.secret("db", "v");
    fake.policy("tester", json!({"Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]}));
    let (code, message) = get(&fake, &["/aws/reference/secretsmanager/db"]);
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:"), "{message}");
}

fn xml<'a>(body: &'a str, element: &str) -> &'a str {
    let start = body.split_once(&format!("<{element}>")).unwrap_or_else(|| panic!("no {element} in {body}")).1;
    start.split_once("</").expect("the element ends").0
}

#[test]
fn roles_are_assumed() {
    let fake = fake();
    let arn = "arn:aws:iam::123456789012:role/path/other";
    let form = format!("Action=AssumeRole&RoleArn={arn}&RoleSessionName=session");
    let reply = send(&fake, &signed(&keys(), "sts", None, &form));
    let assumed = Keys {
        id: xml(&reply.body, "AccessKeyId").to_owned(),
        secret: xml(&reply.body, "SecretAccessKey").to_owned(),
        token: Some(xml(&reply.body, "SessionToken").to_owned()),
    };
    assert_eq!(ssm_as(&fake, &assumed, "GetParameters", &json!({"Names": ["x"]})).status, 200);
    let principal = fake.calls("GetParameters")[0].principal.clone();
    assert_eq!(principal.as_deref(), Some("arn:aws:sts::123456789012:assumed-role/other/session"));
    let status = |form: &str| send(&fake, &signed(&keys(), "sts", None, form)).status;
    fake.external_id(arn, "customer-7");
    assert_eq!([form.clone(), format!("{form}&ExternalId=customer-7")].map(|form| status(&form)), [403, 200]);
    fake.deny_assume(arn);
    let refused = send(&fake, &signed(&keys(), "sts", None, &form));
    assert_eq!((refused.status, xml(&refused.body, "Code")), (403, "AccessDenied"));
    let wrong = send(&fake, &signed(&Keys { secret: "x".into(), ..keys() }, "sts", None, &form));
    assert_eq!(xml(&wrong.body, "Code"), "SignatureDoesNotMatch");
}

#[test]
fn web_identities() {
    let fake = fake();
    fake.web_identity_token("right");
    let arn = "arn:aws:iam::123456789012:role/pod";
    let ask = |token: &str| {
        let form =
            format!("Action=AssumeRoleWithWebIdentity&RoleArn={arn}&RoleSessionName=session&WebIdentityToken={token}");
        let mut request = signed(&keys(), "sts", None, &form);
        request.headers.retain(|(name, _)| name != "authorization");
        send(&fake, &request)
    };
    assert!(xml(&ask("right").body, "AccessKeyId").starts_with("ASIA"));
    assert_eq!(xml(&ask("wrong").body, "Code"), "InvalidIdentityToken");
}
