//! One line of a spec: a variable and where its value comes from. A flag makes the same as a line of the file.

use super::filter::Filter;
use crate::environment::Target;
use crate::name::{EnvName, Key, Naming, Selector};
use crate::parameter::PathRequest;
use crate::secret::JsonPath;
use crate::setting::Origin;
use crate::template::Template;

/// A variable of `[env]` or `[files]`, or of `-k` or `--parameter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub variable: EnvName,
    pub origin: Origin,
    pub source: ValueSource,
    pub selector: Option<Selector>,
    pub absent: Absent,
    pub shape: Shape,
    pub target: Target,
    /// For templates only: the command does not get it.
    pub private: bool,
}

impl Entry {
    /// The plain case: required, as it is, into the environment.
    pub fn new(variable: EnvName, origin: Origin, source: ValueSource) -> Self {
        Entry {
            variable,
            origin,
            source,
            selector: None,
            absent: Absent::Fail,
            shape: Shape::default(),
            target: Target::Environment,
            private: false,
        }
    }
}

/// What is asked for, placeholders unfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Looked for in the scopes.
    Key(Key),
    /// A full name or an ARN.
    Parameter(String),
    /// The id of a Secrets Manager secret.
    Secret(String),
}

/// Where the value of a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    Stored(Source),
    /// Made of the values of other variables.
    Template(Template),
    /// Nobody has it, and nobody is asked: `default` or `optional` says what comes of it.
    Absent,
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

/// A `[[load]]` or `--load`: everything under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    pub origin: Origin,
    pub path: String,
    pub recursive: bool,
    pub naming: Naming,
    pub label: Option<Selector>,
    pub optional: bool,
    pub filter: Filter,
}

/// An `[[expand]]`: every field of one JSON object as a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expand {
    pub origin: Origin,
    pub source: Source,
    pub selector: Option<Selector>,
    /// Nobody need have it.
    pub optional: bool,
    /// Objects and lists come as their JSON text.
    pub nested: bool,
    pub naming: Naming,
    pub filter: Filter,
}

impl Load {
    /// What AWS is asked for.
    pub fn request(&self) -> PathRequest {
        PathRequest { path: self.path.clone(), recursive: self.recursive, label: self.label.clone() }
    }
}
