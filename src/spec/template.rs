//! `template` and `template_file` of a variable, and what the variables that they name must be.

use std::collections::HashMap;
use std::ops::Range;

use toml::de::DeTable;

use super::entry::{Entry, ValueSource};
use super::table::{Table, Text};
use crate::error::{Exit, Failure};
use crate::name::EnvName;
use crate::setting::Origin;
use crate::template::{Malformed, Piece, Template};

/// Reads a file that stands beside the spec: its name for messages, and its text.
pub type Beside<'a> = &'a dyn Fn(&str) -> Result<(String, String), Failure>;

pub fn is_one(table: &DeTable<'_>) -> bool {
    table.contains_key("template") || table.contains_key("template_file")
}

/// Exactly one of the two.
pub fn read(table: &mut Table<'_, '_>, beside: Beside<'_>, errors: &mut Vec<Failure>) -> Option<Template> {
    let text = table.string("template", errors);
    let file = table.string("template_file", errors);
    match (text, file) {
        (Some((text, span)), None) => inline(&table.text, &text, &span, errors),
        (None, Some((path, span))) => from_file(&table.text, &path, &span, beside, errors),
        (Some(_), Some((_, span))) => {
            errors.push(table.text.failure(&span, "only one of `template` and `template_file`"));
            None
        }
        (None, None) => None,
    }
}

/// Where in a TOML string a byte of its value stands is not known, because of escapes: the place is the whole string.
fn inline(spec: &Text<'_>, text: &str, span: &Range<usize>, errors: &mut Vec<Failure>) -> Option<Template> {
    let parsed = Template::parse(text, |_| spec.origin(span));
    parsed.map_err(|Malformed { why, .. }| errors.push(spec.failure(span, &why))).ok()
}

fn from_file(
    spec: &Text<'_>,
    path: &str,
    span: &Range<usize>,
    beside: Beside<'_>,
    errors: &mut Vec<Failure>,
) -> Option<Template> {
    let (shown, text) =
        beside(path).map_err(|failure| errors.push(failure.detail(spec.origin(span).to_string()))).ok()?;
    let file = Text::new(&shown, &text);
    // Of the file only the place is told: one that was named by mistake can hold secrets.
    let parsed = Template::parse(&text, |range| file.origin(range));
    parsed.map_err(|Malformed { at, why }| errors.push(file.blind_failure(&at, &why))).ok()
}

/// Each variable that a template names is one of `[env]` or `[files]`, and no template itself.
pub fn check(entries: &[Entry], errors: &mut Vec<Failure>) {
    let sources: HashMap<&EnvName, &ValueSource> =
        entries.iter().map(|entry| (&entry.variable, &entry.source)).collect();
    for entry in entries {
        let ValueSource::Template(template) = &entry.source else { continue };
        for piece in &template.pieces {
            let Piece::Value { variable, origin, .. } = piece else { continue };
            match sources.get(variable) {
                Some(ValueSource::Template(_)) => errors.push(wrong(origin, entry, variable, "is a template itself")),
                Some(_) => {}
                None => errors.push(wrong(origin, entry, variable, "is no variable of [env] or [files] in this spec")),
            }
        }
    }
}

fn wrong(origin: &Origin, entry: &Entry, variable: &EnvName, why: &str) -> Failure {
    let what = format!("{origin}: the template of {} names {variable}, which {why}", entry.variable);
    let failure = match origin {
        Origin::File { line, column, .. } => Failure::new(Exit::Config, what).at(*line, *column),
        _ => Failure::new(Exit::Config, what),
    };
    failure
        .help("write braces that are no place as {{ and }}; a part that the command shall not get is `private = true`")
}
