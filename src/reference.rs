//! References: inherited variables whose whole value names a parameter, as `ssm:NAME`, `ssm://NAME` or `ssm:ARN`, or a
//! secret, as `secretsmanager:ID`; with `#FIELD.PATH` behind it, a field of its JSON value.
//! A bare ARN is none: applications keep ARNs in variables and resolve them themselves.
#![forbid(unsafe_code)]

use crate::environment::Inherited;
use crate::error::{Exit, Failure, printable};
use crate::foreign::SECRET_PREFIX;
use crate::name::EnvName;
use crate::parameter::Request;
use crate::secret::JsonPath;

/// What a reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub request: Request,
    pub field: Option<JsonPath>,
}

/// The references among the inherited variables, in their order. An unresolvable one is CONFIG, and names the variable
/// but never its value, which can be anything.
pub fn find(inherited: &Inherited, errors: &mut Vec<Failure>) -> Vec<(EnvName, Reference)> {
    let mut found = Vec::new();
    for (name, value) in inherited.variables() {
        if let Some(why) = almost(value) {
            let shown = printable(&String::from_utf8_lossy(name));
            errors.push(Failure::new(Exit::Config, format!("the reference in {shown} {}", why.what)).help(why.help));
            continue;
        }
        if !STARTS.iter().any(|start| value.starts_with(start.as_bytes())) {
            continue;
        }
        let Some(name) = std::str::from_utf8(name).ok().and_then(|name| EnvName::new(name).ok()) else {
            let shown = printable(&String::from_utf8_lossy(name));
            let what = format!(
                "the reference in \"{shown}\" cannot be resolved: the variable's name is not UTF-8, or has a \"=\""
            );
            errors.push(Failure::new(Exit::Config, what).help("rename the variable, or unset it"));
            continue;
        };
        match std::str::from_utf8(value).map_err(|_| MALFORMED).and_then(parse) {
            Ok(reference) => found.push((name, reference)),
            Err(why) => {
                errors.push(Failure::new(Exit::Config, format!("the reference in {name} {}", why.what)).help(why.help))
            }
        }
    }
    found
}

/// How a reference begins.
const STARTS: [&str; 2] = ["ssm:", "secretsmanager:"];

#[derive(Debug, PartialEq, Eq)]
struct Why {
    what: &'static str,
    help: &'static str,
}

/// What would be a reference, but for how it is written: the command would get the text in place of the value.
fn almost(value: &[u8]) -> Option<Why> {
    const BARE: &str = "write it bare, as in ssm:/app/db; `docker run --env-file` and systemd's Environment= with quotes \
                        inside a word keep quotes as part of the value";
    let text = std::str::from_utf8(value).ok()?;
    let inner = text.trim_matches(|c| is_quote(c) || is_blank(c));
    if ["{{resolve:ssm:", "{{resolve:ssm-secure:", "{{resolve:secretsmanager:"].iter().any(|start| begins(inner, start))
    {
        let help = "write ssm:NAME; of a secret, secretsmanager:ID";
        return Some(Why {
            what: "is written as CloudFormation's dynamic reference, which is not resolved here",
            help,
        });
    }
    let start = STARTS.iter().find(|start| begins(inner, start))?;
    // In lower case, bare, it would be a reference, right or wrong. In upper case it can be a text for people as well, so
    // there the rest has to name something.
    let is_lower = inner.starts_with(start);
    let names = parse(&format!("{start}{}", &inner[start.len()..]));
    if !(is_lower || names.is_ok() || names == Err(TWO_SLASHES)) {
        return None;
    }
    match text.trim_matches(is_blank) {
        whole if whole != inner => Some(Why { what: "has quotes around it", help: BARE }),
        whole if whole != text => Some(Why { what: "has white space around it", help: BARE }),
        _ if is_lower => None,
        _ => Some(Why { what: "begins in upper case", help: "write ssm: and secretsmanager: in lower case" }),
    }
}

/// Also those of word processors, and the backslash before a quote that was escaped once too often.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '\\' | '“' | '”' | '„' | '‘' | '’' | '«' | '»')
}

/// White space, and the byte order mark that editors of Windows begin a text with.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

/// In any case.
fn begins(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
}

/// `ssm://a/b` looks like a host and a path. It is `ssm:///a/b` that names `/a/b`.
const TWO_SLASHES: Why = Why { what: "has two slashes before a path", help: "write three: ssm:///a/b names /a/b" };

const MALFORMED: Why = Why {
    what: "is not the name of a parameter or a secret",
    help: "a reference is ssm:NAME, ssm:///PATH/NAME, ssm:ARN or secretsmanager:NAME, with an optional :version or :label, and an \
           optional #field.path of a JSON value",
};

/// The whole text of a reference.
fn parse(text: &str) -> Result<Reference, Why> {
    // No name has a #.
    let (text, field) = text.split_once('#').map_or((text, None), |(text, field)| (text, Some(field)));
    let field = field.map(|field| JsonPath::parse(field).ok_or(NO_FIELD)).transpose()?;
    let name = match (text.strip_prefix("ssm:"), text.strip_prefix("secretsmanager:")) {
        (Some(name), _) => without_slashes(name)?.to_owned(),
        (None, Some(id)) if !id.starts_with('/') => format!("{SECRET_PREFIX}{id}"),
        _ => return Err(MALFORMED),
    };
    let request = Request::parse(&name).map_err(|_| MALFORMED)?;
    Ok(Reference { request, field })
}

const NO_FIELD: Why =
    Why { what: "has a # without a field behind it", help: "a field is a name, or names between dots" };

/// Without the two slashes that `ssm://` has in the place of `ssm:`.
fn without_slashes(name: &str) -> Result<&str, Why> {
    match name.strip_prefix("//") {
        Some(name) if name.contains('/') && !name.starts_with('/') && !name.starts_with("arn:") => Err(TWO_SLASHES),
        Some(name) => Ok(name),
        None => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings() {
        for (text, want) in [
            ("shared.key", Ok("shared.key")),
            ("//shared.key:3", Ok("shared.key:3")),
            ("///app/db:current", Ok("/app/db:current")),
            ("/app/db", Ok("/app/db")),
            (
                "arn:aws:ssm:us-east-1:123456789012:parameter/app/db:3",
                Ok("arn:aws:ssm:us-east-1:123456789012:parameter/app/db:3"),
            ),
            ("//a/b", Err("has two slashes before a path")),
            ("a b", Err("is not the name of a parameter or a secret")),
            ("", Err("is not the name of a parameter or a secret")),
        ] {
            let got = parse(&format!("ssm:{text}")).map(|found| found.request.to_string()).map_err(|why| why.what);
            assert_eq!(got, want.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn secrets_and_fields() {
        let secret = |rest: &str| format!("{SECRET_PREFIX}{rest}");
        for (text, want) in [
            ("secretsmanager:prod/db", Ok((secret("prod/db"), ""))),
            ("secretsmanager:prod/db:AWSPREVIOUS#user.name", Ok((secret("prod/db:AWSPREVIOUS"), "user.name"))),
            ("ssm:/app/db:3#host", Ok(("/app/db:3".to_owned(), "host"))),
            ("ssm:///app/db#a.0", Ok(("/app/db".to_owned(), "a.0"))),
            ("ssm:x#", Err(NO_FIELD)),
            ("ssm:x#a..b", Err(NO_FIELD)),
            ("secretsmanager:", Err(MALFORMED)),
            ("secretsmanager://prod/db", Err(MALFORMED)),
            ("secretsmanager:arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf", Err(MALFORMED)),
        ] {
            let got = parse(text).map(|found| {
                (found.request.to_string(), found.field.map(|field| field.to_string()).unwrap_or_default())
            });
            assert_eq!(got, want.map(|(name, field)| (name, field.to_owned())), "{text}");
        }
    }

    #[test]
    fn only_a_whole_value_counts_and_errors_hide_it() {
        let entries =
            ["A=ssm:x", "B=see ssm:x", "C=arn:aws:ssm:us-east-1:123456789012:parameter/x", "D=ssm:hunter 2", "A=ssm:y"];
        let inherited = Inherited::new(entries.iter().map(|entry| entry.as_bytes().to_vec()).collect());
        let mut errors = Vec::new();
        let found = find(&inherited, &mut errors);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.request.to_string(), "x");
        assert_eq!(errors.len(), 1);
        assert!(errors[0].to_string().contains("in D") && !errors[0].to_string().contains("hunter"));
    }

    #[test]
    fn what_is_almost_a_reference_is_told() {
        for (value, what) in [
            ("\"ssm:/app/db\"", "quotes"),
            ("'ssm:/app/db'", "quotes"),
            (" \"SSM:/app/db:3\" ", "quotes"),
            ("\" ssm:x\"", "quotes"),
            ("\"ssm:hunter 2\"", "quotes"),
            ("“ssm://a/b”", "quotes"),
            ("\u{feff}ssm:/app/db", "white space"),
            (" ssm:/app/db", "white space"),
            ("ssm:/app/db\n", "white space"),
            ("SSM:/app/db", "upper case"),
            ("SecretsManager:prod/db#x", "upper case"),
            ("\"secretsmanager:prod/db\"", "quotes"),
            ("Ssm:///app/db", "upper case"),
            ("{{resolve:ssm:/app/db}}", "CloudFormation"),
            ("{{resolve:ssm-secure:/app/db:1}}", "CloudFormation"),
            ("'{{resolve:secretsmanager:prod/db:SecretString:k}}'", "CloudFormation"),
        ] {
            assert!(almost(value.as_bytes()).is_some_and(|why| why.what.contains(what)), "{value}");
        }
        for value in ["", "\"", "ssm:/app/db", "see ssm:x", "\"SSM: a note\"", "SSM: a note", "{{ssm:x}}", "é", "ssmé"]
        {
            assert!(almost(value.as_bytes()).is_none(), "{value}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_set_is_told_and_not_passed_over() {
        for entry in [&b"\xff=ssm:x"[..], b"=A=ssm:x"] {
            let mut errors = Vec::new();
            assert!(find(&Inherited::new(vec![entry.to_vec()]), &mut errors).is_empty());
            assert_eq!(errors.iter().map(|error| error.exit).collect::<Vec<_>>(), [Exit::Config], "{entry:?}");
        }
    }
}
