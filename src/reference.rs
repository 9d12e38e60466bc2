//! References: inherited variables whose whole value names a parameter, as `ssm:NAME`, `ssm://NAME` or `ssm:ARN`.
//! A bare ARN is none: applications keep ARNs in variables and resolve them themselves.
#![forbid(unsafe_code)]

use crate::environment::Inherited;
use crate::error::{Exit, Failure, printable};
use crate::name::EnvName;
use crate::parameter::Request;

/// The references among the inherited variables, in their order. An unresolvable one is CONFIG, and names the variable
/// but never its value, which can be anything.
pub fn find(inherited: &Inherited, errors: &mut Vec<Failure>) -> Vec<(EnvName, Request)> {
    let mut found = Vec::new();
    for (name, value) in inherited.variables() {
        let Some(rest) = value.strip_prefix(b"ssm:") else { continue };
        let Some(name) = std::str::from_utf8(name).ok().and_then(|name| EnvName::new(name).ok()) else {
            let shown = printable(&String::from_utf8_lossy(name));
            let what = format!(
                "the reference in \"{shown}\" cannot be resolved: the variable's name is not UTF-8, or has a \"=\""
            );
            errors.push(Failure::new(Exit::Config, what).help("rename the variable, or unset it"));
            continue;
        };
        match parse(rest) {
            Ok(request) => found.push((name, request)),
            Err(why) => {
                errors.push(Failure::new(Exit::Config, format!("the reference in {name} {}", why.what)).help(why.help))
            }
        }
    }
    found
}

#[derive(Debug, PartialEq, Eq)]
struct Why {
    what: &'static str,
    help: &'static str,
}

/// What follows `ssm:`.
fn parse(rest: &[u8]) -> Result<Request, Why> {
    const NAME: &str = "a reference is ssm:NAME, ssm:///PATH/NAME or ssm:ARN, with an optional :version or :label";
    let malformed = Why { what: "is not the name of a parameter", help: NAME };
    let Ok(text) = std::str::from_utf8(rest) else { return Err(malformed) };
    let name = match text.strip_prefix("//") {
        // `ssm://a/b` looks like a host and a path. It is `ssm:///a/b` that names `/a/b`.
        Some(name) if name.contains('/') && !name.starts_with('/') && !name.starts_with("arn:") => {
            return Err(Why { what: "has two slashes before a path", help: "write three: ssm:///a/b names /a/b" });
        }
        Some(name) => name,
        None => text,
    };
    Request::parse(name).map_err(|_| malformed)
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
            ("a b", Err("is not the name of a parameter")),
            ("", Err("is not the name of a parameter")),
        ] {
            let got = parse(text.as_bytes()).map(|request| request.to_string()).map_err(|why| why.what);
            assert_eq!(got, want.map(str::to_owned), "{text}");
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
        assert_eq!(found[0].1.to_string(), "x");
        assert_eq!(errors.len(), 1);
        assert!(errors[0].to_string().contains("in D") && !errors[0].to_string().contains("hunter"));
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
