//! A parameter as it is asked for: a name or an ARN, with an optional selector, in AWS's grammar, which is checked here
//! because AWS refuses the whole call for one malformed name.
//! <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>
#![forbid(unsafe_code)]

use std::fmt;

use crate::error::printable;
use crate::foreign;
pub use crate::foreign::SECRET_PREFIX;
use crate::name::{BadName, Selector};

/// Under this prefix are the parameters that AWS publishes, which belong to no account and are not encrypted.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html>
pub const PUBLIC_PREFIX: &str = "/aws/service/";

/// At most so many levels has a name with slashes.
const LEVELS: usize = 15;

/// The name of a parameter, without a selector.
#[derive(Clone, Debug, Eq)]
pub struct ParameterName(String);

/// `/X` and `X` are the same root parameter.
impl PartialEq for ParameterName {
    fn eq(&self, other: &Self) -> bool {
        self.without_leading_slash() == other.without_leading_slash()
    }
}

impl std::hash::Hash for ParameterName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.without_leading_slash().hash(state);
    }
}

impl ParameterName {
    pub fn new(text: &str) -> Result<Self, BadName> {
        let refused = |why: &str| Err(BadName(format!("the parameter name \"{}\" {why}", printable(text))));
        let secret = text.strip_prefix(SECRET_PREFIX);
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c) || (secret.is_some() && "+=@!".contains(c));
        if text.is_empty() || secret == Some("") {
            return refused("is empty");
        }
        if !text.chars().all(allowed) {
            return refused("has a character outside a-z A-Z 0-9 _ . - /");
        }
        if text.contains('/') && !text.starts_with('/') {
            return refused("has a / but does not begin with one");
        }
        if secret.is_none() && (text.contains("//") || text.ends_with('/')) {
            return refused("has an empty level");
        }
        if text.matches('/').count() > LEVELS {
            return refused("has more than 15 levels");
        }
        Ok(ParameterName(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in an ARN, after `parameter/`: without the leading slash.
    pub fn without_leading_slash(&self) -> &str {
        self.0.strip_prefix('/').unwrap_or(&self.0)
    }

    /// Whether AWS publishes it.
    pub fn is_public(&self) -> bool {
        self.0.starts_with(PUBLIC_PREFIX)
    }

    pub fn is_secret(&self) -> bool {
        self.0.starts_with(SECRET_PREFIX)
    }
}

impl fmt::Display for ParameterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ARN of a parameter: `arn:PARTITION:ssm:REGION:ACCOUNT:parameter/NAME`. Only so can another account's be read.
/// That of a public parameter has no account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arn {
    text: String,
    pub region: String,
    pub name: ParameterName,
}

/// The number of an AWS account, as ARNs have it.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

impl Arn {
    fn new(text: &str) -> Result<Self, BadName> {
        let wrong = |why: &str| BadName(format!("the ARN \"{}\" {why}", printable(text)));
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        let [_, partition, "ssm", region, account, resource] = fields[..] else {
            return Err(wrong("is not arn:PARTITION:ssm:REGION:ACCOUNT:parameter/NAME"));
        };
        let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let is_public = account.is_empty() && resource.starts_with(&format!("parameter{PUBLIC_PREFIX}"));
        if !word(partition) || !word(region) || !(is_account(account) || is_public) {
            return Err(wrong("has no partition, Region and account of 12 digits"));
        }
        if let Some(fault) = crate::region::fault(region) {
            return Err(wrong(&format!("names no Region: {fault}")));
        }
        let path = resource.strip_prefix("parameter/").ok_or_else(|| wrong("is not of a parameter"))?;
        // In an ARN the leading slash of the name is the one after `parameter`; only a name with levels begins with it.
        let name = if path.contains('/') { format!("/{path}") } else { path.to_owned() };
        let name = ParameterName::new(&name)?;
        Ok(Arn { text: text.to_owned(), region: region.to_owned(), name })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// What one entry of `Names` says, without the selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Name(ParameterName),
    Arn(Arn),
}

/// `GetParameters` takes at most so many names.
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>
pub const NAMES_PER_CALL: usize = 10;

/// Every parameter under a path to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRequest {
    /// Begins with a slash, and does not end with one, unless it is `/`.
    pub path: String,
    /// Also those with further levels.
    pub recursive: bool,
    /// Only those that have it.
    pub label: Option<Selector>,
}

/// One parameter to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub subject: Subject,
    pub selector: Option<Selector>,
}

impl Request {
    pub fn named(name: ParameterName, selector: Option<Selector>) -> Self {
        Request { subject: Subject::Name(name), selector }
    }

    /// `NAME`, `NAME:SELECTOR`, `ARN` or `ARN:SELECTOR`.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if let Some(why) = foreign::parameter(text) {
            return Err(BadName(why));
        }
        let (subject, selector) = if text.starts_with("arn:") {
            let end = text.match_indices(':').nth(5).map_or(text.len(), |(at, _)| at);
            (Subject::Arn(Arn::new(&text[..end])?), text.get(end + 1..))
        } else {
            let (name, selector) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
            let name = ParameterName::new(name).map_err(|bad| suggested(bad, text))?;
            (Subject::Name(name), selector)
        };
        let request = Request { subject, selector: None };
        match selector {
            Some(text) if request.name().is_secret() => request.with(Selector::of_secret(text)?),
            Some(text) => request.with(Selector::parse(text)?),
            None => Ok(request),
        }
    }

    /// The same parameter at a version or label; an error when it has one already.
    pub fn with(self, selector: Selector) -> Result<Self, BadName> {
        match self.selector {
            Some(_) => Err(BadName(format!("\"{self}\" has a selector already: write it once"))),
            None => Ok(Request { selector: Some(selector), ..self }),
        }
    }

    pub fn name(&self) -> &ParameterName {
        match &self.subject {
            Subject::Name(name) => name,
            Subject::Arn(arn) => &arn.name,
        }
    }

    /// What the default variable is mapped from: the last segment of a name with levels, else what follows the last dot.
    pub fn last_segment(&self) -> &str {
        let name = self.name().as_str();
        let separator = if name.contains('/') { '/' } else { '.' };
        name.rsplit_once(separator).map_or(name, |(_, last)| last)
    }
}

/// A name with levels whose first slash is missing: says what was probably meant.
fn suggested(bad: BadName, text: &str) -> BadName {
    let meant = format!("/{text}");
    let is_near = text.contains('/') && !text.starts_with('/') && Request::parse(&meant).is_ok();
    if is_near { BadName(format!("{bad}: did you mean \"{meant}\"?")) } else { bad }
}

/// As it is sent to AWS.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Name(name) => f.write_str(name.as_str())?,
            Subject::Arn(arn) => f.write_str(arn.as_str())?,
        }
        self.selector.as_ref().map_or(Ok(()), |selector| write!(f, ":{selector}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_was_written() {
        for text in [
            "projectA.production.database_password",
            "/app/db:3",
            "/app/db:current",
            "X",
            "arn:aws:ssm:us-east-1:123456789012:parameter/app/db:3",
            "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/shared.key",
            "arn:aws:ssm:us-east-1::parameter/aws/service/ami-amazon-linux-latest/al2023",
            "/aws/reference/secretsmanager/prod/stripe+x@1:AWSPREVIOUS",
        ] {
            assert_eq!(Request::parse(text).map(|request| request.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_aws_would_refuse_is_refused() {
        let deep = "/a".repeat(16);
        for text in [
            "",
            "a b",
            "a/b",
            "/a//b",
            "/a/",
            "/",
            "é",
            "a:",
            "a:0",
            "a:b:c",
            "ssm:x",
            "ssm:///a/b",
            deep.as_str(),
            "a\nb",
            "arn:aws:ssm:us-east-1:123456789012",
            "arn:aws:s3:us-east-1:123456789012:parameter/x",
            "arn:aws:ssm:us-east-1:12345:parameter/x",
            "arn:aws:ssm:us-east-1::parameter/x",
            "arn:aws:ssm:us-east-1a:123456789012:parameter/x",
            "arn:aws:ssm:us-east-1:123456789012:document/x",
            "/aws/reference/secretsmanager/",
        ] {
            assert!(Request::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_root_parameter_has_two_spellings() {
        assert_eq!(Request::parse("/X"), Request::parse("X"));
        assert_ne!(Request::parse("/a/X"), Request::parse("X"));
    }

    #[test]
    fn the_last_segment() {
        for (text, want) in [("/app/db.host", "db.host"), ("a.b.c:3", "c"), ("X", "X"), ("/X", "X")] {
            assert_eq!(Request::parse(text).expect("good").last_segment(), want);
        }
        let arn = Request::parse("arn:aws:ssm:us-east-1:123456789012:parameter/app/db").expect("good");
        assert_eq!(arn.last_segment(), "db");
        assert_eq!(arn.name().as_str(), "/app/db");
    }
}
