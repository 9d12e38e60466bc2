//! `docs/coming-from.md`: every example on the page does what the page says.

use std::process::Command;

use fake_aws::Fake;

use crate::common::{Ran, STEPZERO, Spec};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/coming-from.md");
const SECRET: &str = "/aws/reference/secretsmanager/";

/// The parameters of the table at the top of the page.
fn store(page: &str) -> Fake {
    let fake = Fake::start();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `"));
    let mut count = 0;
    for (name, value) in rows.filter(|(_, value)| !value.starts_with("{ ")) {
        match name.strip_prefix(SECRET) {
            Some(id) => fake.secret(id, value),
            None => {
                fake.put(name, "SecureString", value);
            }
        }
        count += 1;
    }
    assert!(count >= 8, "the table is there");
    fake
}

/// The fenced blocks, as language and text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = page.split("\n```").collect();
    // Fences come in pairs: every second part is inside of one.
    parts.iter().skip(1).step_by(2).map(|part| part.split_once('\n').expect("a fence has a line of its own")).collect()
}

#[test]
fn every_example_does_what_the_page_says() {
    let page = std::fs::read_to_string(PAGE).expect("it is in the repository");
    let fake = store(&page);
    let directory = Spec::new("");
    let root = directory.path.parent().expect("a file lies in a directory");
    let program = std::path::Path::new(STEPZERO).parent().expect("a file lies in a directory");
    let path = format!("{}:/usr/bin:/bin", program.display());
    let (mut last, mut ran) = (None, 0);
    for (language, text) in blocks(&page) {
        match language {
            "toml" => {
                let name =
                    text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a spec begins with its name");
                std::fs::write(root.join(name), text).expect("the directory is ours");
            }
            "sh" => {
                assert!(last.is_none(), "the example before has no answer");
                let mut command = Command::new("/bin/sh");
                command.args(["-ec", text]).current_dir(root).env_clear().env("PATH", &path).envs(fake.env());
                last = Some((text, Ran(command.output().expect("a shell")).expect(0)));
            }
            "text" => {
                let (example, output) = last.take().expect("an answer follows an example");
                let stdout = output.stdout();
                for line in text.lines() {
                    assert!(
                        stdout.lines().any(|found| found == line),
                        "{line} is not in the answer of\n{example}\n{stdout}"
                    );
                }
                ran += 1;
            }
            other => panic!("a block of {other:?}"),
        }
    }
    assert!(last.is_none() && ran >= 7, "{ran} examples ran");
}

#[test]
fn a_pristine_example_passes_nothing_else_on() {
    let page = std::fs::read_to_string(PAGE).expect("it is in the repository");
    let fake = store(&page);
    let ran = crate::common::stepzero(&fake, ["exec", "--load", "/web", "--pristine", "--keep", "PATH", "--", "env"])
        .env("HOME", "/")
        .output();
    let names: Vec<String> = crate::variables(&ran.expect(0)).into_keys().collect();
    assert_eq!(names, ["DB_PASSWORD", "LOG_LEVEL", "PATH"]);
}
