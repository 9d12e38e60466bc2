//! The instance metadata service, version 2 only: a session token by PUT, then the role, its credentials and the Region.
//! Implemented here because the SDK's client gives up after a second or two on 404 and 429, as a booting machine answers them,
//! and panics on a role name with a space.
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>

use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use tokio::sync::SetOnce;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::error::{Exit, Failure};
use crate::store::auth::document;
use crate::store::config::settings::ImdsAddresses;
use crate::store::net::http::Http;
use crate::store::retry::error::{AttemptError, Cause};

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const REGION: &str = "/latest/meta-data/placement/region";
/// One answer of a service on the same host.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);
/// Requests come at most once a second in the long run, whoever asks: IMDS shares 1024 packets a second with DNS and NTP.
const PACE: Duration = Duration::from_secs(1);
/// Ahead of the pace: a start needs four requests, and a few more after a failure or two.
const BURST: Duration = Duration::from_secs(8);
/// An IMDS that has never answered for so long is not there.
const ABSENT_AFTER: Duration = Duration::from_secs(10);
/// How often expired credentials are rejected before they are used all the same: in an outage AWS accepts them for longer.
const MAX_EXPIRED: u32 = 3;

/// What IMDS told so far. Used from one task.
pub struct Imds {
    http: Http,
    /// The one that is asked is `first`; the two are swapped when it cannot be reached.
    addresses: RefCell<ImdsAddresses>,
    /// Why the last request could not be sent: the host has no way to IMDS.
    unreachable: RefCell<Option<String>>,
    /// Whether an IMDS that never answers is taken as not there.
    can_be_absent: bool,
    token: tokio::sync::Mutex<Option<String>>,
    role: RefCell<Option<String>>,
    expired: Cell<u32>,
    /// When it was asked first.
    asked: SetOnce<Instant>,
    answered: SetOnce<()>,
    /// When the next request is due, at the pace.
    due: Cell<Instant>,
}

impl Imds {
    /// Asks at the first of two addresses, and at the other one where that cannot be reached.
    pub fn new(http: Http, addresses: ImdsAddresses, can_be_absent: bool) -> Self {
        Imds {
            http,
            addresses: addresses.into(),
            unreachable: RefCell::default(),
            can_be_absent,
            token: tokio::sync::Mutex::default(),
            role: RefCell::default(),
            expired: Cell::default(),
            asked: SetOnce::new(),
            answered: SetOnce::new(),
            due: Cell::new(Instant::now()),
        }
    }

    /// One attempt for the Region of this instance.
    pub async fn region(&self) -> Result<String, AttemptError> {
        let text = self.get(REGION, "the Region").await?;
        let region = text.trim();
        if crate::region::is_region(region) {
            return Ok(region.to_owned());
        }
        Err(failed("IMDS answered something that is no Region"))
    }

    /// One attempt for the credentials of the instance profile's role.
    pub async fn credentials(&self) -> Result<Credentials, AttemptError> {
        let known = self.role.borrow().clone();
        let role = match known {
            Some(role) => role,
            None => self.role_name().await?,
        };
        *self.role.borrow_mut() = Some(role.clone());
        let text = self.get(&format!("{ROLES}{role}"), "the credentials").await.inspect_err(|_| {
            // The profile can have been replaced: ask for the role again.
            self.role.borrow_mut().take();
        })?;
        let credentials = document::from_endpoint(text.as_bytes(), "instance profile")
            .map_err(|why| failed(format!("IMDS: {why}")))?;
        let expired = credentials.expiry().is_some_and(|expiry| expiry <= SystemTime::now());
        if expired && self.expired.get() < MAX_EXPIRED {
            self.expired.set(self.expired.get() + 1);
            return Err(failed("IMDS hands out credentials that have expired"));
        }
        Ok(credentials)
    }

    async fn role_name(&self) -> Result<String, AttemptError> {
        let list = self.get(ROLES, "the role").await?;
        let role = list.lines().next().unwrap_or("").trim_end();
        // The characters of a role's name (IAM's CreateRole); anything else must not become part of a path.
        let good = !role.is_empty()
            && role.len() <= 128
            && role.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
        if good { Ok(role.to_owned()) } else { Err(failed("IMDS answered something that is no role name")) }
    }

    /// Runs `work`. `None` when IMDS has answered nothing within [`ABSENT_AFTER`] of the first request to it.
    pub async fn while_present<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if !self.can_be_absent {
            return Some(work.await);
        }
        let absent = async {
            let asked = *self.asked.wait().await;
            if timeout_at(asked + ABSENT_AFTER, self.answered.wait()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = absent => None,
        }
    }

    /// NOPERM when it is not there.
    pub fn absence(&self) -> Failure {
        if let Some(why) = &*self.unreachable.borrow() {
            let what = "no credentials: not in the environment, a profile or a container, and IMDS cannot be reached";
            return Failure::new(Exit::NoPerm, what).detail(why).help(
                "on EC2, this host or container needs a route to IMDS; elsewhere, give credentials by the environment \
                 or --profile (for SSO: aws configure export-credentials)",
            );
        }
        let what = "no credentials: not in the environment, a profile or a container, and IMDS never answered";
        Failure::new(Exit::NoPerm, what)
            .detail(format!("asked {} for {} s", self.address(), ABSENT_AFTER.as_secs()))
            .help(
                "on EC2 in a container, the metadata hop limit must be 2 (aws ec2 modify-instance-metadata-options \
                 --http-put-response-hop-limit 2); elsewhere, give credentials by the environment or --profile \
                 (for SSO: aws configure export-credentials)",
            )
    }

    async fn get(&self, path: &str, what: &str) -> Result<String, AttemptError> {
        let token = self.session_token().await?;
        let request = Request::get(self.uri(path)?).header("x-aws-ec2-metadata-token", token);
        let (status, body, _) = self.send(request.body(Bytes::new()), what).await?;
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::UNAUTHORIZED => {
                self.token.lock().await.take();
                Err(failed("IMDS refuses its own session token (status 401)"))
            }
            StatusCode::NOT_FOUND if path == ROLES => Err(AttemptError::Transient(
                Cause::new("IMDS knows no role (status 404)").help("attach an instance profile to this instance"),
            )),
            status => Err(failed(format!("IMDS answered {} for {what}", status.as_u16()))),
        }
    }

    /// One session token for all requests.
    async fn session_token(&self) -> Result<String, AttemptError> {
        let mut held = self.token.lock().await;
        if let Some(token) = &*held {
            return Ok(token.clone());
        }
        let (status, body, is_session) = self.ask_for_token().await?;
        let token = body.trim();
        let good = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if status == StatusCode::FORBIDDEN {
            let cause = Cause::new("IMDS answered 403 for a session token");
            return Err(AttemptError::Transient(
                cause.help("IMDS is switched off for this instance (HttpEndpoint), or a proxy is in the way"),
            ));
        }
        if status != StatusCode::OK || !is_session || !good {
            return Err(failed(format!("IMDS gave no session token (status {})", status.as_u16())));
        }
        *held = Some(token.to_owned());
        Ok(token.to_owned())
    }

    /// At one address, and at the other one where this host has no way to the first.
    async fn ask_for_token(&self) -> Result<(StatusCode, String, bool), AttemptError> {
        let answer = self.put_token().await;
        let Some(first) = self.unreachable.borrow().clone() else { return answer };
        if !self.swap_addresses() {
            return answer;
        }
        let answer = self.put_token().await;
        let Some(second) = self.unreachable.borrow().clone() else { return answer };
        // The next attempt begins at the first one again, which becomes reachable when a network comes up.
        self.swap_addresses();
        let both = format!("{first}, and {second}");
        self.unreachable.replace(Some(both.clone()));
        Err(failed(both))
    }

    async fn put_token(&self) -> Result<(StatusCode, String, bool), AttemptError> {
        let request = Request::builder().method(Method::PUT).uri(self.uri("/latest/api/token")?);
        let request = request.header("x-aws-ec2-metadata-token-ttl-seconds", "21600").body(Bytes::new());
        // In a box: as a part of this future it would make those around it larger, and the stack can be small.
        Box::pin(self.send(request, "a session token")).await
    }

    /// Whether there is another address.
    fn swap_addresses(&self) -> bool {
        let addresses = &mut *self.addresses.borrow_mut();
        let swap = |otherwise| std::mem::swap(&mut addresses.first, otherwise);
        addresses.otherwise.as_mut().map(swap).is_some()
    }

    /// For messages: without a user and a password, which an address can have.
    fn address(&self) -> String {
        let base = &self.addresses.borrow().first;
        crate::error::printable(base.rsplit_once('@').map_or(base.as_str(), |(_, address)| address))
    }

    fn uri(&self, path: &str) -> Result<Uri, AttemptError> {
        let base = self.addresses.borrow().first.trim_end_matches('/').to_owned();
        format!("{base}{path}").parse().map_err(|_| {
            let what = format!("the IMDS endpoint \"{}\" is not an http:// address", self.address());
            AttemptError::Fatal(Failure::new(Exit::Config, what).help("look at AWS_EC2_METADATA_SERVICE_ENDPOINT"))
        })
    }

    async fn send(
        &self,
        request: http::Result<Request<Bytes>>,
        what: &str,
    ) -> Result<(StatusCode, String, bool), AttemptError> {
        let request = request.map_err(|_| failed("the IMDS request cannot be made"))?;
        self.pace().await;
        // Only the first request and the first answer count.
        let _ = self.asked.set(Instant::now());
        let sent = timeout(REQUEST_LIMIT, self.http.send(request)).await;
        *self.unreachable.borrow_mut() = match &sent {
            Ok(Err(error)) if error.is_unreachable() => Some(error.to_string()),
            _ => None,
        };
        let answer = match sent {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(crate::store::retry::error::classify_http(&error)),
            Err(_) => {
                return Err(failed(format!("IMDS did not answer within {} s for {what}", REQUEST_LIMIT.as_secs())));
            }
        };
        let _ = self.answered.set(());
        let is_session = answer.headers().contains_key("x-aws-ec2-metadata-token-ttl-seconds");
        let (status, body) = (answer.status(), answer.into_body());
        let body = String::from_utf8(body.to_vec()).map_err(|_| failed("IMDS answered something that is no text"))?;
        Ok((status, body, is_session))
    }

    /// Rate limit: one request each [`PACE`] on average, with a burst. The slot is reserved before the wait, so that requests
    /// at the same time queue.
    async fn pace(&self) {
        let now = Instant::now();
        let due = self.due.get().max(now);
        self.due.set(due + PACE);
        let pause = due.duration_since(now).saturating_sub(BURST);
        // Even an empty sleep waits for the timer's next millisecond.
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

fn failed(what: impl Into<String>) -> AttemptError {
    AttemptError::Transient(Cause::new(what))
}
