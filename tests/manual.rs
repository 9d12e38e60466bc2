//! The manual pages cannot fall behind: every option of every command, every variable, exit code and key of a spec.

mod common;

use std::collections::BTreeSet;

use common::{Given, offline};

const COMMANDS: [&str; 8] = ["exec", "plan", "check", "policy", "lock", "changed", "credential", "completions"];

fn page(name: &str) -> String {
    let path = format!("{}/packaging/man/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the page is in the repository")
}

/// `--name` at the begin of a line of the help.
fn helped() -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for command in COMMANDS {
        let help = offline([command, "--help"]).output().expect(0).stdout();
        for line in help.lines() {
            let line = line.trim_start();
            let Some(long) = line.split_whitespace().take(2).find_map(|word| word.strip_prefix("--")) else { continue };
            if line.starts_with('-') {
                options.insert(long.trim_end_matches(|c: char| !c.is_ascii_lowercase()).to_owned());
            }
        }
    }
    options
}

#[test]
fn the_manual_has_every_option_and_no_other() {
    let page = page("stepzero.1");
    let items = page.lines().filter(|line| line.starts_with(".It Fl"));
    let longs = items.flat_map(|line| line.split("Fl -").skip(1));
    let documented: BTreeSet<String> =
        longs.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned).collect();
    let mut helped = helped();
    helped.insert("version".into());
    assert_eq!(documented, helped);
    for command in COMMANDS {
        assert!(page.contains(&format!(".It Cm {command}\n")), "{command}");
    }
    for variable in stepzero::setting::OWN_VARIABLES {
        assert!(page.contains(&format!(".It Ev {variable}\n")), "{variable}");
    }
    for code in [64, 65, 66, 70, 71, 75, 77, 78, 126, 127] {
        assert!(page.contains(&format!(".It {code}\n")), "{code}");
    }
}

/// Every key of the page is one that the parser knows, and the other way round: the parser is asked with each word.
#[test]
fn the_page_of_the_spec_has_the_parser_s_keys() {
    let page = page("stepzero.toml.5");
    let items = page.lines().filter_map(|line| line.strip_prefix(".It Cm "));
    let documented: BTreeSet<&str> =
        items.flat_map(|keys| keys.split([' ', ','])).filter(|key| !key.is_empty()).collect();
    assert!(documented.len() > 15, "{documented:?}");
    for key in &documented {
        let texts = [
            format!("{key} = 1"),
            format!("[env]\nA = {{ {key} = 1 }}"),
            format!("[files]\nA = {{ {key} = 1 }}"),
            format!("[[load]]\n{key} = 1"),
        ];
        let known = texts.iter().any(|text| !refusal(text).contains("unknown key"));
        assert!(known, "{key}");
    }
    let sources = ["file", "role", "source"].map(|name| {
        let path = format!("{}/src/spec/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("the parser")
    });
    for source in &sources {
        for method in ["string(", "strings(", "bool(", "take(", "parsed(&mut table, "] {
            for rest in source.split(method).skip(1).filter_map(|rest| rest.strip_prefix('"')) {
                let key = rest.split('"').next().expect("split gives one");
                let sections = [".Ss \\&[[load]]", ".Ss \\&[env] and \\&[files]"].concat();
                assert!(documented.contains(key) || sections.contains(key), "{key} is not in the page");
            }
        }
    }
}

fn refusal(text: &str) -> String {
    Given::spec(text).offline("plan", &["--allow-writable-spec"]).expect(78).stderr()
}

#[test]
fn the_example_is_a_spec_and_the_units_name_real_options() {
    let packaging = format!("{}/packaging", env!("CARGO_MANIFEST_DIR"));
    let example = format!("{packaging}/systemd/example.toml");
    let plan = offline(["plan", "--allow-writable-spec", "--spec", &example]).output().expect(0).stdout();
    assert!(plan.contains("projectA.production.database_password"), "{plan}");
    for unit in ["systemd/stepzero@.service", "systemd/stepzero-credential@.service", "systemd/10-stepzero.conf"] {
        let text = std::fs::read_to_string(format!("{packaging}/{unit}")).expect("a unit");
        for option in text.split_whitespace().filter_map(|word| word.strip_prefix("--")).filter(|word| !word.is_empty())
        {
            assert!(helped().contains(option), "{unit}: --{option}");
        }
    }
}
