//! The spec file: TOML text to what it says, with the place of every value. The grammar is section 4 of the contract,
//! and `packaging/stepzero.schema.json` is the same for editors (a test holds the two together).

use std::ops::Range;

use toml::de::DeTable;

use super::entry::{Entry, Expand, Load};
use super::role::RoleSpec;
use super::table::{Table, Text};
use super::template::{self, Beside};
use super::{many, source};
use crate::environment::Target;
use crate::error::{Exit, Failure, Failures};
use crate::name::EnvName;
use crate::setting::{Credentials, Existing, Origin, Separator, duration};

/// What a spec file says. An unset value is `None`, so that the next in the order of precedence speaks.
#[derive(Debug, Default)]
pub struct File {
    pub project: Option<(String, Origin)>,
    pub environment: Option<(String, Origin)>,
    pub separator: Option<Separator>,
    pub scopes: Option<Vec<(String, Origin)>>,
    pub references: Option<bool>,
    pub pristine: Option<bool>,
    pub keep: Option<Vec<EnvName>>,
    pub existing: Option<Existing>,
    pub timeout: Option<std::time::Duration>,
    pub region: Option<(String, Origin)>,
    pub credentials: Option<Credentials>,
    pub role: RoleSpec,
    pub entries: Vec<Entry>,
    pub loads: Vec<Load>,
    pub expands: Vec<Expand>,
}

/// Parses the text of the file at `path`; `beside` reads the files of templates. CONFIG, with file, line and column, for anything that is not a spec.
pub fn parse(path: &str, text: &str, beside: Beside<'_>) -> Result<File, Failures> {
    let text = Text::new(path, text);
    let root = DeTable::parse(text.text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        text.blind_failure(&span, &format!("not TOML: {}", error.message().replace('\n', ", ")))
    })?;
    let mut errors = Vec::new();
    let file = read(Table::new(text, root.span(), root.get_ref()), beside, &mut errors);
    template::check(&file.entries, &mut errors);
    Failures::check(errors).map_err(Failures::in_order).map(|()| file)
}

fn read(mut table: Table<'_, '_>, beside: Beside<'_>, errors: &mut Vec<Failure>) -> File {
    let text = table.text.clone();
    let place = |(value, span): (String, Range<usize>)| (value, text.origin(&span));
    let file = File {
        project: table.string("project", errors).map(place),
        environment: table.string("environment", errors).map(place),
        separator: parsed(&mut table, "separator", Separator::parse, errors),
        scopes: table.strings("scopes", errors).map(|patterns| patterns.into_iter().map(place).collect()),
        references: table.bool("references", errors),
        pristine: table.bool("pristine", errors),
        keep: keep(&mut table, errors),
        existing: parsed(&mut table, "existing", Existing::parse, errors),
        timeout: parsed(&mut table, "timeout", duration, errors),
        region: table.string("region", errors).map(place),
        credentials: parsed(&mut table, "credentials", Credentials::parse, errors),
        role: RoleSpec::read(&mut table, errors),
        entries: entries(&mut table, beside, errors),
        loads: many::loads(&mut table, errors),
        expands: many::expands(&mut table, errors),
    };
    table.finish(errors);
    file
}

/// A string with a grammar of its own.
pub(super) fn parsed<T>(
    table: &mut Table<'_, '_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
    errors: &mut Vec<Failure>,
) -> Option<T> {
    let (value, span) = table.string(key, errors)?;
    parse(&value).map_err(|why| errors.push(table.text.failure(&span, &format!("`{key}`: {why}")))).ok()
}

fn keep(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> Option<Vec<EnvName>> {
    let names = table.strings("keep", errors)?;
    let mut good = Vec::new();
    for (name, span) in names {
        match EnvName::new(&name) {
            Ok(name) => good.push(name),
            Err(bad) => errors.push(table.text.failure(&span, &bad.0)),
        }
    }
    Some(good)
}

fn entries(table: &mut Table<'_, '_>, beside: Beside<'_>, errors: &mut Vec<Failure>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (section, target) in [("env", Target::Environment), ("files", Target::File { mode: 0o400 })] {
        let Some((value, _)) = table.take(section) else { continue };
        let Some(variables) = value.get_ref().as_table() else {
            let _: Option<()> = table.wrong_type(section, "a table", value, errors);
            continue;
        };
        for (name, value) in variables {
            match EnvName::new(name.get_ref()) {
                Ok(variable) => {
                    entries.extend(source::entry(&table.text, variable, name.span(), value, target, beside, errors))
                }
                Err(bad) => errors.push(table.text.failure(&name.span(), &bad.0)),
            }
        }
    }
    // The order of the file is the order of the plan, and `[files]` can come first.
    entries.sort_by_key(|entry| match &entry.origin {
        Origin::File { line, column, .. } => (*line, *column),
        _ => (0, 0),
    });
    entries
}

/// The file's bytes as text: CONFIG when they are not UTF-8.
pub fn decode(what: &str, path: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::new(Exit::Config, format!("{path}:{line}: the {what} is not UTF-8 text (byte {at})"))
    })
}
