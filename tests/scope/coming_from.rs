//! `docs/coming-from.md`: every example on the page does what the page says.

use fake_aws::Fake;

use crate::common::{Directory, Given, Ran, STEPZERO, program};

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
    let directory = Directory::new();
    let bin = std::path::Path::new(STEPZERO).parent().expect("a file lies in a directory");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let (mut last, mut ran) = (None, 0);
    for (language, text) in blocks(&page) {
        match language {
            "toml" => {
                let name =
                    text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a spec begins with its name");
                directory.file(name, text);
            }
            "sh" => {
                assert!(last.is_none(), "the example before has no answer");
                let mut command = program("/bin/sh");
                command.args(["-ec", text]).current_dir(directory.path()).env("PATH", &path).envs(fake.env());
                last = Some((text, Ran::of(&mut command).expect(0)));
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
    let given = Given::args(&["--load", "/web", "--pristine", "--keep", "PATH"]).and_env(&[("HOME", "/")]);
    let names: Vec<String> = given.exec(&fake).expect(0).variables().into_keys().collect();
    assert_eq!(names, ["DB_PASSWORD", "LOG_LEVEL", "PATH"]);
}
