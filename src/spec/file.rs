//! The spec file: TOML text to what it says, with the place of every value. The grammar is section 4 of the contract,
//! and `packaging/stepzero.schema.json` is the same for editors (a test holds the two together).

use std::ops::Range;

use toml::de::DeTable;

use super::entry::{Entry, Expand, Load};
use super::language::Other;
use super::role::RoleSpec;
use super::table::{Table, Text};
use super::template::{self, Beside};
use super::{many, source};
use crate::environment::Target;
use crate::error::{Exit, Failure, Failures};
use crate::name::EnvName;
use crate::setting::{CredentialMode, Existing, Origin, Separator, age, duration};

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
    pub last_good: Option<std::time::Duration>,
    pub last_good_after: Option<std::time::Duration>,
    pub region: Option<(String, Origin)>,
    pub credentials: Option<CredentialMode>,
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
        let what = format!("not TOML: {}", error.message().replace('\n', ", "));
        other_language(path, text.text).unwrap_or_else(|| text.blind_failure(&span, &what))
    })?;
    let mut errors = Vec::new();
    let mut table = Table::new(text.clone(), root.span(), root.get_ref());
    let file = read(&mut table, beside, &mut errors);
    template::check(&file.entries, &mut errors);
    table.finish(&mut errors);
    // Lines of NAME="value" are TOML too, of which every key is unknown here.
    let other = if errors.is_empty() { None } else { other_language(path, text.text) };
    Failures::check(other.map_or(errors, |failure| vec![failure])).map_err(Failures::in_order).map(|()| file)
}

/// CONFIG for a spec in a language that is known from elsewhere, with the TOML that says the same.
fn other_language(path: &str, text: &str) -> Option<Failure> {
    let other = Other::recognise(text)?;
    let what = format!("{path}: a spec is TOML, and this looks like {}", other.language);
    let failure = Failure::new(Exit::Config, what).detail("its first lines as TOML, by their names alone:");
    let failure = other.as_toml(&known()).iter().fold(failure, |failure, line| failure.detail(format!("  {line}")));
    Some(failure.help("a value that is secret stays in the store: KEY is the name under which it stands there"))
}

/// The keys outside any table.
fn known() -> Vec<&'static str> {
    let nothing = DeTable::default();
    let mut table = Table::new(Text::new("", ""), 0..0, &nothing);
    let no_file = |_: &str| Err(Failure::new(Exit::Config, "there is no file beside nothing"));
    read(&mut table, &no_file, &mut Vec::new());
    table.known()
}

fn read(table: &mut Table<'_, '_>, beside: Beside<'_>, errors: &mut Vec<Failure>) -> File {
    let text = table.text.clone();
    let place = |(value, span): (String, Range<usize>)| (value, text.origin(&span));
    File {
        project: table.string("project", errors).map(place),
        environment: table.string("environment", errors).map(place),
        separator: parsed(table, "separator", Separator::parse, errors),
        scopes: table.strings("scopes", errors).map(|patterns| patterns.into_iter().map(place).collect()),
        references: table.bool("references", errors),
        pristine: table.bool("pristine", errors),
        keep: keep(table, errors),
        existing: parsed(table, "existing", Existing::parse, errors),
        timeout: parsed(table, "timeout", duration, errors),
        last_good: parsed(table, "last_good", age, errors),
        last_good_after: parsed(table, "last_good_after", duration, errors),
        region: table.string("region", errors).map(place),
        credentials: parsed(table, "credentials", CredentialMode::parse, errors),
        role: RoleSpec::read(table, errors),
        entries: entries(table, beside, errors),
        loads: many::loads(table, errors),
        expands: many::expands(table, errors),
    }
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
