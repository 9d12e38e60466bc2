//! AWS: the only module that knows it. Names go in, answers come out, by the deadline.
#![forbid(unsafe_code)]

mod auth;
mod config;
mod net;
mod progress;
mod retry;
mod ssm;

pub use ssm::fetch::{FetchRequest, OnDenial};

use std::time::Duration;

use crate::answers::{Answers, Denial};
use crate::error::{Exit, Failure, io_text};
use crate::setting::Aws;
use net::connect::Connector;
use net::http::Http;
use net::route::Routes;
use net::tls::Tls;
use retry::error::AttemptError;
use retry::retrier::Retrier;

/// Answers, and whether the wait for them was so long that systemd was asked for more time.
pub struct Fetched {
    pub answers: Answers,
    pub waited: bool,
}

/// Why there are no answers.
pub enum Stopped {
    Failed(Failure),
    /// What that means depends on the plan.
    Denied(Denial),
}

/// Fetches what is wanted, with memory locked where that is allowed. All of it, or a failure by the deadline. `accepts`
/// judges the Region, once it is known.
pub fn fetch(
    request: FetchRequest<'_>,
    aws: Aws,
    timeout: Duration,
    accepts: impl FnOnce(&str) -> Result<(), Failure>,
) -> Result<Fetched, Stopped> {
    let cannot_start = |error| Stopped::Failed(cannot_start(&error));
    crate::sys::spare_descriptors(DESCRIPTORS).map_err(cannot_start)?;
    // The runtime makes such a pair, and panics where it is refused.
    std::os::unix::net::UnixStream::pair().map_err(cannot_start)?;
    crate::notify::open();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
    let retrier = Retrier::new(timeout);
    let fetching = progress::reported(&retrier, answers(request, aws, &retrier, accepts));
    let (answers, waited) = runtime.block_on(fetching);
    // It closes the connections, whose descriptors the command's files may need, and waits for no thread.
    runtime.shutdown_background();
    Ok(Fetched { answers: answers.map_err(stopped)?, waited })
}

async fn answers(
    request: FetchRequest<'_>,
    aws: Aws,
    retrier: &Retrier,
    accepts: impl FnOnce(&str) -> Result<(), Failure>,
) -> Result<Answers, AttemptError> {
    let settings = config::settings::Settings::load(aws, retrier.deadline()).await.map_err(AttemptError::Fatal)?;
    let anchors = settings.trust_anchors().map_err(AttemptError::Fatal)?;
    let tls = Tls::new(anchors, settings.key_exchange().map_err(AttemptError::Fatal)?);
    let user_agent = config::user_agent::user_agent(settings.application().as_deref());
    let http = Http::new(Connector::new(tls), Routes::new(settings.direct_authorities()), user_agent);
    crate::sys::lock_memory().iter().for_each(|missing| crate::log::debug(format_args!("{missing}")));
    ssm::fetch::all(&settings, &http, retrier, request, accepts).await
}

/// Why the runtime does not start: for want of descriptors, or because a call is refused.
fn cannot_start(error: &std::io::Error) -> Failure {
    let refused = crate::sys::refused_call();
    let error = refused.as_ref().map_or(error, |(_, error)| error);
    let call = refused.as_ref().map(|(call, _)| format!("{call}: ")).unwrap_or_default();
    let failure = Failure::new(Exit::OsErr, format!("cannot start: {call}{}", io_text(error)));
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => {
            failure.help("raise the limit of file descriptors (ulimit -n): 16 are enough for a few names")
        }
        _ => {
            failure.help("allow the call in the seccomp filter (SystemCallFilter=, the container's profile) or module")
        }
    }
}

/// The least that a fetch needs: six for the runtime, which panics on fewer, one for IMDS and one for Parameter Store.
const DESCRIPTORS: usize = 8;

fn stopped(error: AttemptError) -> Stopped {
    match error {
        AttemptError::Fatal(failure) | AttemptError::DeadlineExceeded(failure) => Stopped::Failed(failure),
        AttemptError::AccessDenied(denial) => Stopped::Denied(denial),
        // Neither leaves the retrier and the session, but for what is wrong before the first attempt.
        AttemptError::Transient(cause) => Stopped::Failed(cause.into_failure(Exit::TempFail)),
        AttemptError::Unauthenticated(cause) => Stopped::Failed(cause.into_failure(Exit::NoPerm)),
    }
}
