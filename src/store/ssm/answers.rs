//! What AWS answered, matched to what was asked: by name or ARN and by selector, never by position. An answer that is not
//! exactly what was asked for is no answer.

use crate::answers::{Parameter, Reply};
use crate::name::Selector;
use crate::parameter::{ParameterName, Request, Subject};

/// One parameter of an answer, before it is matched to what was asked.
pub struct Unmatched {
    pub arn: Option<String>,
    /// With the colon, as AWS gives it; never empty.
    pub selector: Option<String>,
    pub parameter: Parameter,
}

const UNASKED: &str = "a parameter that was not asked for, or twice";

/// Matches the answer of one call. Every name must be answered once, as found or as missing, and nothing else may be
/// there; the error says which rule was broken.
///
/// The replies are in the order of the requests.
pub fn match_call(asked: &[Request], items: Vec<Unmatched>, missing: &[String]) -> Result<Vec<Reply>, &'static str> {
    let mut replies: Vec<(&Request, Option<Reply>)> = asked.iter().map(|request| (request, None)).collect();
    for name in missing {
        let slot = replies.iter_mut().find(|(request, reply)| reply.is_none() && request.to_string() == *name);
        slot.ok_or("an unasked or repeated name among the missing")?.1 = Some(Reply::Missing);
    }
    let (without, with): (Vec<Unmatched>, Vec<Unmatched>) = items.into_iter().partition(|item| item.selector.is_none());
    for item in with {
        let slot = replies.iter_mut().find(|(request, reply)| reply.is_none() && matches(request, &item));
        slot.ok_or(UNASKED)?.1 = Some(Reply::Found(item.parameter));
    }
    let open = replies.iter_mut().filter(|(_, reply)| reply.is_none());
    match_without_selector(open.map(|(request, reply)| (*request, reply)).collect(), without)?;
    replies.into_iter().map(|(_, reply)| reply).collect::<Option<Vec<_>>>().ok_or("not every name that was asked for")
}

/// Matches items without a selector. AWS leaves it out only where none was asked for; some emulators always do. Then, in this
/// order: a version is matched by its number, a name alone gets the latest version, and a label gets the one that is left.
/// Several that are left are an error.
fn match_without_selector(
    mut open: Vec<(&Request, &mut Option<Reply>)>,
    mut items: Vec<Unmatched>,
) -> Result<(), &'static str> {
    items.sort_by_key(|item| item.parameter.version);
    open.sort_by_key(|(request, _)| match request.selector {
        Some(Selector::Version(_)) => 0,
        None => 1,
        Some(Selector::Label(_) | Selector::SecretVersion(_)) => 2,
    });
    for (request, reply) in open {
        let Some(latest) = items.iter().rposition(|item| matches(request, item)) else { continue };
        let first = items.iter().find(|item| matches(request, item));
        let differ = first.is_some_and(|first| first.parameter.version != items[latest].parameter.version);
        if differ && !matches!(request.selector, None | Some(Selector::Version(_))) {
            return Err("several labels of one parameter, without a word about which is which");
        }
        *reply = Some(Reply::Found(items.remove(latest).parameter));
    }
    if items.is_empty() { Ok(()) } else { Err(UNASKED) }
}

/// Whether an item answers a request, as far as it says.
fn matches(request: &Request, item: &Unmatched) -> bool {
    let same = match &request.subject {
        Subject::Arn(arn) => item.arn.as_deref() == Some(arn.as_str()),
        Subject::Name(name) => {
            let bare = item.parameter.name.split(':').next().unwrap_or("");
            // Most items answer another request: the grammar is looked at last.
            let alike = bare.strip_prefix('/').unwrap_or(bare) == name.without_leading_slash();
            item.parameter.name == name.as_str() || (alike && ParameterName::new(bare).is_ok())
        }
    };
    let selector = match (&request.selector, &item.selector) {
        (Some(wanted), Some(given)) => given.trim_start_matches(':') == wanted.to_string(),
        (None, Some(_)) => false,
        (_, None) => true,
    };
    let version_agrees = match &request.selector {
        Some(Selector::Version(wanted)) => i64::try_from(*wanted).is_ok_and(|wanted| wanted == item.parameter.version),
        _ => true,
    };
    same && selector && version_agrees
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::answers::Kind;
    use crate::secret::Secret;

    fn item(name: &str, selector: Option<&str>, version: i64) -> Unmatched {
        let value = Rc::new(Secret::new("v".into()));
        let (version_id, modified) = (None, None);
        let parameter = Parameter { name: name.into(), version, version_id, modified, kind: Kind::String, value };
        let arn = Some(format!("arn:aws:ssm:us-east-1:123456789012:parameter/{}", name.trim_start_matches('/')));
        Unmatched { arn, selector: selector.map(str::to_owned), parameter }
    }

    fn versions(names: &[&str], items: Vec<Unmatched>, missing: &[&str]) -> Result<Vec<i64>, &'static str> {
        let asked: Vec<Request> = names.iter().map(|name| Request::parse(name).expect("good")).collect();
        let missing: Vec<String> = missing.iter().map(|name| (*name).to_owned()).collect();
        let replies = match_call(&asked, items, &missing)?;
        Ok(replies.iter().map(|reply| if let Reply::Found(found) = reply { found.version } else { -1 }).collect())
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
        let four = |order: [i64; 4]| order.map(|version| item("a", None, version)).into();
        for order in [[1, 2, 3, 3], [3, 2, 1, 3], [2, 3, 3, 1]] {
            assert_eq!(versions(&["a:label", "a", "a:1", "a:3"], four(order), &[]), Ok(vec![2, 3, 1, 3]), "{order:?}");
        }
        let two_labels = vec![item("a", None, 1), item("a", None, 2)];
        assert!(versions(&["a:old", "a:new"], two_labels, &[]).is_err(), "nobody knows which is which");
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
