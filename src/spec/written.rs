//! A spec, written: the lines that `file` and `source` read back as the same.

use super::entry::{Absent, Entry, Source, ValueSource};
use super::role::SESSION;
use super::{Spec, TIMEOUT};
use crate::environment::Target;
use crate::error::is_steering;
use crate::name::Selector;
use crate::secret::JsonPath;
use crate::setting::{Aws, CredentialMode, Existing, LastGoodRule, spelled, spelled_duration};

/// `VARIABLE = { … }` for `[env]` or `[files]`.
pub fn entry(entry: &Entry) -> String {
    format!("{} = {}", key(entry.variable.as_str()), table(entry))
}

/// What stands behind the `=`.
pub fn table(entry: &Entry) -> String {
    let mut fields = Vec::new();
    let mut say = |key: &str, value: String| fields.push(format!("{key} = {value}"));
    match &entry.source {
        ValueSource::Stored(Source::Key(key)) => say("key", string(key.as_str())),
        ValueSource::Stored(Source::Parameter(name)) => say("parameter", string(name)),
        ValueSource::Stored(Source::Secret(id)) => say("secret", string(id)),
        ValueSource::Template(template) => say("template", string(&template.text())),
        ValueSource::Absent => say("absent", "true".into()),
    }
    match &entry.selector {
        Some(Selector::Version(number)) => say("version", number.to_string()),
        Some(Selector::SecretVersion(id)) => say("version", string(id)),
        Some(Selector::Label(label)) => say("label", string(label)),
        None => {}
    }
    if let Some(path) = &entry.shape.json {
        say("json", json(path));
    }
    if let Some(separator) = &entry.shape.list {
        say("list", string(separator));
    }
    if entry.shape.base64 {
        say("decode", string("base64"));
    }
    match entry.target {
        Target::File { mode } if mode != 0o400 => say("mode", string(&format!("{mode:04o}"))),
        _ => {}
    }
    match &entry.absent {
        Absent::Fail => {}
        Absent::Skip => say("optional", "true".into()),
        Absent::Default(text) => say("default", string(text)),
    }
    if entry.private {
        say("private", "true".into());
    }
    format!("{{ {} }}", fields.join(", "))
}

/// What a spec says at its top, and what only flags said: key and value of all that is not as by default. A profile and
/// an endpoint have no key.
pub fn settings(spec: &Spec, aws: &Aws) -> Vec<(&'static str, String)> {
    let rules = &spec.rules;
    let keep: Vec<String> = rules.keep.iter().map(|name| string(name.as_str())).collect();
    let role = aws.role.as_ref();
    let after = spec.last_good.filter(|rule| rule.after != LastGoodRule::AFTER);
    let said = [
        ("pristine", rules.pristine.then(|| "true".to_owned())),
        ("keep", (!keep.is_empty()).then(|| format!("[{}]", keep.join(", ")))),
        ("existing", unless_default(&rules.existing, &Existing::WORDS)),
        ("timeout", (spec.timeout != TIMEOUT).then(|| string(&spelled_duration(spec.timeout)))),
        ("last_good", spec.last_good.map(|rule| string(&spelled_duration(rule.max_age)))),
        ("last_good_after", after.map(|rule| string(&spelled_duration(rule.after)))),
        ("region", aws.region.as_deref().map(string)),
        ("credentials", unless_default(&aws.credentials, &CredentialMode::WORDS)),
        ("role_arn", role.map(|role| string(&role.arn))),
        ("external_id", role.and_then(|role| role.external_id.as_deref()).map(string)),
        ("role_session_name", role.filter(|role| role.session_name != SESSION).map(|role| string(&role.session_name))),
    ];
    said.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn unless_default<T: Default + PartialEq>(value: &T, words: &[(&'static str, T)]) -> Option<String> {
    (*value != T::default()).then(|| string(spelled(value, words)))
}

fn json(path: &JsonPath) -> String {
    match path.text() {
        Some(text) => string(text),
        None => format!("[{}]", path.steps().iter().map(|step| string(step)).collect::<Vec<_>>().join(", ")),
    }
}

/// A key as it is where it can stand so, else in quotes.
pub fn key(text: &str) -> String {
    let is_bare = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if is_bare { text.to_owned() } else { string(text) }
}

/// A basic string (TOML 1.0), in one line. What would steer a terminal is escaped as well: whoever can write to the store
/// chooses some of the names.
pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // All of them have at most four digits.
            c if is_steering(c) => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let hostile: String = (1..=0xff_u8).map(char::from).chain("\u{202e}\u{feff}\u{2028}é😀{{}}".chars()).collect();
        let steering = string(&hostile);
        assert!(!steering.chars().any(is_steering), "{steering}");
        for text in ["", "plain", "a.b", "a b", "-", "\"\"\"", "\\u0041", "'", "#", "=", hostile.as_str()] {
            let line = format!("{} = {}", key(text), string(text));
            let table = toml::de::DeTable::parse(&line).expect("it is TOML");
            let (key, value) = table.get_ref().iter().next().expect("one line");
            assert_eq!((key.get_ref().as_ref(), value.get_ref().as_str()), (text, Some(text)), "{line}");
        }
    }
}
