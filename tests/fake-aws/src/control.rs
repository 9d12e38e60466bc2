//! The control API: the calls of `Fake` as HTTP, for scripts and suites that are not Rust.

use std::io;
use std::sync::Weak;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::config::{BucketSize, Config};
use crate::fake::{Fake, Inner};
use crate::http::{self, Request, Response};

/// Serves requests until the peer or the fake is gone.
pub(crate) async fn serve(fake: Weak<Inner>, mut stream: TcpStream) {
    // A control client that goes away has its own reasons.
    let _ = requests(fake, &mut stream).await;
}

async fn requests(fake: Weak<Inner>, stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = http::read(stream, &mut buffer).await? {
        let Some(inner) = fake.upgrade() else {
            break;
        };
        let close = request.wants_close();
        // Away from the runtime's thread: closing a port waits for that thread.
        let answer = tokio::task::spawn_blocking(move || answer(&Fake(inner), &request));
        let response = answer.await.unwrap_or_else(|panic| Response::text(400, format!("{panic}\n")));
        stream.write_all(&response.to_bytes()).await?;
        if close {
            break;
        }
    }
    Ok(())
}

fn answer(fake: &Fake, request: &Request) -> Response {
    let result = match request.method.as_str() {
        "GET" => read(fake, request.path()),
        "POST" => write(fake, request.path(), &request.body),
        other => Err(format!("{other} is not GET or POST")),
    };
    match result {
        Ok(body) => Response::json(200, &body),
        Err(error) => Response::json(400, &json!({ "error": error })),
    }
}

fn read(fake: &Fake, path: &str) -> Result<Value, String> {
    match path {
        "/health" => Ok(json!({ "ok": true })),
        "/env" => Ok(json!(fake.env().into_iter().collect::<std::collections::BTreeMap<_, _>>())),
        "/log" => serde_json::to_value(fake.log()).map_err(|error| error.to_string()),
        "/connections" => Ok(json!({ "aws": fake.connections(), "imds": fake.imds_connections() })),
        _ => Err(format!("there is no GET {path}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    name: String,
    version: u64,
    label: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RolePolicy {
    role: String,
    /// Null: the role may do everything again.
    policy: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Delay {
    ms: u64,
    connect_ms: u64,
}

/// A body with one member of any name: `{"name": …}`, `{"role": …}`.
fn only<T: DeserializeOwned>(body: &[u8], member: &str) -> Result<T, String> {
    let mut value: Value = parse(body)?;
    let value = value.get_mut(member).ok_or_else(|| format!("the member {member} is missing"))?.take();
    serde_json::from_value(value).map_err(|error| format!("{member}: {error}"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn write(fake: &Fake, path: &str, body: &[u8]) -> Result<Value, String> {
    match path {
        "/put" => return Ok(json!({ "version": fake.put_with(&parse(body)?) })),
        "/key" => return Ok(json!({ "arn": fake.key(&only::<String>(body, "key")?) })),
        "/delete" => return Ok(json!({ "deleted": fake.delete(&only::<String>(body, "name")?) })),
        "/config" => parse::<Config>(body)?.apply(fake)?,
        "/label" => {
            let Label { name, version, label } = parse(body)?;
            fake.try_label(&name, version, &label)?;
        }
        "/secret" => fake.secret_with(parse(body)?),
        "/policy" => match parse(body)? {
            RolePolicy { role, policy: Some(document) } => fake.set_policies(&role, &[document])?,
            RolePolicy { role, policy: None } => fake.clear_policy(&role),
        },
        "/disable-key" => fake.disable_key(&only::<String>(body, "key")?),
        "/enable-key" => fake.enable_key(&only::<String>(body, "key")?),
        _ => return behave(fake, path, body),
    }
    Ok(json!({}))
}

/// The part of `write` that changes behaviour, not data.
fn behave(fake: &Fake, path: &str, body: &[u8]) -> Result<Value, String> {
    match path {
        "/fault" => fake.fault(parse(body)?),
        "/clear-faults" => fake.clear_faults(),
        "/bucket" => match parse::<Option<BucketSize>>(body)? {
            Some(bucket) => fake.bucket(bucket.capacity, bucket.refill_per_second),
            None => fake.no_bucket(),
        },
        "/delay" => {
            let Delay { ms, connect_ms } = parse(body)?;
            fake.delay(Duration::from_millis(ms));
            fake.connect_delay(Duration::from_millis(connect_ms));
        }
        "/down" => fake.down(),
        "/up" => fake.up(),
        "/imds-down" => fake.imds_down(),
        "/imds-up" => fake.imds_up(),
        "/role" => fake.role(only::<Option<String>>(body, "role")?.as_deref()),
        "/hop-limit" => fake.hop_limit_exceeded(only(body, "exceeded")?),
        "/clock-skew" => fake.clock_skew(only(body, "seconds")?),
        "/credential-lifetime" => fake.credential_lifetime(only(body, "seconds")?),
        "/expire-credentials" => fake.expire_credentials(),
        "/rotate" => fake.rotate(),
        "/clear-log" => fake.clear_log(),
        _ => return Err(format!("there is no POST {path}")),
    }
    Ok(json!({}))
}
