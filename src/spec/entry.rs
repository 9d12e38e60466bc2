//! One line of a spec: a variable and where its value comes from. A flag makes the same as a line of the file.

use std::fmt;
use std::rc::Rc;

use super::filter::Filter;
use crate::name::{EnvName, Key, Selector};
use crate::secret::JsonPath;

/// Where the operator wrote something, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An option of the command line.
    Flag(&'static str),
    /// An environment variable of stepzero's own.
    Setting(&'static str),
    /// A place in the spec file; line and column count from 1.
    File { path: Rc<str>, line: usize, column: usize },
    /// An inherited variable whose value is a reference.
    Reference,
}

impl Origin {
    pub fn is_flag(&self) -> bool {
        matches!(self, Origin::Flag(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) | Origin::Setting(name) => f.write_str(name),
            Origin::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Origin::Reference => f.write_str("--references"),
        }
    }
}

/// A variable of `[env]` or `[files]`, or of `-k` or `--parameter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub variable: EnvName,
    pub origin: Origin,
    pub source: Source,
    pub selector: Option<Selector>,
    pub absent: Absent,
    pub shape: Shape,
    pub target: Target,
}

impl Entry {
    /// The plain case: required, as it is, into the environment.
    pub fn new(variable: EnvName, origin: Origin, source: Source) -> Self {
        Entry {
            variable,
            origin,
            source,
            selector: None,
            absent: Absent::Fail,
            shape: Shape::default(),
            target: Target::Environment,
        }
    }
}

/// Where a value comes from, placeholders unfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Looked for in the scopes.
    Key(Key),
    /// A full name or an ARN.
    Parameter(String),
    /// The id of a Secrets Manager secret.
    Secret(String),
}

/// What happens when nobody has the parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    Fail,
    /// The inherited variable is left alone.
    Skip,
    /// This text, unless the variable is inherited. Never a secret: it stands in the spec.
    Default(String),
}

/// What is done to the value before the variable is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub json: Option<JsonPath>,
    pub list: Option<String>,
    pub base64: bool,
}

/// What the variable holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The value.
    Environment,
    /// A path that opens to the value: sealed memory with this mode (chmod(2)).
    File { mode: u32 },
}

/// A `[[load]]` or `--load`: everything under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    pub origin: Origin,
    pub path: String,
    pub recursive: bool,
    pub prefix: String,
    pub label: Option<Selector>,
    pub optional: bool,
    pub filter: Filter,
}
