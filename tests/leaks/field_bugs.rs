//! `docs/field-bugs.md` names tests and variables: what it names exists, and the list of names is the one in the code.

use std::path::Path;
use stepzero::refused::TABLE;

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

fn page() -> String {
    read("docs/field-bugs.md").expect("the page is there")
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The files in which a test of this name can be.
fn files(module: &[&str]) -> Vec<String> {
    let modules: Vec<&str> = module.iter().copied().filter(|name| *name != "tests").collect();
    let path = match modules.split_first() {
        Some((&"lib", rest)) => format!("src/{}", rest.join("/")),
        _ => format!("tests/{}", modules.join("/")),
    };
    ["", "/mod", "/main", "/tests"].iter().map(|end| format!("{path}{end}.rs")).collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let page = page();
    let bugs = page.split("## Names that load code").next().expect("a part before it");
    let rows: Vec<&str> = bugs.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what")).collect();
    assert!(rows.len() > 20, "only {} rows", rows.len());
    let mut named = 0;
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().expect("three columns");
        assert!(cell.contains("::") || cell.starts_with("the same"), "no test in {row}");
        for name in quoted(cell).filter(|name| name.contains("::")) {
            let parts: Vec<&str> = name.split("::").collect();
            let (test, module) = parts.split_last().expect("not empty");
            let found =
                files(module).iter().filter_map(|file| read(file)).any(|text| text.contains(&format!("fn {test}(")));
            assert!(found, "{name} is in none of {:?}", files(module));
            named += 1;
        }
    }
    assert!(named > 20, "only {named} tests");
}

#[test]
fn the_page_has_the_table_of_refused_names() {
    let page = page();
    let list = page.split("## Names that load code").nth(1).expect("the list");
    let listed: Vec<&str> = list.lines().filter(|line| line.starts_with("| `")).collect();
    let in_code = TABLE.iter().map(|(families, why)| {
        let families: Vec<String> = families.iter().map(|family| format!("`{family}`")).collect();
        format!("| {} | {why} |", families.join(", "))
    });
    assert_eq!(listed, in_code.collect::<Vec<_>>());
}
