//! `credential_process` of a profile: a program that prints credentials. The only child that a start has.
//! Implemented here because the SDK's provider hands it the command's standard input, and reports its failures by its output.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use aws_credential_types::Credentials;
use tokio::io::AsyncReadExt as _;

use crate::error::io_text;
use crate::store::auth::document;

/// Credentials are 2 KiB; a program that prints without end must not take all memory.
const OUTPUT_LIMIT: u64 = 64 * 1024;

/// Sends SIGTERM to the processes that were started, when it is dropped. After a timeout they would run beside the next
/// attempt, and be children that the command did not start.
struct TerminateOnDrop {
    /// The children before it.
    others: Vec<i32>,
    has_ended: bool,
}

impl Drop for TerminateOnDrop {
    fn drop(&mut self) {
        // After it has ended, what it leaves running is its own matter.
        if !self.has_ended {
            crate::sys::end_children_but(&self.others);
        }
    }
}

/// Runs the command by `sh -c`, as the SDKs do, and reads what it prints. Its standard input is empty: ours is the command's.
/// The error says why there are no credentials, and repeats nothing of its output, which can be a secret.
pub async fn credentials(command: &str) -> Result<Credentials, String> {
    let mut running = TerminateOnDrop { others: crate::sys::children(), has_ended: false };
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = shell.spawn().map_err(|error| format!("it cannot be started: {}", io_text(&error)))?;
    let mut output = Vec::new();
    let stdout = child.stdout.take().expect("it was asked for above");
    let read = stdout.take(OUTPUT_LIMIT + 1).read_to_end(&mut output).await;
    read.map_err(|error| format!("its output cannot be read: {}", io_text(&error)))?;
    if output.len() as u64 > OUTPUT_LIMIT {
        return Err(format!("it prints more than {OUTPUT_LIMIT} bytes"));
    }
    let status = child.wait().await.map_err(|error| format!("its end cannot be seen: {}", io_text(&error)))?;
    running.has_ended = true;
    if !status.success() {
        return Err(ended(status));
    }
    document::from_process(&output)
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(127), _) => "its program is not found (exit status 127)".into(),
        (Some(126), _) => "its program cannot be executed (exit status 126)".into(),
        (Some(code), _) => format!("it failed with exit status {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it failed".into(),
    }
}
