//! What AWS answered, matched to what was asked: by name or ARN and by selector, never by position. An answer that is not
//! exactly what was asked for is no answer.

use std::rc::Rc;

use super::trouble::Denial;
use crate::name::Selector;
use crate::parameter::{ParameterName, Request, Subject};
use crate::plan::{Plan, RequestId};
use crate::secret::Secret;

/// Everything that was asked for.
#[derive(Debug)]
pub struct Answers {
    /// By [`RequestId`].
    pub replies: Vec<Reply>,
    /// By the index of the load in the plan.
    pub loads: Vec<LoadReply>,
}

/// The answer to one load.
#[derive(Debug)]
pub enum LoadReply {
    Found(Vec<Parameter>),
    /// Only `check` goes on after a denial.
    Denied(Denial),
}

/// The answer to one request.
#[derive(Debug)]
pub enum Reply {
    Found(Parameter),
    /// AWS says that it does not exist.
    Missing,
    /// Only `check` goes on after a denial.
    Denied(Denial),
}

/// A decrypted parameter.
#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    pub version: i64,
    pub kind: Kind,
    pub value: Rc<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// One parameter of an answer, before it is matched.
pub struct Item {
    pub arn: Option<String>,
    /// With the colon, as AWS gives it.
    pub selector: Option<String>,
    pub parameter: Parameter,
}

/// Matches the answer of one call. Every name must be answered once, as found or as missing, and nothing else may be
/// there; the error says which rule was broken.
pub fn match_call(
    plan: &Plan,
    asked: &[RequestId],
    items: Vec<Item>,
    missing: &[String],
) -> Result<Vec<(RequestId, Reply)>, &'static str> {
    let mut replies: Vec<(RequestId, Option<Reply>)> = asked.iter().map(|id| (*id, None)).collect();
    for name in missing {
        let slot = replies.iter_mut().find(|(id, reply)| reply.is_none() && plan.request(*id).to_string() == *name);
        slot.ok_or("an unasked or repeated name among the missing")?.1 = Some(Reply::Missing);
    }
    for item in items {
        let wanting = |id: &RequestId, exact| fits(plan.request(*id), &item, exact);
        let open = |reply: &Option<Reply>| reply.is_none();
        // A server that does not say the selector is still unmistakable when one request fits the version.
        let exact = replies.iter().position(|(id, reply)| open(reply) && wanting(id, true));
        let loose = || {
            let mut fitting = replies.iter().enumerate().filter(|(_, (id, reply))| open(reply) && wanting(id, false));
            let first = fitting.next().map(|(at, _)| at);
            if fitting.next().is_some() { None } else { first }
        };
        let at = exact.or_else(loose).ok_or("a parameter that was not asked for, or twice")?;
        replies[at].1 = Some(Reply::Found(item.parameter));
    }
    let complete = replies.into_iter().map(|(id, reply)| Some((id, reply?)));
    complete.collect::<Option<Vec<_>>>().ok_or("not every name that was asked for")
}

/// Whether an item answers a request. `exact`: the selector is the one that was asked for, as AWS always says it.
fn fits(request: &Request, item: &Item, exact: bool) -> bool {
    let same = match &request.subject {
        Subject::Arn(arn) => item.arn.as_deref() == Some(arn.as_str()),
        Subject::Name(name) => {
            let bare = item.parameter.name.split(':').next().unwrap_or("");
            item.parameter.name == name.as_str() || ParameterName::new(bare).is_ok_and(|found| found == *name)
        }
    };
    let selector = match (&request.selector, item.selector.as_deref().filter(|text| !text.is_empty())) {
        (None, None) => true,
        (Some(wanted), Some(given)) => given.trim_start_matches(':') == wanted.to_string().trim_start_matches(':'),
        (Some(Selector::Version(wanted)), None) => {
            !exact && i64::try_from(*wanted).is_ok_and(|wanted| wanted == item.parameter.version)
        }
        (Some(_), None) => !exact,
        (None, Some(_)) => false,
    };
    let version_agrees = match &request.selector {
        Some(Selector::Version(wanted)) => i64::try_from(*wanted).is_ok_and(|wanted| wanted == item.parameter.version),
        _ => true,
    };
    same && selector && version_agrees
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Policy;

    fn plan(names: &[&str]) -> (Plan, Vec<RequestId>) {
        let requests: Vec<Request> = names.iter().map(|name| Request::parse(name).expect("good")).collect();
        let ids = (0..requests.len()).map(RequestId).collect();
        let plan = Plan {
            scopes: vec![],
            requests,
            loads: vec![],
            variables: vec![],
            kept: vec![],
            policy: Policy::default(),
        };
        (plan, ids)
    }

    fn item(name: &str, selector: Option<&str>, version: i64) -> Item {
        let value = Rc::new(Secret::new("v".into()));
        let parameter = Parameter { name: name.into(), version, kind: Kind::String, value };
        let arn = Some(format!("arn:aws:ssm:us-east-1:123456789012:parameter/{}", name.trim_start_matches('/')));
        Item { arn, selector: selector.map(str::to_owned), parameter }
    }

    fn versions(names: &[&str], items: Vec<Item>, missing: &[&str]) -> Result<Vec<i64>, &'static str> {
        let (plan, ids) = plan(names);
        let missing: Vec<String> = missing.iter().map(|name| (*name).to_owned()).collect();
        let replies = match_call(&plan, &ids, items, &missing)?;
        Ok(replies.iter().map(|(_, reply)| if let Reply::Found(found) = reply { found.version } else { -1 }).collect())
    }

    #[test]
    fn matched_by_name_and_selector_whatever_the_order() {
        let items =
            vec![item("a", Some(":2"), 2), item("a", None, 9), item("a", Some(":old"), 1), item("/b/c", None, 5)];
        assert_eq!(versions(&["/b/c", "a:old", "a", "gone", "a:2"], items, &["gone"]), Ok(vec![5, 1, 9, -1, 2]));
    }

    #[test]
    fn a_server_without_selectors_still_matches() {
        let items = vec![item("a", None, 1), item("a", None, 2)];
        assert_eq!(versions(&["a:2", "a:1"], items, &[]), Ok(vec![2, 1]));
        assert_eq!(versions(&["a:label"], vec![item("a", None, 7)], &[]), Ok(vec![7]));
    }

    #[test]
    fn an_arn_and_a_root_name() {
        let arn = "arn:aws:ssm:us-east-1:123456789012:parameter/a";
        assert_eq!(versions(&[arn], vec![item("a", None, 1)], &[]), Ok(vec![1]));
        assert_eq!(versions(&["/a"], vec![item("a", None, 1)], &[]), Ok(vec![1]));
    }

    #[test]
    fn what_is_not_exactly_the_answer_is_none() {
        assert!(versions(&["a", "b"], vec![item("a", None, 1)], &[]).is_err(), "incomplete");
        assert!(versions(&["a"], vec![item("a", None, 1), item("a", None, 1)], &[]).is_err(), "twice");
        assert!(versions(&["a"], vec![item("b", None, 1)], &[]).is_err(), "another");
        assert!(versions(&["a"], vec![item("a", None, 1)], &["a"]).is_err(), "found and missing");
        assert!(versions(&["a"], vec![], &["b"]).is_err(), "unasked among the missing");
        assert!(versions(&["a:2"], vec![item("a", Some(":3"), 3)], &[]).is_err(), "another version");
        assert!(versions(&["a"], vec![item("a", Some(":3"), 3)], &[]).is_err(), "a selector that was not asked for");
        assert!(versions(&["a:2"], vec![item("a", Some(":2"), 3)], &[]).is_err(), "a version that is not its selector");
        assert!(versions(&["a"], vec![item("A", None, 1)], &[]).is_err(), "another case");
    }
}
