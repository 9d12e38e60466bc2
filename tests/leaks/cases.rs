//! The ways to end, for the hunt: each with what is asked for, what goes wrong, and the exit code.

mod identity;

pub use identity::{credentials, profiles};

use fake_aws::{Action, Fake, Fault, KmsDenial, Service};
use serde_json::json;

use crate::canary::{CORE, VALUE};

/// A way to end: what is asked for, what goes wrong, and with which code it ends.
pub struct Case {
    pub name: &'static str,
    pub args: Vec<String>,
    pub env: Vec<(&'static str, String)>,
    pub arrange: Box<dyn Fn(&Fake) + Sync + Send>,
    /// A file with the canary: `FILE` among the arguments, and the AWS configuration.
    pub file: Option<String>,
    pub code: i32,
}

impl Case {
    pub fn new(name: &'static str, args: &str, code: i32) -> Self {
        let args = args.split_whitespace().map(str::to_owned).collect();
        Case { name, args, env: Vec::new(), arrange: Box::new(|_| {}), file: None, code }
    }

    fn fault(self, fault: impl Fn() -> Fault + Sync + Send + 'static) -> Self {
        Case { arrange: Box::new(move |fake| fake.fault(fault())), ..self }
    }

    pub fn arrange(self, arrange: impl Fn(&Fake) + Sync + Send + 'static) -> Self {
        Case { arrange: Box::new(arrange), ..self }
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }
}

/// Where this suite does not judge the code.
pub const ANY: i32 = -1;

/// One key, in one scope.
pub const KEY: &str = "--scope shared -k canary";

fn exec(name: &'static str, options: &str, code: i32) -> Case {
    // What is tried again is so until the deadline; the rest must not meet it.
    let timeout = if code == 75 { "--timeout 1s" } else { "" };
    Case::new(name, &format!("exec LEVEL {timeout} {options} -- /bin/true"), code)
}

fn ssm(action: Action) -> Fault {
    Fault::always(action).service(Service::Ssm)
}

type MakeAction = fn() -> Action;

/// The answers of the store that are no answers. Each is tried again until the deadline.
pub fn garbled() -> Vec<Case> {
    let actions: Vec<(&'static str, MakeAction)> = vec![
        ("an error that echoes the values", || Action::EchoValues),
        // Of one parameter, and of several.
        ("an answer cut after the value", || Action::TruncateBody(250)),
        ("an answer cut after a value", || Action::TruncateBody(330)),
        ("an answer cut in the value", || Action::TruncateBody(60)),
        ("a connection reset in the answer", || Action::ResetAfter(300)),
        ("a connection that ends in the answer", || Action::FinAfter(300)),
        ("a 200 that is text", || Action::body(VALUE)),
        ("a 200 of another type", || Action::Body {
            status: 200,
            content_type: "text/html".into(),
            body: VALUE.into(),
        }),
        ("bytes that are not HTTP", || Action::Raw(VALUE.into())),
        ("a value that is a number", || {
            Action::rewrite(|mut body| {
                body["Parameters"][0]["Version"] = json!(VALUE);
                body
            })
        }),
        ("a value in the wrong place", || {
            Action::rewrite(|mut body| {
                body["Parameters"][0]["Name"] = json!(VALUE);
                body["InvalidParameters"] = json!([VALUE]);
                body
            })
        }),
        ("a code that is the value", || Action::error(400, VALUE, VALUE)),
        ("a 500 that is the value", || Action::error(500, "InternalServerError", VALUE)),
    ];
    let cases = actions.into_iter().map(|(name, action)| {
        exec(name, &format!("{KEY} --load /load --parameter S=/aws/reference/secretsmanager/app/secret"), 75)
            .fault(move || ssm(action()))
    });
    cases.collect()
}

/// What ends at once, with an error about the value or around it.
pub fn refused() -> Vec<Case> {
    let denied = format!("User: {VALUE} is not authorized to perform: {VALUE} on resource: {VALUE} because {VALUE}");
    let denial = move || ssm(Action::error(400, "AccessDeniedException", &denied));
    let invalid = || ssm(Action::error(400, "ValidationException", VALUE));
    let expired = || ssm(Action::error(400, "ExpiredTokenException", VALUE));
    vec![
        exec("it works", KEY, 0),
        exec("a secret works", "--parameter S=/aws/reference/secretsmanager/app/secret", 0),
        exec("a path works", "--load /load", 0),
        exec("denied with the value in the message", KEY, 77).fault(denial),
        exec("refused as malformed", KEY, 78).fault(invalid),
        exec("expired", KEY, 77).fault(expired),
        exec("one is missing beside it", &format!("{KEY} -k missing"), 66),
        exec("a NUL in the value", "--scope shared -k nul", 65),
        exec("too big for a variable", "--scope shared -k big", 65),
        exec("kms denies it by its text", "--scope shared -k locked", 77).arrange(|fake| {
            fake.kms_denial(KmsDenial::Ciphertext);
            let allow = json!({"Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]});
            fake.policy("projectA-production", allow);
            fake.role(Some("projectA-production"));
        }),
        exec("set already", &format!("--existing error {KEY}"), 65).env("CANARY", VALUE),
        exec("an interpreter that is missing", KEY, 0).env("UNUSED", VALUE),
        Case::new("not found", &format!("exec LEVEL {KEY} -- no-such-command-here"), 127),
        Case::new("check", &format!("check LEVEL {KEY} --load /load"), 0),
        Case::new("check as JSON", &format!("check LEVEL --format json {KEY} --load /load"), 0),
        Case::new("check with what is unusable", "check LEVEL --scope shared -k nul -k missing", 66),
        Case::new("lock", &format!("lock LEVEL {KEY} --load /load"), 0),
        Case::new("lock of a secret", "lock LEVEL --parameter S=/aws/reference/secretsmanager/app/secret", 0),
        Case::new("plan", &format!("plan LEVEL --existing keep {KEY}"), 0).env("CANARY", VALUE),
        exec("a reference that is none", "--references", 78).env("REF", &format!("ssm:{VALUE}")),
        exec("a reference", "--references", 0).env("REF", "ssm:shared.canary"),
    ]
}

/// What fails when values are there: on the way to the exec, and at it.
pub fn late() -> Vec<Case> {
    let batches: String = (0..20).map(|number| format!(" -k n{number}")).collect();
    let many = |fake: &Fake| {
        for number in 0..20 {
            fake.put(&format!("/many/v{number}"), "SecureString", &VALUE.repeat(2900));
        }
    };
    let alike = |fake: &Fake| {
        fake.put("/alike/a-b", "SecureString", VALUE);
        fake.put("/alike/a_b", "SecureString", VALUE);
    };
    let second = |action: MakeAction| move || ssm(action()).operation("GetParameters").name("shared.n19");
    vec![
        exec("a name that loads code", "--load /bad", 65).arrange(|fake| {
            fake.put("/bad/LD_PRELOAD", "SecureString", VALUE);
        }),
        exec("two names for one variable", "--load /alike", 65).arrange(alike),
        exec("too much for the exec", "--load /many", 65).arrange(many),
        exec("a second answer that never comes", &format!("--scope shared{batches}"), 75)
            .fault(second(|| Action::Hang)),
        exec("a second answer that is refused", &format!("--scope shared{batches}"), 77)
            .fault(second(|| Action::error(400, "AccessDeniedException", VALUE))),
        exec("throttled until the end", KEY, 75).fault(|| ssm(Action::error(400, "ThrottlingException", VALUE))),
        Case {
            file: Some(format!("\x7fELF{CORE}")),
            ..Case::new("no program", &format!("exec LEVEL {KEY} -- FILE"), 126).env("AWS_CONFIG_FILE", "/nowhere")
        },
        Case::new("check with names that clash", "check LEVEL --load /alike", 65).arrange(alike),
        Case::new("check with what is too much", "check LEVEL --format json --load /many", 65).arrange(many),
    ]
}

/// What looks into the value: a field, a list, base64, a file.
pub fn shapes() -> Vec<Case> {
    let lines: Vec<(&'static str, &str, i32)> = vec![
        ("not JSON", "[env]\nA = { key = \"canary\", json = \"field\" }", 65),
        ("no such field", "[env]\nA = { key = \"json\", json = \"nope.deep\" }", 65),
        ("a field that is null", "[env]\nA = { key = \"json\", json = \"none\" }", 65),
        ("a field of a string", "[env]\nA = { key = \"json\", json = \"field.0\" }", 65),
        ("a list that is none", "[env]\nA = { key = \"canary\", list = \" \" }", 65),
        ("not base64", "[files]\nA = { key = \"canary\", decode = \"base64\" }", 65),
        ("too big", "[env]\nA = \"big\"\nB = \"big\"", 65),
        ("a label that nobody set", "[env]\nA = { key = \"canary\", label = \"current\" }", 66),
        ("a version that is none", "[env]\nA = { parameter = \"shared.canary\", version = 9 }", 66),
        (
            "all that works",
            "[env]\nA = { key = \"json\", json = \"field\" }\nB = { key = \"list\", list = \" \" }\n[files]\nF = \"canary\"",
            0,
        ),
    ];
    by_specs(lines)
}

/// What is made of values: variables of the fields of one, and texts of several.
pub fn made() -> Vec<Case> {
    by_specs(vec![
        ("an object that is expanded", "[[expand]]\nkey = \"json\"\nonly = [\"FIELD\"]", 0),
        ("an object with a field that is null", "[[expand]]\nkey = \"json\"", 65),
        ("an object that is none", "[[expand]]\nkey = \"canary\"", 65),
        (
            "a template",
            "[env]\nP = { key = \"canary\", private = true }\nT = { template = \"{P}{P:url}{P:base64}{P:json}{P:shell}\" }",
            0,
        ),
        (
            "a template that is too big",
            "[env]\nP = { key = \"big\", private = true }\nT = { template = \"{P}{P}\" }",
            65,
        ),
        (
            "a template with a NUL",
            "[env]\nT = { template = \"{P}\" }\n[files]\nP = { key = \"nul\", private = true }",
            65,
        ),
        ("a template of what is missing", "[env]\nP = \"canary\"\nQ = \"none\"\nT = { template = \"{P}{Q}\" }", 66),
    ])
}

/// A spec for each: its name, its lines, and the code.
fn by_specs(lines: Vec<(&'static str, &str, i32)>) -> Vec<Case> {
    let cases = lines.into_iter().map(|(name, text, code)| {
        let case = Case::new(name, "exec LEVEL --allow-writable-spec --spec FILE -- /bin/true", code);
        Case { file: Some(format!("scopes = [\"shared\"]\n{text}\n")), ..case.env("AWS_CONFIG_FILE", "/nowhere") }
    });
    cases.collect()
}

/// What was named as a spec by mistake.
pub fn not_specs() -> Vec<Case> {
    let files: Vec<(&'static str, String)> = vec![
        ("a file of variables", format!("PASSWORD={CORE}\n")),
        ("a file of quoted variables", format!("PASSWORD=\"{CORE}\"\nOTHER='{CORE}'\n")),
        ("a file of exports", format!("export PASSWORD={CORE}\n")),
        ("a key file", format!("-----BEGIN PRIVATE KEY-----\n{CORE}\n-----END PRIVATE KEY-----\n")),
        ("a bare secret", format!("{CORE}\n")),
        ("a shadow file", format!("root:$y$j9T${CORE}:19000:0:99999:7:::\n")),
        ("a JSON file", format!("{{\"password\": \"{CORE}\"}}\n")),
        ("a netrc file", format!("machine x login y password {CORE}\n")),
        ("an unknown table", format!("[database]\npassword = \"{CORE}\"\n")),
    ];
    let cases = files.into_iter().map(|(name, text)| {
        let case = Case::new(name, "exec LEVEL --allow-writable-spec --spec FILE -- /bin/true", 78);
        Case { file: Some(text), ..case }
    });
    cases.collect()
}
