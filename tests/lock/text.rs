//! What a lock says: names and versions, never a value; and what keeps there from being one.

use fake_aws::{Action, Fake, Fault, Put, Secret};
use serde_json::json;

use crate::common::{
    ARTICLE, Directory, Given, HOME, ROLE, Ran, allowing, article, denying, parameter, stepzero, store,
};
use crate::lock;

#[test]
fn an_ordinary_spec_in_the_order_of_its_own() {
    let fake = article();
    fake.put("projectA.production.database_password", "SecureString", "second");
    let spec = r#"
project = "projectA"
environment = "production"
timeout = "90s"
existing = "keep"
[files]
KEY = { key = "newrelic_key", mode = "0444" }
[env]
PASSWORD = "database_password"
LEVEL = { key = "log_level", default = "info" }
NOBODY = { key = "nobody", optional = true }
USER = { key = "database_username", optional = true }
"#;
    let given = Given::spec(spec).and_args(&["--region", "us-east-1"]);
    let ran = given.run(&fake, "lock", &[]).expect(0).hides(&ARTICLE.map(|(_, value)| value)).hides(&["second"]);
    let text = ran.stdout();
    let (command, rest) = text.split_once('\n').expect("a first line");
    assert!(command.starts_with("# stepzero lock -s /") && command.ends_with(" --region us-east-1"), "{command}");
    let want = r#"existing = "keep"
timeout = "90s"
region = "us-east-1"

[env]
PASSWORD = { parameter = "projectA.production.database_password", version = 2 }
LEVEL = { absent = true, default = "info" }
USER = { parameter = "projectA.shared.database_username", version = 1, optional = true }

[files]
KEY = { parameter = "shared.newrelic_key", version = 1, mode = "0444" }
"#;
    assert_eq!(rest, want);
}

/// The example of the page is what comes of this.
#[test]
fn the_page_shows_what_is_written() {
    let fake = Fake::start();
    for (name, versions) in
        [("projectA.production.database_password", 7), ("shared.newrelic_key", 2), ("projectA.production.tls_key", 3)]
    {
        (0..versions).for_each(|_| _ = fake.put(name, "SecureString", "v"));
    }
    fake.secret_with(
        Secret::new("prod/stripe", r#"{"api_key": "v"}"#).version_id("EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE"),
    );
    let spec = "project = \"projectA\"\nenvironment = \"production\"\ntimeout = \"90s\"\n[env]\nDATABASE_PASSWORD = \"database_password\"\n\
                NEWRELIC_KEY = { key = \"newrelic_key\", optional = true }\nLOG_LEVEL = { key = \"log_level\", default = \"info\" }\n\
                STRIPE = { secret = \"prod/stripe\", json = \"api_key\" }\n[files]\nTLS_KEY_FILE = \"tls_key\"\n";
    let directory = Directory::new();
    directory.file("web.toml", spec);
    let run =
        |args: &[&str]| Ran::of(stepzero(&fake, [&["lock"], args].concat()).command().current_dir(directory.path()));
    let text = run(&["--spec", "web.toml"]).expect(0).stdout();
    let page = include_str!("../../docs/day-two.md");
    assert!(page.contains(&format!("```toml\n{text}```\n")), "{text}");
    directory.file("web.lock.toml", text);
    (0..2).for_each(|_| _ = fake.put("projectA.production.database_password", "SecureString", "v"));
    let told = run(&["--check", "web.lock.toml"]).expect(1).stdout();
    let (told, since) = told.split_once(" since ").expect("the time of the new version");
    assert!(page.contains(&format!("```text\n{told} since ")), "{told}");
    assert!(since.ends_with("Z\n"), "{since}");
}

/// Those that flags said as well. What is as by default, and what has no place in a spec, is not written.
#[test]
fn settings_are_kept() {
    let fake = article();
    let role = "arn:aws:iam::123456789012:role/reader";
    let flags = [
        "--last-good",
        "24h",
        "--pristine",
        "--keep",
        "HOME",
        "--keep",
        "A B",
        "--existing",
        "error",
        "--timeout",
        "1500ms",
        "--role-arn",
        role,
    ];
    let more =
        ["--external-id", "customer/7", "--role-session-name", "web@blue", "--endpoint-url", &fake.endpoint_url()];
    let args = [&HOME[..], &flags, &more, &["-k", "newrelic_key"]].concat();
    let text = lock(Given::args(&args), &fake);
    let top = text.split("\n\n").next().expect("split gives one");
    let (command, settings) = top.split_once('\n').expect("a first line");
    assert!(command.contains("'A B'") && !command.contains("endpoint") && !command.contains("127.0.0.1"), "{command}");
    let want = format!(
        "pristine = true\nkeep = [\"HOME\", \"A B\"]\nexisting = \"error\"\ntimeout = \"1.5s\"\nlast_good = \"24h\"\nrole_arn = \"{role}\"\nexternal_id = \"customer/7\"\nrole_session_name = \"web@blue\""
    );
    assert_eq!(settings, want);
    let plain = lock(
        Given::args(&["--scope", "shared", "-k", "newrelic_key", "--existing", "replace", "--timeout", "2m"]),
        &fake,
    );
    assert_eq!(plain.lines().nth(1), Some(""), "{plain}");
}

/// What paths and objects bring comes after the lines of the spec, in an order that does not depend on the store's.
#[test]
fn what_is_brought_is_sorted_by_variable() {
    let fake = store(&[("/z/b", "v"), ("/z/a/z", "v"), ("/y/c", "v"), ("/o", r#"{"y": 1, "aa": 2}"#)]);
    let spec = "[env]\nZ = { parameter = \"/z/b\" }\n[[load]]\npath = \"/z\"\nrecursive = true\n[[load]]\npath = \"/y\"\n[[expand]]\nparameter = \"/o\"\n";
    let text = lock(Given::spec(spec), &fake);
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
    assert_eq!(names, ["Z", "AA", "A_Z", "B", "C", "Y"]);
}

/// AWS keeps no older versions of its own parameters, and an answer may not tell the version of a secret.
#[test]
fn what_cannot_be_locked_is_told() {
    let fake = Fake::start();
    fake.put("/aws/service/ami", "String", "ami-1");
    fake.secret_with(Secret::new("prod/stripe", "v").version_id("v-1"));
    let spec = "[env]\nAMI = { parameter = \"/aws/service/ami\" }\nS = { secret = \"prod/stripe\" }\n";
    let ran =
        Given::spec(spec).run(&fake, "lock", &[]).expect(0).says(&["AMI is not locked: AWS keeps no older versions"]);
    ran.hides(&["S is not locked"]).shows(&[
        "\n# not locked: AWS keeps",
        "AMI = { parameter = \"/aws/service/ami\" }\n",
        "version = \"v-1\" }\n",
    ]);
    for result in [json!(null), json!("no JSON"), json!("{}"), json!("{\"VersionId\": \"v 1\"}")] {
        let told = result.clone();
        fake.fault(
            Fault::once(Action::rewrite(move |mut body| {
                for parameter in body["Parameters"].as_array_mut().into_iter().flatten() {
                    parameter["SourceResult"] = result.clone();
                }
                body
            }))
            .operation("GetParameters"),
        );
        let ran = Given::spec(spec)
            .run(&fake, "lock", &[])
            .expect(0)
            .says(&["S is not locked: the store did not tell its version"]);
        ran.shows(&["# not locked: the store did not tell", "S = { secret = \"prod/stripe\" }\n"])
            .hides(&[&told.to_string()]);
    }
}

/// As `exec` would: there is no lock of a part.
#[test]
fn what_exec_could_not_start_is_not_locked() {
    let fake = Fake::builder().role(ROLE).start();
    ARTICLE.iter().for_each(|(name, value)| _ = fake.put(name, "SecureString", value));
    fake.put("/app/LD_PRELOAD", "String", "x.so");
    fake.put_with(&Put::string("/empty/field", r#"{"": "x"}"#));
    for (spec, code, words) in [
        (
            "[env]\nA = { parameter = \"shared.newrelic_key\" }\nB = { parameter = \"/nobody\" }\n",
            66,
            &["B: /nobody"][..],
        ),
        ("[[load]]\npath = \"/app\"\n", 65, &["LD_PRELOAD", "refused"]),
        ("[[expand]]\nparameter = \"/empty/field\"\nprefix = \"X_\"\n", 65, &["has no name", "except"]),
        ("[env]\nA = { parameter = \"shared.newrelic_key\", json = \"a\" }\n", 65, &["has no field"]),
        ("[env]\nA = { key = \"a\" }\n", 78, &["nothing fills"]),
    ] {
        Given::spec(spec).run(&fake, "lock", &[]).refused(code, words);
    }
    let directory = Directory::new();
    directory.file("long.tmpl", "\n".repeat(600_000));
    let long = directory.file("long.toml", "[files]\nA = { template_file = \"long.tmpl\" }\n");
    stepzero(&fake, ["lock", "-s", &long]).output().refused(78, &["larger than a spec can be"]);
    Given::default().run(&fake, "lock", &[]).refused(64, &["nothing to do"]);
    fake.policy(ROLE, denying(&["ssm:GetParameters"], &[parameter("projectA.shared.*")]));
    let args = [&HOME[..], &["-k", "newrelic_key"]].concat();
    Given::args(&args).run(&fake, "lock", &[]).refused(77, &["projectA.shared.newrelic_key"]);
    fake.policy(ROLE, allowing(&["*"]));
    fake.down();
    Given::args(&[&args[..], &["--timeout", "1s"]].concat()).run(&fake, "lock", &[]).refused(75, &[]);
}

/// The policy names each parameter that is read, and nothing else.
#[test]
fn its_policy_is_as_narrow_as_can_be() {
    let fake = Fake::builder().role(ROLE).start();
    ARTICLE.iter().for_each(|(name, value)| _ = fake.put(name, "SecureString", value));
    fake.put("/app/a", "SecureString", "a");
    let spec = "project = \"projectA\"\nenvironment = \"production\"\n[env]\nKEY = \"newrelic_key\"\nPW = \"database_password\"\nNOBODY = { key = \"nobody\", default = \"d\" }\n[[load]]\npath = \"/app\"\n";
    let text = lock(Given::spec(spec), &fake);
    let policy =
        Given::spec(&text).offline("policy", &["--account", "123456789012", "--region", "us-east-1"]).expect(0).json();
    let read = policy["Statement"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|statement| statement["Action"].to_string().contains("ssm:"));
    let read = read.expect("a statement about Systems Manager");
    assert_eq!(read["Action"], json!("ssm:GetParameters"), "{policy:#}");
    let names = ["projectA.production.database_password", "shared.newrelic_key", "app/a"].map(parameter);
    let mut resources: Vec<String> = serde_json::from_value(read["Resource"].clone()).expect("a list");
    resources.sort();
    let mut wanted = names.to_vec();
    wanted.sort();
    assert_eq!(resources, wanted);
    let plan = Given::spec(&text).plan(&fake);
    let nobody = &plan["variables"][2];
    assert_eq!((&nobody["source"], &nobody["candidates"]), (&json!("absent"), &json!([])), "{plan:#}");
    Given::spec(&text).run(&fake, "check", &[]).expect(0).shows(&["NOBODY    default"]);
    fake.policy(ROLE, policy);
    Given::spec(&text).exec(&fake).has(&[("KEY", ARTICLE[0].1), ("PW", ARTICLE[2].1), ("A", "a"), ("NOBODY", "d")]);
}

/// 30 keys in four scopes are 120 names; 30 versions are 30.
#[test]
fn a_quarter_of_the_calls() {
    let names: Vec<String> = (0..30).map(|at| format!("shared.k{at}")).collect();
    let fake = store(&names.iter().map(|name| (name.as_str(), "v")).collect::<Vec<_>>());
    let keys: String = (0..30).map(|at| format!("K{at} = \"k{at}\"\n")).collect();
    let spec = format!("project = \"projectA\"\nenvironment = \"production\"\n[env]\n{keys}");
    let calls = |spec: &str| {
        fake.clear_log();
        Given::spec(spec).exec(&fake).expect(0);
        fake.calls("GetParameters").len()
    };
    let text = lock(Given::spec(&spec), &fake);
    assert_eq!((calls(&spec), calls(&text)), (12, 3));
    let plan = Given::spec(&text).plan(&fake);
    assert_eq!((plan["calls"].as_u64(), plan["scopes"].as_array().map(Vec::len)), (Some(3), Some(0)));
}
