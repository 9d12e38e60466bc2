//! What `plan`, `check`, `completions`, help and the logs print: to the right stream, never a value, colour only for people.

use crate::common::{
    ARTICLE, Given, HOME, Ran, Run, TempFile, article, assert_untouched, offline, program, stepzero, store, terminal,
};
use fake_aws::Fake;
use serde_json::{Value, json};

fn article_args() -> Vec<&'static str> {
    [&HOME[..], &["-k", "newrelic_key", "-k", "database_username", "-k", "database_password"]].concat()
}

#[track_caller]
fn without_values(ran: Ran) -> Ran {
    ran.hides(&ARTICLE.map(|(_, value)| value))
}

/// A completion knows the words that an option takes.
#[test]
fn completions_offer_the_words_of_an_option() {
    let script = offline(["completions", "bash"]).output().expect(0).stdout();
    let path = TempFile::new("completions", &script);
    let ask = "source \"$1\"; COMP_WORDS=(stepzero exec \"$2\" \"\"); COMP_CWORD=3; _stepzero stepzero \"\" \"$2\"; echo \"${COMPREPLY[*]}\"";
    for (option, words) in [
        ("--existing", "replace keep error"),
        ("--separator", ". /"),
        ("--credentials", "auto instance-profile"),
        ("--log-format", "text json"),
    ] {
        let ran = Ran::of(program("bash").args(["-c", ask, "bash", &path.arg(), option]));
        assert_eq!(ran.stdout().trim(), words, "{option}");
    }
}

#[test]
fn help_and_version_are_on_stdout() {
    for args in
        [&["--help"][..], &["-h"], &["exec", "--help"], &["exec", "-h"], &["plan", "--help"], &["--version"], &["-V"]]
    {
        let ran = offline(args).output().expect(0);
        assert!(!ran.stdout().is_empty() && ran.stderr().is_empty(), "{args:?}");
    }
    let version = offline(["--version"]).output().stdout();
    assert_eq!(version, format!("stepzero {}\n", env!("CARGO_PKG_VERSION")));
    let help = offline(["exec", "--help"]).output().stdout();
    let options = "--spec --project --environment --scope --separator --key --parameter --load --references --pristine --keep \
                   --existing --region --endpoint-url --profile --credentials --timeout --verbose --quiet --log-format STEPZERO_SPEC STEPZERO_TIMEOUT";
    for option in options.split(' ') {
        assert!(help.contains(option), "{option}");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = offline(["completions", shell]).output().expect(0);
        assert!(ran.stdout().contains("references") && ran.stderr().is_empty(), "{shell}");
    }
}

#[test]
fn plan_shows_what_would_be_asked_for() {
    let fake = Fake::start();
    let spec = "project = \"p\"\nenvironment = \"e\"\n[env]\n\
                A = \"k\"\nB = { key = \"k\", optional = true }\nC = { parameter = \"/x:3\", default = \"hunter2\" }\n";
    let env = [("C", "inherited")];
    let plan = Given::spec(spec).and_env(&env).plan(&fake);
    assert_eq!(plan["format"], 1);
    assert_eq!(plan["calls"], 1);
    assert_eq!(plan["scopes"], json!(["p.e", "p.shared", "e", "shared"]));
    assert_eq!(plan["names"], json!(["p.e.k", "p.shared.k", "e.k", "shared.k", "/x:3"]));
    let rows: Vec<(&Value, &Value, &Value, &Value)> = plan["variables"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (&row["variable"], &row["source"], &row["if_absent"], &row["inherited"]))
        .collect();
    let want = [
        (json!("A"), json!("key"), json!("error"), json!(false)),
        (json!("B"), json!("key"), json!("skip"), json!(false)),
        (json!("C"), json!("parameter"), json!("default"), json!(true)),
    ];
    assert_eq!(rows, want.iter().map(|(a, b, c, d)| (a, b, c, d)).collect::<Vec<_>>());
    assert_eq!(plan["variables"][0]["candidates"][1], json!({"parameter": "p.shared.k", "scope": "p.shared"}));

    let text = Given::spec(spec).and_env(&env).run(&fake, "plan", &[]).expect(0).stdout();
    let order =
        ["3 variables, 5 names, 1 GetParameters call", "VARIABLE", "p.e.k", "p.shared.k", " e.k", " shared.k", "/x:3"];
    let places: Vec<usize> =
        order.iter().map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"))).collect();
    assert!(places.is_sorted(), "{text}");
    assert_untouched(&fake);
}

#[test]
fn check_shows_what_won_and_what_it_overrode() {
    let fake = article();
    let args = article_args();
    let given = Given::args(&args);
    let report = without_values(given.run(&fake, "check", &["--format", "json"]).expect(0)).json();
    assert_eq!((&report["ok"], &report["format"]), (&json!(true), &json!(1)));
    let password = &report["variables"][2];
    let want = json!({
        "variable": "DATABASE_PASSWORD", "status": "ok", "target": "environment",
        "parameter": "projectA.production.database_password", "scope": "projectA.production", "version": 1,
        "type": "SecureString", "overrode": ["shared.database_password"],
        "names": [
            { "name": "projectA.production.database_password", "status": "found" },
            { "name": "projectA.shared.database_password", "status": "missing" },
            { "name": "production.database_password", "status": "missing" },
            { "name": "shared.database_password", "status": "found" },
        ],
    });
    assert_eq!(password, &want);

    let ran = without_values(given.run(&fake, "check", &[]).expect(0));
    for part in
        ["DATABASE_PASSWORD", "projectA.production.database_password", "SecureString", "shared.database_password"]
    {
        assert!(ran.stdout().contains(part), "{part}: {}", ran.stdout());
    }

    fake.put("shared.nul", "String", "a\0b");
    let text = Given::args(&[&args[..], &["-k", "nul"]].concat()).run(&fake, "check", &[]);
    let why = "\nwhat is unusable, and why:\n  NUL: the value of shared.nul cannot be used: it has a NUL byte";
    assert!(text.stdout().contains(why), "{}", text.stdout());

    let spec =
        "[env]\nD = { key = \"nope\", default = \"hunter2\" }\nO = { key = \"nope\", optional = true }\nM = \"nope\"\n";
    let ran = Given::spec(spec).and_args(&HOME).run(&fake, "check", &["--format", "json"]).expect(66);
    let report: Value = ran.json();
    let statuses: Vec<&str> =
        report["variables"].as_array().expect("a list").iter().filter_map(|row| row["status"].as_str()).collect();
    assert_eq!(statuses, ["default", "left_alone", "missing"]);
    assert_eq!(report["variables"][2]["asked_for"][3], "shared.nope");
}

#[test]
fn logs_are_on_stderr_and_hold_no_value() {
    let fake = article();
    let args = article_args();
    type Judge = fn(&str) -> bool;
    let cases: [(&[&str], Judge); 5] = [
        (&[], str::is_empty),
        (&["-v"], |text| {
            text.contains("stepzero: DATABASE_PASSWORD from projectA.production.database_password version 1")
        }),
        (&["-vvv"], |text| text.contains("stepzero: ") && text.lines().all(|line| line.starts_with("stepzero: "))),
        (&["-q"], str::is_empty),
        (&["-q", "-vvv"], str::is_empty),
    ];
    for (more, good) in cases {
        let args = [args.clone(), more.to_vec()].concat();
        let env = [("RUST_LOG", "trace"), ("LOG_SENSITIVE_BODIES", "true")];
        let ran = without_values(Given::args(&args).and_env(&env).run(&fake, "exec", &["true"]).expect(0));
        assert!(ran.stdout().is_empty() && good(&ran.stderr()), "{ran}");
    }
    let quiet = [HOME.to_vec(), vec!["-k", "nope", "-q"]].concat();
    Given::args(&quiet).fails(&fake, 66, &["stepzero: 1 required parameter", "shared.nope"]);
}

#[test]
fn json_logs_are_one_object_a_line() {
    let fake = article();
    let lines = |text: &str| text.lines().map(|line| serde_json::from_str(line).expect(line)).collect::<Vec<Value>>();
    let args = [article_args(), vec!["-v", "--log-format", "json"]].concat();
    let ran = Given::args(&args).run(&fake, "exec", &["true"]).expect(0);
    let won = lines(&ran.stderr());
    assert_eq!(won.len(), 3);
    assert!(won.iter().all(|line| line["level"] == "INFO" && line["message"].is_string() && line["time"].is_string()));
    let password = won.iter().find(|line| line["variable"] == "DATABASE_PASSWORD").expect("a line each");
    let (parameter, scope) = ("projectA.production.database_password", "projectA.production");
    assert_eq!((&password["parameter"], &password["scope"]), (&json!(parameter), &json!(scope)));
    assert_eq!((&password["version"], &password["field"]), (&json!(1), &Value::Null));

    let args = [HOME.to_vec(), vec!["-k", "nope", "--log-format", "json"]].concat();
    let ran = Given::args(&args).exec(&fake).expect(66);
    let failed = lines(&ran.stderr());
    assert_eq!(failed.len(), 1, "{ran}");
    assert_eq!(
        (&failed[0]["level"], &failed[0]["exit_code"], &failed[0]["exit_name"]),
        (&json!("ERROR"), &json!(66), &json!("NOINPUT"))
    );
}

/// What a command prints on a terminal of so many columns.
#[track_caller]
fn on_terminal(width: u16, run: Run) -> String {
    drawn(width, run, true)
}

/// The same of one that fails, whose messages go elsewhere.
#[track_caller]
fn failing_on_terminal(width: u16, run: Run) -> String {
    drawn(width, run, false)
}

#[track_caller]
fn drawn(width: u16, run: Run, succeeds: bool) -> String {
    let (mut near, far) = terminal(width);
    let ran = Ran::of(run.command().stdout(far));
    assert_eq!(ran.code() == 0, succeeds, "{ran}");
    let mut text = Vec::new();
    // A terminal whose other end is closed ends with EIO, after everything that was written.
    let _ = std::io::Read::read_to_end(&mut near, &mut text);
    String::from_utf8(text).expect("UTF-8")
}

/// Without the bold heading, which takes no column.
fn plain(text: &str) -> String {
    text.replace("\x1b[1m", "").replace("\x1b[0m", "")
}

/// Lines that fit, by the columns that each takes.
#[track_caller]
fn fits(width: usize, text: &str) {
    for line in plain(text).lines() {
        let columns = line.trim_end().chars().count();
        assert!(columns <= width, "{columns} columns on a terminal of {width}: {line}\n{text}");
    }
}

#[test]
fn a_table_fits_the_terminal() {
    let keys = ["-p", "projectA", "-e", "production", "-k", "database_password"];
    let plan = || offline(["plan"].into_iter().chain(keys));
    let whole = on_terminal(120, plan());
    assert!(whole.contains("DATABASE_PASSWORD  key database_password, --key  projectA.production.data"), "{whole}");
    let narrow = plain(&on_terminal(80, plan()));
    for name in [
        "DATABASE_PASSWORD\r\n  source: key",
        "  asked for, first wins:\r\n    projectA.production.database_password\r\n",
        "    shared.database_password",
    ] {
        assert!(narrow.contains(name), "{name}: {narrow}");
    }
    for width in [80, 40] {
        fits(width.into(), &on_terminal(width, plan()));
    }
    for help in [&["--help"][..], &["exec", "--help"], &["policy", "--help"]] {
        fits(80, &on_terminal(80, offline(help)));
    }
}

/// A name that is wider than the terminal goes on in the next line; to a pipe it is whole.
#[test]
fn long_names_fit_the_terminal() {
    const ARN: &str = "arn:aws:ssm:us-east-1:123456789012:parameter/projectA/production/databases/main/password";
    const NAME: &str = "/projectA/production/databases/main/password";
    const PATH: &str = "/projectA/production/a-path/that-is/rather-longer/than-the/terminal-is/wide-and-then/some-more";
    let fake = store(&[(NAME, "hunter2"), ("/projectA/production/x", "hunter2")]);
    let spec = format!(
        "[env]\nMAIN_DATABASE_PASSWORD = {{ parameter = \"{ARN}\" }}\nOTHER = {{ parameter = \"{PATH}\", optional = true }}\n\
         [[load]]\npath = \"/projectA/production\"\nrecursive = true\nonly = [\"DATABASES_*\", \"X\"]\n"
    );
    let spec = TempFile::spec(spec);
    for command in ["plan", "check"] {
        let run = || stepzero(&fake, [command, "-s", &spec.arg()]);
        assert!(run().output().expect(0).stdout().contains(ARN));
        for width in [80, 40] {
            let text = on_terminal(width, run());
            fits(width.into(), &text);
            // Nothing but line ends and margins stands in the name.
            let joined: String = text.split_whitespace().collect();
            assert!(joined.contains(ARN) && (command == "check" || joined.contains(PATH)), "{text}");
            assert!(!text.contains(ARN), "{text}");
        }
    }
}

#[test]
fn check_has_a_sign_for_each_status_on_a_terminal() {
    let fake = store(&[("shared.ok", "v"), ("shared.nul", "a\0b")]);
    let spec = "[env]\nOK = \"ok\"\nD = { key = \"nope\", default = \"d\" }\nO = { key = \"nope\", optional = true }\n\
                M = \"nope\"\nN = \"nul\"\n";
    let spec = TempFile::spec(spec);
    let run = || stepzero(&fake, ["check", "--scope", "shared", "-s", &spec.arg()]);
    let words = ["ok", "default", "left alone", "missing", "unusable"];
    let piped = run().output().expect(66).stdout();
    for (signs, width) in [("✓=-✗✗", 200), ("✓=-✗✗", 40)] {
        let text = failing_on_terminal(width, run());
        for (sign, word) in signs.chars().zip(words) {
            assert!(text.contains(&format!(" {sign} {word}")), "{sign} {word}: {text}");
            assert!(piped.contains(&format!("  {word}")), "{word}: {piped}");
        }
        fits(width.into(), &text);
    }
    assert!(!piped.contains(['✓', '✗', '=']), "{piped}");
}

#[test]
fn colour_is_for_a_terminal_without_no_color() {
    let plan = || offline(["plan", "--parameter", "/x/y"]);
    for (no_color, want) in [(None, true), (Some("1"), false), (Some(""), true)] {
        let run = plan().envs(no_color.map(|value| ("NO_COLOR", value)));
        let text = on_terminal(0, run);
        assert!(text.contains("VARIABLE"), "{text:?}");
        assert_eq!(text.contains('\u{1b}'), want, "{no_color:?}: {text:?}");
    }
    assert!(!plan().output().expect(0).stdout().contains('\u{1b}'));
}

#[test]
fn check_has_the_code_of_exec_for_what_is_too_large() {
    let fake = store(&[("k", &"x".repeat(140_000))]);
    for command in ["check", "exec"] {
        let given = Given::args(&["--parameter", "k"]);
        given.run(&fake, command, if command == "exec" { &["true"] } else { &[] }).expect(65).says(&["K is too large"]);
    }
}
