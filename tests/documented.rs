//! What can be typed, set or returned stands in the README or under docs/: options, variables, exit codes, keys of the spec.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::offline;
use stepzero::error::Exit;
use stepzero::setting::OWN_VARIABLES;

fn documentation() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages =
        std::fs::read_dir(root.join("docs")).expect("docs/ is there").map(|entry| entry.expect("readable").path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let read = |path| std::fs::read_to_string(path).expect("it is text");
    [root.join("README.md")].into_iter().chain(pages).map(read).collect()
}

/// The words of a text that begin with `--`.
fn long_options(text: &str) -> BTreeSet<String> {
    let ends = |c: char| !(c.is_ascii_lowercase() || c == '-');
    let words =
        text.split_whitespace().filter_map(|word| word.trim_start_matches(['[', '(', '`', '|']).strip_prefix("--"));
    let names = words.map(|word| word.split(ends).next().unwrap_or_default()).filter(|name| !name.is_empty());
    names.map(|name| format!("--{name}")).collect()
}

#[test]
fn every_long_option() {
    let documented = long_options(&documentation());
    for command in ["exec", "plan", "check", "policy", "changed", "credential", "completions"] {
        let help = offline([command, "--help"]).output().expect(0).stdout();
        let options = long_options(&help);
        assert!(options.contains("--help"), "{command} --help has no options:\n{help}");
        let missing: Vec<&String> = options.difference(&documented).collect();
        assert!(missing.is_empty(), "stepzero {command} has {missing:?}, of which README.md and docs/ say nothing");
    }
}

#[test]
fn every_variable_exit_code_and_key() {
    let documentation = documentation();
    let exits = [
        Exit::Usage,
        Exit::DataErr,
        Exit::NoInput,
        Exit::Software,
        Exit::OsErr,
        Exit::TempFail,
        Exit::NoPerm,
        Exit::Config,
    ];
    let exits = exits.map(|exit| format!("| {} | {} |", exit as u8, exit.name()));
    let keys = "project environment separator scopes references pristine keep existing timeout last_good last_good_after region credentials role_arn external_id role_session_name key parameter \
                secret optional default version label json list decode mode path recursive prefix case join template template_file private";
    for word in exits.iter().map(String::as_str).chain(OWN_VARIABLES) {
        assert!(documentation.contains(word), "README.md and docs/ say nothing of {word}");
    }
    for key in keys.split(' ') {
        let assigned = documentation.lines().any(|line| line.replace([' ', '#'], "").contains(&format!("{key}=")));
        assert!(assigned, "README.md and docs/ show no `{key} = `");
    }
}

/// Files of text in the repository that show somebody what to type.
fn shown() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open: Vec<_> = ["docs", "packaging", "examples"].map(|name| root.join(name)).to_vec();
    let entries =
        |path: &Path| std::fs::read_dir(path).expect("it is there").map(|entry| entry.expect("readable").path());
    open.extend(entries(root).filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(entries(&path));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.push((path.display().to_string(), text));
        }
    }
    found
}

/// Where a line gives a value to a program as an argument, or to a shell's history: what follows is not a file.
fn value_on_a_command_line(line: &str) -> Option<&str> {
    const OPTIONS: [&str; 5] = ["--value", "--secret-string", "--secret-binary", "--plaintext", "--parameter-value"];
    let words: Vec<&str> = line.split([' ', '=', '\t', '`', '"', '\'']).filter(|word| !word.is_empty()).collect();
    let is_file = |word: &&str| word.starts_with("file://") || word.starts_with("fileb://");
    let given = words.windows(2).find(|pair| OPTIONS.contains(&pair[0]) && !is_file(&pair[1]));
    let echoed = || {
        let (writer, _) = line.split_once(" ssm put-parameter")?;
        let before = writer.rsplit_once('|')?.0;
        (before.contains("echo ") || before.contains("printf ") && !before.contains("\"$(cat)\"")).then_some("echo")
    };
    let last = words.last().filter(|word| OPTIONS.contains(word)).copied();
    given.map(|pair| pair[1]).or_else(echoed).or(last)
}

#[test]
fn no_example_has_a_value_on_a_command_line() {
    let shown = shown();
    assert!(shown.len() > 30, "{}", shown.len());
    let mut lines = 0;
    for (path, text) in &shown {
        for line in text.lines() {
            assert_eq!(value_on_a_command_line(line), None, "{path}: {line}");
            lines += usize::from(line.contains("file:///dev/stdin"));
        }
    }
    assert!(lines >= 3, "the examples that do it well are found: {lines}");
    for bad in [
        "aws ssm put-parameter --type SecureString --name x --value …",
        "aws ssm put-parameter --name x --value=hunter2",
        "aws secretsmanager create-secret --name x --secret-string 'hunter2'",
        "echo hunter2 | aws ssm put-parameter --name x --value file:///dev/stdin",
        "printf hunter2 | aws ssm put-parameter --name x --value file:///dev/stdin",
        "aws ssm put-parameter --name x --value",
    ] {
        assert!(value_on_a_command_line(bad).is_some(), "{bad}");
    }
}

/// The rooms of docs/architecture.md are those of `src`: its files and folders, and the folders of `src/store`.
#[test]
fn the_map_has_every_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = std::fs::read_to_string(root.join("docs/architecture.md")).expect("it is there");
    let rows = map.lines().filter(|line| line.starts_with("| `src/"));
    let first_cells = rows.filter_map(|line| line.split('|').nth(1));
    let drawn: BTreeSet<String> =
        first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    let rooms = |directory: &str, folders_only: bool| {
        let entries =
            std::fs::read_dir(root.join(directory)).expect("it is there").map(|entry| entry.expect("readable"));
        let wanted = entries.filter(|entry| !folders_only || entry.path().is_dir());
        // A folder that git has forgotten has no file.
        let wanted =
            wanted.filter(|entry| std::fs::read_dir(entry.path()).map_or(true, |mut inside| inside.next().is_some()));
        wanted.map(|entry| format!("{directory}/{}", entry.file_name().to_string_lossy())).collect::<Vec<_>>()
    };
    let built: BTreeSet<String> = rooms("src", false).into_iter().chain(rooms("src/store", true)).collect();
    assert_eq!(drawn, built, "docs/architecture.md against the tree");
}

/// What a room uses of others stands in its row of docs/architecture.md: an import that is not there goes the wrong way, or
/// the map is old.
#[test]
fn the_map_says_what_each_room_knows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = std::fs::read_to_string(root.join("docs/architecture.md")).expect("it is there");
    let mut compared = 0;
    for row in map.lines().filter(|line| line.starts_with("| `src/")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let knows: BTreeSet<&str> = cells[3].split(", ").chain(["error", "name", "log", "sys"]).collect();
        let paths: Vec<&str> = cells[1].split('`').skip(1).step_by(2).collect();
        let own = paths[0].rsplit('/').next().expect("a path has an end").trim_end_matches(".rs");
        for used in paths.iter().flat_map(|path| uses(&root.join(path), *path == "src/store")) {
            let (room, inner) = used.split_once("::").unwrap_or((&used, ""));
            let of_store = room == "store" && paths[0].starts_with("src/store");
            let name = if of_store { inner } else { room };
            let is_known = name == own || knows.contains(name) || knows.contains("all");
            let is_own = of_store && (inner == own || knows.contains("all of store"));
            assert!(is_known || is_own, "{}: {used} is not in its row of docs/architecture.md", paths[0]);
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
}

/// `room` or `store::room` for each `crate::…` in the code of a file, or of the files in a folder, without their tests.
fn uses(path: &Path, files_only: bool) -> Vec<String> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("it is there").map(|entry| entry.expect("readable").path());
        return entries.filter(|entry| !files_only || entry.is_file()).flat_map(|entry| uses(&entry, false)).collect();
    }
    let text = std::fs::read_to_string(path).expect("it is text");
    let code = text.split("#[cfg(test)]").next().expect("split gives one");
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let grouped = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
        let names: Vec<&str> = grouped.map_or(vec![rest], |group| group.split(", ").collect());
        for name in names {
            let room = word(name);
            let inner = name.strip_prefix(&format!("{room}::")).map(word).unwrap_or_default();
            found.push(if room == "store" && !inner.is_empty() { format!("store::{inner}") } else { room });
        }
    }
    found
}
