//! Identity policies, evaluated as IAM does: an explicit deny wins, and no allow means no.
//!
//! Documents are parsed when they are set, so that a policy the evaluator does not understand is an
//! error of the test that wrote it, and never a silent allow or deny.

use serde_json::Value;

use crate::glob;

/// One parsed policy document.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    allow: bool,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// `Action`/`Resource`, or their negation `NotAction`/`NotResource`.
#[derive(Clone, Debug)]
struct Patterns {
    negated: bool,
    list: Vec<String>,
}

#[derive(Clone, Debug)]
struct Condition {
    test: Test,
    negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Arn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    NotAllowed,
    Denied,
}

/// What is asked: may this action be done on this resource, under these condition keys?
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    pub context: &'a [(&'a str, &'a str)],
}

pub(crate) fn decide(policies: &[Policy], question: &Question<'_>) -> Decision {
    let mut decision = Decision::NotAllowed;
    for statement in policies.iter().flat_map(|policy| &policy.statements) {
        if statement.applies(question) {
            if !statement.allow {
                return Decision::Denied;
            }
            decision = Decision::Allowed;
        }
    }
    decision
}

impl Statement {
    fn applies(&self, question: &Question<'_>) -> bool {
        // Actions compare without case, ARNs with it.
        let action = question.action.to_ascii_lowercase();
        self.actions.match_with(|pattern| glob::matches(&pattern.to_ascii_lowercase(), &action))
            && self.resources.match_with(|pattern| glob::matches(pattern, question.resource))
            && self.conditions.iter().all(|condition| condition.holds(question.context))
    }
}

impl Patterns {
    fn match_with(&self, matches: impl Fn(&String) -> bool) -> bool {
        self.list.iter().any(matches) != self.negated
    }
}

impl Condition {
    fn holds(&self, context: &[(&str, &str)]) -> bool {
        let actual = context.iter().find(|(key, _)| key.eq_ignore_ascii_case(&self.key));
        match actual {
            // A key that is absent fails a positive test and passes a negated one.
            None => self.if_exists || self.negated,
            Some((_, actual)) => self.values.iter().any(|wanted| self.test.compare(wanted, actual)) != self.negated,
        }
    }
}

impl Test {
    fn compare(self, wanted: &str, actual: &str) -> bool {
        match self {
            Self::Equals => wanted == actual,
            Self::EqualsIgnoreCase => wanted.eq_ignore_ascii_case(actual),
            Self::Like => glob::matches(wanted, actual),
            Self::Arn => {
                // Each of the six parts is compared for itself, so `*` does not cross a colon.
                let (wanted, actual) = (wanted.splitn(6, ':'), actual.splitn(6, ':'));
                wanted.clone().count() == actual.clone().count()
                    && wanted.zip(actual).all(|(wanted, actual)| glob::matches(wanted, actual))
            }
        }
    }
}

impl Policy {
    pub fn parse(document: &Value) -> Result<Self, String> {
        only_keys(document, &["Version", "Id", "Statement"])?;
        let statements = match document.get("Statement") {
            Some(Value::Array(list)) => list.iter().map(statement).collect::<Result<_, _>>()?,
            Some(one @ Value::Object(_)) => vec![statement(one)?],
            _ => return Err("a policy needs a Statement".to_owned()),
        };
        Ok(Self { statements })
    }
}

fn statement(value: &Value) -> Result<Statement, String> {
    only_keys(value, &["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"])?;
    let allow = match value.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        other => return Err(format!("Effect must be Allow or Deny, not {other:?}")),
    };
    let mut conditions = Vec::new();
    for (operator, keys) in value.get("Condition").and_then(Value::as_object).into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            conditions.push(condition(operator, key, strings(values)?)?);
        }
    }
    let actions = patterns(value, "Action", "NotAction")?;
    let resources = patterns(value, "Resource", "NotResource")?;
    Ok(Statement { allow, actions, resources, conditions })
}

fn condition(operator: &str, key: &str, values: Vec<String>) -> Result<Condition, String> {
    let (name, if_exists) = match operator.strip_suffix("IfExists") {
        Some(name) => (name, true),
        None => (operator, false),
    };
    let (test, negated) = match name {
        "StringEquals" => (Test::Equals, false),
        "StringNotEquals" => (Test::Equals, true),
        "StringEqualsIgnoreCase" => (Test::EqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoreCase, true),
        "StringLike" => (Test::Like, false),
        "StringNotLike" => (Test::Like, true),
        // IAM documents these two pairs as the same.
        "ArnLike" | "ArnEquals" => (Test::Arn, false),
        "ArnNotLike" | "ArnNotEquals" => (Test::Arn, true),
        _ => return Err(format!("the fake does not know the condition operator {operator}")),
    };
    Ok(Condition { test, negated, if_exists, key: key.to_owned(), values })
}

fn patterns(value: &Value, positive: &str, negative: &str) -> Result<Patterns, String> {
    match (value.get(positive), value.get(negative)) {
        (Some(list), None) => Ok(Patterns { negated: false, list: strings(list)? }),
        (None, Some(list)) => Ok(Patterns { negated: true, list: strings(list)? }),
        _ => Err(format!("a statement needs exactly one of {positive} and {negative}")),
    }
}

fn strings(value: &Value) -> Result<Vec<String>, String> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let text = |item: &Value| item.as_str().map(str::to_owned);
    items.iter().map(text).collect::<Option<_>>().ok_or_else(|| format!("{value} should be text"))
}

fn only_keys(value: &Value, known: &[&str]) -> Result<(), String> {
    let object = value.as_object().ok_or_else(|| format!("{value} should be an object"))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("the fake does not know the policy element {key}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
