//! The other half: the line that the error for a missing parameter prints does put it there, run by a shell with the aws
//! command that nobody here wrote.

use std::process::Command;

use fake_aws::Fake;
use serde_json::Value;

use crate::common::{Directory, HOME, Ran, TempFile, fed, offline, stepzero};
use crate::venv::tool;

/// The line in the error of `exec` with these options, if there is one.
#[track_caller]
fn printed(fake: &Fake, spec: &str, args: &[&str]) -> Option<String> {
    let spec = TempFile::spec(spec);
    let path = spec.arg();
    let line = [&["exec", "-s", &path][..], args, &["--", "true"]].concat();
    let ran = stepzero(fake, line).output().expect(66).says(&["help: put it into one of the places named ("]);
    let text = ran.stderr();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("aws ssm put-parameter --name")).collect();
    assert!(lines.len() <= 1, "{text}");
    assert_eq!(lines.is_empty(), text.contains("(aws ssm put-parameter)"), "{text}");
    lines.first().map(|line| line.trim().to_owned())
}

#[test]
fn each_kind_of_name_has_its_line_or_none() {
    let fake = Fake::start();
    fake.put("here", "String", "v");
    fake.put("projectA.production.labelled", "String", "v");
    for (spec, args, options) in [
        (
            "",
            &["-k", "k"][..],
            Some("--name projectA.production.k --type SecureString --key-id alias/projectA/production"),
        ),
        (
            "separator = \"/\"\n",
            &["-k", "k"],
            Some("--name /projectA/production/k --type SecureString --key-id alias/projectA/production"),
        ),
        // Of the first missing variable, and of no other.
        (
            "",
            &["-k", "k", "-k", "l"],
            Some("--name projectA.production.k --type SecureString --key-id alias/projectA/production"),
        ),
        ("", &["--parameter", "here", "--parameter", "/a/b"], Some("--name /a/b --type SecureString")),
        ("", &["--parameter", "here:9", "--parameter", "/a/b"], Some("--name /a/b --type SecureString")),
        ("", &["--parameter", "X=-x"], Some("--name=-x --type SecureString")),
        // Whose scopes they are, only their author knows.
        ("", &["--scope", "projectA.production", "-k", "k"], Some("--name projectA.production.k --type SecureString")),
        ("scopes = [\"/x\", \"shared\"]\n", &["-k", "k"], Some("--name /x/k --type SecureString")),
        ("[env]\nA = { key = \"k\", list = \" \" }\n", &[], Some("--name projectA.production.k --type StringList")),
        (
            "[env]\nA = { key = \"k\", json = \"a\" }\n",
            &[],
            Some("--name projectA.production.k --type SecureString --key-id alias/projectA/production"),
        ),
        // Nothing is put there by PutParameter, or not by that alone.
        ("[env]\nA = { secret = \"prod/x\" }\n", &[], None),
        ("", &["--parameter", "/aws/service/x"], None),
        ("", &["--parameter", "AWSome"], None),
        ("", &["--parameter", "arn:aws:ssm:us-east-1:123456789012:parameter/x"], None),
        ("", &["--parameter", "here:9"], None),
        ("", &["--parameter", "here:label"], None),
        ("[env]\nA = { key = \"nowhere\", label = \"current\" }\n", &[], None),
    ] {
        let line = printed(&fake, spec, &[&HOME[..], args].concat());
        let expected = options
            .map(|options| format!("printf %s \"$(cat)\" | aws ssm put-parameter {options} --value file:///dev/stdin"));
        assert_eq!(line, expected, "{spec} {args:?}");
    }
    // A reference is a full name.
    let reference = offline(["exec", "--references", "--", "true"]);
    reference.envs(fake.env()).env("R", "ssm:/r").output().expect(66).says(&["--name /r --type SecureString --value"]);
}

/// What a shell makes of the line with this on its standard input. In its `PATH` are `aws` and `cat` alone: what else the line
/// needs is a part of the shell, so that no process has the value among its arguments.
fn put(shell: &str, line: &str, value: &str, environment: &[(String, String)]) -> Option<Ran> {
    let aws = tool("aws")?;
    let programs = Directory::new();
    let directory = programs.path();
    let cat =
        std::env::split_paths(&std::env::var_os("PATH")?).map(|path| path.join("cat")).find(|path| path.exists())?;
    for (name, target) in [("aws", &aws), ("cat", &cat)] {
        std::os::unix::fs::symlink(target, directory.join(name)).expect("the directory is ours");
    }
    let mut command = Command::new(format!("/bin/{shell}"));
    command.args(["-c", line]).env_clear().env("PATH", directory).env("HOME", directory);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    Some(fed(&mut command, value.as_bytes()))
}

#[test]
fn a_shell_and_the_aws_command_put_what_is_typed() {
    let fake = Fake::start();
    fake.static_credentials("AKIDWRITER", "secret", "writer");
    let variables =
        [("AWS_ACCESS_KEY_ID", "AKIDWRITER"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_DEFAULT_REGION", "us-east-1")];
    let mut environment: Vec<(String, String)> =
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    environment.extend(fake.env());
    for (shell, key, typed) in [
        ("sh", "plain", "hunter2\n"),
        ("bash", "plain_in_bash", "hunter2\n"),
        ("sh", "bare", "hunter2"),
        ("sh", "hostile", "-n '\"\\n\\\\ $(id) `id` %s %d !! * é😀\n"),
        ("bash", "hostile_in_bash", "-n '\"\\n\\\\ $(id) `id` %s %d !! * é😀\n"),
        ("sh", "lines", " one\n\n two \n\n"),
        ("bash", "a_file", "file:///etc/passwd\n"),
    ] {
        let line = printed(&fake, "", &[&HOME[..], &["-k", key]].concat()).expect("there is one");
        let Some(ran) = put(shell, &line, typed, &environment) else { return };
        ran.expect(0);
        let args = [&["exec"], &HOME[..], &["-k", key, "--", "sh", "-c"]].concat();
        let script = format!("printf %s \"${}\"", key.to_uppercase());
        let ran = stepzero(&fake, args.iter().copied().chain([script.as_str()])).output().expect(0);
        assert_eq!(ran.stdout(), typed.trim_end_matches('\n'), "{shell} {key}");
    }
    // A name that looks like an option.
    let line = printed(&fake, "", &["--parameter", "X=-x"]).expect("there is one");
    put("sh", &line, "hunter2\n", &environment).expect("the tools are there").expect(0);
    stepzero(&fake, ["exec", "--parameter", "X=-x", "--", "true"]).output().expect(0);
    // It is under the key of its scope.
    let denied: Value = serde_json::json!({ "Statement": [
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "kms:Decrypt", "Resource": fake.key("alias/projectA/production") },
    ]});
    fake.policy("projectA-production", denied);
    let args = [&["exec"], &HOME[..], &["-k", "plain", "--", "true"]].concat();
    stepzero(&fake, args).output().expect(77).says(&["kms:Decrypt"]);
}
