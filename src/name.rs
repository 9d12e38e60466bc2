//! The names that users write, each a type that cannot be wrong once made. Errors say what is wrong with the text;
//! the caller adds where it stood.
#![forbid(unsafe_code)]

use std::fmt;

use crate::error::printable;
use crate::foreign;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName(pub String);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn bad<T>(what: &str, text: &str, why: &str) -> Result<T, BadName> {
    Err(BadName(format!("{what} \"{}\" {why}", printable(text))))
}

/// The name of an environment variable: not empty, no `=`, no NUL (environ(7)). Anything else is the operator's choice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvName(String);

impl EnvName {
    pub fn new(text: &str) -> Result<Self, BadName> {
        if text.is_empty() || text.contains(['=', '\0']) {
            return bad("the variable", text, "cannot be set: a name is not empty and has no \"=\" and no NUL");
        }
        Ok(EnvName(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a shell can read it by its name: `$NAME` (POSIX: a name).
    pub fn is_for_shells(&self) -> bool {
        let letters = self.0.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        letters && !self.0.starts_with(|c: char| c.is_ascii_digit())
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

/// How a name in the store becomes the name of a variable: upper-case ASCII, `_` for every character outside `A-Z 0-9 _`, and
/// `_` before a leading digit. The rest is for the names that loads and expansions bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Comes before the mapped name, as it is.
    pub prefix: String,
    /// Letters stay as they are.
    pub keep_case: bool,
    /// What stands between the levels, which are between slashes.
    pub join: String,
}

impl Default for Naming {
    fn default() -> Self {
        Naming { prefix: String::new(), keep_case: false, join: "_".to_owned() }
    }
}

impl Naming {
    /// The variable for a name without the path before it.
    pub fn variable(&self, name: &str) -> Result<EnvName, BadName> {
        let levels: Vec<String> =
            name.split('/').map(|level| level.chars().map(|c| self.mapped(c)).collect()).collect();
        let body = levels.join(&self.join);
        let guard = if body.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
        EnvName::new(&format!("{}{guard}{body}", self.prefix))
    }

    fn mapped(&self, c: char) -> char {
        match c {
            _ if !(c.is_ascii_alphanumeric() || c == '_') => '_',
            _ if self.keep_case => c,
            _ => c.to_ascii_uppercase(),
        }
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// What is looked for in every scope: the last part of a parameter's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    pub fn new(text: &str) -> Result<Self, BadName> {
        if let Some(why) = foreign::key(text) {
            return Err(BadName(why));
        }
        if text.contains(':') {
            return bad(
                "the key",
                text,
                "has a selector: use --parameter NAME:SELECTOR, or `version` or `label` in the spec",
            );
        }
        if text.is_empty() || !text.chars().all(|c| is_name_char(c) || c == '/') {
            return bad("the key", text, "is not a part of a parameter name: those are made of a-z A-Z 0-9 _ . - /");
        }
        Ok(Key(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A project or an environment: one segment of a name, and never `shared`, which is everybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment(String);

impl Segment {
    pub fn new(what: &str, text: &str) -> Result<Self, BadName> {
        if text == "shared" {
            return bad(what, text, "is the name of everybody's scope: choose another");
        }
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            return bad(what, text, "is not one segment of a parameter name: those are made of a-z A-Z 0-9 _ -");
        }
        Ok(Segment(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which version of a parameter: a number, or a label that somebody moves.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    Version(u64),
    Label(String),
    /// The id of a version of a Secrets Manager secret.
    SecretVersion(String),
}

impl Selector {
    /// From the text after the `:` of a parameter's name.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        if is_number { Selector::version(text) } else { Selector::label(text) }
    }

    pub fn version(text: &str) -> Result<Self, BadName> {
        match text.parse() {
            Ok(version) if version > 0 => Ok(Selector::Version(version)),
            _ => bad("the version", text, "is not a number from 1"),
        }
    }

    pub fn label(text: &str) -> Result<Self, BadName> {
        let lower = text.to_ascii_lowercase();
        let starts_badly = text.starts_with(|c: char| c.is_ascii_digit());
        let reserved = lower.starts_with("aws") || lower.starts_with("ssm");
        if text.is_empty() || text.len() > 100 || starts_badly || reserved || !text.chars().all(is_name_char) {
            return bad(
                "the label",
                text,
                "is not one: at most 100 of a-z A-Z 0-9 _ . -, not first a digit, aws or ssm",
            );
        }
        Ok(Selector::Label(text.to_owned()))
    }

    /// Of a Secrets Manager reference: a version id, or a staging label such as `AWSPREVIOUS`.
    pub fn of_secret(text: &str) -> Result<Self, BadName> {
        if text.is_empty() || text.len() > 256 || !text.chars().all(|c| is_name_char(c) || "/+=@".contains(c)) {
            return bad("the secret's version", text, "is neither a version id nor a staging label");
        }
        Ok(Selector::SecretVersion(text.to_owned()))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Version(version) => write!(f, "{version}"),
            Selector::Label(text) | Selector::SecretVersion(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping() {
        let (upper, plain) = (false, "_");
        for (prefix, keep_case, join, name, want) in [
            ("", upper, plain, "database_password", "DATABASE_PASSWORD"),
            ("", upper, plain, "db.host-name/x", "DB_HOST_NAME_X"),
            ("", upper, plain, "2fa", "_2FA"),
            ("APP_", upper, plain, "2fa", "APP__2FA"),
            ("", upper, plain, "é", "_"),
            ("app_", upper, plain, "x", "app_X"),
            ("TF_VAR_", true, plain, "db/userName", "TF_VAR_db_userName"),
            ("", true, "__", "ConnectionStrings/Default", "ConnectionStrings__Default"),
            ("", upper, "__", "a/b.c/2", "A__B_C__2"),
        ] {
            let naming = Naming { prefix: prefix.into(), keep_case, join: join.into() };
            assert_eq!(naming.variable(name).map(|name| name.0), Ok(want.to_owned()), "{name}");
        }
    }

    #[test]
    fn selectors() {
        assert_eq!(Selector::parse("3"), Ok(Selector::Version(3)));
        assert_eq!(Selector::parse("current"), Ok(Selector::Label("current".into())));
        for wrong in ["", "0", "3a", "awsx", "SSM1", "a b", "99999999999999999999999"] {
            assert!(Selector::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Selector::label("3").is_err());
    }

    #[test]
    fn segments_and_keys() {
        assert!(Segment::new("the project", "projectA").is_ok());
        for wrong in ["", "shared", "a.b", "a/b", "a b"] {
            assert!(Segment::new("the project", wrong).is_err(), "{wrong}");
        }
        assert!(Key::new("db/host.x-1_y").is_ok());
        for wrong in ["", "a b", "a:1", "é"] {
            assert!(Key::new(wrong).is_err(), "{wrong}");
        }
    }
}
