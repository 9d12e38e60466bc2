//! `packaging/stepzero.schema.json` says the same as the parser: the same keys, and the same verdict over each of these.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::{Given, TempFile, offline};
use crate::venv::{feed, tool};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/stepzero.schema.json");

/// The spec of the manual: all that there is.
const EVERYTHING: &str = r#"
project = "projectA"
environment = "production"
separator = "/"
scopes = ["{project}.{environment}", "shared"]
references = false
pristine = true
keep = ["PATH", "HOME"]
existing = "error"
timeout = "1m30s"
region = "us-east-1"
credentials = "instance-profile"
role_arn = "arn:aws:iam::123456789012:role/team/reader"
external_id = "customer/7"
role_session_name = "web@blue"
[env]
A = "database_password"
B = { key = "a", optional = true }
C = { key = "a", default = "", optional = false }
D = { key = "a", label = "current" }
E = { parameter = "/legacy/token", version = 3 }
F = { parameter = "/app/db", json = "a.0.b" }
G = { secret = "prod/stripe", json = "api_key", version = "EXAMPLE1-90ab" }
H = { secret = "prod/stripe", label = "AWSPREVIOUS" }
I = { key = "a", list = " " }
"j.k" = "a"
[files]
K = "a"
L = { key = "a", decode = "base64", mode = "0444" }
[[load]]
path = "/{project}/{environment}"
recursive = true
prefix = "APP_"
label = "current"
optional = false
only = ["APP_DB_*", "APP_[A-Z]?", "APP_KEY"]
except = ["APP_DB_OLD_*"]
[[load]]
path = "/x"
except = []
"#;

const GOOD: &[&str] = &[
    "",
    EVERYTHING,
    "[env]\n[files]\n",
    "load = []\n",
    "load = [{ path = \"/a\" }]\n",
    "timeout = \"5\"\n",
    "timeout = \"1h\"\n",
    "timeout = \"0.5s\"\n",
    "timeout = \"1.5m0.25s\"\n",
    "scopes = [\"one\"]\n[env]\nA = { key = \"a\", version = 1 }\n",
    "[files]\nA = { key = \"a\", mode = \"440\" }\n",
    "scopes = []\nkeep = []\n",
    "[[load]]\npath = \"/a\"\ncase = \"keep\"\njoin = \"__\"\n",
    "[[expand]]\nkey = \"a\"\n",
    "expand = []\n",
    "[[expand]]\nsecret = \"a/b\"\nlabel = \"AWSPREVIOUS\"\nprefix = \"A_\"\nonly = [\"A_*\"]\nexcept = [\"A_B\"]\njson = true\noptional = true\n",
    "[env]\nA = { key = \"a\", json = [\"b.c\", \"d\"] }\n",
    "[env]\nB = { key = \"b\", private = true }\nA = { template = \"{{{B:url}}}\" }\n",
    "[env]\nB = \"b\"\n[files]\nA = { template = \"{B}\", mode = \"0444\", default = \"x\" }\n",
    "role_arn = \"arn:aws-cn:iam::123456789012:role/x\"\n",
    "[env]\nA = { absent = true, default = \"\" }\nB = { absent = true, optional = true, private = true }\n",
    "[files]\nA = { absent = true, default = \"x\", optional = false, mode = \"0444\" }\n",
];

const BAD: &[&str] = &[
    "[env]\nA = { absent = true }\n",
    "[env]\nA = { absent = false, default = \"x\" }\n",
    "[env]\nA = { absent = true, optional = false }\n",
    "[env]\nA = { absent = true, optional = true, default = \"x\" }\n",
    "[env]\nA = { absent = true, key = \"a\", default = \"x\" }\n",
    "[env]\nA = { absent = true, default = \"x\", json = \"a\" }\n",
    "[env]\nA = { absent = true, default = \"x\", mode = \"0444\" }\n",
    "[env]\nA = { optional = true }\n",
    "[env]\nA = { secret = \"arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/x-AbCdEf\" }\n",
    "[files]\nA = { secret = \"prod/x:api_key::\" }\n",
    "[env]\nA = { secret = \"secretsmanager:prod/x\" }\n",
    "[env]\nA = { secret = \"ssm:/aws/reference/secretsmanager/prod/x\" }\n",
    "[env]\nA = { secret = \"/aws/reference/secretsmanager/prod/x\" }\n",
    "[env]\nA = { secret = \"ssm:/app/db\" }\n",
    "region = \"eu-west-3a\"\n",
    "region = \"us-west-2-lax-1a\"\n",
    "region = \"us-east\"\n",
    "[[load]]\npath = \"/x\"\nonly = []\n",
    "[[load]]\npath = \"/x\"\nonly = [\"\"]\n",
    "[[load]]\npath = \"/x\"\nonly = [\"A[\"]\n",
    "[[load]]\npath = \"/x\"\nonly = [\"A**\"]\n",
    "[[load]]\npath = \"/x\"\nexcept = [\"A=B\"]\n",
    "nope = 1\n",
    "project = 3\n",
    "project = \"\"\n",
    "project = \"a.b\"\n",
    "environment = \"shared\"\n",
    "separator = \"-\"\n",
    "scopes = \"shared\"\n",
    "scopes = [1]\n",
    "references = \"yes\"\n",
    "pristine = 1\n",
    "keep = [\"A=B\"]\n",
    "keep = [\"\"]\n",
    "existing = \"Replace\"\n",
    "timeout = 5\n",
    "timeout = \"soon\"\n",
    "timeout = \"0s\"\n",
    "timeout = \"0.0s\"\n",
    "timeout = \".5s\"\n",
    "timeout = \"1.s\"\n",
    "timeout = \"\"\n",
    "timeout = \"1m30\"\n",
    "region = \"Virginia!\"\n",
    "credentials = \"static\"\n",
    "role_arn = 1\n",
    "role_arn = \"\"\n",
    "role_arn = \"reader\"\n",
    "role_arn = \"arn:aws:iam::123456789012:user/x\"\n",
    "role_arn = \"arn:aws:iam::12345:role/x\"\n",
    "role_arn = \"arn:aws:iam::123456789012:role/a b\"\n",
    "role_arn = \"arn:aws:iam::123456789012:role/x\"\nexternal_id = \"x\"\n",
    "role_arn = \"arn:aws:iam::123456789012:role/x\"\nexternal_id = \"a b\"\n",
    "role_arn = \"arn:aws:iam::123456789012:role/x\"\nrole_session_name = \"a/b\"\n",
    "env = \"A\"\n",
    "files = []\n",
    "load = { path = \"/a\" }\n",
    "load = [\"/a\"]\n",
    "[env]\n\"\" = \"a\"\n",
    "[env]\n\"A=B\" = \"a\"\n",
    "[env]\nA = 1\n",
    "[env]\nA = []\n",
    "[env]\nA = {}\n",
    "[env]\nA = \"\"\n",
    "[env]\nA = \"a b\"\n",
    "[env]\nA = \"a:1\"\n",
    "[env]\nA = { key = \"a:1\" }\n",
    "[env]\nA = { key = \"a\", parameter = \"/a\" }\n",
    "[env]\nA = { secret = \"a\", parameter = \"/a\" }\n",
    "[env]\nA = { secret = \"a\", key = \"a\" }\n",
    "[env]\nA = { optional = true }\n",
    "[env]\nA = { key = 1 }\n",
    "[env]\nA = { key = \"a\", optional = \"true\" }\n",
    "[env]\nA = { key = \"a\", optional = true, default = \"x\" }\n",
    "[env]\nA = { key = \"a\", default = 1 }\n",
    "[env]\nA = { key = \"a\", default = \"\\u0000\" }\n",
    "[env]\nA = { key = \"a\", version = 0 }\n",
    "[env]\nA = { key = \"a\", version = -1 }\n",
    "[env]\nA = { key = \"a\", version = 99999999999999999999 }\n",
    "[env]\nA = { key = \"a\", version = 1.5 }\n",
    "[env]\nA = { key = \"a\", version = \"1\" }\n",
    "[env]\nA = { key = \"a\", version = 1, label = \"x\" }\n",
    "[env]\nA = { key = \"a\", label = \"awsome\" }\n",
    "[env]\nA = { key = \"a\", label = \"1st\" }\n",
    "[env]\nA = { key = \"a\", label = \"\" }\n",
    "[env]\nA = { secret = \"a\", version = 1 }\n",
    "[env]\nA = { secret = \"a\", label = \"a b\" }\n",
    "[env]\nA = { key = \"a\", json = \"\" }\n",
    "[env]\nA = { key = \"a\", json = \"a..b\" }\n",
    "[env]\nA = { key = \"a\", json = \"a\", list = \" \" }\n",
    "[env]\nA = { key = \"a\", list = 1 }\n",
    "[env]\nA = { key = \"a\", decode = \"base64\" }\n",
    "[env]\nA = { key = \"a\", mode = \"0444\" }\n",
    "[files]\nA = { key = \"a\", decode = \"hex\" }\n",
    "[files]\nA = { key = \"a\", mode = \"0600\" }\n",
    "[files]\nA = { key = \"a\", mode = 400 }\n",
    "[files]\nA = { key = \"a\", nope = 1 }\n",
    "[[load]]\n",
    "[[load]]\npath = 1\n",
    "[[load]]\npath = \"/a\"\nrecursive = \"yes\"\n",
    "[[load]]\npath = \"/a\"\nprefix = \"A=\"\n",
    "[[load]]\npath = \"/a\"\nlabel = \"ssm\"\n",
    "[[load]]\npath = \"/a\"\noptional = 1\n",
    "[[load]]\npath = \"/a\"\nnope = 1\n",
    "[[load]]\npath = \"/a\"\ncase = \"lower\"\n",
    "[[load]]\npath = \"/a\"\njoin = \"-\"\n",
    "[[expand]]\nprefix = \"A_\"\n",
    "[[expand]]\nkey = \"a\"\nsecret = \"b\"\n",
    "[[expand]]\nkey = \"a\"\njson = \"b\"\n",
    "[[expand]]\nkey = \"a\"\ndefault = \"b\"\n",
    "expand = 1\n",
    "[env]\nA = { key = \"a\", json = [] }\n",
    "[env]\nA = { key = \"a\", json = [\"\"] }\n",
    "[env]\nA = { key = \"a\", json = [1] }\n",
    "[env]\nA = { key = \"a\", private = 1 }\n",
    "[env]\nA = { template = \"a}\" }\n",
    "[env]\nA = { template = \"{}\" }\n",
    "[env]\nB = \"b\"\nA = { template = \"{B:hex}\" }\n",
    "[env]\nA = { template = \"a\", template_file = \"b\" }\n",
    "[env]\nA = { template = \"a\", key = \"b\" }\n",
    "[env]\nA = { template = \"a\", private = true }\n",
    "[env]\nA = { template = \"a\", mode = \"0444\" }\n",
    "[env]\nA = { template = \"a\", optional = true, default = \"b\" }\n",
];

fn schema() -> Value {
    let text = std::fs::read_to_string(SCHEMA).expect("it is in the repository");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_parser_accepts_the_good_and_refuses_the_bad() {
    for (texts, code) in [(GOOD, 0), (BAD, 78)] {
        for text in texts {
            let spec = TempFile::spec(text);
            // A flag would hide what the file says of these two.
            let said = text.contains("project") || text.contains("environment");
            let flags: &[&str] = if said { &[] } else { &["-p", "p", "-e", "e"] };
            offline([&["plan", "-s", &spec.arg()], flags].concat()).output().case(text).expect(code);
        }
    }
}

#[test]
fn the_schema_knows_the_keys_that_the_parser_knows() {
    let schema = schema();
    for (pointer, text) in [
        ("/properties", "zzzzzzzzzz = 1\n"),
        ("/definitions/value/properties", "[env]\nA = { key = \"a\", zzzzzzzzzz = 1 }\n"),
        ("/definitions/file/properties", "[files]\nA = { key = \"a\", zzzzzzzzzz = 1 }\n"),
        ("/definitions/template/properties", "[env]\nA = { template = \"a\", zzzzzzzzzz = 1 }\n"),
        ("/definitions/fileTemplate/properties", "[files]\nA = { template = \"a\", zzzzzzzzzz = 1 }\n"),
        ("/definitions/expand/properties", "[[expand]]\nkey = \"a\"\nzzzzzzzzzz = 1\n"),
        ("/definitions/load/properties", "[[load]]\npath = \"/a\"\nzzzzzzzzzz = 1\n"),
    ] {
        let stderr = Given::spec(text).and_args(&["-p", "p", "-e", "e"]).offline("plan", &[]).expect(78).stderr();
        let known = stderr.lines().find_map(|line| line.trim().strip_prefix("help: known here: "));
        let known: BTreeSet<&str> = known.expect("nothing is near").split(", ").collect();
        let keys = schema.pointer(pointer).and_then(Value::as_object).expect("a table of properties").keys();
        assert_eq!(keys.map(String::as_str).collect::<BTreeSet<_>>(), known, "{pointer}");
    }
}

#[test]
fn an_independent_validator_comes_to_the_parser_s_verdicts() {
    let Some(python) = tool("python3") else { return };
    let program = "import json, sys, tomllib\nfrom jsonschema import Draft7Validator\n\
        schema = json.load(open(sys.argv[1]))\nDraft7Validator.check_schema(schema)\n\
        validator = Draft7Validator(schema)\n\
        print(json.dumps([validator.is_valid(tomllib.loads(text)) for text in json.load(sys.stdin)]))";
    let texts: Vec<&str> = GOOD.iter().chain(BAD).copied().collect();
    let ran = feed(&python, &["-c", program, SCHEMA], &serde_json::json!(texts).to_string()).expect(0);
    let verdicts: Vec<bool> = serde_json::from_value(ran.json()).expect("a list");
    for (at, (text, valid)) in texts.iter().zip(verdicts).enumerate() {
        assert_eq!(valid, at < GOOD.len(), "the schema about\n{text}");
    }
}
