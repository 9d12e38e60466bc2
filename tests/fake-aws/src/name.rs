//! The grammar of parameter names: what AWS accepts, and what a request's name refers to.

use crate::error::AwsError;
use crate::site::Site;

/// Names below this prefix are secrets of Secrets Manager, read through Parameter Store.
pub(crate) const SECRET_PREFIX: &str = "aws/reference/secretsmanager/";

const MAX_LEVELS: usize = 15;

/// A name as a request gives it, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The text as it was asked for; `InvalidParameters` repeats it.
    pub asked: String,
    pub account: String,
    /// Without the leading slash: `/X` and `X` are one parameter, and ARNs have none.
    pub folded: String,
    pub selector: Option<String>,
}

impl Reference {
    pub fn arn(&self, site: &Site) -> String {
        site.parameter_arn(&self.account, &self.folded)
    }

    /// The id of the secret, if this is a reference to Secrets Manager.
    pub fn secret_id(&self) -> Option<&str> {
        self.folded.strip_prefix(SECRET_PREFIX)
    }
}

/// The form in which a name is stored and compared. A name with a slash in it has to begin with
/// one, so nothing but the root's two spellings falls together.
pub(crate) fn fold(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

/// Takes apart `NAME`, `NAME:SELECTOR`, or an ARN with an optional selector.
pub(crate) fn parse(asked: &str, site: &Site) -> Result<Reference, AwsError> {
    let (account, rest) = match asked.strip_prefix("arn:") {
        Some(arn) => parse_arn(arn, site).ok_or_else(|| invalid(asked))?,
        None => (site.account.clone(), asked),
    };
    let (name, selector) = match rest.split_once(':') {
        Some((name, selector)) => (name, Some(selector.to_owned())),
        None => (rest, None),
    };
    check(name, asked.starts_with("arn:"))?;
    if selector.as_deref().is_some_and(|s| s.is_empty() || !s.chars().all(is_name_char)) {
        return Err(invalid(asked));
    }
    let folded = fold(name).to_owned();
    Ok(Reference { asked: asked.to_owned(), account, folded, selector })
}

/// The account and the resource of what follows `arn:`; `None` for any other service or Region.
fn parse_arn<'a>(arn: &'a str, site: &Site) -> Option<(String, &'a str)> {
    let mut parts = arn.splitn(5, ':');
    let (partition, service) = (parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = partition == site.partition() && service == "ssm" && region == site.region;
    let name = resource.strip_prefix("parameter/")?;
    ours.then(|| (account.to_owned(), name))
}

/// Checks a bare name: characters, slashes, levels.
fn check(name: &str, from_arn: bool) -> Result<(), AwsError> {
    let secret = fold(name).starts_with(SECRET_PREFIX);
    let legal = |c: char| is_name_char(c) || c == '/' || (secret && "+=@".contains(c));
    let inner = fold(name);
    let empty_level = inner.split('/').any(str::is_empty);
    if inner.is_empty() || empty_level || !name.chars().all(legal) {
        return Err(invalid(name));
    }
    if name.contains('/') && !name.starts_with('/') && !from_arn {
        return Err(AwsError::validation("Parameter name must be a fully qualified name."));
    }
    if inner.split('/').count() > MAX_LEVELS {
        return Err(too_deep());
    }
    Ok(())
}

pub(crate) fn too_deep() -> AwsError {
    AwsError::new(
        "HierarchyLevelLimitExceededException",
        format!("A hierarchy can have a maximum of {MAX_LEVELS} levels."),
    )
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn invalid(asked: &str) -> AwsError {
    AwsError::validation(format!(
        "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of \
         sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the \
         following 3 symbols .-_ (asked for: {asked})"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site { region: "us-east-1".into(), account: "123456789012".into() }
    }

    #[test]
    fn forms_of_one_name() {
        for (asked, folded, selector) in [
            ("shared.key", "shared.key", None),
            ("/root", "root", None),
            ("/a/b:3", "a/b", Some("3")),
            ("a:label.x", "a", Some("label.x")),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/a/b:2", "a/b", Some("2")),
            ("/aws/reference/secretsmanager/prod/x+y@z", "aws/reference/secretsmanager/prod/x+y@z", None),
        ] {
            let reference = parse(asked, &site()).expect(asked);
            assert_eq!(reference.folded, folded, "{asked}");
            assert_eq!(reference.selector.as_deref(), selector, "{asked}");
        }
    }

    #[test]
    fn refused_names() {
        let deep = "/a".repeat(16);
        for asked in [
            "",
            "/",
            "a b",
            "a/b",
            "/a//b",
            "/a/",
            "a:",
            "a:b:c",
            "é",
            "x+y",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/a",
            "arn:aws:s3:us-east-1:123456789012:parameter/a",
            "arn:aws:ssm:us-east-1:123456789012:document/a",
            &deep,
        ] {
            assert!(parse(asked, &site()).is_err(), "{asked:?} passed");
        }
        assert!(parse(&"/a".repeat(15), &site()).is_ok());
    }
}
