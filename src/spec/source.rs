//! One value of `[env]` or `[files]`: a key as a string, or a table that says more.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::entry::{Absent, Entry, Shape, Source, ValueSource};
use super::table::{Table, Text};
use super::template::{self, Beside};
use crate::environment::Target;
use crate::error::Failure;
use crate::foreign;
use crate::name::{BadName, EnvName, Key, Selector};
use crate::secret::JsonPath;

/// Reads the value of `variable`, whose name stands at `name`. `None` when an error was added.
pub fn entry(
    text: &Text<'_>,
    variable: EnvName,
    name: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    target: Target,
    beside: Beside<'_>,
    errors: &mut Vec<Failure>,
) -> Option<Entry> {
    let origin = text.origin(&name);
    match value.get_ref() {
        DeValue::String(key) => {
            let key = at(text, &value.span(), Key::new(key), errors)?;
            Some(Entry { target, ..Entry::new(variable, origin, ValueSource::Stored(Source::Key(key))) })
        }
        DeValue::Table(inner) => {
            let mut table = Table::new(text.clone(), value.span(), inner);
            let before = errors.len();
            // Where nothing more is said, nobody has it.
            let plain = Entry { target, ..Entry::new(variable, origin, ValueSource::Absent) };
            let entry = if template::is_one(inner) {
                let source = template::read(&mut table, beside, errors).map(ValueSource::Template);
                let entry = common(&mut table, plain, errors);
                source.map(|source| Entry { source, ..entry })
            } else if inner.contains_key("absent") {
                Some(nobody(&mut table, plain, errors))
            } else {
                stored(&mut table, plain, errors)
            };
            table.finish(errors);
            entry.filter(|_| errors.len() == before)
        }
        other => {
            let found = other.type_str();
            let what = format!(
                "a variable comes from a key (a string) or from a table such as {{ key = \"…\" }}, not from a value of type {found}"
            );
            errors.push(text.failure(&value.span(), &what));
            None
        }
    }
}

/// A value of the store.
fn stored(table: &mut Table<'_, '_>, plain: Entry, errors: &mut Vec<Failure>) -> Option<Entry> {
    let source = source(table, errors);
    let is_secret = matches!(source, Some(Source::Secret(_)));
    let selector = selector(table, is_secret, errors);
    let shape = shape(table, matches!(plain.target, Target::File { .. }), errors);
    let entry = common(table, plain, errors);
    let private = table.bool("private", errors).unwrap_or(false);
    // A misspelt source is one mistake, and it is told as an unknown key.
    no_source(table, errors);
    source.map(|source| Entry { source: ValueSource::Stored(source), selector, shape, private, ..entry })
}

/// `absent = true`: nobody has it, and nobody is asked. A lock says so of what nobody had when it was made.
fn nobody(table: &mut Table<'_, '_>, plain: Entry, errors: &mut Vec<Failure>) -> Entry {
    let before = errors.len();
    let is_said = table.bool("absent", errors) == Some(true);
    let entry = common(table, plain, errors);
    let private = table.bool("private", errors).unwrap_or(false);
    if errors.len() == before && (!is_said || entry.absent == Absent::Fail) {
        let what =
            "`absent` is true or not there, and says what then comes: a `default`, or nothing by `optional = true`";
        errors.push(table.text.failure(&table.span, what));
    }
    Entry { private, ..entry }
}

/// What every entry can say, wherever its value comes from.
fn common(table: &mut Table<'_, '_>, plain: Entry, errors: &mut Vec<Failure>) -> Entry {
    let (absent, target) = (absent(table, errors), mode(table, plain.target, errors));
    Entry { absent, target, ..plain }
}

fn at<T>(text: &Text<'_>, span: &Range<usize>, made: Result<T, BadName>, errors: &mut Vec<Failure>) -> Option<T> {
    made.map_err(|bad| errors.push(text.failure(span, &bad.0))).ok()
}

/// Says that the table has no source, where it has none.
pub(super) fn no_source(table: &Table<'_, '_>, errors: &mut Vec<Failure>) {
    if !table.has_any(&SOURCES) && !table.has_misspelt(&SOURCES) {
        errors.push(
            table.text.failure(&table.span, "where from? Say one of `key`, `parameter`, `secret` and `template`"),
        );
    }
}

/// The keys that say where a value comes from.
const SOURCES: [&str; 5] = ["key", "parameter", "secret", "template", "template_file"];

/// Exactly one of `key`, `parameter` and `secret`.
pub(super) fn source(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> Option<Source> {
    let key = table.string("key", errors);
    let parameter = table.string("parameter", errors);
    let secret = table.string("secret", errors);
    match (key, parameter, secret) {
        (Some((key, span)), None, None) => at(&table.text, &span, Key::new(&key), errors).map(Source::Key),
        (None, Some((name, _)), None) => Some(Source::Parameter(name)),
        (None, None, Some((id, span))) => {
            errors.extend(foreign::secret(&id).map(|what| table.text.failure(&span, &what)));
            Some(Source::Secret(id))
        }
        // Said by `entry`, once every key of the table is known.
        (None, None, None) => None,
        _ => {
            errors.push(table.text.failure(&table.span, "only one of `key`, `parameter` and `secret`"));
            None
        }
    }
}

pub(super) fn selector(table: &mut Table<'_, '_>, is_secret: bool, errors: &mut Vec<Failure>) -> Option<Selector> {
    let version = version(table, is_secret, errors);
    let label = table.string("label", errors).and_then(|(label, span)| {
        let made = if is_secret { Selector::of_secret(&label) } else { Selector::label(&label) };
        at(&table.text, &span, made, errors)
    });
    if version.is_some() && label.is_some() {
        errors.push(table.text.failure(&table.span, "only one of `version` and `label`"));
    }
    version.or(label)
}

/// A number from 1; of a secret, the id of a version as a string.
fn version(table: &mut Table<'_, '_>, is_secret: bool, errors: &mut Vec<Failure>) -> Option<Selector> {
    let (value, span) = table.take("version")?;
    match value.get_ref() {
        DeValue::Integer(number) if !is_secret && number.radix() == 10 => {
            let digits = number.as_str().replace('_', "");
            at(&table.text, &span, Selector::version(digits.trim_start_matches('+')), errors)
        }
        DeValue::String(id) if is_secret => at(&table.text, &span, Selector::of_secret(id), errors),
        _ if is_secret => table.wrong_type("version", "the id of a secret's version, a string", value, errors),
        _ => table.wrong_type("version", "a number from 1", value, errors),
    }
}

fn absent(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> Absent {
    let optional = table.bool("optional", errors).unwrap_or(false);
    match (table.string("default", errors), optional) {
        (Some((_, span)), true) => {
            let what =
                "`optional` and `default` together: without a match, `optional` sets nothing and `default` sets this";
            errors.push(table.text.failure(&span, what));
            Absent::Fail
        }
        (Some((text, span)), false) => {
            if text.contains('\0') {
                errors.push(table.text.failure(&span, "`default` has a NUL byte, which no variable can hold"));
            }
            Absent::Default(text)
        }
        (None, true) => Absent::Skip,
        (None, false) => Absent::Fail,
    }
}

fn shape(table: &mut Table<'_, '_>, is_file: bool, errors: &mut Vec<Failure>) -> Shape {
    let json = json(table, errors);
    let list = table.string("list", errors);
    if let (Some(_), Some((_, span))) = (&json, &list) {
        errors.push(table.text.failure(span, "`list` is for a StringList, `json` for a JSON value: only one of them"));
    }
    let base64 = is_file && decode(table, errors);
    Shape { json, list: list.map(|(separator, _)| separator), base64 }
}

/// Names between dots in a string, or a list of names that can contain dots.
fn json(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> Option<JsonPath> {
    let (value, span) = table.take("json")?;
    let path = match value.get_ref() {
        DeValue::String(text) => JsonPath::parse(text),
        DeValue::Array(_) => {
            let names = table.strings("json", errors)?;
            JsonPath::from_steps(names.into_iter().map(|(name, _)| name).collect())
        }
        _ => return table.wrong_type("json", "a string or a list of strings", value, errors),
    };
    if path.is_none() {
        errors.push(table.text.failure(&span, "`json` is the name of a field, names between dots, or a list of names"));
    }
    path
}

fn decode(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> bool {
    let Some((encoding, span)) = table.string("decode", errors) else { return false };
    if encoding != "base64" {
        errors.push(table.text.failure(&span, "`decode` knows \"base64\""));
    }
    true
}

/// `mode = "0444"`: the permissions of the sealed file, octal as chmod(1) takes them.
fn mode(table: &mut Table<'_, '_>, target: Target, errors: &mut Vec<Failure>) -> Target {
    let Target::File { .. } = target else { return target };
    let Some((text, span)) = table.string("mode", errors) else { return target };
    // `from_str_radix` would take a sign too.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if digits && (3..=4).contains(&text.len()) && mode & !0o444 == 0 && mode & 0o400 != 0 => {
            Target::File { mode }
        }
        _ => {
            errors.push(
                table.text.failure(&span, "`mode` is octal and only grants reading: \"0400\", \"0440\" or \"0444\""),
            );
            target
        }
    }
}
