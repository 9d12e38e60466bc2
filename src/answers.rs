//! What Parameter Store answered, as plain data: values, what is missing, what is denied.
#![forbid(unsafe_code)]

use std::rc::Rc;
use std::time::SystemTime;

use crate::error::Failure;
use crate::secret::Secret;

/// Everything that was asked for.
#[derive(Debug)]
pub struct Answers {
    /// In the order of the plan's requests.
    pub replies: Vec<Reply>,
    /// In the order of the plan's loads.
    pub loads: Vec<LoadReply>,
}

/// The answer to one load.
#[derive(Debug)]
pub enum LoadReply {
    Found(Vec<Parameter>),
    /// There are more pages than so many.
    TooMany(usize),
    Denied(Denial),
    /// Not waited for after a denial.
    NotFetched,
    /// There was no answer until the deadline.
    GaveUp(Failure),
}

/// The answer to one request.
#[derive(Debug)]
pub enum Reply {
    Found(Parameter),
    /// AWS says that it does not exist.
    Missing,
    /// This name, or another one of its call: only `check` finds out which.
    Denied(Denial),
    /// Not waited for after a denial.
    NotFetched,
    /// There was no answer until the deadline.
    GaveUp(Failure),
}

/// A decrypted parameter.
#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    /// 0 for a secret of Secrets Manager, whose versions have no numbers.
    pub version: i64,
    /// Of a secret of Secrets Manager: the id of its version.
    pub version_id: Option<String>,
    /// When this version was made.
    pub modified: Option<SystemTime>,
    pub kind: Kind,
    pub value: Rc<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    String,
    StringList,
    SecureString,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "String",
            Kind::StringList => "StringList",
            Kind::SecureString => "SecureString",
        }
    }
}

impl Answers {
    /// For a plan that asks for nothing.
    pub fn none() -> Self {
        Answers { replies: Vec::new(), loads: Vec::new() }
    }
}

/// Who denied what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The IAM action, `ssm:GetParameters` where AWS does not say.
    pub action: String,
    /// The ARN that AWS names.
    pub resource: Option<String>,
    /// The role, as AWS names it.
    pub principal: Option<String>,
    /// What else is known.
    pub note: Option<&'static str>,
    /// What the call asked for: AWS denies it whole, and names a key without saying of which parameter.
    pub asked: Vec<String>,
}
