//! AWS: the only module that knows it. A plan goes in, answers come out, by the deadline.
#![forbid(unsafe_code)]

mod auth;
mod config;
mod net;
pub mod retry;
mod ssm;

pub use ssm::fetch::OnDenial;

use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::LocalOptions;

use crate::answers::{Answers, Denial};
use crate::error::{Exit, Failure, io_text};
use crate::plan::Plan;
use crate::spec::Aws;
use retry::patience::Patience;
use retry::trouble::Trouble;

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

/// Fetches what the plan asks for, with memory locked where that is allowed. All of it, or a failure by the deadline.
pub fn fetch(plan: &Rc<Plan>, aws: Aws, timeout: Duration, on_denial: OnDenial) -> Result<Fetched, Stopped> {
    spare_descriptors().map_err(|error| Stopped::Failed(cannot_start(&error)))?;
    crate::notify::open();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build_local(LocalOptions::default());
    let runtime = runtime.map_err(|error| Stopped::Failed(cannot_start(&error)))?;
    let patience = Rc::new(Patience::new(timeout));
    let has_files = plan.has_files();
    let (plan, patient) = (plan.clone(), patience.clone());
    // A task, because what wakes the future of `block_on` looks at the sockets each time; in a box, because it is large, and
    // moved a few times.
    let task = Box::pin(async move {
        set_timer().await;
        // An async function keeps what it is given twice, before and while it is awaited. So it is given a pointer, here and
        // where other large ones are handed on.
        let work = pin!(work(&plan, aws, &patient, on_denial));
        patient.tell(work).await
    });
    // Begun in there, because from outside it would be a write(2) to the runtime's eventfd.
    let answers = runtime.block_on(async { tokio::task::spawn_local(task).await });
    let answers = answers.expect("it is not cancelled, and a panic ends the process");
    if has_files {
        // Connections can have taken every descriptor, and each file needs one.
        runtime.shutdown_background();
    } else {
        // Left as it is: the exec closes its sockets and ends a name resolution that still blocks.
        std::mem::forget(runtime);
    }
    let answers = answers.map_err(stopped)?;
    Ok(Fetched { answers, waited: patience.told() })
}

async fn work(plan: &Plan, aws: Aws, patience: &Patience, on_denial: OnDenial) -> Result<Answers, Trouble> {
    let settings = config::settings::Settings::load(aws).await.map_err(Trouble::Permanent)?;
    let session = ssm::session::Session::open(&settings, patience, plan.calls() + plan.loads.len()).await?;
    let answers = ssm::fetch::all(&session, plan, patience, on_denial).await;
    // Left open: the exec closes its connections, without a goodbye that costs a record and three calls each.
    std::mem::forget(session);
    answers
}

/// Each new timer that is the earliest is a write(2) to the runtime's eventfd. After one that is early, and that the
/// runtime has seen, those of the limits are none, nor is the pool's for connections, which is two milliseconds away.
async fn set_timer() {
    let mut early = pin!(tokio::time::sleep(Duration::from_millis(1)));
    std::future::poll_fn(|context| Poll::Ready(early.as_mut().poll(context).is_ready())).await;
    tokio::task::yield_now().await;
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

/// Whether they are there.
fn spare_descriptors() -> std::io::Result<()> {
    // One pair always: the runtime makes one, and panics where it is refused.
    let wanted = if crate::sys::has_free_descriptors(DESCRIPTORS) { 1 } else { DESCRIPTORS / 2 };
    let pairs: std::io::Result<Vec<_>> = (0..wanted).map(|_| std::os::unix::net::UnixStream::pair()).collect();
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
