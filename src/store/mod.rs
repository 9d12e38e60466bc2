//! AWS: the only module that knows it. A plan goes in, answers come out, by the deadline.

mod answers;
mod clock;
mod connect;
mod credentials;
mod endpoint;
mod fetch;
mod http;
mod http_error;
mod imds;
pub mod patience;
mod pool;
mod session;
mod settings;
mod tls;
pub mod trouble;

pub use answers::{Answers, Kind, LoadReply, Parameter, Reply};
pub use fetch::OnDenial;
pub use trouble::Denial;

use std::time::Duration;

use crate::error::{Exit, Failure};
use crate::plan::Plan;
use crate::spec::Aws;
use patience::Patience;
use trouble::Trouble;

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

/// Fetches what the plan asks for. All of it, or a failure by the deadline.
pub fn fetch(plan: &Plan, aws: Aws, timeout: Duration, on_denial: OnDenial) -> Result<Fetched, Stopped> {
    let cannot_start = |error: std::io::Error| {
        let failure = Failure::new(Exit::OsErr, format!("cannot start: {}", error.to_string().to_lowercase()));
        Stopped::Failed(failure.help("raise the limit of file descriptors (ulimit -n): 16 are enough for a few names"))
    };
    spare_descriptors().map_err(cannot_start)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
    let patience = Patience::new(timeout);
    let fetching = patience.tell(async {
        let settings = settings::Settings::load(aws).await.map_err(Trouble::Permanent)?;
        let session = session::Session::open(&settings, &patience, plan.calls() + plan.loads.len()).await?;
        fetch::all(&session, plan, &patience, on_denial).await
    });
    let answers = runtime.block_on(fetching);
    // Left as it is: the exec closes its sockets and ends a name resolution that still blocks.
    std::mem::forget(runtime);
    let answers = answers.map_err(stopped)?;
    Ok(Fetched { answers, waited: patience.told() })
}

/// Whether the least that a fetch needs is there: six descriptors for the runtime, which panics on fewer, one for IMDS
/// and one for Parameter Store.
fn spare_descriptors() -> std::io::Result<()> {
    let pairs: std::io::Result<Vec<_>> = (0..4).map(|_| std::os::unix::net::UnixStream::pair()).collect();
    pairs.map(|_| ())
}

fn stopped(trouble: Trouble) -> Stopped {
    match trouble {
        Trouble::Permanent(failure) | Trouble::GaveUp(failure) => Stopped::Failed(failure),
        Trouble::Denied(denial) => Stopped::Denied(denial),
        Trouble::Temporary(cause) => Stopped::Failed(Failure::new(Exit::TempFail, cause.what)),
        Trouble::Rejected(cause) => Stopped::Failed(Failure::new(Exit::NoPerm, cause.what)),
    }
}
