//! `[[expand]]`: the fields of one JSON object as variables.

use fake_aws::Fake;

use crate::common::{Given, map, store};

/// The form in which RDS keeps things in Secrets Manager.
const RDS: &str = r#"{"username": "admin", "password": "p\"w\u0064", "port": 5432, "ratio": 1.50, "multi-az": true, "big": 12345678901234567890}"#;

fn world() -> Fake {
    let fake = store(&[
        ("/nested", r#"{"host": "db", "tags": ["a", {"b" : 1}], "none": null}"#),
        ("/code", r#"{"LD_PRELOAD": "x.so", "host": "db"}"#),
        ("/twice", r#"{"a-b": "1", "a.b": "2"}"#),
        ("/same", r#"{"a": "1", "a": "2"}"#),
        ("/levels", r#"{"ConnectionStrings/Default": "s", "2fa": "t"}"#),
        ("/text", "hunter2"),
        ("/list", "[1, 2]"),
        ("projectA.shared.db", r#"{"host": "shared", "port": 1}"#),
        ("projectA.production.db", r#"{"host": "production"}"#),
        ("/path/host", "loaded"),
        ("/path/other", "loaded"),
    ]);
    fake.secret("prod/rds", RDS);
    fake
}

#[test]
fn each_field_is_a_variable_byte_for_byte() {
    let environment = Given::spec("[[expand]]\nsecret = \"prod/rds\"\nprefix = \"RDS_\"\n").environment(&world());
    let want = [
        ("RDS_USERNAME", "admin"),
        ("RDS_PASSWORD", "p\"wd"),
        ("RDS_PORT", "5432"),
        ("RDS_RATIO", "1.50"),
        ("RDS_MULTI_AZ", "true"),
        ("RDS_BIG", "12345678901234567890"),
    ];
    assert_eq!(environment, map(&want));
}

#[test]
fn names_and_filters_are_those_of_a_load() {
    let fake = world();
    for (keys, want) in [
        (
            "parameter = \"/nested\"\njson = true\nexcept = [\"NONE\"]",
            &[("HOST", "db"), ("TAGS", r#"["a", {"b" : 1}]"#)][..],
        ),
        ("parameter = \"/nested\"\nonly = [\"HOST\"]", &[("HOST", "db")]),
        (
            "parameter = \"/levels\"\ncase = \"keep\"\njoin = \"__\"",
            &[("ConnectionStrings__Default", "s"), ("_2fa", "t")],
        ),
        ("parameter = \"/levels\"\nprefix = \"X_\"\nonly = [\"X_C*\"]", &[("X_CONNECTIONSTRINGS_DEFAULT", "s")]),
        ("parameter = \"/code\"\nonly = [\"LD_PRELOAD\"]", &[("LD_PRELOAD", "x.so")]),
        ("parameter = \"/none\"\noptional = true", &[]),
    ] {
        let spec = format!("[[expand]]\n{keys}\n");
        assert_eq!(Given::spec(&spec).environment(&fake), map(want), "{keys}");
    }
}

#[test]
fn a_key_is_looked_for_in_the_scopes_and_the_first_goes_first() {
    let fake = world();
    let home = "project = \"projectA\"\nenvironment = \"production\"\n";
    let one = format!("{home}[[expand]]\nkey = \"db\"\n");
    assert_eq!(Given::spec(&one).environment(&fake), map(&[("HOST", "production")]), "no fall-through for `port`");
    let two = "[[expand]]\nparameter = \"projectA.production.db\"\n[[expand]]\nparameter = \"projectA.shared.db\"\n";
    assert_eq!(Given::spec(two).environment(&fake), map(&[("HOST", "production"), ("PORT", "1")]));
    let by_line = "[env]\nHOST = { parameter = \"/path/host\" }\n[[expand]]\nparameter = \"projectA.shared.db\"\n";
    assert_eq!(Given::spec(by_line).environment(&fake), map(&[("HOST", "loaded"), ("PORT", "1")]), "[env] goes first");
}

#[test]
fn what_cannot_be_expanded_says_which_field() {
    let fake = world();
    for (keys, code, says) in [
        ("parameter = \"/nested\"", 65, &["\"tags\" is an object or a list", "json = true", "\"none\" is null"][..]),
        ("parameter = \"/text\"", 65, &["/text cannot be expanded: the value is not JSON"]),
        ("parameter = \"/list\"", 65, &["/list cannot be expanded: the value is no JSON object"]),
        (
            "parameter = \"/code\"",
            65,
            &[
                "LD_PRELOAD, from /code#LD_PRELOAD, is refused",
                "LD_PRELOAD = { parameter = \"/code\", json = [\"LD_PRELOAD\"] }",
            ],
        ),
        ("parameter = \"/twice\"", 65, &["two fields for A_B", "/twice#a-b", "/twice#a.b"]),
        ("parameter = \"/same\"", 65, &["two fields for A"]),
        ("parameter = \"/none\"", 66, &["/none"]),
        ("parameter = \"/nested\"\nonly = [\"HOST\", \"GONE\"]", 66, &["no field in /nested gives GONE"]),
        ("parameter = \"/nested\"\nonly = [\"X_*\"]", 66, &["nothing in /nested is X_*"]),
        ("parameter = \"/nested:9\"\nonly = [\"HOST\"]", 66, &["/nested:9"]),
    ] {
        let spec = format!("[[expand]]\n{keys}\n");
        Given::spec(&spec).fails(&fake, code, says).hides(&["hunter2", "x.so"]);
    }
    let both = "[[load]]\npath = \"/path\"\n[[expand]]\nparameter = \"projectA.shared.db\"\n";
    Given::spec(both).fails(&fake, 65, &["two sources for HOST", "/path/host", "projectA.shared.db#host"]);
}

#[test]
fn five_thousand_fields_and_deep_json() {
    let fields: Vec<String> = (0..5000).map(|at| format!("\"k{at}\":{at}")).collect();
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let fake = store(&[("/deep", &format!("{{\"a\": {deep}}}"))]);
    fake.secret("many", &format!("{{{}}}", fields.join(",")));
    assert_eq!(Given::spec("[[expand]]\nsecret = \"many\"\n").environment(&fake).len(), 5000);
    Given::spec("[[expand]]\nparameter = \"/deep\"\njson = true\n").exec(&fake).has(&[("A", &deep)]);
}

#[test]
fn plan_and_check_show_it() {
    let fake = world();
    let spec = "[[expand]]\nsecret = \"prod/rds\"\nprefix = \"RDS_\"\nonly = [\"RDS_P*\"]\n";
    let plan = Given::spec(spec).plan(&fake);
    assert_eq!(plan["expansions"][0]["candidates"][0]["parameter"], "/aws/reference/secretsmanager/prod/rds");
    Given::spec(spec).run(&fake, "plan", &[]).expect(0).shows(&["RDS_P*", "fields of secret"]);
    let check = Given::spec(spec).run(&fake, "check", &["--format", "json"]).expect(0).json();
    let fields: Vec<&str> = check["variables"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["field"].as_str().expect("a field"))
        .collect();
    assert_eq!(fields, ["password", "port"]);
    Given::spec(spec).run(&fake, "check", &[]).expect(0).shows(&["prod/rds#password"]).hides(&["p\"wd"]);
}
