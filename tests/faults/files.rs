//! Files that the AWS variables name: endless ones, pipes that nobody writes to, and profile files that other tools read.

use crate::common::{Directory, Ran, Run, TempFile, VALUE, keyed, one, plain, secure, stepzero, together};
use crate::supervisor::at_deadline;

const WEB: &str = "arn:aws:iam::123456789012:role/web";

/// A pipe that nobody writes to, in a directory of its own.
fn pipe() -> (Directory, String) {
    let place = Directory::new();
    let path = place.fifo("pipe");
    (place, path)
}

/// What names a file, whether a pipe is not waited for until the deadline, and the exit code.
const FILES: [(&str, bool, i32); 6] = [
    ("AWS_CONFIG_FILE", false, 78),
    ("AWS_SHARED_CREDENTIALS_FILE", false, 78),
    ("AWS_CA_BUNDLE", false, 78),
    ("SSL_CERT_FILE", false, 78),
    // The SDK reads it.
    ("AWS_WEB_IDENTITY_TOKEN_FILE", true, 78),
    // It is read for each try, and one that cannot be is NOPERM.
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", true, 77),
];

/// A run that reads that file. Its memory has an end, so that a test that fails does not take the machine's.
fn reading(fake: &fake_aws::Fake, name: &str, path: &str, timeout: &str) -> Run {
    let run = match name {
        "AWS_WEB_IDENTITY_TOKEN_FILE" => stepzero(fake, one(timeout)).env("AWS_ROLE_ARN", WEB),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" => {
            let url = fake.container_url();
            stepzero(fake, one(timeout)).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        }
        _ => keyed(fake, one(timeout)),
    };
    // The fake's own bundle would go before.
    let run = if name == "SSL_CERT_FILE" { run.env("AWS_CA_BUNDLE", "") } else { run };
    run.env("AWS_REGION", "us-east-1").env(name, path)
}

#[test]
fn an_endless_file_ends_at_a_size() {
    together(3, &FILES, |(name, _, code)| {
        let fake = secure();
        let run = reading(&fake, name, "/dev/zero", "20s");
        let ran = Ran::of(&mut run.under("ulimit -v 2000000; exec \"$@\""));
        ran.case(name).refused(*code, &[name, "/dev/zero"]);
        assert!(fake.calls("GetParameters").is_empty(), "{name}");
    });
}

/// The SDK reads the token, whichever profile of the chain names it.
#[test]
fn an_endless_token_of_any_profile_ends_too() {
    let text = format!("role_arn = {WEB}\nweb_identity_token_file = /dev/zero\n");
    // Longer than a chain of roles ever is.
    let mut sources = String::new();
    for at in 0..7 {
        sources += &format!("[profile s{at}]\nrole_arn = {WEB}\nsource_profile = s{}\n", at + 1);
    }
    let cases = [
        ("chosen", format!("[default]\n{text}")),
        ("source", format!("[default]\nrole_arn = {WEB}\nsource_profile = s0\n{sources}[profile s7]\n{text}")),
    ];
    together(cases.len(), &cases, |(case, text)| {
        let fake = plain();
        let config = TempFile::config(text);
        let run = stepzero(&fake, one("20s")).env("AWS_CONFIG_FILE", config.arg()).env("AWS_REGION", "us-east-1");
        let ran = Ran::of(&mut run.under("ulimit -v 2000000; exec \"$@\""));
        ran.case(case).refused(78, &["web_identity_token_file", "/dev/zero"]);
    });
}

#[test]
fn a_pipe_that_nobody_writes_to_ends_at_the_deadline() {
    together(FILES.len(), &FILES, |(name, at_once, code)| {
        let fake = secure();
        let (_place, path) = pipe();
        let (ran, took) = reading(&fake, name, &path, "2s").timed();
        ran.case(name).refused(*code, &[name, &path]);
        if !at_once {
            at_deadline(took, 2, name);
        }
    });
}

#[test]
fn a_profile_file_in_a_pipe_is_read_once() {
    let fake = plain();
    let (_place, path) = pipe();
    let profile =
        "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI\nregion = us-east-1\n";
    let to = path.clone();
    let writer = std::thread::spawn(move || std::fs::write(to, profile));
    stepzero(&fake, one("20s")).env("AWS_SHARED_CREDENTIALS_FILE", &path).output().case("by a pipe").started();
    writer.join().expect("no panic").expect("it was read");
}

/// Each is read by botocore; that of another profile must not stop this one.
#[test]
fn what_botocore_reads_is_read() {
    let keys = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI\nregion = us-east-1\n";
    let cases = [
        ("an indented first line of another profile", format!("[profile b]\n  region = x\n[default]\n{keys}")),
        ("text behind the bracket", format!("[profile b] behind\nregion = x\n[default] behind\n{keys}")),
        ("an indented comment", format!("[default]\n  # a comment\n{keys}  # another\n")),
        ("an indented profile", format!("[default]\n  {}", keys.trim_end().replace('\n', "\n  "))),
        ("colons", format!("[default]\n{}", keys.replace(" = ", ": "))),
    ];
    together(cases.len(), &cases, |(case, text)| {
        let fake = plain();
        let config = TempFile::config(text);
        stepzero(&fake, one("20s")).env("AWS_CONFIG_FILE", config.arg()).output().case(case).started();
    });
}

#[test]
fn a_profile_file_that_is_wrong_is_named_with_its_line() {
    let fake = plain();
    let config = TempFile::config(format!("[default]\nregion = us-east-1\n{VALUE}\n"));
    let run = keyed(&fake, one("20s")).env("AWS_SHARED_CREDENTIALS_FILE", config.arg());
    run.output().case("no option").refused(78, &[&config.arg(), "line 3", "grammar of the AWS SDKs"]);
    let config = TempFile::config(b"[default]\nregion = \xff\n");
    let run = keyed(&fake, one("20s")).env("AWS_CONFIG_FILE", config.arg());
    run.output().case("no text").refused(78, &["AWS_CONFIG_FILE", &config.arg(), "UTF-8"]);
    assert!(fake.log().is_empty(), "nobody else's credentials were looked for");
}
