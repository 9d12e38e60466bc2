//! How AWS is reached in this run: the Region, the credentials and the client, found at the same time where one does not
//! need the other. The SDK builds endpoints (FIPS, dual stack, China) and signs; it never retries, `patience` does.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::identity::IdentityCache;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{AppName, BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_ssm::Client;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::clock::{Clock, SKEW_SECONDS};
use super::credentials::Chain;
use super::endpoint;
use super::http::Http;
use super::imds::Imds;
use super::patience::{LOCAL, Patience};
use super::settings::Settings;
use super::trouble::{Cause, Trouble};
use crate::error::{Exit, Failure};

/// An open session with Systems Manager.
pub struct Session {
    pub client: Client,
    pub region: String,
    held: Held,
    chain: Chain,
    clock: Clock,
    /// Counts what was done about a refusal, so that parallel calls do it once.
    generation: Cell<u32>,
    followed: Cell<bool>,
    renewed: Cell<bool>,
    renewing: tokio::sync::Mutex<()>,
}

impl Session {
    /// Finds Region and credentials, and opens connections to Systems Manager, for so many calls, while it waits for them.
    pub async fn open(settings: &Settings, patience: &Patience, calls: usize) -> Result<Session, Trouble> {
        let clock = Clock::default();
        let http = settings.http(clock.clone())?;
        let imds = settings.imds_endpoint().map(|base| Rc::new(Imds::new(http.clone(), &base)));
        let reaching = reach(settings, imds.as_deref(), &http, &clock, patience, calls);
        let (reached, (chain, credentials)) = if settings.region.is_none() && settings.asks_sts() {
            let reached = reaching.await?;
            let chain = Chain::new(settings, Some(&reached.region), &http, &clock, imds.clone());
            let credentials = load(&chain, patience).await;
            (Ok(reached), (chain, credentials))
        } else {
            let chain = Chain::new(settings, settings.region.as_deref(), &http, &clock, imds.clone());
            let (reached, credentials) = tokio::join!(reaching, load(&chain, patience));
            (reached, (chain, credentials))
        };
        // Without credentials the Region does not matter: an IMDS that is not there takes both away.
        let credentials = credentials?;
        let Reached { region, client, held } = reached?;
        held.put(credentials);
        let (generation, followed, renewed, renewing) = Default::default();
        Ok(Session { client, region, held, chain, clock, generation, followed, renewed, renewing })
    }

    /// To be noted before a call, and given to [`Session::refused`] after it.
    pub fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// After a refusal of the credentials or the signature: follows the server's clock, or fetches the credentials anew,
    /// each once; then it is NOPERM. `Ok` means that the call can be made again.
    pub async fn refused(&self, before: u32, cause: &Cause, patience: &Patience) -> Result<(), Trouble> {
        let _one_at_a_time = self.renewing.lock().await;
        if self.generation.get() != before {
            return Ok(());
        }
        if self.clock.correct() && !self.followed.replace(true) {
            // The next signature has the right time.
        } else if self.renewed.replace(true) {
            return Err(Trouble::Permanent(self.rejected(cause)));
        } else {
            tracing::debug!("{}: fetching the credentials anew", cause.what);
            self.held.put(load(&self.chain, patience).await?);
        }
        self.generation.set(before + 1);
        Ok(())
    }

    fn rejected(&self, cause: &Cause) -> Failure {
        let failure = Failure::new(Exit::NoPerm, "AWS rejects the credentials")
            .detail(format!("{}, also after fetching them anew", cause.what));
        let behind = self.clock.behind();
        if behind.unsigned_abs() >= SKEW_SECONDS {
            return failure.help(format!("this machine's clock is {} s off: set it", behind.unsigned_abs()));
        }
        failure.help("they have expired, are unknown to AWS, or belong to another partition: renew them")
    }
}

struct Reached {
    region: String,
    client: Client,
    held: Held,
}

/// The Region, then the client and connections to the endpoint.
async fn reach(
    settings: &Settings,
    imds: Option<&Imds>,
    http: &Http,
    clock: &Clock,
    patience: &Patience,
    calls: usize,
) -> Result<Reached, Trouble> {
    let region = match &settings.region {
        Some(region) => region.clone(),
        None => region_of_instance(settings, imds, patience).await?,
    };
    let held = Held::default();
    let client = client(settings, &region, http, clock, &held).await;
    let endpoint = endpoint::of(&client).await?;
    http.warm(&endpoint, calls);
    Ok(Reached { region, client, held })
}

async fn region_of_instance(settings: &Settings, imds: Option<&Imds>, patience: &Patience) -> Result<String, Trouble> {
    let unknown = || {
        let what = "no Region: not in a flag, the spec, AWS_REGION or a profile, and IMDS does not say";
        Failure::new(Exit::Config, what).help("say --region, or AWS_REGION")
    };
    let imds = imds.ok_or_else(|| Trouble::Permanent(unknown()))?;
    let asking = patience.insist("the Region from IMDS", LOCAL, async || imds.region().await);
    if settings.gives_up_on_imds() {
        imds.while_present(asking).await.unwrap_or_else(|| Err(Trouble::Permanent(unknown())))
    } else {
        asking.await
    }
}

async fn load(chain: &Chain, patience: &Patience) -> Result<Credentials, Trouble> {
    chain.unless_absent(patience.insist("credentials", LOCAL, async || chain.load().await)).await
}

/// The SDK's client, without its retries, timeouts and caches: those are ours.
async fn client(settings: &Settings, region: &str, http: &Http, clock: &Clock, held: &Held) -> Client {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .app_name(AppName::new("stepzero").expect("letters only"))
        .region(Region::new(region.to_owned()))
        .http_client(http.clone())
        .time_source(clock.clone())
        .credentials_provider(SharedCredentialsProvider::new(held.clone()))
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .profile_files(settings.profile_files());
    if let Some(profile) = &settings.aws.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &settings.aws.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    // It would correct the time that `Clock` has corrected already.
    let config = aws_sdk_ssm::config::Builder::from(&loader.load().await).disable_clock_skew_correction(true);
    Client::from_conf(config.build())
}

/// The credentials that calls are signed with now.
#[derive(Clone, Debug, Default)]
struct Held(Arc<Mutex<Option<Credentials>>>);

impl Held {
    fn put(&self, credentials: Credentials) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials);
    }

    fn current(&self) -> Option<Credentials> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ProvideCredentials for Held {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        // Before the real ones are there, only `endpoint::of` asks, and it neither signs nor sends.
        let placeholder = || Credentials::new("placeholder", "placeholder", None, None, "placeholder");
        future::ProvideCredentials::ready(Ok(self.current().unwrap_or_else(placeholder)))
    }
}
