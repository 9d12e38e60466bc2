//! How AWS is reached in this run: the Region, the endpoint and the credentials, found at the same time where one does not
//! need the other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use aws_credential_types::Credentials;
use http::Uri;
use tokio::sync::{Mutex, SetOnce};

use crate::error::{Exit, Failure};
use crate::store::auth::chain::Chain;
use crate::store::auth::imds::Imds;
use crate::store::config::clock::{Clock, SKEW_SECONDS};
use crate::store::config::endpoint::EndpointConfig;
use crate::store::config::settings::Settings;
use crate::store::net::connection::Connection;
use crate::store::net::http::Http;
use crate::store::retry::error::{AttemptError, Cause, Operation, classify_http};
use crate::store::retry::retrier::{LOCAL, Retrier, SERVICE};
use crate::store::ssm::client::{self, Client, Output};
use crate::store::ssm::workers::Activity;

/// Signed calls to Systems Manager.
pub struct Session<'a> {
    pub client: Client,
    retrier: &'a Retrier,
    activity: &'a Activity,
    chain: Chain,
    credentials: RefCell<Credentials>,
    /// Raised by each repair, so that a call that was refused before it is only made again.
    epoch: Cell<u32>,
    /// What was done about refusals so far. Locked during a repair, so that parallel calls make it once.
    repairs: Mutex<Repairs>,
}

#[derive(Default)]
struct Repairs {
    clock: bool,
    credentials: bool,
}

impl<'a> Session<'a> {
    /// Finds the Region and the credentials. `endpoint` is set as soon as it is known, which is usually earlier.
    /// `activity` is told of every answer.
    pub async fn open(
        settings: &Settings,
        http: &Http,
        retrier: &'a Retrier,
        activity: &'a Activity,
        endpoint: &SetOnce<Uri>,
    ) -> Result<Self, AttemptError> {
        let imds = settings.imds.clone();
        let imds = imds.map(|addresses| Rc::new(Imds::new(http.clone(), addresses, settings.imds_can_be_absent())));
        let locating = locate(settings, imds.as_deref(), retrier, endpoint);
        let clock = Clock::default();
        let chain = |region| Chain::new(settings, region, http, &clock, imds.clone());
        let (located, chain, credentials) = if settings.region.is_none() && settings.asks_sts() {
            let located = locating.await?;
            let chain = chain(Some(&located.0));
            let credentials = load(&chain, retrier).await;
            (Ok(located), chain, credentials)
        } else {
            let chain = chain(settings.region.as_deref());
            let (located, credentials) = tokio::join!(locating, load(&chain, retrier));
            (located, chain, credentials)
        };
        // Without credentials the Region does not matter: an IMDS that is not there takes both away.
        let credentials = RefCell::new(credentials?);
        let (region, endpoint) = located?;
        let client = Client { endpoint, region, clock };
        let (epoch, repairs) = (Cell::new(0), Mutex::default());
        Ok(Session { client, retrier, activity, chain, credentials, epoch, repairs })
    }

    /// Makes a call until `read` accepts its answer, or until the deadline. After credentials or a signature were refused, it
    /// is made again at once with others.
    pub async fn call<R>(
        &self,
        connection: &mut Connection,
        operation: Operation,
        body: &serde_json::Value,
        read: impl Fn(Output) -> Result<R, AttemptError>,
    ) -> Result<R, AttemptError> {
        loop {
            let epoch = Cell::new(0);
            let attempt = async || {
                epoch.set(self.epoch.get());
                let request = self.client.request(&self.credentials.borrow(), operation, body.to_string())?;
                let answer = connection.send(request).await.map_err(|error| classify_http(&error))?;
                self.activity.answered();
                self.client.clock.note_date(&answer);
                read(client::read(operation, &answer)?)
            };
            match self.retrier.retry(operation.service(), SERVICE, attempt).await {
                // In a box, because it is large and rare.
                Err(AttemptError::Unauthenticated(cause)) => Box::pin(self.after_refusal(epoch.get(), &cause)).await?,
                done => return done,
            }
        }
    }

    /// Follows the server's clock, or fetches the credentials anew, each once; then it is NOPERM. `epoch` is that of the
    /// refused call. `Ok` means that the call can be made again.
    async fn after_refusal(&self, epoch: u32, cause: &Cause) -> Result<(), AttemptError> {
        let mut done = self.repairs.lock().await;
        if self.epoch.get() != epoch {
            return Ok(());
        }
        // With the server's clock, the next signature has the right time.
        let followed = self.client.clock.follow_server() && !std::mem::replace(&mut done.clock, true);
        if !followed {
            if std::mem::replace(&mut done.credentials, true) {
                return Err(AttemptError::Fatal(self.rejected(cause)));
            }
            crate::log::debug(format_args!("{}: fetching the credentials anew", cause.what));
            let fresh = load(&self.chain, self.retrier).await?;
            self.credentials.replace(fresh);
        }
        self.epoch.set(epoch + 1);
        Ok(())
    }

    fn rejected(&self, cause: &Cause) -> Failure {
        let failure = Failure::new(Exit::NoPerm, "AWS rejects the credentials")
            .detail(format!("{}, also after fetching them anew", cause.what));
        let behind = self.client.clock.skew_seconds().unsigned_abs();
        if behind >= SKEW_SECONDS {
            return failure.help(format!("this machine's clock is {behind} s off: set it"));
        }
        failure.help("they have expired, are unknown to AWS, or belong to another partition: renew them")
    }
}

/// The Region, and the endpoint: which needs no Region where it is named.
async fn locate(
    settings: &Settings,
    imds: Option<&Imds>,
    retrier: &Retrier,
    found: &SetOnce<Uri>,
) -> Result<(String, Uri), AttemptError> {
    // It is set here only, once.
    let tell = |endpoint: &Uri| drop(found.set(endpoint.clone()));
    let config = EndpointConfig::new(settings);
    let named = config.named();
    named.iter().for_each(tell);
    let region = match &settings.region {
        Some(region) => region.clone(),
        None => region_of_instance(imds, retrier).await?,
    };
    if let Some(endpoint) = named {
        return Ok((region, endpoint));
    }
    let endpoint = config.resolve(&region).await.map_err(AttemptError::Fatal)?;
    tell(&endpoint);
    Ok((region, endpoint))
}

async fn region_of_instance(imds: Option<&Imds>, retrier: &Retrier) -> Result<String, AttemptError> {
    let unknown = || {
        let what = "no Region: not in a flag, the spec, AWS_REGION or a profile, and IMDS does not say";
        AttemptError::Fatal(Failure::new(Exit::Config, what).help("say --region, or AWS_REGION"))
    };
    let imds = imds.ok_or_else(unknown)?;
    let asking = retrier.retry("the Region from IMDS", LOCAL, async || imds.region().await);
    imds.while_present(asking).await.unwrap_or_else(|| Err(unknown()))
}

async fn load(chain: &Chain, retrier: &Retrier) -> Result<Credentials, AttemptError> {
    // In a box: as a part of this future it would make those around it larger, and the stack can be small.
    let loading = async || Box::pin(chain.load()).await;
    chain.unless_absent(retrier.retry("credentials", LOCAL, loading)).await
}
