//! GetParametersByPath: whole segments, small pages, and pages that are empty but not the last.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Context, flag, max_results, text};
use crate::error::AwsError;
use crate::iam::Question;
use crate::name;
use crate::store::Parameter;

const MAX_PAGE: u64 = 10;

pub(super) fn page(context: &mut Context<'_>, input: &Value) -> Result<Value, AwsError> {
    let path = text(input, "Path")?;
    let folded = check_path(path, context)?;
    let resource = context.state.site.parameter_arn(&context.state.site.account, folded);
    let question = Question { action: "ssm:GetParametersByPath", resource: &resource, context: &[] };
    context.state.authorize(context.principal, &question)?;
    let (recursive, decrypt) = (flag(input, "Recursive"), flag(input, "WithDecryption"));
    let filters = filters(input)?;
    let size = max_results(input, 10, MAX_PAGE)?;
    let size = context.state.knobs.page_size.map_or(size, |page| page.clamp(1, size));

    let account = context.state.site.account.clone();
    let selected = |parameter: &&Parameter| {
        is_below(folded, name::fold(&parameter.name), recursive)
            && filters.iter().all(|filter| filter.admits(parameter))
    };
    let all: Vec<&Parameter> = context.state.store.all(&account).filter(selected).collect();
    let position = Position::parse(input, path)?;
    let empty = context.state.knobs.empty_pages && !position.after_empty;
    let (start, end) = match empty {
        true => (position.start, position.start),
        false => (position.start, all.len().min(position.start + size)),
    };
    let label = filters.iter().find_map(Filter::label);
    let mut parameters = Vec::new();
    for parameter in all.get(start..end).unwrap_or_default() {
        let version = parameter.select(label).unwrap_or_else(|| parameter.latest());
        parameters.push(context.show(parameter, version, label, decrypt)?);
    }
    let mut answer = json!({ "Parameters": parameters });
    if empty || end < all.len() {
        answer["NextToken"] = json!(Position { start: end, after_empty: empty }.token(path));
    }
    Ok(answer)
}

fn check_path<'a>(path: &'a str, context: &Context<'_>) -> Result<&'a str, AwsError> {
    if path == "/" {
        return Ok("");
    }
    let bad = || {
        AwsError::validation(format!(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward \
             slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). (path: {path})"
        ))
    };
    let bare = path.strip_suffix('/').unwrap_or(path);
    if !path.starts_with('/') || bare.contains(':') {
        return Err(bad());
    }
    name::parse(bare, &context.state.site).map_err(|_| bad())?;
    Ok(name::fold(bare))
}

/// `/a` has `/a/b` below it and never `/ab`. The root has every name with a slash, and, on its first
/// level, those without.
fn is_below(path: &str, folded: &str, recursive: bool) -> bool {
    let rest =
        if path.is_empty() { Some(folded) } else { folded.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) };
    rest.is_some_and(|rest| recursive || !rest.contains('/'))
}

/// A `ParameterFilters` member; only these three keys work by path.
enum Filter {
    Type(Vec<String>),
    KeyId(Vec<String>),
    Label(Vec<String>),
}

impl Filter {
    fn admits(&self, parameter: &Parameter) -> bool {
        let latest = parameter.latest();
        match self {
            Self::Type(kinds) => kinds.contains(&latest.kind),
            Self::KeyId(keys) => latest.key_arn.as_ref().is_some_and(|key| keys.contains(key)),
            Self::Label(labels) => labels.iter().any(|label| parameter.select(Some(label)).is_some()),
        }
    }

    fn label(&self) -> Option<&str> {
        match self {
            Self::Label(labels) => labels.first().map(String::as_str),
            Self::Type(_) | Self::KeyId(_) => None,
        }
    }
}

fn filters(input: &Value) -> Result<Vec<Filter>, AwsError> {
    let list = input.get("ParameterFilters").and_then(Value::as_array).into_iter().flatten();
    list.map(|filter| {
        let values = filter.get("Values").and_then(Value::as_array).into_iter().flatten();
        let values: Vec<String> = values.filter_map(Value::as_str).map(str::to_owned).collect();
        match text(filter, "Key")? {
            "Type" => Ok(Filter::Type(values)),
            "KeyId" => Ok(Filter::KeyId(values)),
            "Label" if values.len() == 1 => Ok(Filter::Label(values)),
            key => Err(AwsError::new(
                "InvalidFilterKey",
                format!(
                    "The following filter key is not valid: {key}. Valid filter keys include: [Type, KeyId, Label]."
                ),
            )),
        }
    })
    .collect()
}

/// Where a page starts; a token carries it, bound to its path.
#[derive(Debug, PartialEq, Eq)]
struct Position {
    start: usize,
    after_empty: bool,
}

impl Position {
    fn parse(input: &Value, path: &str) -> Result<Self, AwsError> {
        let Some(token) = input.get("NextToken").and_then(Value::as_str) else {
            return Ok(Self { start: 0, after_empty: false });
        };
        let bad = || AwsError::new("InvalidNextToken", "The specified token is not valid.");
        let bytes = STANDARD.decode(token).map_err(|_| bad())?;
        let decoded = String::from_utf8(bytes).map_err(|_| bad())?;
        let mut parts = decoded.splitn(3, ' ');
        let start = parts.next().and_then(|start| start.parse().ok()).ok_or_else(bad)?;
        let after_empty = parts.next() == Some("empty");
        if parts.next() == Some(path) { Ok(Self { start, after_empty }) } else { Err(bad()) }
    }

    fn token(&self, path: &str) -> String {
        let kind = if self.after_empty { "empty" } else { "full" };
        STANDARD.encode(format!("{} {kind} {path}", self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_segments() {
        for (path, name, recursive, expected) in [
            ("a", "a/b", false, true),
            ("a", "ab", true, false),
            ("a", "a", true, false),
            ("a", "a/b/c", false, false),
            ("a", "a/b/c", true, true),
            ("", "x", false, true),
            ("", "a/b", false, false),
            ("", "a/b", true, true),
        ] {
            assert_eq!(is_below(path, name, recursive), expected, "{name} below /{path}");
        }
    }

    #[test]
    fn tokens_belong_to_their_path() {
        let position = Position { start: 7, after_empty: true };
        let input = json!({ "NextToken": position.token("/a") });
        assert_eq!(Position::parse(&input, "/a").expect("valid"), position);
        assert!(Position::parse(&input, "/b").is_err());
        assert!(Position::parse(&json!({ "NextToken": "x" }), "/a").is_err());
    }
}
