//! A TOML table that is read key by key and knows the place of each: what is not taken is unknown, and an error says
//! file, line and column, shows the line, and suggests the key that was probably meant.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Exit, Failure, printable};
use crate::setting::Origin;

/// The text of a spec, to turn byte offsets into places.
#[derive(Clone)]
pub struct Text<'a> {
    path: Rc<str>,
    pub text: &'a str,
    /// Where each line begins: every entry asks for its place, and a spec can have hundreds.
    lines: Rc<[usize]>,
}

impl<'a> Text<'a> {
    pub fn new(path: &str, text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Text { path: path.into(), text, lines: std::iter::once(0).chain(ends).collect() }
    }

    pub fn origin(&self, span: &Range<usize>) -> Origin {
        let (line, before) = self.place(span);
        Origin::File { path: self.path.clone(), line, column: before.chars().count() + 1 }
    }

    /// The line, from 1, and the text of it before the place.
    fn place(&self, span: &Range<usize>) -> (usize, &str) {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        // The first line begins at 0, so there is at least one.
        let line = self.lines.partition_point(|begin| *begin <= start);
        (line, &self.text[self.lines[line - 1]..start])
    }

    /// A CONFIG failure that names a place and shows nothing of it: what is not TOML is not a spec, and can be a file of
    /// secrets that was named by mistake.
    pub fn blind_failure(&self, span: &Range<usize>, what: &str) -> Failure {
        Failure::new(Exit::Config, format!("{}: {what}", self.origin(span)))
    }

    /// A CONFIG failure about a place, with a caret under it. Of the line only what stands up to the end of the place is
    /// shown: after an unknown key there can be a secret, as in a file of `NAME="value"` lines named by mistake.
    pub fn failure(&self, span: &Range<usize>, what: &str) -> Failure {
        let (line, before) = self.place(span);
        let text = self.text.get(span.clone()).unwrap_or("").lines().next().unwrap_or("");
        let number = line.to_string();
        let left = flat(&ending(before));
        let right = flat(&beginning(text));
        let width = right.chars().count().max(1);
        let (margin, indent) = (" ".repeat(number.len()), " ".repeat(left.chars().count()));
        Failure::new(Exit::Config, format!("{}: {what}", self.origin(span)))
            .at(line, before.chars().count() + 1)
            .detail(format!("{number} | {left}{right}"))
            .detail(format!("{margin} | {indent}{}", "^".repeat(width)))
    }
}

/// How much of a long line is shown on either side of the place.
const SHOWN: usize = 80;

fn ending(text: &str) -> String {
    let count = text.chars().count();
    if count <= SHOWN { text.to_owned() } else { text.chars().skip(count - SHOWN).fold("…".into(), pushed) }
}

fn beginning(text: &str) -> String {
    let cut = text.chars().count() > SHOWN;
    text.chars().take(SHOWN).chain(cut.then_some('…')).collect()
}

fn pushed(mut text: String, c: char) -> String {
    text.push(c);
    text
}

/// A tab would shift the caret; one space keeps the columns.
fn flat(text: &str) -> String {
    printable(&text.replace('\t', " "))
}

/// The values that TOML has and a spec uses.
pub type Found<'a, 'i> = (&'a Spanned<DeValue<'i>>, Range<usize>);

/// A table of fixed keys has at most 14; `[env]`, which has any, is not read by them.
const KEYS: usize = 16;

/// One table under reading. Errors collect, so that one run reports all of them.
pub struct Table<'a, 'i> {
    pub text: Text<'a>,
    pub span: Range<usize>,
    table: &'a DeTable<'i>,
    known: Vec<&'static str>,
}

impl<'a, 'i> Table<'a, 'i> {
    pub fn new(text: Text<'a>, span: Range<usize>, table: &'a DeTable<'i>) -> Self {
        Table { text, span, table, known: Vec::with_capacity(KEYS) }
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

    /// The keys that were looked for.
    pub fn known(self) -> Vec<&'static str> {
        self.known
    }

    /// Whether one of these keys is there, whatever its value.
    pub fn has_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.table.contains_key(*key))
    }

    /// Whether one of these keys may have been meant by a key that nobody took: one that is like it, or like none.
    pub fn has_misspelt(&self, keys: &[&str]) -> bool {
        let mut unknown = self.unknown().map(|key| nearest(key.get_ref(), &self.known));
        unknown.any(|near| near.is_none_or(|near| keys.contains(&near)))
    }

    fn unknown(&self) -> impl Iterator<Item = &'a Spanned<Cow<'i, str>>> {
        self.table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref()))
    }

    /// Reports every key that nobody took.
    pub fn finish(self, errors: &mut Vec<Failure>) {
        for key in self.unknown() {
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

/// The known word that is at most two edits away (half its length for short ones).
fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    // Letters in another order are one slip of the fingers, and not two edits.
    let slips = |other: &str| if sorted(&word) == sorted(other) { 1 } else { edits(&word, other) };
    let distance = |other: &&'static str| (slips(other), *other);
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
        assert_eq!(nearest("kye", &["label", "key"]), Some("key"));
        assert_eq!(nearest("colour", &["project", "environment"]), None);
    }

    #[test]
    fn a_place_counts_lines_and_characters() {
        let text = Text::new("s.toml", "a = 1\né = 2\n");
        assert_eq!(text.origin(&(9..10)).to_string(), "s.toml:2:3");
        let failure = text.failure(&(6..8), "unknown key").to_string();
        assert_eq!(failure, "s.toml:2:1: unknown key\n  2 | é\n    | ^");
    }
}
