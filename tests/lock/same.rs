//! The environment by a lock is that by its spec.

use fake_aws::{Fake, Put, Secret};

use crate::common::{Directory, Given, HOME, map, stepzero, store};
use crate::{by_lock, lock, same};

/// Everything that the specs below and those of docs/spec.md ask for.
fn world() -> Fake {
    let fake = store(&[
        ("projectA.production.database_password", "first password"),
        ("projectA.shared.database_username", "user"),
        ("shared.database_password", "the wrong one"),
        ("shared.newrelic_key", "2039"),
        ("projectA.production.tls_key", "-----BEGIN\nkey"),
        ("projectA.production.keystore", "AAEC/w=="),
        ("/app/db", r#"{"host": "db", "port": 5432, "spring.datasource.password": "dotted", "deep": {"a.b": [1]}}"#),
        ("/odd", "{\"a\\\"b\": \"quote\", \"\u{202e}x\": \"bidi\", \"a\\nb\\\\\": \"line\"}"),
        ("/projectA/production/db_host", "loaded"),
        ("/projectA/production/api_key", "loaded key"),
        ("/projectA/production/deep/er", "deeper"),
        ("/other/db_host", "overridden"),
        ("/other/b", "b"),
    ]);
    for _ in 0..3 {
        fake.put("/legacy/token", "SecureString", "legacy");
    }
    fake.put_with(&Put::secure("projectA.production.signing_key", "old key").label("current"));
    fake.put("projectA.production.signing_key", "SecureString", "new key");
    fake.put_with(&Put::secure("/projectA/production/labelled", "labelled").label("current"));
    fake.put("projectA.shared.allowed_hosts", "StringList", "a,b");
    fake.put_with(&Put::secure("/theirs", "of another account").account("999999999999"));
    fake.secret_with(Secret::new("prod/stripe", r#"{"api_key": "old"}"#).version_id("v-1"));
    fake.secret_with(Secret::new("prod/stripe", r#"{"api_key": "new"}"#).version_id("v-2"));
    fake.secret_with(Secret::new("prod/stripe", r#"{"api_key": "old"}"#).version_id("v-0").stages(&["AWSPREVIOUS"]));
    fake.secret("prod/rds", r#"{"username": "admin", "password": "rds", "engine": "mysql"}"#);
    fake.secret("prod/db", r#"{"username": "app", "password": "p@ss"}"#);
    fake
}

const KEYS: &str = "project = \"projectA\"\nenvironment = \"production\"\n[env]\n";

/// One spec for each thing that a spec can say.
const SPECS: &[&str] = &[
    "A = \"database_password\"\nB = { key = \"database_username\" }\n",
    "A = { key = \"newrelic_key\", optional = true }\nB = { key = \"nobody\", optional = true }\n",
    "A = { key = \"nobody\", default = \"in\\nfo \\\"x\\\"\" }\nB = { key = \"newrelic_key\", default = \"x\" }\n",
    "A = { key = \"signing_key\", label = \"current\" }\nB = \"signing_key\"\n",
    "A = { parameter = \"/legacy/token\", version = 2 }\nB = { parameter = \"/legacy/token\" }\n",
    "A = { parameter = \"arn:aws:ssm:us-east-1:999999999999:parameter/theirs\" }\n",
    "A = { parameter = \"{project}.shared.allowed_hosts\", list = \" \" }\n",
    "A = { parameter = \"/app/db\", json = \"host\" }\nB = { parameter = \"/app/db\", json = [\"spring.datasource.password\"] }\n",
    "A = { parameter = \"/app/db\", json = \"spring.datasource.password\" }\nB = { parameter = \"/app/db\", json = \"deep\" }\n",
    "A = { parameter = \"/app/db\", json = \"user\", default = \"nobody\" }\n",
    "A = { secret = \"prod/stripe\", json = \"api_key\" }\nB = { secret = \"prod/stripe\", label = \"AWSPREVIOUS\" }\n",
    "A = { secret = \"prod/stripe\", version = \"v-1\" }\n",
    "\"a b\" = \"newrelic_key\"\n\"q\\\"\" = \"newrelic_key\"\n",
    "\"x.y\" = \"newrelic_key\"\n\"é\\u202E\" = \"newrelic_key\"\n",
    "P = { secret = \"prod/db\", json = \"password\", private = true }\nT = { template = \"{{{P:url}}} {P:json}\\n\" }\n",
    "P = { key = \"nobody\", optional = true, private = true }\nT = { template = \"{P}\", default = \"none\" }\n",
    "P = { key = \"nobody\", optional = true }\nT = { template = \"{P}\", optional = true }\n",
    "P = { key = \"nobody\", default = \"d\" }\nT = { template = \"<{P:shell}>\" }\n",
    "[[load]]\npath = \"/projectA/production\"\nrecursive = true\nprefix = \"APP_\"\njoin = \"__\"\n",
    "[[load]]\npath = \"/projectA/production\"\n[[load]]\npath = \"/other\"\n",
    "DB_HOST = \"newrelic_key\"\n[[load]]\npath = \"/projectA/production\"\nlabel = \"current\"\n[[load]]\npath = \"/other\"\ncase = \"keep\"\n",
    "[[load]]\npath = \"/nothing\"\noptional = true\n",
    "[[expand]]\nsecret = \"prod/rds\"\nprefix = \"RDS_\"\nexcept = [\"RDS_ENGINE\"]\n",
    "[[expand]]\nparameter = \"/app/db\"\njson = true\n[[expand]]\nkey = \"nobody\"\noptional = true\n",
    "[[expand]]\nparameter = \"/odd\"\n",
    "",
];

#[test]
fn whatever_a_spec_says() {
    let fake = world();
    for spec in SPECS {
        let spec = format!("{KEYS}{spec}");
        let text = same(Given::spec(&spec), &fake);
        assert!(!text.contains("key = "), "nothing is looked for any more: {text}");
    }
    // `=` stands in no name: that spec is none.
    Given::spec(&format!("{KEYS}\"a=\" = \"newrelic_key\"\n")).run(&fake, "lock", &[]).refused(78, &["cannot be set"]);
}

#[test]
fn whatever_flags_say() {
    let fake = world();
    for args in [
        &["-k", "database_password", "-k", "X=newrelic_key"][..],
        &["--parameter", "/legacy/token:2", "--parameter", "A=/app/db"],
        &["--load", "/projectA/production", "-k", "DB_HOST=newrelic_key"],
        &["--scope", "shared", "-k", "database_password", "--pristine", "--keep", "KEPT", "--timeout", "90s"],
    ] {
        same(Given::args(&[&HOME, args].concat()).and_env(&[("KEPT", "1"), ("LOST", "2")]), &fake);
    }
}

/// The examples of the page, as they stand.
#[test]
fn whatever_the_page_shows() {
    let fake = world();
    let page = include_str!("../../docs/spec.md");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let tried = examples.iter().filter(|spec| {
        // Those with an optional half of a key are shown, not run.
        let ran = Given::spec(spec).exec(&fake);
        if ran.code() == 0 {
            same(Given::spec(spec), &fake);
        }
        ran.code() == 0
    });
    assert!(tried.count() >= 4, "{} examples", examples.len());
}

/// The lock is made where other variables are set, and it is used where others are again.
#[test]
fn what_is_inherited_counts_where_the_lock_is_used() {
    let fake = world();
    let spec = |existing: &str| {
        format!(
            "existing = \"{existing}\"\n{KEYS}A = \"newrelic_key\"\nB = {{ key = \"nobody\", default = \"d\" }}\nC = {{ key = \"nobody\", optional = true }}\n"
        )
    };
    let all: &[(&str, &str)] = &[("A", "a"), ("B", "b"), ("C", "c")];
    for (existing, want) in
        [("keep", [("A", "a"), ("B", "b"), ("C", "c")]), ("replace", [("A", "2039"), ("B", "b"), ("C", "c")])]
    {
        let spec = spec(existing);
        let text = lock(Given::spec(&spec), &fake);
        let bare = Given::spec(&spec).environment(&fake);
        assert_eq!(bare, map(&[("A", "2039"), ("B", "d")]));
        for env in [&[][..], all, &[("A", "")], &[("B", "")]] {
            let given = Given::spec(&spec).and_env(env);
            assert_eq!(by_lock(&text, given, &fake), given.environment(&fake), "{existing} {env:?}");
            let elsewhere = lock(given, &fake);
            assert_eq!(elsewhere.split_once('\n').map(|(_, rest)| rest), text.split_once('\n').map(|(_, rest)| rest));
        }
        assert_eq!(by_lock(&text, Given::default().and_env(all), &fake), map(&want), "{existing}");
    }
    let spec = spec("error");
    let text = lock(Given::spec(&spec).and_env(all), &fake);
    Given::spec(&text).and_env(&[("A", "a")]).fails(&fake, 65, &["A is set already"]);
}

#[test]
fn a_reference_becomes_a_line() {
    let fake = world();
    let env = &[
        ("A", "ssm:///legacy/token:2"),
        ("B", "ssm:///app/db#deep"),
        ("C", "secretsmanager:prod/stripe#api_key"),
        ("D", "ssm:arn:aws:ssm:us-east-1:999999999999:parameter/theirs"),
        ("E", "ssm:///app/db"),
    ];
    let optional = format!("{KEYS}E = {{ key = \"nobody\", optional = true }}\n[files]\nA = \"newrelic_key\"\n");
    for spec in ["", optional.as_str()] {
        for args in [&["--references"][..], &["--references", "--pristine"]] {
            let given = Given { spec, args, env };
            let text = same(given, &fake);
            assert!(!text.contains("ssm:/"), "{text}");
        }
    }
    for existing in ["keep", "error"] {
        let args = &["--references", "--existing", existing];
        let ran = Given::args(args).and_env(env).run(&fake, "lock", &[]);
        ran.refused(78, &["A is a reference", &format!("existing = \"{existing}\""), "[env]"]);
    }
}

/// What stands in each file, and its permissions.
#[test]
fn files_have_the_same_bytes() {
    const SHOW: &str = r#"for name in TLS KEYSTORE BARE T; do eval "path=\$$name"; echo "$name $(stat -Lc %a "$path") $(base64 -w0 "$path")"; done"#;
    let fake = world();
    let directory = Directory::new();
    directory.file("t.tmpl", "{{db}}:{P}\n{P:base64}\t\"\n");
    let spec = format!(
        "{KEYS}P = {{ secret = \"prod/db\", json = \"password\", private = true }}\n[files]\nTLS = {{ key = \"tls_key\" }}\n\
         KEYSTORE = {{ key = \"keystore\", decode = \"base64\", mode = \"0444\" }}\nBARE = {{ key = \"nobody\", default = \"\" }}\n\
         T = {{ template_file = \"t.tmpl\", mode = \"0440\" }}\n"
    );
    let spec = directory.file("spec.toml", spec);
    let shown = |spec: &str| stepzero(&fake, ["exec", "-s", spec, "--", "sh", "-c", SHOW]).output().expect(0).stdout();
    let before = shown(&spec);
    assert!(before.contains("KEYSTORE 444 AAEC/w==") && before.contains("T 440 "), "{before}");
    let text = stepzero(&fake, ["lock", "-s", &spec]).output().expect(0).stdout();
    // The lock needs no file beside it.
    let elsewhere = Directory::new();
    assert_eq!(shown(&elsewhere.file("lock.toml", text)), before);
}

/// A rotation is nothing until it is locked, and a rollback is the old file.
#[test]
fn a_lock_keeps_what_was_and_can_be_gone_back_to() {
    let fake = world();
    let spec = format!(
        "{KEYS}A = \"database_password\"\nB = {{ secret = \"prod/stripe\", json = \"api_key\" }}\nC = {{ key = \"nobody\", default = \"d\" }}\n[[load]]\npath = \"/projectA/production\"\n"
    );
    let given = Given::spec(&spec);
    let (first, before) = (lock(given, &fake), given.environment(&fake));
    fake.put("projectA.production.database_password", "SecureString", "second password");
    fake.put("/projectA/production/api_key", "SecureString", "second key");
    fake.put("/projectA/production/new", "SecureString", "new");
    fake.put("projectA.production.nobody", "SecureString", "somebody");
    fake.secret_with(Secret::new("prod/stripe", r#"{"api_key": "newest"}"#).version_id("v-3"));
    assert_eq!(by_lock(&first, given, &fake), before);
    let (second, after) = (lock(given, &fake), given.environment(&fake));
    assert_eq!(by_lock(&second, given, &fake), after);
    for (name, old, new) in [
        ("A", "first password", "second password"),
        ("B", "new", "newest"),
        ("C", "d", "somebody"),
        ("API_KEY", "loaded key", "second key"),
    ] {
        assert_eq!((before[name].as_str(), after[name].as_str()), (old, new), "{name}");
    }
    assert_eq!(by_lock(&first, given, &fake), before, "back again");
    // A version that is gone is no other one.
    let vanished = first.replace("database_password\", version = 1", "database_password\", version = 77");
    Given::spec(&vanished).fails(&fake, 66, &["projectA.production.database_password:77"]);
}
