//! `only` and `except` of a `[[load]]`: which of the variables that the path's names give are set.

use glob::Pattern;

use super::table::Table;
use crate::error::{Failure, printable};
use crate::name::EnvName;

/// Globs on the variable, prefix included: `*`, `?` and `[A-Z]`, in the case that is written. Without `only` every
/// variable passes; `except` has the last word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub only: Option<Vec<Pattern>>,
    pub except: Vec<Pattern>,
}

impl Filter {
    pub(super) fn read(table: &mut Table<'_, '_>, errors: &mut Vec<Failure>) -> Self {
        let only = patterns(table, "only", errors);
        if only.as_ref().is_some_and(Vec::is_empty)
            && let Some((_, span)) = table.take("only")
        {
            errors.push(
                table.text.failure(&span, "`only` is empty, so nothing would be set: name variables, or leave it out"),
            );
        }
        Filter { only, except: patterns(table, "except", errors).unwrap_or_default() }
    }

    /// Whether the load sets this variable.
    pub fn takes(&self, variable: &EnvName) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(variable.as_str()));
        self.only.as_deref().is_none_or(any) && !any(&self.except)
    }

    /// Whether `only` has this variable in full. The operator wrote it, so it is taken even if it would be refused.
    pub fn names(&self, variable: &EnvName) -> bool {
        self.in_full().any(|name| name == variable.as_str())
    }

    /// What `only` names in full and `except` does not remove: the load must bring it.
    pub fn in_full(&self) -> impl Iterator<Item = &str> {
        let only = self.only.iter().flatten().map(Pattern::as_str).filter(|text| !text.contains(['*', '?', '[']));
        only.filter(|name| !self.except.iter().any(|pattern| pattern.matches(name)))
    }
}

fn patterns(table: &mut Table<'_, '_>, key: &'static str, errors: &mut Vec<Failure>) -> Option<Vec<Pattern>> {
    let mut good = Vec::new();
    for (text, span) in table.strings(key, errors)? {
        match Pattern::new(&text) {
            Ok(_) if EnvName::new(&text).is_err() => {
                errors.push(table.text.failure(&span, &format!("`{key}`: no variable has such a name")));
            }
            Ok(pattern) => good.push(pattern),
            Err(error) => {
                let what = format!("`{key}`: \"{}\" is not a glob such as DB_* ({})", printable(&text), error.msg);
                errors.push(table.text.failure(&span, &what));
            }
        }
    }
    Some(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(only: Option<&[&str]>, except: &[&str]) -> Filter {
        let made = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).expect("a good glob")).collect();
        Filter { only: only.map(made), except: made(except) }
    }

    fn name(text: &str) -> EnvName {
        EnvName::new(text).expect("a good name")
    }

    #[test]
    fn what_passes() {
        for (only, except, variable, passes) in [
            (None, &[][..], "X", true),
            (Some(&["DB_*", "API_KEY"][..]), &[], "DB_HOST", true),
            (Some(&["DB_*", "API_KEY"]), &[], "API_KEY", true),
            (Some(&["DB_*", "API_KEY"]), &[], "API_KEY2", false),
            (Some(&["DB_*"]), &[], "db_HOST", false),
            (Some(&["DB_*"]), &["DB_OLD_*"], "DB_OLD_HOST", false),
            (Some(&["DB_OLD_X"]), &["DB_OLD_*"], "DB_OLD_X", false),
            (None, &["LD_*"], "LD_PRELOAD", false),
            (Some(&["K[0-9]", "?"]), &[], "K7", true),
        ] {
            assert_eq!(filter(only, except).takes(&name(variable)), passes, "{only:?} {except:?} {variable}");
        }
    }

    #[test]
    fn only_a_name_in_full_is_named() {
        let filter = filter(Some(&["LD_*", "PATH", "TMP"]), &["TMP"]);
        assert_eq!(filter.in_full().collect::<Vec<_>>(), ["PATH"]);
        assert!(filter.names(&name("PATH")) && !filter.names(&name("LD_PRELOAD")) && !filter.names(&name("TMP")));
    }
}
