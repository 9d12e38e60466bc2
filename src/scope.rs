//! Scopes: where a key is looked for, from the most specific to the least, and the placeholders that stand in them.
#![forbid(unsafe_code)]

use crate::error::{Exit, Failure, printable};
use crate::name::Segment;
use crate::parameter::ParameterName;
use crate::setting::Origin;
use crate::setting::Separator;

/// The default list, as the article that the project began with has it.
const DOTTED: [&str; 4] = ["{project}.{environment}", "{project}.shared", "{environment}", "shared"];
/// The same as paths.
const SLASHED: [&str; 4] = ["/{project}/{environment}", "/{project}/shared", "/{environment}", "/shared"];

/// The aliases of the keys, as the article names them, without `alias/`.
const KEYS: [&str; 4] = ["{project}/{environment}", "{project}", "{environment}", "shared"];

/// One scope, placeholders filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    text: String,
    key_alias: Option<String>,
}

impl Scope {
    /// CONFIG when no key can make the name of a parameter of it: the pattern is to blame, and not the key.
    fn new(text: String, origin: &Origin) -> Result<Self, Failure> {
        if text.is_empty() {
            return Err(Failure::new(Exit::Config, format!("{origin}: a scope is empty")));
        }
        let scope = Scope { text, key_alias: None };
        match ParameterName::new(&scope.name_of("key")) {
            Ok(_) => Ok(scope),
            Err(bad) => {
                let what = format!("{origin}: the scope \"{}\" makes no name of a key", printable(&scope.text));
                Err(Failure::new(Exit::Config, what).detail(bad.0))
            }
        }
    }

    /// The full name of a key in this scope: joined by `/` when the scope begins with `/`, else by `.`.
    pub fn name_of(&self, key: &str) -> String {
        let separator = if self.text.starts_with('/') { '/' } else { '.' };
        format!("{}{separator}{key}", self.text)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key that its parameters are under, as the article names it; `None` for a scope that the user wrote.
    pub fn key_alias(&self) -> Option<&str> {
        self.key_alias.as_deref()
    }
}

/// What `{project}` and `{environment}` stand for.
#[derive(Clone, Copy, Debug)]
pub struct Placeholders<'a> {
    pub project: Option<&'a Segment>,
    pub environment: Option<&'a Segment>,
}

impl Placeholders<'_> {
    /// Fills a text; CONFIG for a placeholder that nothing fills, or that does not exist.
    pub fn fill(&self, text: &str, origin: &Origin) -> Result<String, Failure> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| unknown(text, origin))?;
            let (segment, way) = match name {
                "project" => (self.project, "--project, STEPZERO_PROJECT or `project` in the spec"),
                "environment" => (self.environment, "--environment, STEPZERO_ENVIRONMENT or `environment` in the spec"),
                _ => return Err(unknown(text, origin)),
            };
            let segment = segment.ok_or_else(|| {
                // The same words wherever it stands, so that `Failures` makes one message of it.
                Failure::new(Exit::Config, format!("nothing fills {{{name}}}"))
                    .detail(format!("{origin}: \"{}\"", printable(text)))
                    .help(format!("say {way}"))
            })?;
            filled.push_str(before);
            filled.push_str(segment.as_str());
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

fn unknown(text: &str, origin: &Origin) -> Failure {
    Failure::new(Exit::Config, format!("{origin}: \"{}\" has an unknown placeholder", printable(text)))
        .help("the placeholders are {project} and {environment}")
}

/// The list of scopes, most specific first: the patterns that were written, or the default list of the separator.
/// CONFIG for a placeholder without a value, an empty pattern, or two patterns that come to the same.
pub fn expand(
    written: Option<&[(String, Origin)]>,
    separator: Separator,
    placeholders: Placeholders<'_>,
) -> Result<Vec<Scope>, Vec<Failure>> {
    let Some(written) = written else {
        return by_default(separator, placeholders);
    };
    filled(written, placeholders)
}

fn by_default(separator: Separator, placeholders: Placeholders<'_>) -> Result<Vec<Scope>, Vec<Failure>> {
    let origin = Origin::Variable("the default scopes");
    let list = if separator == Separator::Dot { DOTTED } else { SLASHED };
    let patterns: Vec<_> = list.iter().map(|pattern| ((*pattern).to_owned(), origin.clone())).collect();
    let mut scopes = filled(&patterns, placeholders)?;
    for (scope, key) in scopes.iter_mut().zip(KEYS) {
        // What fills the scopes fills the aliases.
        scope.key_alias = placeholders.fill(key, &origin).ok().map(|name| format!("alias/{name}"));
    }
    Ok(scopes)
}

fn filled(patterns: &[(String, Origin)], placeholders: Placeholders<'_>) -> Result<Vec<Scope>, Vec<Failure>> {
    let mut scopes: Vec<Scope> = Vec::new();
    let mut errors = Vec::new();
    if patterns.is_empty() {
        errors.push(
            Failure::new(Exit::Config, "`scopes` is empty, and keys are looked for in scopes")
                .help("list some, or leave `scopes` out for the default list"),
        );
    }
    for (pattern, origin) in patterns {
        let scope = placeholders.fill(pattern, origin).and_then(|text| Scope::new(text, origin));
        match scope {
            Ok(scope) if scopes.contains(&scope) => {
                let what = format!("{origin}: two scopes are \"{}\"", printable(&scope.text));
                errors.push(Failure::new(Exit::Config, what));
            }
            Ok(scope) => scopes.push(scope),
            Err(failure) => errors.push(failure),
        }
    }
    if errors.is_empty() { Ok(scopes) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(separator: Separator) -> Vec<String> {
        let project = Segment::new("the project", "projectA").expect("good");
        let environment = Segment::new("the environment", "production").expect("good");
        let filled = Placeholders { project: Some(&project), environment: Some(&environment) };
        let scopes = expand(None, separator, filled).expect("all filled");
        scopes.iter().map(|scope| scope.name_of("k")).collect()
    }

    #[test]
    fn the_article_s_four_scopes_in_both_spellings() {
        assert_eq!(names(Separator::Dot), ["projectA.production.k", "projectA.shared.k", "production.k", "shared.k"]);
        assert_eq!(
            names(Separator::Slash),
            ["/projectA/production/k", "/projectA/shared/k", "/production/k", "/shared/k"]
        );
    }

    #[test]
    fn the_article_s_four_keys_and_none_for_what_the_user_wrote() {
        let project = Segment::new("the project", "projectA").expect("good");
        let environment = Segment::new("the environment", "production").expect("good");
        let all = Placeholders { project: Some(&project), environment: Some(&environment) };
        for separator in [Separator::Dot, Separator::Slash] {
            let scopes = expand(None, separator, all).expect("all filled");
            let keys: Vec<_> = scopes.iter().filter_map(Scope::key_alias).collect();
            assert_eq!(keys, ["alias/projectA/production", "alias/projectA", "alias/production", "alias/shared"]);
        }
        let written = DOTTED.map(|text| (text.to_owned(), Origin::Flag("--scope")));
        let scopes = expand(Some(&written), Separator::Dot, all).expect("all filled");
        assert!(scopes.iter().all(|scope| scope.key_alias().is_none()));
    }

    #[test]
    fn an_unfilled_placeholder_is_named() {
        let empty = Placeholders { project: None, environment: None };
        let errors = expand(None, Separator::Dot, empty).expect_err("nothing fills them");
        assert_eq!(errors.len(), 3);
        assert!(errors[0].to_string().contains("nothing fills {project}"), "{}", errors[0]);
        for text in ["{nope}", "{project", "{"] {
            assert!(empty.fill(text, &Origin::Flag("--scope")).is_err(), "{text}");
        }
    }

    #[test]
    fn two_equal_scopes_and_an_empty_one_are_refused() {
        let empty = Placeholders { project: None, environment: None };
        let written = ["a", "a", ""].map(|text| (text.to_owned(), Origin::Flag("--scope")));
        assert_eq!(expand(Some(&written), Separator::Dot, empty).expect_err("both").len(), 2);
    }
}
