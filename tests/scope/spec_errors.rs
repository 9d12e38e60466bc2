//! What is said about a spec that is wrong: the place, the line, a caret, and the key that was probably meant.

use crate::common::{Given, Ran, TempFile, offline};

fn plan(text: &str) -> Ran {
    Given::spec(text).and_args(&["-p", "p", "-e", "e"]).offline("plan", &[])
}

/// The message without the directory of the test.
#[track_caller]
fn said(text: &str) -> String {
    let stderr = plan(text).expect(78).stderr();
    let shown = stderr.lines().map(|line| match line.split_once("spec.toml:") {
        Some((_, rest)) => format!("spec.toml:{rest}\n"),
        None => format!("{line}\n"),
    });
    shown.collect()
}

#[test]
fn a_misspelt_key_is_shown_and_corrected_in_every_table() {
    for (text, misspelt, near) in [
        ("enviroment = \"x\"\n", "enviroment", "environment"),
        ("Timeout = \"5s\"\n", "Timeout", "timeout"),
        ("[env]\nA = { kye = \"x\" }\n", "kye", "key"),
        ("[env]\nA = { key = \"x\", optionl = true }\n", "optionl", "optional"),
        ("[env.A]\nkey = \"x\"\ndefualt = \"d\"\n", "defualt", "default"),
        ("[files]\nA = { key = \"x\", mod = \"0400\" }\n", "mod", "mode"),
        ("[[load]]\npath = \"/x\"\nrecursiv = true\n", "recursiv", "recursive"),
        ("[[loads]]\npath = \"/x\"\n", "loads", "load"),
    ] {
        let said = said(text);
        assert!(said.contains(&format!("unknown key `{misspelt}`")), "{said}");
        assert!(said.contains(&format!("did you mean `{near}`?")), "{said}");
        assert!(said.contains(&"^".repeat(misspelt.len())), "{said}");
    }
    assert!(said("colour = 1\n").contains("known here: project, environment"), "nothing is near");
}

#[test]
fn the_caret_stands_under_the_text() {
    for (text, want) in [
        ("a = 1\n", "spec.toml:1:1: unknown key `a`\n  1 | a\n    | ^\n"),
        ("[env]\r\n\tA = 3\r\n", "  2 |  A = 3\n    |      ^\n"),
        ("[env]\nA = { key = \"é日本\" }\n", "  2 | A = { key = \"é日本\"\n    |             ^^^^^\n"),
        (
            "[env]\nA = { key = \"x\",\n  jsn = \"y\" }\n",
            "spec.toml:3:3: unknown key `jsn`\n  3 |   jsn\n    |   ^^^\n",
        ),
        ("\u{feff}[env]\nA = 3\n", "spec.toml:2:5:"),
        ("[env]\nA = \"x", "spec.toml:2:7: not TOML"),
        (
            "[env]\nA = { key = \"a\u{202e}b\" }\n",
            "  2 | A = { key = \"a\\u{202e}b\"\n    |             ^^^^^^^^^^^^\n",
        ),
    ] {
        let said = said(text);
        assert!(said.contains(want), "{want}\nis not in\n{said}");
    }
}

#[test]
fn a_very_long_line_is_shown_around_the_place() {
    let said = said(&format!(
        "[env]\nA = {{ key = \"{}\", colour = 1, default = \"{}\" }}\n",
        "x".repeat(5000),
        "y".repeat(5000)
    ));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() < 300), "{said}");
    let at = lines.iter().position(|line| line.contains(", colour")).expect("the place is shown");
    let column = |line: &str, what: &str| line.find(what).map(|at| line[..at].chars().count());
    assert_eq!(column(lines[at], "colour"), column(lines[at + 1], "^^^^^^"), "{said}");
}

#[test]
fn several_errors_come_at_once() {
    let said = said(
        "existing = \"maybe\"\ntimeout = \"soon\"\n[env]\nA = 3\nB = { key = \"a b\" }\nC = {}\n[[load]]\nprefix = \"X=\"\n",
    );
    for line in [1, 2, 4, 5, 6, 7, 8] {
        assert!(said.contains(&format!("spec.toml:{line}:")), "{line} is not in\n{said}");
    }
}

/// That there is no source is told where nothing that is there can be a misspelt one.
#[test]
fn an_unknown_key_is_not_told_twice() {
    const WHERE: &str = "where from? Say one of";
    for (text, unknown, second) in [
        ("[env]\nA = { kye = \"x\" }\n", 1, None),
        ("[env]\nA = { ssm = \"x\" }\n", 1, None),
        ("[files]\nA = { paramter = \"/x\", colour = 1 }\n", 2, None),
        ("[env]\nA = { optinal = true }\n", 1, Some(WHERE)),
        ("[env]\nA = {}\n", 0, Some(WHERE)),
    ] {
        let said = said(text);
        assert_eq!(said.matches("unknown key").count(), unknown, "{said}");
        let others = said.lines().filter(|line| line.starts_with("spec.toml:") && !line.contains("unknown key"));
        assert_eq!(others.count(), usize::from(second.is_some()), "{said}");
        assert!(said.contains(second.unwrap_or_default()), "{said}");
    }
}

#[test]
fn one_placeholder_is_one_message_wherever_it_stands() {
    let spec = "[env]\nA = { parameter = \"/{project}/a\" }\nB = \"k\"\n[[load]]\npath = \"/{project}/b\"\n";
    let ran = Given::spec(spec).and_args(&["-e", "e"]).offline("plan", &[]).expect(78);
    let stderr = ran.stderr();
    assert_eq!(stderr.matches("nothing fills {project}").count(), 1, "{ran}");
    assert_eq!(stderr.matches("help: ").count(), 1, "{ran}");
    ran.says(&[
        "\"{project}.{environment}\"",
        "\"{project}.shared\"",
        "spec.toml:2:1: \"/{project}/a\"",
        "spec.toml:5:8: \"/{project}/b\"",
    ]);
}

#[test]
fn what_is_not_toml_or_not_text() {
    for (text, says) in [
        ("[env]\nA = \"x\"\nA = \"y\"\n", "spec.toml:3:1: not TOML: duplicate key"),
        ("[env]\n[env]\n", "spec.toml:2:"),
        ("env.A = \"x\"\n[env]\nB = \"y\"\n", "not TOML"),
        ("= 1\n", "spec.toml:1:1: not TOML"),
        ("a\0b = 1\n", "not TOML"),
        ("\"unclosed", "not TOML"),
    ] {
        let said = said(text);
        assert!(said.contains(says), "{says}\nis not in\n{said}");
    }
    let spec = TempFile::spec(b"[env]\nA = \"\xff\"\n");
    offline(["plan", "-s", &spec.arg()]).output().expect(78).says(&["spec.toml:2: the spec is not UTF-8"]);
    offline(["plan", "-s", "/nonexistent/spec.toml"]).output().expect(66).says(&["/nonexistent/spec.toml"]);
}

#[test]
fn every_way_that_toml_writes_a_table() {
    for text in [
        "[env]\nA = { key = \"x\" }\n",
        "[env]\nA.key = \"x\"\n",
        "env.A.key = \"x\"\n",
        "env = { A = \"x\" }\n",
        "[env.A]\nkey = \"x\"\n",
        "[env]\n\"A\" = 'x'\n",
        "[env]\nA = { key = \"x\",\n  # a comment\n  optional = false,\n}\n",
        "[env]\r\nA = \"\"\"x\"\"\"\r\n",
    ] {
        let ran = plan(text).expect(0);
        assert!(ran.stdout().lines().any(|line| line.starts_with("A ") && line.contains("p.e.x")), "{ran}");
    }
}

/// What another tool writes so: the message has what to write here.
#[test]
fn foreign_spellings_are_told_what_to_write() {
    for (source, says) in [
        ("parameter = \"ssm:///app/a\"", "here it is the name alone: /app/a"),
        (
            "secret = \"arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/my-db-AbCdEf\"",
            "spec.toml:2:16: `secret` is the name of a secret, and this is an ARN: write { secret = \"prod/my-db\" }",
        ),
        (
            "secret = \"arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/my-db:k::\"",
            "write { secret = \"prod/my-db\", json = \"k\" }",
        ),
        (
            "parameter = \"arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/x-AbCdEf\"",
            "write { secret = \"prod/x\" } in the spec, or the parameter /aws/reference/secretsmanager/prod/x",
        ),
        ("parameter = \"secretsmanager:prod/x\"", "write { secret = \"prod/x\" } in the spec"),
        ("parameter = \"SSM:/app/a\"", "here it is the name alone: /app/a"),
        ("key = \"ssm:///app/a\"", "is a full name, not a part of one: write { parameter = \"/app/a\" }"),
        (
            "key = \"arn:aws:ssm:us-east-1:123456789012:parameter/a\"",
            "write { parameter = \"arn:aws:ssm:us-east-1:123456789012:parameter/a\" }",
        ),
        ("secret = \"secretsmanager:prod/x\"", "write { secret = \"prod/x\" }"),
        ("secret = \"/aws/reference/secretsmanager/prod/x\"", "write { secret = \"prod/x\" }"),
        ("secret = \"ssm:/aws/reference/secretsmanager/prod/x\"", "write { secret = \"prod/x\" }"),
        ("secret = \"ssm:///app/a\"", "this is a parameter: write { parameter = \"/app/a\" }"),
        ("secret = \"prod/x:api_key::\"", "write { secret = \"prod/x\", json = \"api_key\" }"),
        ("secret = \"prod/x:k:AWSPREVIOUS:\"", "write { secret = \"prod/x\", json = \"k\", label = \"AWSPREVIOUS\" }"),
    ] {
        let said = said(&format!("[env]\nA = {{ {source} }}\n"));
        assert!(said.contains(says), "{said}");
    }
    offline(["plan", "--parameter", "ssm:///app/a"]).output().expect(78).says(&["--parameter", "/app/a"]);
    offline(["plan", "-k", "ssm:///app/a"]).output().expect(78).says(&["--key", "--parameter /app/a"]);
    offline(["plan", "-s", "-"]).output().expect(64).says(&["standard input", "/dev/stdin"]);
}
