//! How other tools write a parameter or a secret, and what is to be written here in its place. Each function is for one
//! place of a spec or a flag; `None` where the text is nothing that is known from elsewhere.
#![forbid(unsafe_code)]

use crate::error::printable;

/// Under this prefix Parameter Store passes a read on to Secrets Manager.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html>
pub const SECRET_PREFIX: &str = "/aws/reference/secretsmanager/";

/// For `parameter` and `--parameter`: a reference (`ssm:…`), or a secret of Secrets Manager.
pub fn parameter(text: &str) -> Option<String> {
    let shown = printable(text);
    if let Some(name) = reference(text) {
        return Some(format!("\"{shown}\" is written as a reference; here it is the name alone: {}", printable(name)));
    }
    let id = after(text, "secretsmanager:").or_else(|| Some(split_arn(text)?.0))?;
    let id = printable(id);
    Some(format!(
        "\"{shown}\" is a secret of Secrets Manager: write {{ secret = \"{id}\" }} in the spec, or the parameter {SECRET_PREFIX}{id}"
    ))
}

/// For a key: a full name in a spelling that only a parameter has.
pub fn key(text: &str) -> Option<String> {
    let name = reference(text).or_else(|| text.starts_with("arn:").then_some(text))?;
    let (shown, name) = (printable(text), printable(name));
    Some(format!(
        "the key \"{shown}\" is a full name, not a part of one: write {{ parameter = \"{name}\" }} in the spec, or --parameter {name}"
    ))
}

/// For `secret`: an ARN, ECS's `NAME:FIELD:STAGE:VERSION`, a reference, or the name that Parameter Store has for it.
/// Parameter Store takes the secret's name alone.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html>
pub fn secret(text: &str) -> Option<String> {
    // In upper case it can be the name of a secret, with a version behind it.
    let name = text.strip_prefix("ssm:").and_then(|_| reference(text));
    if let Some(id) = text.strip_prefix("secretsmanager:").or_else(|| name.unwrap_or(text).strip_prefix(SECRET_PREFIX))
    {
        let id = printable(id);
        return Some(format!(
            "`secret` is the name of a secret, and this has more before it: write {{ secret = \"{id}\" }}"
        ));
    }
    if let Some(name) = name {
        let name = printable(name);
        return Some(format!(
            "`secret` is the name of a secret, and this is a parameter: write {{ parameter = \"{name}\" }}"
        ));
    }
    let (what, name, rest) = match split_arn(text) {
        Some((name, rest)) => ("an ARN", name, rest),
        None if text.starts_with("arn:") => ("an ARN", "NAME", ""),
        None if text.matches(':').count() < 2 => return None,
        None => {
            let (name, rest) = text.split_once(':')?;
            ("written as ECS has it", name, rest)
        }
    };
    let keys = ["json", "label", "version"].into_iter().zip(rest.split(':')).filter(|(_, value)| !value.is_empty());
    let keys: String = keys.map(|(key, value)| format!(", {key} = \"{}\"", printable(value))).collect();
    let name = printable(name);
    Some(format!("`secret` is the name of a secret, and this is {what}: write {{ secret = \"{name}\"{keys} }}"))
}

/// The name in `ssm:NAME` or `ssm://NAME`, in any case.
fn reference(text: &str) -> Option<&str> {
    let rest = after(text, "ssm:")?;
    Some(rest.strip_prefix("//").unwrap_or(rest))
}

/// What follows a beginning, whatever its case.
fn after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (beginning, rest) = text.split_at_checked(start.len())?;
    beginning.eq_ignore_ascii_case(start).then_some(rest)
}

/// The name in `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX`, and what ECS puts behind it.
fn split_arn(text: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = text.splitn(7, ':').collect();
    let ["arn", _, "secretsmanager", _, _, "secret", resource] = parts[..] else { return None };
    let (name, rest) = resource.split_once(':').unwrap_or((resource, ""));
    // AWS adds six characters of its own to the name.
    let bare = name.rsplit_once('-').filter(|(bare, suffix)| suffix.len() == 6 && !bare.is_empty());
    Some((bare.map_or(name, |(bare, _)| bare), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_here_is_not_foreign() {
        for text in ["", "s", "ssm", "/app/a:3", "shared.key:current", "prod/x", "prod/x:AWSPREVIOUS", "é:é"] {
            assert_eq!((parameter(text), key(text), secret(text)), (None, None, None), "{text}");
        }
        let arn = "arn:aws:ssm:us-east-1:123456789012:parameter/app/db";
        assert_eq!(parameter(arn), None);
    }

    #[test]
    fn an_arn_of_a_secret_has_six_characters_of_aws_s() {
        let arn = |resource: &str| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{resource}");
        for (resource, want) in [
            ("prod/x-AbCdEf", ("prod/x", "")),
            ("prod/x", ("prod/x", "")),
            ("prod/my-db-AbCdEf:k::", ("prod/my-db", "k::")),
            ("-AbCdEf", ("-AbCdEf", "")),
        ] {
            assert_eq!(split_arn(&arn(resource)), Some(want));
        }
        assert_eq!(split_arn("arn:aws:s3:::x"), None);
    }
}
