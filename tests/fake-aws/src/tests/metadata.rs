//! IMDS and the container endpoint.

use super::client::{fake, imds};
use crate::Fake;

const TTL: (&str, &str) = ("x-aws-ec2-metadata-token-ttl-seconds", "21600");
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

fn token(fake: &Fake) -> String {
    imds(fake, "PUT", "/latest/api/token", &[TTL]).body
}

#[test]
fn version_two_only() {
    let fake = fake();
    assert_eq!(imds(&fake, "GET", ROLES, &[]).status, 401);
    assert_eq!(imds(&fake, "GET", ROLES, &[("x-aws-ec2-metadata-token", "x")]).status, 401);
    let put = |headers: &[(&str, &str)]| imds(&fake, "PUT", "/latest/api/token", headers);
    assert_eq!(put(&[]).status, 400);
    assert_eq!(put(&[(TTL.0, "21601")]).status, 400);
    assert_eq!(put(&[TTL, ("x-forwarded-for", "1.2.3.4")]).status, 403);
    let good = put(&[TTL]);
    assert_eq!(good.status, 200);
    assert!(good.head.to_ascii_lowercase().contains("x-aws-ec2-metadata-token-ttl-seconds: 21600"), "{}", good.head);
    let header = [("x-aws-ec2-metadata-token", good.body.as_str())];
    assert_eq!(imds(&fake, "GET", ROLES, &header).body, "projectA-production");
    assert_eq!(imds(&fake, "GET", "/latest/meta-data/placement/region", &header).body, "us-east-1");
    let identity = imds(&fake, "GET", "/latest/dynamic/instance-identity/document", &header).json();
    assert_eq!(identity["region"], "us-east-1");
    assert_eq!(imds(&fake, "GET", "/latest/meta-data/none", &header).status, 404);
    fake.expire_imds_tokens();
    assert_eq!(imds(&fake, "GET", ROLES, &header).status, 401);
}

#[test]
fn roles_come_and_go() {
    let fake = fake();
    let token = token(&fake);
    let get = |path: &str| imds(&fake, "GET", path, &[("x-aws-ec2-metadata-token", &token)]);
    fake.role(None);
    assert_eq!(get(ROLES).status, 404);
    assert_eq!(get(&format!("{ROLES}projectA-production")).status, 404);
    fake.role("late");
    let credentials = get(&format!("{ROLES}late")).json();
    assert_eq!(credentials["Code"], "Success");
    assert!(credentials["Expiration"].as_str().is_some_and(|text| text.ends_with('Z')));
    assert_eq!(get(&format!("{ROLES}late")).json()["AccessKeyId"], credentials["AccessKeyId"]);
}

#[test]
fn container_credentials() {
    let fake = fake();
    let path = fake.container_url().replace(&fake.imds_url(), "");
    let token = fake.container_token().expect("there is one by default");
    assert_eq!(imds(&fake, "GET", &path, &[]).status, 401);
    assert_eq!(imds(&fake, "GET", &path, &[("authorization", "x")]).status, 403);
    let good = imds(&fake, "GET", &path, &[("authorization", &token)]).json();
    assert_eq!(good["RoleArn"], "arn:aws:iam::123456789012:role/projectA-container");
    assert_eq!(imds(&fake, "GET", "/v2/credentials/other", &[("authorization", &token)]).status, 404);
    let open = Fake::builder().tls(false).container_token(None).start();
    let path = open.container_url().replace(&open.imds_url(), "");
    assert_eq!(imds(&open, "GET", &path, &[]).status, 200);
}
