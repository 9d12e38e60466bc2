//! The calls: `GetParameters` for ten names each, many at once, and `GetParametersByPath` page by page. What has arrived is
//! kept while the rest is tried again.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use serde_json::json;
use tokio::sync::SetOnce;

use crate::answers::{Answers, Denial, Kind, LoadReply, Parameter, Reply};
use crate::error::{Exit, Failure, printable};
use crate::parameter::Request;
use crate::plan::NAMES_PER_CALL;
use crate::spec::entry::Load;
use crate::store::config::settings::Settings;
use crate::store::net::connection::Connection;
use crate::store::net::error::HttpError;
use crate::store::net::http::Http;
use crate::store::net::route::Route;
use crate::store::retry::patience::Patience;
use crate::store::retry::trouble::{Cause, Trouble, sort_http};
use crate::store::ssm::answers::{Item, match_call};
use crate::store::ssm::client::{self, Answer, Line, NAME};
use crate::store::ssm::session::Session;
use crate::store::ssm::workers::{self, Activity, Next, Work};

/// Ten parameters each: more than any environment holds, or a server that never ends.
const MOST_PAGES: usize = 1000;

/// Connections that are opened ahead leave this file descriptor to the second request to IMDS at the same time.
const SPARE_DESCRIPTORS: usize = 1;

/// How a denial is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDenial {
    /// It ends the fetch, because the command cannot start. What has arrived is reported with it.
    Stop,
    /// Each denied call is halved until every denied name is known, for `check`.
    Bisect,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub requests: &'a [Request],
    pub loads: &'a [Load],
    pub on_denial: OnDenial,
}

/// Asks for all of it. Connections are opened while the credentials are still looked for. `accepts` judges the Region.
pub async fn all(
    settings: &Settings,
    http: &Http,
    patience: &Patience,
    wanted: Wanted<'_>,
    accepts: impl FnOnce(&str) -> Result<(), Failure>,
) -> Result<Answers, Trouble> {
    let (endpoint, opened, activity) = (SetOnce::new(), SetOnce::new(), Activity::new());
    let opening = async {
        let session = Session::open(settings, http, patience, &endpoint).await?;
        accepts(&session.client.region).map_err(Trouble::Permanent)?;
        // It is set here only, once.
        let _ = opened.set(session);
        Ok(())
    };
    let calling = async {
        let endpoint = endpoint.wait().await;
        let answers = Answers {
            replies: wanted.requests.iter().map(|_| Reply::Open).collect(),
            loads: wanted.loads.iter().map(|_| LoadReply::Open).collect(),
        };
        let route = http.route(endpoint).map_err(|error| sort_http(&error))?;
        let fetch = Fetch { http, route, session: &opened, wanted, activity: &activity, answers: answers.into() };
        let names = (0..wanted.requests.len()).step_by(NAMES_PER_CALL);
        let names = names.map(|from| Call::Names(from..wanted.requests.len().min(from + NAMES_PER_CALL)));
        let calls = names.chain((0..wanted.loads.len()).map(Call::Load)).collect();
        workers::run(&fetch, calls, &activity).await?;
        Ok(fetch.answers.into_inner())
    };
    Ok(tokio::try_join!(opening, calling)?.1)
}

struct Fetch<'a, 's> {
    http: &'a Http,
    route: Route,
    session: &'a SetOnce<Session<'s>>,
    wanted: Wanted<'a>,
    activity: &'a Activity,
    answers: RefCell<Answers>,
}

/// One entry of the queue.
enum Call {
    /// Requests by their index, at most ten.
    Names(Range<usize>),
    /// A load by its index, page by page.
    Load(usize),
}

impl<'a> Work for Fetch<'a, '_> {
    type Call = Call;
    type Connection = Line<'a>;

    fn connection(&self) -> Line<'a> {
        Line { connection: Connection::new(self.http.clone(), self.route.clone()), activity: self.activity }
    }

    async fn preconnect(&self, line: &mut Line<'a>) -> Result<(), HttpError> {
        crate::sys::spare_descriptors(1 + SPARE_DESCRIPTORS)
            .map_err(|error| HttpError::Connect(self.route.host.clone(), error))?;
        line.connection.preconnect().await
    }

    async fn call(&self, call: Call, line: &mut Line<'a>) -> Result<Next, Trouble> {
        let session = self.session.wait().await;
        match call {
            Call::Names(range) => self.names(session, line, range).await,
            Call::Load(at) => self.load(session, line, at).await,
        }
    }
}

impl Fetch<'_, '_> {
    async fn names(&self, session: &Session<'_>, line: &mut Line<'_>, range: Range<usize>) -> Result<Next, Trouble> {
        let mut left = vec![range];
        while let Some(range) = left.pop() {
            let asked = &self.wanted.requests[range.clone()];
            let replies = match get_parameters(session, line, asked).await {
                Ok(replies) => replies,
                Err(Trouble::Denied(_)) if self.wanted.on_denial == OnDenial::Bisect && range.len() > 1 => {
                    let middle = range.start + range.len() / 2;
                    left.extend([middle..range.end, range.start..middle]);
                    continue;
                }
                Err(Trouble::Denied(denial)) => {
                    let denial = Denial { asked: asked.iter().map(ToString::to_string).collect(), ..denial };
                    asked.iter().map(|_| Reply::Denied(denial.clone())).collect()
                }
                Err(Trouble::GaveUp(failure)) => return Ok(self.gave_up(&failure)),
                Err(trouble) => return Err(trouble),
            };
            let is_denied = replies.iter().any(|reply| matches!(reply, Reply::Denied(_)));
            self.answers.borrow_mut().replies.splice(range, replies);
            if is_denied && self.wanted.on_denial == OnDenial::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Continue)
    }

    async fn load(&self, session: &Session<'_>, line: &mut Line<'_>, at: usize) -> Result<Next, Trouble> {
        let load = &self.wanted.loads[at];
        let reply = match get_parameters_by_path(session, line, load).await {
            Ok(reply) => reply,
            Err(Trouble::Denied(denial)) => LoadReply::Denied(Denial { asked: vec![load.path.clone()], ..denial }),
            Err(Trouble::GaveUp(failure)) => return Ok(self.gave_up(&failure)),
            Err(trouble) => return Err(trouble),
        };
        let is_denied = matches!(reply, LoadReply::Denied(_));
        self.answers.borrow_mut().loads[at] = reply;
        Ok(if is_denied && self.wanted.on_denial == OnDenial::Stop { Next::Stop } else { Next::Continue })
    }

    /// The deadline has passed, for the other calls as well.
    fn gave_up(&self, failure: &Failure) -> Next {
        let mut answers = self.answers.borrow_mut();
        for reply in answers.replies.iter_mut().filter(|reply| matches!(reply, Reply::Open)) {
            *reply = Reply::GaveUp(failure.clone());
        }
        for load in answers.loads.iter_mut().filter(|load| matches!(load, LoadReply::Open)) {
            *load = LoadReply::GaveUp(failure.clone());
        }
        Next::Stop
    }
}

/// One call. The replies are in the order of the requests.
async fn get_parameters(session: &Session<'_>, line: &mut Line<'_>, asked: &[Request]) -> Result<Vec<Reply>, Trouble> {
    let names: Vec<String> = asked.iter().map(ToString::to_string).collect();
    let body = json!({ "Names": names, "WithDecryption": true });
    let read = |answer: Answer| {
        let items = items(answer.parameters);
        let items = items.ok_or_else(|| garbled("a parameter without name, type, version or value"))?;
        match_call(asked, items, &answer.invalid_parameters.unwrap_or_default()).map_err(garbled)
    };
    session.call(line, "GetParameters", &body, read).await
}

/// All pages of a path, or nothing.
async fn get_parameters_by_path(session: &Session<'_>, line: &mut Line<'_>, load: &Load) -> Result<LoadReply, Trouble> {
    let mut found = Vec::new();
    let mut tokens: Vec<String> = Vec::new();
    loop {
        let (page, token) = get_page(session, line, load, tokens.last()).await?;
        found.extend(page);
        // A page can be empty and still not be the last one; only a missing token ends it.
        match token.filter(|token| !token.is_empty()) {
            None => return Ok(LoadReply::Found(found)),
            Some(token) if !tokens.contains(&token) && tokens.len() < MOST_PAGES - 1 => tokens.push(token),
            Some(token) => return Ok(LoadReply::GaveUp(endless(load, tokens.contains(&token)))),
        }
    }
}

async fn get_page(
    session: &Session<'_>,
    line: &mut Line<'_>,
    load: &Load,
    token: Option<&String>,
) -> Result<(Vec<Parameter>, Option<String>), Trouble> {
    let mut body = json!({ "Path": load.path, "Recursive": load.recursive, "WithDecryption": true, "MaxResults": 10 });
    if let Some(label) = &load.label {
        let label = label.to_string();
        let label = label.trim_start_matches(':');
        body["ParameterFilters"] = json!([{ "Key": "Label", "Option": "Equals", "Values": [label] }]);
    }
    if let Some(token) = token {
        body["NextToken"] = json!(token);
    }
    let read = |answer: Answer| {
        let items = items(answer.parameters)
            .filter(|items| items.iter().all(|item| is_below(&load.path, &item.parameter.name)))
            .ok_or_else(|| garbled("a parameter without its parts, or of another path"))?;
        Ok((items.into_iter().map(|item| item.parameter).collect(), answer.next_token))
    };
    session.call(line, "GetParametersByPath", &body, read).await.map_err(by_path)
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
