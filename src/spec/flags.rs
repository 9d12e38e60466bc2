//! What the repeatable flags say, as lines of a spec would.

use super::entry::{Entry, Load, Source, ValueSource};
use super::filter::Filter;
use crate::error::{Exit, Failure};
use crate::name::{BadName, EnvName, Key, Naming};
use crate::parameter::Request;
use crate::scope::Placeholders;
use crate::setting::Origin;

/// `None` without the flag.
pub fn scopes(patterns: Vec<String>) -> Option<Vec<(String, Origin)>> {
    let patterns: Vec<_> = patterns.into_iter().map(|pattern| (pattern, Origin::Flag("--scope"))).collect();
    (!patterns.is_empty()).then_some(patterns)
}

/// `None` without the flag.
pub fn keep(names: &[String], errors: &mut Vec<Failure>) -> Option<Vec<EnvName>> {
    let mut keep = Vec::new();
    for name in names {
        match EnvName::new(name) {
            Ok(name) => keep.push(name),
            Err(bad) => errors.push(Failure::new(Exit::Usage, format!("--keep: {bad}"))),
        }
    }
    (!names.is_empty()).then_some(keep)
}

pub fn load(path: String) -> Load {
    let origin = Origin::Flag("--load");
    Load {
        origin,
        path,
        recursive: false,
        naming: Naming::default(),
        label: None,
        optional: false,
        filter: Filter::default(),
    }
}

pub fn entries(
    keys: &[String],
    parameters: &[String],
    placeholders: Placeholders<'_>,
    errors: &mut Vec<Failure>,
) -> Vec<Entry> {
    let keys = keys.iter().map(|text| key_entry(text));
    let parameters = parameters.iter().map(|text| parameter_entry(text, placeholders));
    let mut entries = Vec::new();
    for made in keys.chain(parameters) {
        match made {
            Ok(entry) => entries.push(entry),
            Err(failure) => errors.push(failure),
        }
    }
    entries
}

fn key_entry(text: &str) -> Result<Entry, Failure> {
    let origin = Origin::Flag("--key");
    let (variable, key) = split_variable(text, &origin)?;
    let key = Key::new(key).map_err(|bad| named_badly(&origin, bad))?;
    let last = key.as_str();
    let variable =
        variable.map_or_else(|| Naming::default().variable(last), Ok).map_err(|bad| named_badly(&origin, bad))?;
    Ok(Entry::new(variable, origin, ValueSource::Stored(Source::Key(key))))
}

fn parameter_entry(text: &str, placeholders: Placeholders<'_>) -> Result<Entry, Failure> {
    let origin = Origin::Flag("--parameter");
    let (variable, name) = split_variable(text, &origin)?;
    let name = placeholders.fill(name, &origin)?;
    let mapped = || Request::parse(&name).and_then(|request| Naming::default().variable(request.last_segment()));
    let variable = variable.map_or_else(mapped, Ok).map_err(|bad| named_badly(&origin, bad))?;
    Ok(Entry::new(variable, origin, ValueSource::Stored(Source::Parameter(name))))
}

/// `VAR=REST` or `REST`.
fn split_variable<'a>(text: &'a str, origin: &Origin) -> Result<(Option<EnvName>, &'a str), Failure> {
    let Some((variable, rest)) = text.split_once('=') else { return Ok((None, text)) };
    let variable = EnvName::new(variable).map_err(|bad| Failure::new(Exit::Usage, format!("{origin}: {bad}")))?;
    Ok((Some(variable), rest))
}

fn named_badly(origin: &Origin, bad: BadName) -> Failure {
    Failure::new(Exit::Config, format!("{origin}: {bad}"))
}
