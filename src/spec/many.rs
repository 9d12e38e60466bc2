//! `[[load]]` and `[[expand]]`: many variables at once, whose names are those that the store's writers chose.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::entry::{Expand, Load, Source};
use super::file::parsed;
use super::filter::Filter;
use super::source;
use super::table::Table;
use crate::error::Failure;
use crate::name::{Naming, Selector};
use crate::setting::word;

/// The tables under `[[load]]`.
pub fn loads(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> Vec<Load> {
    tables(table, "load", load, errors)
}

/// The tables under `[[expand]]`.
pub fn expands(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> Vec<Expand> {
    tables(table, "expand", expand, errors)
}

fn tables<T>(
    table: &mut Table<'_, '_>,
    key: &'static str,
    read: fn(Table<'_, '_>, &mut Vec<Failure>) -> Option<T>,
    errors: &mut Vec<Failure>,
) -> Vec<T> {
    let Some((value, _)) = table.take(key) else { return Vec::new() };
    let wanted = format!("a list of tables, each under [[{key}]]");
    let Some(items) = value.get_ref().as_array() else {
        let _: Option<()> = table.wrong_type(key, &wanted, value, errors);
        return Vec::new();
    };
    let read = |item: &Spanned<DeValue<'_>>| match item.get_ref().as_table() {
        Some(inner) => read(Table::new(table.text.clone(), item.span(), inner), errors),
        None => table.wrong_type(key, &wanted, item, errors),
    };
    items.iter().filter_map(read).collect()
}

fn load(mut table: Table<'_, '_>, errors: &mut Vec<Failure>) -> Option<Load> {
    let before = errors.len();
    let path = table.string("path", errors);
    if path.is_none() && errors.len() == before {
        errors.push(table.text.failure(&head(&table), "[[load]] has no `path`"));
    }
    let recursive = table.bool("recursive", errors).unwrap_or(false);
    let naming = naming(&mut table, errors);
    let label = parsed(&mut table, "label", |label| Selector::label(label).map_err(|bad| bad.0), errors);
    let optional = table.bool("optional", errors).unwrap_or(false);
    let filter = Filter::read(&mut table, errors);
    let text = table.text.clone();
    table.finish(errors);
    let (path, span) = path?;
    Some(Load { origin: text.origin(&span), path, recursive, naming, label, optional, filter })
}

fn expand(mut table: Table<'_, '_>, errors: &mut Vec<Failure>) -> Option<Expand> {
    let origin = table.text.origin(&head(&table));
    let source = source::source(&mut table, errors);
    let selector = source::selector(&mut table, matches!(source, Some(Source::Secret(_))), errors);
    let naming = naming(&mut table, errors);
    let optional = table.bool("optional", errors).unwrap_or(false);
    let nested = table.bool("json", errors).unwrap_or(false);
    let filter = Filter::read(&mut table, errors);
    source::no_source(&table, errors);
    table.finish(errors);
    Some(Expand { origin, source: source?, selector, optional, nested, naming, filter })
}

/// Where the table begins.
fn head(table: &Table<'_, '_>) -> Range<usize> {
    table.span.start..table.span.start + 1
}

/// `prefix`, `case` and `join`.
fn naming(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> Naming {
    let mut naming = Naming::default();
    if let Some((prefix, span)) = table.string("prefix", errors) {
        if prefix.contains(['=', '\0']) {
            let what = "`prefix` begins the name of a variable: it has no \"=\" and no NUL";
            errors.push(table.text.failure(&span, what));
        }
        naming.prefix = prefix;
    }
    let keep_case = |text: &str| word(text, &[("upper", false), ("keep", true)]);
    naming.keep_case = parsed(table, "case", keep_case, errors).unwrap_or_default();
    let join = |text: &str| word(text, &[("_", "_"), ("__", "__")]);
    naming.join = parsed(table, "join", join, errors).unwrap_or("_").to_owned();
    naming
}
