//! The calls: `GetParameters` for ten names each, many at once, and `GetParametersByPath` page by page. What has arrived is
//! kept while the rest is tried again.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::Either;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::json;
use tokio::task::yield_now;

use crate::answers::{Answers, Denial, Kind, LoadReply, Parameter, Reply};
use crate::error::{Exit, Failure, printable};
use crate::plan::{NAMES_PER_CALL, Plan, RequestId};
use crate::spec::entry::Load;
use crate::store::net::pool::{AT_ONCE, CONNECTIONS};
use crate::store::retry::patience::{Patience, SERVICE};
use crate::store::retry::trouble::{Cause, Trouble};
use crate::store::ssm::answers::{Item, match_call};
use crate::store::ssm::client::{self, NAME, Output};
use crate::store::ssm::session::Session;

/// Ten parameters each: more than any environment holds, or a server that never ends.
const MOST_PAGES: usize = 1000;

/// How a denial is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDenial {
    /// It ends the fetch, because the command cannot start. What has arrived is reported with it.
    Stop,
    /// Each denied call is halved until every denied name is known, for `check`.
    Bisect,
}

/// Asks for everything in the plan.
pub async fn all(session: &Session, plan: &Plan, patience: &Patience, on_denial: OnDenial) -> Result<Answers, Trouble> {
    let fetch = &Fetch { session, plan, patience, on_denial };
    plan.in_region(&session.service.region).map_err(Trouble::Permanent)?;
    let ids: Vec<RequestId> = (0..plan.requests.len()).map(RequestId).collect();
    let batches = ids.chunks(NAMES_PER_CALL).enumerate().map(|(at, batch)| {
        Either::Left(async move {
            if at >= AT_ONCE {
                // The first ones are on their way before these are signed, which takes as long as an answer.
                yield_now().await;
            }
            fetch.batch(batch).await
        })
    });
    let loads = plan.loads.iter().enumerate().map(|(at, load)| Either::Right(fetch.load(at, load)));
    // No more at once than there can be connections: an attempt's time runs while it queues for one, which it has to do only
    // where connections are refused or descriptors are few.
    let mut calls = stream::iter(batches.chain(loads)).buffer_unordered(CONNECTIONS);
    // Every id is in one batch, and a batch returns a reply for each of its ids; so with the loads. What stays open was
    // not waited for.
    let mut answers = Answers {
        replies: ids.iter().map(|_| Reply::Open).collect(),
        loads: plan.loads.iter().map(|_| LoadReply::Open).collect(),
    };
    while let Some(part) = calls.try_next().await? {
        let denied = part.is_denied();
        match part {
            Arrived::Replies(part) => part.into_iter().for_each(|(id, reply)| answers.replies[id.0] = reply),
            Arrived::Load(at, load) => answers.loads[at] = load,
        }
        if denied && on_denial == OnDenial::Stop {
            break;
        }
    }
    drop(calls);
    Ok(answers)
}

enum Arrived {
    Replies(Vec<(RequestId, Reply)>),
    Load(usize, LoadReply),
}

impl Arrived {
    fn is_denied(&self) -> bool {
        match self {
            Arrived::Replies(part) => part.iter().any(|(_, reply)| matches!(reply, Reply::Denied(_))),
            Arrived::Load(_, load) => matches!(load, LoadReply::Denied(_)),
        }
    }
}

struct Fetch<'a> {
    session: &'a Session,
    plan: &'a Plan,
    patience: &'a Patience,
    on_denial: OnDenial,
}

impl Fetch<'_> {
    async fn batch(&self, ids: &[RequestId]) -> Result<Arrived, Trouble> {
        // Halving is a loop over what is left, because an async function cannot call itself without a box.
        let mut left = vec![ids.to_vec()];
        let mut replies = Vec::new();
        while let Some(ids) = left.pop() {
            match self.call(&ids).await {
                Ok(part) => replies.extend(part),
                Err(Trouble::Denied(denial)) => {
                    let asked = ids.iter().map(|id| self.plan.request(*id).to_string()).collect();
                    let denial = Denial { asked, ..denial };
                    if self.on_denial == OnDenial::Bisect && ids.len() > 1 {
                        let (front, back) = ids.split_at(ids.len() / 2);
                        left.extend([back.to_vec(), front.to_vec()]);
                    } else {
                        replies.extend(ids.into_iter().map(|id| (id, Reply::Denied(denial.clone()))));
                    }
                }
                // Others go on until the deadline: what they find can be permanent.
                Err(Trouble::GaveUp(failure)) => {
                    replies.extend(ids.into_iter().map(|id| (id, Reply::GaveUp(failure.clone()))));
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(Arrived::Replies(replies))
    }

    async fn call(&self, ids: &[RequestId]) -> Result<Vec<(RequestId, Reply)>, Trouble> {
        let names: Vec<String> = ids.iter().map(|id| self.plan.request(*id).to_string()).collect();
        let asked = json!({ "Names": names, "WithDecryption": true });
        self.insist(async || {
            let output: Output = self.session.service.call("GetParameters", &asked).await?;
            let items =
                items(output.parameters).ok_or_else(|| garbled("a parameter without name, type, version or value"))?;
            match_call(self.plan, ids, items, &output.invalid_parameters.unwrap_or_default()).map_err(garbled)
        })
        .await
    }

    /// Until the deadline. After refused credentials were dealt with, the call is made again at once.
    async fn insist<T>(&self, mut call: impl AsyncFnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
        loop {
            let before = Cell::new(0);
            let attempt = async || {
                before.set(self.session.generation());
                call().await
            };
            match self.patience.insist(NAME, SERVICE, attempt).await {
                Err(Trouble::Rejected(cause)) => {
                    // In a box, because it is large and rare: without it each call would be a page more of memory.
                    Box::pin(self.session.refused(before.get(), &cause, self.patience)).await?;
                }
                settled => return settled,
            }
        }
    }

    /// All pages of a path, or nothing.
    async fn load(&self, at: usize, load: &Load) -> Result<Arrived, Trouble> {
        let mut found = Vec::new();
        let mut tokens: Vec<String> = Vec::new();
        loop {
            let page = match self.page(load, tokens.last()).await {
                Err(Trouble::Denied(denial)) => {
                    let denial = Denial { asked: vec![load.path.clone()], ..denial };
                    return Ok(Arrived::Load(at, LoadReply::Denied(denial)));
                }
                Err(Trouble::GaveUp(failure)) => return Ok(Arrived::Load(at, LoadReply::GaveUp(failure))),
                page => page?,
            };
            found.extend(page.0);
            // A page can be empty and still not be the last one; only a missing token ends it.
            match page.1.filter(|token| !token.is_empty()) {
                None => return Ok(Arrived::Load(at, LoadReply::Found(found))),
                Some(token) if !tokens.contains(&token) && tokens.len() < MOST_PAGES - 1 => tokens.push(token),
                Some(token) => {
                    let failure = endless(load, tokens.contains(&token));
                    return Ok(Arrived::Load(at, LoadReply::GaveUp(failure)));
                }
            }
        }
    }

    async fn page(&self, load: &Load, token: Option<&String>) -> Result<(Vec<Parameter>, Option<String>), Trouble> {
        let mut asked =
            json!({ "Path": load.path, "Recursive": load.recursive, "WithDecryption": true, "MaxResults": 10 });
        if let Some(label) = &load.label {
            let label = label.to_string();
            let label = label.trim_start_matches(':');
            asked["ParameterFilters"] = json!([{ "Key": "Label", "Option": "Equals", "Values": [label] }]);
        }
        if let Some(token) = token {
            asked["NextToken"] = json!(token);
        }
        self.insist(async || {
            let output: Output = self.session.service.call("GetParametersByPath", &asked).await.map_err(by_path)?;
            let items = items(output.parameters)
                .filter(|items| items.iter().all(|item| is_below(&load.path, &item.parameter.name)))
                .ok_or_else(|| garbled("a parameter without its parts, or of another path"))?;
            Ok((items.into_iter().map(|item| item.parameter).collect(), output.next_token))
        })
        .await
    }
}

/// Where AWS does not say the action, it was this one.
fn by_path(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Denied(denial) if denial.action == "ssm:GetParameters" && denial.resource.is_none() => {
            Trouble::Denied(Denial { action: "ssm:GetParametersByPath".into(), ..denial })
        }
        other => other,
    }
}

/// A path that cannot be listed to its end.
fn endless(load: &Load, turns: bool) -> Failure {
    let path = printable(&load.path);
    if turns {
        let what = format!("Parameter Store lists {path} without end: the same page token again");
        return Failure::new(Exit::TempFail, what);
    }
    Failure::new(
        Exit::DataErr,
        format!("{}: there are more than {MOST_PAGES} pages of parameters under {path}", load.origin),
    )
    .help("load a deeper path, or name what the command needs under [env]")
}

fn is_below(path: &str, name: &str) -> bool {
    path == "/" || name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
}

/// An answer that is none.
fn garbled(why: &str) -> Trouble {
    Trouble::Temporary(Cause::new(format!("{NAME}'s answer is not usable: {why}")))
}

/// `None` when one of them lacks a part.
fn items(parameters: Option<Vec<client::Item>>) -> Option<Vec<Item>> {
    parameters.unwrap_or_default().into_iter().map(item).collect()
}

/// `None` when a part is missing.
fn item(item: client::Item) -> Option<Item> {
    let kind = match item.r#type?.as_str() {
        "String" => Kind::String,
        "StringList" => Kind::StringList,
        "SecureString" => Kind::SecureString,
        _ => return None,
    };
    let parameter =
        Parameter { name: item.name?, version: item.version.unwrap_or_default(), kind, value: Rc::new(item.value?) };
    let selector = item.selector.filter(|selector| !selector.is_empty());
    Some(Item { arn: item.arn, selector, parameter })
}
