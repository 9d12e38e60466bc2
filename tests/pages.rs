//! The documentation's examples are tried, and its page of messages has the messages of the code.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Directory, Ran, STEPZERO, TempFile, offline, program};
use stepzero::error::Exit;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("the page is in the repository")
}

/// README.md and what lies in docs/.
fn pages() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join("docs")).expect("docs/ is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let pages = paths.filter(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "md"));
    let all = pages.chain([root().join("README.md")]);
    all.map(|path| (path.display().to_string(), std::fs::read_to_string(path).expect("it is text"))).collect()
}

/// The fenced blocks, as language and text. Some are indented, in lists.
fn blocks(page: &str) -> Vec<(String, String)> {
    let (mut blocks, mut open) = (Vec::new(), None::<(String, String)>);
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), open.as_mut()) {
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

/// A shell that ends with the first failure, and finds the binary under test.
fn shell(script: &str) -> Command {
    let bin = Path::new(STEPZERO).parent().expect("a file lies in a directory");
    let mut shell = program("/bin/sh");
    shell.args(["-ec", script]).env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    shell
}

/// The part without AWS, typed as it stands. What cargo builds there, this test has.
#[test]
fn the_quick_start_does_what_it_says() {
    let page = page("docs/quick-start.md");
    let page = page.split("## Ten minutes").next().expect("split gives one");
    let config = std::fs::read_to_string(root().join("examples/quick-start.json")).expect("the page names it");
    let config = fake_aws::Config::parse(&config).expect("the fake takes it");
    let fake = config.builder().tls(false).start();
    config.apply(&fake).expect("the fake takes it");
    let directory = Directory::new();
    let (mut script, mut expected) = (String::new(), Vec::new());
    for (language, text) in blocks(page) {
        match language.as_str() {
            "sh" if text.starts_with("cargo run ") => {}
            "sh" => script += &text,
            "text" => expected.extend(text.lines().map(str::to_owned)),
            other => panic!("a block of {other:?}"),
        }
    }
    let ports = [("http://127.0.0.1:8443", fake.endpoint_url()), ("http://127.0.0.1:8081", fake.imds_url())];
    for (written, here) in ports {
        assert!(script.contains(written), "{script}");
        script = script.replace(written, &here);
    }
    let ran = Ran::of(shell(&format!("exec 2>&1\n{script}")).current_dir(directory.path())).expect(0);
    let stdout = ran.stdout();
    let printed: Vec<&str> = stdout.lines().map(str::trim_end).collect();
    assert_eq!(printed, expected.iter().map(|line| line.trim_end()).collect::<Vec<_>>());
}

/// Every spec on every page is one. What is no spec does not call itself `toml`.
#[test]
fn every_spec_is_taken() {
    let mut count = 0;
    for (name, page) in pages() {
        for (_, text) in blocks(&page).iter().filter(|(language, _)| language == "toml") {
            let spec = TempFile::spec(text);
            let placed = ["-p", "projectA", "-e", "production", "--allow-writable-spec"];
            let ran = offline([&["plan", "--spec", &spec.arg()][..], &placed].concat()).output();
            ran.case(format!("{name}\n{text}")).expect(0);
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} specs");
}

/// The command lines in blocks and in sentences: of the shell, of units. The command in them is replaced by one that does not
/// exist, so that nothing is fetched: 127 says that all before it was taken.
#[test]
fn every_command_line_is_taken() {
    let mut count = 0;
    for (name, page) in pages() {
        let fenced =
            blocks(&page).into_iter().filter(|(language, _)| !["", "text", "toml"].contains(&language.as_str()));
        let fenced: String = fenced.map(|(_, text)| text).collect();
        let prose = page.split("```").step_by(2).collect::<String>();
        let indented = prose.lines().filter(|line| line.starts_with("    "));
        let inline = prose.split('`').skip(1).step_by(2);
        for line in fenced.lines().chain(indented).chain(inline) {
            let begins = ["exec ", "plan ", "check ", "policy ", "lock "].map(|command| format!("stepzero {command}"));
            let Some(at) = begins.iter().filter_map(|begin| line.find(begin)).min() else { continue };
            let line = line[at..].split(" #").next().unwrap_or_default().split([';', '|', '>', '\'', '"']).next();
            // Brackets and an ellipsis stand for options: a form, and no line to type.
            let Some(line) = line.filter(|line| !line.contains(['[', '…'])) else { continue };
            let script = match line.split_once(" -- ") {
                Some((options, _)) if line.starts_with("stepzero exec ") => format!("{options} -- /nowhere/command"),
                _ => format!("{line} --help"),
            };
            let ran = Ran::of(&mut shell(&script)).case(format!("{name}: {line}"));
            assert_ne!(ran.code(), 64, "{ran}");
            count += 1;
        }
    }
    assert!(count >= 30, "only {count} command lines");
}

/// A secret on a command line is there for everybody on the machine. What is typed at AWS takes it from a pipe.
#[test]
fn no_value_stands_on_a_command_line() {
    for (name, page) in pages() {
        for line in page.lines().filter(|line| line.contains("--value ")) {
            assert!(line.contains("--value file://"), "{name}: {line}");
        }
    }
}

/// The text of a message in the code, as it is printed: without Rust's escapes.
fn code() -> String {
    fn read(directory: &Path, text: &mut String) {
        for entry in std::fs::read_dir(directory).expect("src is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                read(&path, text);
            } else {
                *text += &std::fs::read_to_string(path).expect("it is text");
            }
        }
    }
    let mut text = String::new();
    read(&root().join("src"), &mut text);
    text.replace("\\\"", "\"").replace("{{", "{").replace("}}", "}")
}

#[test]
fn troubleshooting_has_every_exit_code_and_only_real_messages() {
    let page = page("docs/troubleshooting.md");
    let exits = [64, 65, 66, 70, 71, 75, 77, 78, 126, 127];
    for code in exits {
        assert!(page.lines().any(|line| line.starts_with(&format!("## {code}"))), "no section for {code}");
    }
    assert!(page.contains(&format!("## {} {}", Exit::NoPerm as u8, Exit::NoPerm.name())), "with its name");
    let code = code();
    // In a title, what changes from one time to the next is an ellipsis.
    let titles: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### `")).collect();
    assert!(titles.len() > 25, "only {} messages", titles.len());
    for title in titles {
        let message = title.split('`').next().unwrap_or_default();
        for part in message.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(code.contains(part), "no message of the code has {part:?}, of {title}");
        }
    }
}
