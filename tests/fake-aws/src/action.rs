//! What can go wrong with one request or one connection; `fault` says with which.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::gate::Gate;

/// What happens to a request instead of its plain answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The plain answer: a step of a sequence that goes well.
    Pass,
    /// The plain answer, later. In JSON a number of milliseconds.
    Delay(#[serde(deserialize_with = "milliseconds")] Duration),
    /// The plain answer, once the gate is released.
    #[serde(skip)]
    Hold(Gate),
    /// An error in the form of the service, instead of the plain answer.
    Status {
        status: u16,
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Any body under any status.
    Body { status: u16, content_type: String, body: String },
    /// The plain answer's JSON, altered.
    #[serde(skip)]
    Rewrite(Rewrite),
    /// An error whose body contains the plain answer with its values.
    EchoValues,
    /// The first n bytes of the plain answer (head included), then a TCP reset.
    ResetAfter(usize),
    /// The first n bytes, then a FIN; over TLS without a close_notify, as a cut wire looks.
    FinAfter(usize),
    /// The first n bytes, then an orderly end: over TLS with a close_notify.
    CloseAfter(usize),
    /// The first n bytes of the body with a matching length: whole HTTP, cut JSON.
    TruncateBody(usize),
    /// The head at once, then the body in small pieces.
    Slow {
        bytes: usize,
        #[serde(rename = "tick_ms", deserialize_with = "milliseconds")]
        tick: Duration,
    },
    /// These bytes instead of HTTP, then an orderly end. In JSON text.
    Raw(#[serde(deserialize_with = "bytes")] Vec<u8>),
    /// A body of so many bytes: JSON that begins well and goes on in one string.
    HugeBody(usize),
    /// Header lines without an end.
    EndlessHeaders,
    /// The request is read and never answered.
    Hang,
    /// At the connection: accepted, then silence; no TLS, nothing read.
    HangAccept,
    /// At the connection: a delay before TLS begins.
    DelayConnect(#[serde(deserialize_with = "milliseconds")] Duration),
    /// At the connection: closed at once by a reset.
    ResetAccept,
    /// At the connection: closed at once by a FIN.
    CloseImmediately,
    /// At the connection: these bytes instead of TLS or HTTP.
    GarbageAccept(#[serde(deserialize_with = "bytes")] Vec<u8>),
}

impl Action {
    /// An error without more than a status.
    pub fn status(status: u16) -> Self {
        Self::error(status, "", "")
    }

    /// An error as a service would send it.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        Self::Status { status, code, message, headers: Vec::new() }
    }

    /// Adds a header to a `Status`; on any other action a mistake of the test.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match &mut self {
            Self::Status { headers, .. } => headers.push((name.to_owned(), value.to_owned())),
            other => panic!("only Action::Status takes headers, not {other:?}"),
        }
        self
    }

    pub fn throttle() -> Self {
        Self::error(400, "ThrottlingException", "Rate exceeded")
    }

    /// A body with status 200 and the content type of the JSON protocol.
    pub fn body(body: &str) -> Self {
        let content_type = "application/x-amz-json-1.1".to_owned();
        Self::Body { status: 200, content_type, body: body.to_owned() }
    }

    pub fn rewrite(alter: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        Self::Rewrite(Rewrite(Arc::new(alter)))
    }

    /// Whether it applies when a connection is accepted, before any request is known.
    pub(crate) fn is_at_accept(&self) -> bool {
        matches!(
            self,
            Self::HangAccept
                | Self::DelayConnect(_)
                | Self::ResetAccept
                | Self::CloseImmediately
                | Self::GarbageAccept(_)
        )
    }

    /// The variant's name, for the log.
    pub(crate) fn label(&self) -> String {
        let debug = format!("{self:?}");
        debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }
}

/// The function of `Action::Rewrite`.
#[derive(Clone)]
pub struct Rewrite(pub(crate) Arc<dyn Fn(Value) -> Value + Send + Sync>);

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rewrite")
    }
}

pub(crate) fn milliseconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    String::deserialize(deserializer).map(String::into_bytes)
}
