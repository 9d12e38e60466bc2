//! The cross-check that nobody here wrote: the happy paths against moto's Systems Manager. `tests/run` installs moto and
//! names the Python that has it in `STEPZERO_TEST_MOTO`. moto leaves `Selector` out of its answers.

mod common;
#[path = "scope/venv.rs"]
mod venv;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use common::{Ran, Run, TempFile, offline, skip};
use serde_json::{Value as Json, json};

/// More than two calls' worth.
const MANY: usize = 23;

/// A server that runs until this process, which holds its standard input, ends.
struct Moto {
    _server: Child,
    url: String,
}

/// Skips, aloud, where there is no moto; fails where nothing may be skipped.
fn moto() -> Option<&'static Moto> {
    static MOTO: OnceLock<Option<Moto>> = OnceLock::new();
    let start = || {
        let Some(python) = std::env::var_os("STEPZERO_TEST_MOTO").filter(|path| !path.is_empty()) else {
            skip("moto", "STEPZERO_TEST_MOTO does not name a Python that has moto; run tests/run");
            return None;
        };
        let mut server = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/moto/serve.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("STEPZERO_TEST_MOTO names a Python");
        let mut stdin = server.stdin.as_ref().expect("it is piped");
        writeln!(stdin, "{}", parameters()).expect("the server reads its parameters");
        let mut url = String::new();
        let stdout = server.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut url).expect("the server prints its URL");
        assert!(url.starts_with("http://"), "moto did not start: its reason stands above");
        Some(Moto { _server: server, url: url.trim().to_owned() })
    };
    MOTO.get_or_init(start).as_ref()
}

fn parameters() -> Json {
    let put = |name: &str, kind: &str, value: &str| json!({ "Name": name, "Type": kind, "Value": value });
    let mut all = vec![
        put("shared.newrelic_key", "SecureString", "2039402939302293029230923093"),
        put("projectA.shared.database_username", "SecureString", "db_user"),
        put("projectA.production.database_password", "SecureString", "d)Dmfj@)(dJF!hp"),
        put("shared.database_password", "SecureString", "the wrong one"),
        put("/shared/newrelic_key", "SecureString", "slash 2039"),
        put("/projectA/shared/database_username", "SecureString", "slash db_user"),
        put("/projectA/production/database_password", "SecureString", "slash d)Dmfj"),
        put("versioned", "SecureString", "first"),
        put("versioned", "SecureString", "second"),
        put("versioned", "SecureString", "third"),
        put("hosts", "StringList", "a.example,b.example,c.example"),
        put("/app/host", "String", "db.example"),
        put("/app/port", "SecureString", "5432"),
        put("/app/deep/er/key", "SecureString", "down here"),
        put("/apple/host", "String", "another tree"),
        put("shared.rotated", "SecureString", "labelled"),
        put("shared.rotated", "SecureString", "latest"),
    ];
    for (at, label) in [(8, "current"), (11, "current"), (15, "old")] {
        all[at]["Label"] = label.into();
    }
    all.extend((0..MANY).map(|n| put(&format!("shared.many_{n}"), "SecureString", &format!("value {n}"))));
    Json::from(all)
}

impl Moto {
    fn run(&self, args: &[&str]) -> Run {
        offline(args)
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("STEPZERO_TIMEOUT", "30s")
    }

    /// `stepzero exec OPTIONS -- printenv NAMES`: the values.
    #[track_caller]
    fn values(&self, options: &[&str], names: &[&str]) -> Vec<String> {
        let ran = self.run(&[&["exec"], options, &["--", "printenv"], names].concat()).output().expect(0);
        ran.stdout().lines().map(str::to_owned).collect()
    }
}

const ARTICLE: [&str; 10] =
    ["-p", "projectA", "-e", "production", "-k", "newrelic_key", "-k", "database_username", "-k", "database_password"];
const ARTICLE_NAMES: [&str; 3] = ["NEWRELIC_KEY", "DATABASE_USERNAME", "DATABASE_PASSWORD"];

#[test]
fn the_application_is_named_as_by_botocore() {
    let Some(_) = moto() else { return };
    let python = std::env::var_os("STEPZERO_TEST_MOTO").expect("moto runs by it");
    for name in ["web", "my app", "a/b:c@d", "#$%&'*+-.^_`|~,!", "(x)[y]{z}\\"] {
        let script = "import sys, botocore.session, botocore.config as c, botocore.useragent as u\n\
                      s = botocore.session.get_session()\n\
                      print(u.sanitize_user_agent_string_component(raw_str=s.get_config_variable('user_agent_appid'), allow_hash=True))";
        let botocore = Command::new(&python).args(["-c", script]).env("AWS_SDK_UA_APP_ID", name).output();
        let botocore = Ran::from(botocore.expect("it is there")).expect(0).stdout();
        let fake = fake_aws::Fake::start();
        fake.put("app.key", "String", "value");
        let run = common::stepzero(&fake, ["exec", "--parameter", "KEY=app.key", "--", "true"])
            .env("AWS_SDK_UA_APP_ID", name);
        run.output().expect(0);
        let agent = fake.calls("GetParameters")[0].user_agent.clone();
        let application = agent.split(' ').find_map(|part| part.strip_prefix("app/"));
        assert_eq!(application, Some(botocore.trim_end()), "{agent}");
    }
}

#[test]
fn the_article_with_both_separators() {
    let Some(moto) = moto() else { return };
    let dotted = moto.values(&ARTICLE, &ARTICLE_NAMES);
    assert_eq!(dotted, ["2039402939302293029230923093", "db_user", "d)Dmfj@)(dJF!hp"]);
    let slashed = moto.values(&[&ARTICLE[..], &["--separator", "/"]].concat(), &ARTICLE_NAMES);
    assert_eq!(slashed, ["slash 2039", "slash db_user", "slash d)Dmfj"]);
}

#[test]
fn versions_and_labels_of_one_parameter_in_one_run() {
    let Some(moto) = moto() else { return };
    let sources = ["A=versioned:1", "B=versioned:current", "C=versioned", "D=versioned:3"];
    let options = sources.map(|source| ["--parameter", source]).concat();
    assert_eq!(moto.values(&options, &["A", "B", "C", "D"]), ["first", "second", "third", "third"]);
}

#[test]
fn a_label_on_a_key() {
    let Some(moto) = moto() else { return };
    let spec = TempFile::spec(
        "scopes = [\"/nowhere\", \"/app\"]\n[env]\nHOST = { key = \"host\", label = \"current\" }\n\
         PORT = { key = \"port\" }\n",
    );
    assert_eq!(moto.values(&["-s", &spec.arg()], &["HOST", "PORT"]), ["db.example", "5432"]);
    let spec = TempFile::spec("scopes = [\"shared\"]\n[env]\nKEY = { key = \"rotated\", label = \"old\" }\n");
    assert_eq!(moto.values(&["-s", &spec.arg()], &["KEY"]), ["labelled"]);
}

/// The same environment by a lock, also where older versions and labels were asked for.
#[test]
fn a_lock_gives_the_same() {
    let Some(moto) = moto() else { return };
    let spec = TempFile::spec(
        "project = \"projectA\"\nenvironment = \"production\"\n[env]\nPASSWORD = \"database_password\"\n\
         A = { parameter = \"versioned\", version = 1 }\nB = { parameter = \"versioned\", label = \"current\" }\n\
         C = { parameter = \"versioned\" }\nHOSTS = { parameter = \"hosts\", list = \" \" }\n\
         NOBODY = { key = \"nobody\", default = \"d\" }\n[[load]]\npath = \"/app\"\nrecursive = true\n",
    );
    let names = ["PASSWORD", "A", "B", "C", "HOSTS", "NOBODY", "HOST", "PORT", "DEEP_ER_KEY"];
    let lock = moto.run(&["lock", "-s", &spec.arg()]).output().expect(0).stdout();
    for line in ["A = { parameter = \"versioned\", version = 1 }", "B = { parameter = \"versioned\", version = 2 }"] {
        assert!(lock.contains(line), "{lock}");
    }
    let lock = TempFile::spec(&lock);
    let values = moto.values(&["-s", &lock.arg()], &names);
    assert_eq!(values, moto.values(&["-s", &spec.arg()], &names));
    let check = moto.run(&["lock", "--check", &lock.arg(), "-s", &spec.arg()]).output();
    check.prints("");
    let newer = moto.run(&["lock", "--check", &lock.arg()]).output().expect(1).stdout();
    assert!(newer.contains("A: versioned: version 1 is locked, the store has 3 since "), "{newer}");
}

#[test]
fn more_names_than_fit_into_a_call() {
    let Some(moto) = moto() else { return };
    let keys: Vec<String> = (0..MANY).flat_map(|n| ["-k".to_owned(), format!("V{n}=many_{n}")]).collect();
    let mut options = vec!["--scope", "shared"];
    options.extend(keys.iter().map(String::as_str));
    let variables: Vec<String> = (0..MANY).map(|n| format!("V{n}")).collect();
    let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
    let expected: Vec<String> = (0..MANY).map(|n| format!("value {n}")).collect();
    assert_eq!(moto.values(&options, &variables), expected);
}

#[test]
fn all_missing_names_in_one_message() {
    let Some(moto) = moto() else { return };
    let options = ["exec", "--scope", "shared", "-k", "newrelic_key", "-k", "absent", "--parameter", "versioned:9"];
    let ran = moto.run(&[&options[..], &["--parameter", "A=/not/there", "--", "true"]].concat()).output().expect(66);
    ran.says(&["stepzero: ", "shared.absent", "versioned:9", "/not/there"]);
}

#[test]
fn everything_under_a_path() {
    let Some(moto) = moto() else { return };
    assert_eq!(moto.values(&["--pristine", "--load", "/app"], &[]), ["HOST=db.example", "PORT=5432"]);
    let spec = TempFile::spec("pristine = true\n[[load]]\npath = \"/app\"\nrecursive = true\nprefix = \"APP_\"\n");
    let all = moto.values(&["-s", &spec.arg()], &[]);
    assert_eq!(all, ["APP_HOST=db.example", "APP_PORT=5432", "APP_DEEP_ER_KEY=down here"]);
    let spec = TempFile::spec("pristine = true\n[[load]]\npath = \"/app\"\nlabel = \"current\"\n");
    assert_eq!(moto.values(&["-s", &spec.arg()], &[]), ["HOST=db.example"]);
}

#[test]
fn a_list_as_it_is_and_joined_anew() {
    let Some(moto) = moto() else { return };
    let spec = TempFile::spec("[env]\nA = { parameter = \"hosts\" }\nB = { parameter = \"hosts\", list = \" \" }\n");
    let lists = moto.values(&["-s", &spec.arg()], &["A", "B"]);
    assert_eq!(lists, ["a.example,b.example,c.example", "a.example b.example c.example"]);
}

/// Roles of another account see that account's parameters, of which there are none.
#[test]
fn a_role_for_the_fetch() {
    let Some(moto) = moto() else { return };
    let role = |account: &str| format!("arn:aws:iam::{account}:role/reader");
    let home = role("123456789012");
    let options = ["--role-arn", &home, "--external-id", "customer-7", "--role-session-name", "me"];
    let options = [&options[..], &["--parameter", "V=versioned:1"]].concat();
    assert_eq!(moto.values(&options, &["V"]), ["first"]);
    let away = role("111111111111");
    let args = ["exec", "-vv", "--role-arn", &away, "--parameter", "V=versioned:1", "--", "true"];
    moto.run(&args)
        .output()
        .expect(66)
        .says(&["assumed the role arn:aws:iam::111111111111:role/reader", "versioned:1"]);
}

/// What the error prints puts the parameter there.
#[test]
fn the_missing_parameter_is_put_by_the_line_of_the_error() {
    let (Some(moto), Some(aws)) = (moto(), venv::tool("aws")) else { return };
    for (separator, shell) in [(".", "sh"), ("/", "bash")] {
        let options = ["-p", "projectA", "-e", "production", "--separator", separator, "-k", "written"];
        let args = [&["exec"], &options[..], &["--", "true"]].concat();
        let stderr = moto.run(&args).output().expect(66).stderr();
        let line = stderr.lines().find(|line| line.contains("aws ssm put-parameter --name")).expect("it is printed");
        assert!(line.contains(" --key-id alias/projectA/production "), "{line}");
        let mut command = common::program(shell);
        let path = std::env::join_paths([aws.parent().expect("bin").as_os_str(), "/usr/bin".as_ref(), "/bin".as_ref()]);
        command.args(["-c", line]).env("PATH", path.expect("no colon in it"));
        command.env("AWS_ENDPOINT_URL", &moto.url).env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        common::fed(&mut command, b"d)Dmfj@)(dJF!hp \\n $x\n").expect(0);
        assert_eq!(moto.values(&options, &["WRITTEN"]), ["d)Dmfj@)(dJF!hp \\n $x"]);
    }
}
