//! A TOML table that is read key by key and knows the place of each: what is not taken is unknown, and an error says
//! file, line and column, shows the line, and suggests the key that was probably meant.

use std::ops::Range;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::entry::Origin;
use crate::error::{Exit, Failure, printable};

/// The text of a spec, to turn byte offsets into places.
#[derive(Clone)]
pub struct Text<'a> {
    pub path: Rc<str>,
    pub text: &'a str,
}

impl Text<'_> {
    pub fn origin(&self, span: &Range<usize>) -> Origin {
        let before = &self.text[..span.start.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Origin::File { path: self.path.clone(), line, column }
    }

    /// A CONFIG failure about a place, with a caret under it.
    pub fn failure(&self, span: &Range<usize>, what: &str) -> Failure {
        let origin = self.origin(span);
        let Origin::File { line, column, .. } = &origin else {
            return Failure::new(Exit::Config, what);
        };
        let shown = self.text.lines().nth(line - 1).unwrap_or("");
        let width = self.text.get(span.clone()).map_or(1, |text| text.lines().next().unwrap_or("").chars().count());
        let number = line.to_string();
        // A tab would shift the caret; one space keeps the columns.
        let flat: String = shown.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
        Failure::new(Exit::Config, format!("{origin}: {what}"))
            .detail(format!("{number} | {}", printable(&flat)))
            .detail(format!("{} | {}{}", " ".repeat(number.len()), " ".repeat(column - 1), "^".repeat(width.max(1))))
    }
}

/// The values that TOML has and a spec uses.
pub type Found<'a, 'i> = (&'a Spanned<DeValue<'i>>, Range<usize>);

/// One table under reading. Errors collect, so that one run reports all of them.
pub struct Table<'a, 'i> {
    pub text: Text<'a>,
    pub span: Range<usize>,
    table: &'a DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'a, 'i> Table<'a, 'i> {
    pub fn new(text: Text<'a>, span: Range<usize>, table: &'a DeTable<'i>) -> Self {
        Table { text, span, table, known: Vec::new() }
    }

    /// The value of a key, which thereby is known.
    pub fn take(&mut self, key: &'static str) -> Option<Found<'a, 'i>> {
        self.known.push(key);
        self.table.get(key).map(|value| (value, value.span()))
    }

    pub fn string(&mut self, key: &'static str, errors: &mut Vec<Failure>) -> Option<(String, Range<usize>)> {
        let (value, span) = self.take(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some((text.to_owned(), span)),
            None => self.wrong_type(key, "a string", value, errors),
        }
    }

    pub fn bool(&mut self, key: &'static str, errors: &mut Vec<Failure>) -> Option<bool> {
        let (value, _) = self.take(key)?;
        match value.get_ref().as_bool() {
            Some(flag) => Some(flag),
            None => self.wrong_type(key, "true or false", value, errors),
        }
    }

    /// A list of strings, each with its place.
    pub fn strings(&mut self, key: &'static str, errors: &mut Vec<Failure>) -> Option<Vec<(String, Range<usize>)>> {
        let (value, _) = self.take(key)?;
        let Some(items) = value.get_ref().as_array() else {
            return self.wrong_type(key, "a list of strings", value, errors);
        };
        let strings = items.iter().map(|item| match item.get_ref().as_str() {
            Some(text) => Some((text.to_owned(), item.span())),
            None => self.wrong_type(key, "a list of strings", item, errors),
        });
        // All of them, so that each wrong one is reported.
        let strings: Vec<_> = strings.collect();
        strings.into_iter().collect()
    }

    pub fn wrong_type<T>(
        &self,
        key: &str,
        wanted: &str,
        value: &Spanned<DeValue<'_>>,
        errors: &mut Vec<Failure>,
    ) -> Option<T> {
        let found = value.get_ref().type_str();
        errors.push(self.text.failure(&value.span(), &format!("`{key}` is {wanted}, but this is {}", article(found))));
        None
    }

    /// Reports every key that nobody took.
    pub fn finish(self, errors: &mut Vec<Failure>) {
        for key in self.table.keys() {
            if self.known.contains(&key.get_ref().as_ref()) {
                continue;
            }
            let name = printable(key.get_ref());
            let failure = self.text.failure(&key.span(), &format!("unknown key `{name}`"));
            errors.push(match nearest(&name, &self.known) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help(format!("known here: {}", self.known.join(", "))),
            });
        }
    }
}

fn article(noun: &str) -> String {
    let an = noun.starts_with(['a', 'i']);
    format!("{} {noun}", if an { "an" } else { "a" })
}

/// The known word that is at most two edits away (a third of its length for short ones).
fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let distance = |other: &&'static str| (edits(&word.to_ascii_lowercase(), other), *other);
    let (edits, near) = known.iter().map(distance).min()?;
    (edits <= 2.min(near.len() / 2)).then_some(near)
}

/// The Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_recognised() {
        assert_eq!(nearest("enviroment", &["project", "environment"]), Some("environment"));
        assert_eq!(nearest("Project", &["project"]), Some("project"));
        assert_eq!(nearest("colour", &["project", "environment"]), None);
    }

    #[test]
    fn a_place_counts_lines_and_characters() {
        let text = Text { path: "s.toml".into(), text: "a = 1\né = 2\n" };
        assert_eq!(text.origin(&(9..10)).to_string(), "s.toml:2:3");
        let failure = text.failure(&(6..8), "unknown key").to_string();
        assert_eq!(failure, "s.toml:2:1: unknown key\n  2 | é = 2\n    | ^");
    }
}
