//! Everything that is asked for: ten names a call, many calls at once. What has arrived is kept while the rest is tried again.

use std::cell::RefCell;
use std::ops::Range;

use tokio::sync::SetOnce;

use crate::answers::{Answers, Denial, LoadReply, Reply};
use crate::error::Failure;
use crate::parameter::{NAMES_PER_CALL, PathRequest, Request};
use crate::store::config::settings::Settings;
use crate::store::net::connection::Connection;
use crate::store::net::error::HttpError;
use crate::store::net::http::Http;
use crate::store::net::route::Route;
use crate::store::retry::error::{AttemptError, classify_http};
use crate::store::retry::retrier::Retrier;
use crate::store::ssm::calls::SignedConnection;
use crate::store::ssm::session::Session;
use crate::store::ssm::workers::{self, Activity, Next, Work};

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
pub struct FetchRequest<'a> {
    pub requests: &'a [Request],
    pub paths: &'a [PathRequest],
    pub on_denial: OnDenial,
}

/// Asks for all of it. Connections are opened while the credentials are still looked for. `accepts` judges the Region.
pub async fn all(
    settings: &Settings,
    http: &Http,
    retrier: &Retrier,
    request: FetchRequest<'_>,
    accepts: impl FnOnce(&str) -> Result<(), Failure>,
) -> Result<Answers, AttemptError> {
    let activity = Activity::new();
    let (endpoint, opened) = (SetOnce::new(), SetOnce::new());
    let opening = async {
        let session = Session::open(settings, http, retrier, &activity, &endpoint).await?;
        accepts(&session.client.region).map_err(AttemptError::Fatal)?;
        // It is set here only, once.
        let _ = opened.set(session);
        Ok(())
    };
    let calling = async {
        let endpoint = endpoint.wait().await;
        let answers = Answers {
            replies: request.requests.iter().map(|_| Reply::NotFetched).collect(),
            loads: request.paths.iter().map(|_| LoadReply::NotFetched).collect(),
        };
        let route = http.route(endpoint).map_err(|error| classify_http(&error))?;
        let fetch = Fetch { http, route, opened: &opened, request, answers: answers.into() };
        let names = (0..request.requests.len()).step_by(NAMES_PER_CALL);
        let names = names.map(|from| Call::Names(from..request.requests.len().min(from + NAMES_PER_CALL)));
        let calls = names.chain((0..request.paths.len()).map(Call::Path)).collect();
        workers::run(&fetch, calls, &activity).await?;
        Ok(fetch.answers.into_inner())
    };
    let ((), answers) = tokio::try_join!(opening, calling)?;
    Ok(answers)
}

struct Fetch<'a, 's> {
    http: &'a Http,
    route: Route,
    opened: &'a SetOnce<Session<'s>>,
    request: FetchRequest<'a>,
    answers: RefCell<Answers>,
}

/// One entry of the queue.
enum Call {
    /// Requests by their index, at most ten.
    Names(Range<usize>),
    /// A path by its index, page by page.
    Path(usize),
}

impl Work for Fetch<'_, '_> {
    type Call = Call;
    type Connection = Connection;

    fn connection(&self) -> Connection {
        self.http.connection(self.route.clone())
    }

    async fn preconnect(&self, connection: &mut Connection) -> Result<(), HttpError> {
        crate::sys::spare_descriptors(1 + SPARE_DESCRIPTORS)
            .map_err(|error| HttpError::Connect(self.route.host.clone(), error))?;
        connection.preconnect().await
    }

    async fn call(&self, call: Call, connection: &mut Connection) -> Result<Next, AttemptError> {
        let mut line = SignedConnection { session: self.opened.wait().await, connection };
        // The first calls are on their way before the others are signed: BENCHMARKS.md has the figure.
        if matches!(&call, Call::Names(range) if range.start >= workers::MAX_AT_FIRST * NAMES_PER_CALL) {
            tokio::task::yield_now().await;
        }
        match call {
            Call::Names(range) => self.names(&mut line, range).await,
            Call::Path(at) => self.path(&mut line, at).await,
        }
    }
}

impl Fetch<'_, '_> {
    async fn names(&self, line: &mut SignedConnection<'_>, range: Range<usize>) -> Result<Next, AttemptError> {
        let mut left = vec![range];
        while let Some(range) = left.pop() {
            let asked = &self.request.requests[range.clone()];
            let replies = match line.get_parameters(asked).await {
                Ok(replies) => replies,
                Err(AttemptError::AccessDenied(_)) if self.request.on_denial == OnDenial::Bisect && range.len() > 1 => {
                    let middle = range.start + range.len() / 2;
                    left.extend([middle..range.end, range.start..middle]);
                    continue;
                }
                Err(AttemptError::AccessDenied(denial)) => {
                    let denial = Denial { asked: asked.iter().map(ToString::to_string).collect(), ..denial };
                    asked.iter().map(|_| Reply::Denied(denial.clone())).collect()
                }
                Err(AttemptError::DeadlineExceeded(failure)) => return Ok(self.gave_up(&failure)),
                Err(error) => return Err(error),
            };
            let is_denied = replies.iter().any(|reply| matches!(reply, Reply::Denied(_)));
            self.answers.borrow_mut().replies.splice(range, replies);
            if is_denied && self.request.on_denial == OnDenial::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Continue)
    }

    async fn path(&self, line: &mut SignedConnection<'_>, at: usize) -> Result<Next, AttemptError> {
        let asked = &self.request.paths[at];
        let reply = match line.get_parameters_by_path(asked).await {
            Ok(reply) => reply,
            Err(AttemptError::AccessDenied(denial)) => {
                LoadReply::Denied(Denial { asked: vec![asked.path.clone()], ..denial })
            }
            Err(AttemptError::DeadlineExceeded(failure)) => return Ok(self.gave_up(&failure)),
            Err(error) => return Err(error),
        };
        let is_denied = matches!(reply, LoadReply::Denied(_));
        self.answers.borrow_mut().loads[at] = reply;
        Ok(if is_denied && self.request.on_denial == OnDenial::Stop { Next::Stop } else { Next::Continue })
    }

    /// The deadline has passed, for the other calls as well.
    fn gave_up(&self, failure: &Failure) -> Next {
        let mut answers = self.answers.borrow_mut();
        for reply in answers.replies.iter_mut().filter(|reply| matches!(reply, Reply::NotFetched)) {
            *reply = Reply::GaveUp(failure.clone());
        }
        for load in answers.loads.iter_mut().filter(|load| matches!(load, LoadReply::NotFetched)) {
            *load = LoadReply::GaveUp(failure.clone());
        }
        Next::Stop
    }
}
