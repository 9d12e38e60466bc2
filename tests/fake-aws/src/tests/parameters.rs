//! Parameter Store: names, selectors, order, limits, pages.

use serde_json::json;

use super::client::{fake, ssm};
use crate::{Put, Secret};

#[test]
fn answers_are_alphabetical_and_complete() {
    let fake = fake();
    fake.put("shared.b", "SecureString", "two");
    fake.put("/a/c", "StringList", "x,y");
    fake.put("shared.a", "String", "one");
    let reply = ssm(
        &fake,
        "GetParameters",
        &json!({"Names": ["shared.b", "gone", "shared.a", "/a/c"], "WithDecryption": true}),
    );
    assert_eq!(reply.values(), ["/a/c=x,y", "shared.a=one", "shared.b=two"]);
    let json = reply.json();
    assert_eq!(json["InvalidParameters"], json!(["gone"]));
    assert_eq!(json["Parameters"][0]["Type"], "StringList");
    assert_eq!(json["Parameters"][0]["ARN"], "arn:aws:ssm:us-east-1:123456789012:parameter/a/c");
    assert!(json["Parameters"][0].get("Selector").is_none());
}

#[test]
fn selectors_and_arns() {
    let fake = fake();
    fake.put("x", "String", "one");
    fake.put_with(&Put::string("x", "two").label("current"));
    let arn = "arn:aws:ssm:us-east-1:123456789012:parameter/x";
    let names = json!(["x", "x:1", "x:current", "x:9", "x:none", arn]);
    let reply = ssm(&fake, "GetParameters", &json!({ "Names": names })).json();
    let selectors: Vec<_> = reply["Parameters"].as_array().expect("a list").iter().map(|p| &p["Selector"]).collect();
    assert_eq!(selectors, [&json!(null), &json!(null), &json!(":1"), &json!(":current")]);
    assert!(reply["Parameters"].as_array().expect("a list").iter().all(|p| p["Name"] == "x" && p["ARN"] == arn));
    assert_eq!(reply["InvalidParameters"], json!(["x:9", "x:none"]));
}

#[test]
fn one_root_parameter_has_two_spellings() {
    let fake = fake();
    fake.put("x", "String", "one");
    assert_eq!(fake.put("/x", "String", "two"), 2);
    assert_eq!(ssm(&fake, "GetParameters", &json!({"Names": ["/x"]})).values(), ["x=two"]);
    assert!(fake.delete("/x"));
    assert_eq!(ssm(&fake, "GetParameters", &json!({"Names": ["x"]})).values(), [""; 0]);
}

#[test]
fn whole_calls_that_fail() {
    let fake = fake();
    let many: Vec<String> = (0..11).map(|n| format!("n{n}")).collect();
    for names in [json!([]), json!(many), json!(["x", "x"]), json!(["ok", "not ok"]), json!(["a/b"])] {
        let reply = ssm(&fake, "GetParameters", &json!({ "Names": names }));
        assert_eq!((reply.status, reply.code().as_str()), (400, "ValidationException"), "{names}");
    }
    let reply = ssm(&fake, "GetParameters", &json!({ "Names": many[..10] }));
    assert_eq!(reply.status, 200);
    assert_eq!(ssm(&fake, "Nonsense", &json!({})).code(), "UnknownOperationException");
}

#[test]
fn without_decryption_the_value_is_hidden() {
    let fake = fake();
    fake.put("x", "SecureString", "plain");
    let value = ssm(&fake, "GetParameter", &json!({"Name": "x"})).json()["Parameter"]["Value"].clone();
    assert!(value.as_str().is_some_and(|value| value.starts_with("AQICAH")), "{value}");
    let shown = ssm(&fake, "GetParameter", &json!({"Name": "x", "WithDecryption": true})).json();
    assert_eq!(shown["Parameter"]["Value"], "plain");
    assert_eq!(fake.calls("GetParameter")[1].with_decryption, Some(true));
}

#[test]
fn parameters_of_another_account_go_by_arn() {
    let fake = fake();
    fake.put_with(&Put::string("/a/b", "theirs").account("999988887777"));
    let arn = "arn:aws:ssm:us-east-1:999988887777:parameter/a/b";
    let reply = ssm(&fake, "GetParameters", &json!({"Names": [arn, "/a/b"]}));
    assert_eq!(reply.values(), ["/a/b=theirs"]);
    assert_eq!(reply.json()["Parameters"][0]["ARN"], arn);
    assert_eq!(reply.json()["InvalidParameters"], json!(["/a/b"]));
}

#[test]
fn secrets_by_reference() {
    let fake = fake();
    fake.secret_with(Secret::new("prod/db", "old").version_id("v1"));
    fake.secret("prod/db", "new");
    let prefix = "/aws/reference/secretsmanager/prod/db";
    let names = json!([prefix, format!("{prefix}:v1"), format!("{prefix}:AWSPENDING")]);
    let reply = ssm(&fake, "GetParameters", &json!({"Names": names, "WithDecryption": true}));
    assert_eq!(reply.values(), [format!("{prefix}=new"), format!("{prefix}=old")]);
    let json = reply.json();
    assert_eq!(json["Parameters"][1]["Selector"], ":v1");
    assert!(json["Parameters"][0]["SourceResult"].as_str().is_some_and(|s| s.contains("\"secretString\":\"new\"")));
    assert_eq!(json["InvalidParameters"], json!([format!("{prefix}:AWSPENDING")]));
    assert_eq!(ssm(&fake, "GetParameters", &json!({ "Names": names })).code(), "ValidationException");
}

#[test]
fn pages_by_path() {
    let fake = fake();
    for name in ["/a/1", "/a/2", "/a/b/3", "/ab"] {
        fake.put_with(&Put::string(name, name).label(if name == "/a/2" { "current" } else { "other" }));
    }
    let get = |input| ssm(&fake, "GetParametersByPath", &input);
    assert_eq!(get(json!({"Path": "/a"})).values(), ["/a/1=/a/1", "/a/2=/a/2"]);
    assert_eq!(get(json!({"Path": "/a/", "Recursive": true})).values().len(), 3);
    let filter = json!([{"Key": "Label", "Values": ["current"]}]);
    assert_eq!(get(json!({"Path": "/a", "ParameterFilters": filter})).values(), ["/a/2=/a/2"]);
    assert_eq!(get(json!({"Path": "/a", "MaxResults": 11})).code(), "ValidationException");
    assert_eq!(get(json!({"Path": "a"})).code(), "ValidationException");
    fake.page_size(1);
    fake.empty_pages(true);
    let (mut input, mut sizes) = (json!({"Path": "/a", "Recursive": true}), Vec::new());
    loop {
        let reply = get(input.clone());
        sizes.push(reply.values().len());
        match reply.json().get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(sizes, [0, 1, 0, 1, 0, 1]);
}

#[test]
fn writing_through_the_protocol() {
    let fake = fake();
    let put = |input| ssm(&fake, "PutParameter", &input);
    assert_eq!(put(json!({"Name": "/x", "Value": "1"})).code(), "ValidationException");
    assert_eq!(put(json!({"Name": "/x", "Value": "1", "Type": "String"})).json()["Version"], 1);
    assert_eq!(put(json!({"Name": "/x", "Value": "2"})).code(), "ParameterAlreadyExists");
    assert_eq!(put(json!({"Name": "/x", "Value": "2", "Overwrite": true})).json()["Version"], 2);
    assert_eq!(put(json!({"Name": "/aws/x", "Value": "1", "Type": "String"})).code(), "ValidationException");
    assert_eq!(put(json!({"Name": "/y", "Value": "x".repeat(4097), "Type": "String"})).code(), "ValidationException");
    let label = ssm(&fake, "LabelParameterVersion", &json!({"Name": "/x", "Labels": ["good", "1bad"]}));
    assert_eq!(label.json(), json!({"InvalidLabels": ["1bad"], "ParameterVersion": 2}));
    assert_eq!(ssm(&fake, "GetParameters", &json!({"Names": ["/x:good"]})).values(), ["/x=2"]);
    let described = ssm(&fake, "DescribeParameters", &json!({})).json();
    assert_eq!((&described["Parameters"][0]["Name"], described["Parameters"][0].get("Value")), (&json!("/x"), None));
}
