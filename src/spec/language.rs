//! A spec that is not written as one: JSON, YAML, or `NAME=value` lines (dotenv). Its first lines are said again as TOML.
//!
//! Such a file can be one of secrets that was named by mistake. So no value of it is told, not even a part of one: names
//! alone, and those only where the line is certainly a name and its value.

use serde_json::Value as Json;

/// So many lines are said again.
const LINES: usize = 6;

/// A language, and what stands in the file without its values.
pub struct Other {
    pub language: &'static str,
    root: Vec<(String, Node)>,
}

/// What a name stands before.
enum Node {
    Value,
    List,
    Table(Vec<(String, Node)>),
}

impl Other {
    /// `None` for what is none of the three. No TOML that could be a spec is any of them.
    pub fn recognise(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('\u{feff}');
        json(text).or_else(|| dotenv(text)).or_else(|| yaml(text))
    }

    /// The first lines of the spec that says the same, with words where the values stood. `known` are the keys of a spec
    /// outside any table; any other name there is a variable.
    pub fn as_toml(&self, known: &[&str]) -> Vec<String> {
        let is_table = |node: &Node| matches!(node, Node::Table(_));
        let (settings, rest): (Vec<_>, Vec<_>) =
            self.root.iter().partition(|(name, node)| known.contains(&name.as_str()) && !is_table(node));
        let mut lines: Vec<String> = settings
            .into_iter()
            .filter(|(name, _)| !["env", "files", "load"].contains(&name.as_str()))
            .map(|(name, node)| format!("{name} = {}", if matches!(node, Node::List) { "[\"…\"]" } else { "\"…\"" }))
            .collect();
        let (sections, variables): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|(name, node)| known.contains(&name.as_str()) && is_table(node));
        if !variables.is_empty() {
            lines.push("[env]".into());
            lines.extend(variables.into_iter().map(variable));
        }
        for (name, node) in sections {
            let Node::Table(inner) = node else { continue };
            lines.push(format!("[{name}]"));
            lines.extend(inner.iter().map(variable));
        }
        if lines.is_empty() {
            lines = vec!["[env]".into(), "DATABASE_PASSWORD = \"KEY\"".into()];
        }
        if lines.len() > LINES {
            lines.truncate(LINES);
            lines.push("…".into());
        }
        lines
    }
}

fn variable((name, node): &(String, Node)) -> String {
    match node {
        Node::Table(inner) if !inner.is_empty() => {
            let keys: Vec<String> = inner.iter().map(|(key, _)| format!("{key} = \"…\"")).collect();
            format!("{name} = {{ {} }}", keys.join(", "))
        }
        _ => format!("{name} = \"KEY\""),
    }
}

fn json(text: &str) -> Option<Other> {
    // No TOML begins so.
    if !text.trim_start().starts_with('{') {
        return None;
    }
    // What cannot be read to its end has no names that are certain.
    let root = match serde_json::from_str(text) {
        Ok(Json::Object(fields)) => table(fields),
        _ => Vec::new(),
    };
    Some(Other { language: "JSON", root })
}

fn table(fields: serde_json::Map<String, Json>) -> Vec<(String, Node)> {
    let fields = fields.into_iter().filter(|(name, _)| is_name(name));
    let node = |value| match value {
        Json::Object(fields) => Node::Table(table(fields)),
        Json::Array(_) => Node::List,
        _ => Node::Value,
    };
    fields.map(|(name, value)| (name, node(value))).collect()
}

/// Lines of `NAME=value`, as a shell and Docker's `--env-file` read them.
fn dotenv(text: &str) -> Option<Other> {
    let mut root = Vec::new();
    for line in meaningful(text) {
        let line = line.trim_start();
        let assigned = line.strip_prefix("export ").unwrap_or(line).split_once('=');
        let Some((name, value)) = assigned.filter(|(name, value)| is_variable(name) && is_value(value)) else { break };
        root.push((name.to_owned(), Node::Value));
        if !is_whole(value) {
            break;
        }
    }
    (!root.is_empty()).then_some(Other { language: "lines of NAME=value (dotenv)", root })
}

/// In upper case, as such files have them. What is in mixed case can be base64, which is a value.
fn is_variable(name: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    letters && is_name(name)
}

/// Not the end of base64 or base32, whose padding is `=`.
fn is_value(text: &str) -> bool {
    !text.is_empty() && !text.starts_with([' ', '\t', '='])
}

/// Whether a value certainly ends on its line. The lines after an open one are a part of it, and not names.
fn is_whole(value: &str) -> bool {
    let value = value.trim_end();
    let special = |text: &str| text.contains(['"', '\'', '`', '\\', '(', '{', '[', '<', '|', '>', '&', '*', '!']);
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = value[1..].strip_suffix(quote);
            inner.is_some_and(|inner| !inner.contains([quote, '\\']))
        }
        Some('[') => value[1..].strip_suffix(']').is_some_and(|inner| !inner.contains(['[', ']'])),
        _ => !special(value),
    }
}

/// Names before a colon, three levels deep: that is as deep as a spec goes.
fn yaml(text: &str) -> Option<Other> {
    let mut lines = meaningful(text).filter(|line| line.trim_end() != "---").peekable();
    let root = yaml_table(&mut lines, 0);
    (!root.is_empty()).then_some(Other { language: "YAML", root })
}

fn yaml_table<'a>(lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>, depth: usize) -> Vec<(String, Node)> {
    let indent_of = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut entries = Vec::new();
    let Some(indent) = lines.peek().map(|line| indent_of(line)) else { return entries };
    while let Some(line) = lines.peek().filter(|line| indent_of(line) == indent) {
        let Some((name, value)) = named(line) else { break };
        let (name, value) = (name.to_owned(), value.to_owned());
        lines.next();
        let below = lines.peek().map(|line| (indent_of(line), item(line).is_some()));
        let node = match below {
            Some((_, true)) if value.is_empty() => {
                while lines.next_if(|line| item(line).is_some_and(is_whole)).is_some() {}
                Node::List
            }
            Some((deeper, false)) if value.is_empty() && deeper > indent && depth < 2 => {
                Node::Table(yaml_table(lines, depth + 1))
            }
            _ if value.starts_with('[') => Node::List,
            _ => Node::Value,
        };
        entries.push((name, node));
        // What stands deeper now is the rest of a value.
        let goes_on = lines.peek().is_some_and(|line| indent_of(line) > indent);
        if goes_on || !is_whole(&value) {
            // Nothing more is certain, at any level.
            lines.by_ref().for_each(drop);
        }
    }
    entries
}

/// What stands behind the dash of a list.
fn item(line: &str) -> Option<&str> {
    line.trim().strip_prefix("- ")
}

/// `NAME: value`, or `NAME:` alone.
fn named(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().split_once(':')?;
    let blank = value.is_empty() || value.starts_with(' ');
    let value = value.trim();
    let value = if value.starts_with('#') { "" } else { value };
    (blank && is_name(name)).then_some((name, value))
}

/// What a key of a spec or a variable can look like, and short.
fn is_name(text: &str) -> bool {
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    letters && !text.starts_with(|c: char| c.is_ascii_digit()) && (1..=64).contains(&text.len())
}

/// Without comments and empty lines.
fn meaningful(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = ["project", "environment", "scopes", "env", "files", "load"];

    fn said(text: &str) -> Option<(&'static str, String)> {
        let other = Other::recognise(text)?;
        Some((other.language, other.as_toml(&KNOWN).join("\n")))
    }

    #[test]
    fn the_same_spec_in_three_languages() {
        let head = "project = \"…\"\nscopes = [\"…\"]\n[env]\nA = \"KEY\"\nB = { parameter = \"…\"";
        let json = "{\"project\": \"hunter2\", \"scopes\": [\"hunter2\"], \"env\": {\"A\": \"hunter2\", \
                    \"B\": {\"parameter\": \"hunter2\"}}, \"files\": {\"C\": \"hunter2\"}}";
        assert_eq!(said(json), Some(("JSON", format!("{head} }}\n[files]\n…"))));
        for scopes in ["scopes: [hunter2, \"hunter2\"]", "scopes:\n  - hunter2\n  - 'hunter2'", "scopes:\n- hunter2"] {
            let yaml = format!(
                "---\n# x\nproject: hunter2\n{scopes}\nenv:\n  A: hunter2\n  B:\n    parameter: \"hunter2\"\n    version: 3\n"
            );
            assert_eq!(said(&yaml), Some(("YAML", format!("{head}, version = \"…\" }}"))), "{yaml}");
        }
        let yaml = "env:\n  A: hunter2\nfiles:\n  C: hunter2 # x\n";
        assert_eq!(said(yaml), Some(("YAML", "[env]\nA = \"KEY\"\n[files]\nC = \"KEY\"".to_owned())));
        let dotenv = "# a comment\nexport A=hunter2\n\nB=\"hunter2\"\nC='hunter2'\n";
        let want = "[env]\nA = \"KEY\"\nB = \"KEY\"\nC = \"KEY\"".to_owned();
        assert_eq!(said(dotenv), Some(("lines of NAME=value (dotenv)", want)));
    }

    /// Each has `hunter2` where a value goes on, and never as a name.
    #[test]
    fn what_can_be_a_value_is_not_told() {
        for text in [
            "A=\"x\nHUNTER2=y\"\n",
            "A=\"x\\\"\nHUNTER2=y\"\n",
            "A='x\nHUNTER2=y'\n",
            "A=x\\\nHUNTER2=y\n",
            "A=$(cat <<E\nHUNTER2=y\nE\n)\n",
            "A=x\nHUNTER2==\n",
            "A=x\nHUNTER2=\n",
            "a: |\n  HUNTER2: y\n",
            "a: |\n  x\nb: |\n  HUNTER2: y\n",
            "a: \"x\nHUNTER2: y\"\n",
            "a: 'x\nHUNTER2: y'\n",
            "a: x\n  HUNTER2: y\n",
            "a: {b: c,\nHUNTER2: y}\n",
            "a: [b,\nHUNTER2: y]\n",
            "a:\n  - |\n    HUNTER2: y\n",
            "a:\n- \"x\nHUNTER2: y\"\n",
            "a:\n  b:\n    c:\n      HUNTER2: y\n",
            "a: x\n-----BEGIN\nHUNTER2: y\n",
            "{\"a\": \"HUNTER2",
            "{\"a\": [{\"HUNTER2\": 1}]}",
        ] {
            let (language, said) = said(text).expect(text);
            assert!(!said.contains("HUNTER2"), "{language} {text}: {said}");
        }
    }

    #[test]
    fn what_is_none_of_the_three() {
        for text in [
            "",
            "hunter2",
            "SFVOVEVSMg==",
            "JBSWY3DPEHPK3PXP====",
            "JBSWY3DPEHPK3PXP=",
            "hunter2=x",
            "Hunter2=x",
            "root:$6$x:0\n",
            "-----BEGIN X-----\nA: b\n",
            "a = \"b: c\"",
            "[env]\nA=b\n",
            "project=projectA\n",
            "A = \"a\"\n",
            "[default]\na: b\n",
        ] {
            assert!(Other::recognise(text).is_none(), "{text}");
        }
    }
}
