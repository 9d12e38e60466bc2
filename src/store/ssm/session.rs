//! How AWS is reached in this run: the Region, the endpoint and the credentials, found at the same time where one does not
//! need the other.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use aws_credential_types::Credentials;
use http::Uri;
use tokio::task::yield_now;

use crate::error::{Exit, Failure};
use crate::store::auth::chain::Chain;
use crate::store::auth::imds::Imds;
use crate::store::config::clock::{Clock, SKEW_SECONDS};
use crate::store::config::endpoint::Wanted;
use crate::store::config::settings::Settings;
use crate::store::net::http::Http;
use crate::store::retry::patience::{LOCAL, Patience};
use crate::store::retry::trouble::{Cause, Trouble};
use crate::store::ssm::client::Service;

/// An open session with Systems Manager.
pub struct Session {
    pub service: Service,
    chain: Chain,
    /// Counts what was done about a refusal, so that parallel calls do it once.
    generation: Cell<u32>,
    followed: Cell<bool>,
    renewed: Cell<bool>,
    renewing: tokio::sync::Mutex<()>,
}

impl Session {
    /// Finds Region and credentials, and opens connections to Systems Manager, for so many calls, while it waits for them.
    /// When it returns, memory is locked where that is allowed: no parameter can be asked for before.
    pub async fn open(settings: &Settings, patience: &Patience, calls: usize) -> Result<Session, Trouble> {
        let clock = Clock::default();
        let http = settings.http(clock.clone());
        let opening = Session::with(http.clone(), clock, settings, patience, calls);
        Ok(tokio::try_join!(opening, settle_trust_and_memory(&http))?.0)
    }

    async fn with(
        http: Http,
        clock: Clock,
        settings: &Settings,
        patience: &Patience,
        calls: usize,
    ) -> Result<Session, Trouble> {
        let imds =
            settings.imds_endpoint().map(|base| Rc::new(Imds::new(http.clone(), &base, settings.gives_up_on_imds())));
        // It tells the Region and the credentials at the same time.
        if let (None, Some(imds)) = (&settings.region, &imds) {
            imds.warm(2);
        }
        let reaching = reach(settings, imds.as_deref(), &http, patience, calls);
        let (reached, (chain, credentials)) = if settings.region.is_none() && settings.asks_sts() {
            let reached = reaching.await?;
            let chain = Chain::new(settings, Some(&reached.0), &http, &clock, imds.clone());
            let credentials = load(&chain, patience).await;
            (Ok(reached), (chain, credentials))
        } else {
            let chain = Chain::new(settings, settings.region.as_deref(), &http, &clock, imds.clone());
            let (reached, credentials) = tokio::join!(reaching, load(&chain, patience));
            (reached, (chain, credentials))
        };
        // Without credentials the Region does not matter: an IMDS that is not there takes both away.
        let credentials = credentials?;
        let (region, endpoint) = reached?;
        let credentials = credentials.into();
        let service = Service { endpoint, region, credentials, http, clock };
        let (generation, followed, renewed, renewing) = Default::default();
        Ok(Session { service, chain, generation, followed, renewed, renewing })
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
        if self.service.clock.correct() && !self.followed.replace(true) {
            // The next signature has the right time.
        } else if self.renewed.replace(true) {
            return Err(Trouble::Permanent(self.rejected(cause)));
        } else {
            crate::log::debug(format_args!("{}: fetching the credentials anew", cause.what));
            let renewed = load(&self.chain, patience).await?;
            self.service.credentials.replace(renewed);
        }
        self.generation.set(before + 1);
        Ok(())
    }

    fn rejected(&self, cause: &Cause) -> Failure {
        let failure = Failure::new(Exit::NoPerm, "AWS rejects the credentials")
            .detail(format!("{}, also after fetching them anew", cause.what));
        let behind = self.service.clock.behind();
        if behind.unsigned_abs() >= SKEW_SECONDS {
            return failure.help(format!("this machine's clock is {} s off: set it", behind.unsigned_abs()));
        }
        failure.help("they have expired, are unknown to AWS, or belong to another partition: renew them")
    }
}

/// What has to be done before the first call, while others are waited for. How often it makes way decides which work
/// overlaps, and nothing else.
async fn settle_trust_and_memory(http: &Http) -> Result<(), Trouble> {
    // IMDS gets its first request: a connection is made in one round of the runtime, and used in the next.
    yield_now().await;
    yield_now().await;
    // What is wrong with whom we are told to trust ends the run.
    http.trust().map_err(Trouble::Permanent)?;
    // The first hello leaves; its answer takes the server longer than the locking takes us.
    yield_now().await;
    crate::sys::guard_secrets();
    Ok(())
}

/// The Region and the endpoint, and connections to it: at once where it is named, which needs no Region.
async fn reach(
    settings: &Settings,
    imds: Option<&Imds>,
    http: &Http,
    patience: &Patience,
    calls: usize,
) -> Result<(String, Uri), Trouble> {
    let wanted = Wanted::new(settings);
    let named = wanted.named();
    if let Some(endpoint) = &named {
        http.warm(endpoint, calls);
    }
    let region = match &settings.region {
        Some(region) => region.clone(),
        None => region_of_instance(imds, patience).await?,
    };
    let endpoint = match named {
        Some(endpoint) => endpoint,
        None => {
            let endpoint = wanted.of(&region).await?;
            http.warm(&endpoint, calls);
            endpoint
        }
    };
    Ok((region, endpoint))
}

async fn region_of_instance(imds: Option<&Imds>, patience: &Patience) -> Result<String, Trouble> {
    let unknown = || {
        let what = "no Region: not in a flag, the spec, AWS_REGION or a profile, and IMDS does not say";
        Failure::new(Exit::Config, what).help("say --region, or AWS_REGION")
    };
    let imds = imds.ok_or_else(|| Trouble::Permanent(unknown()))?;
    let asking = patience.insist("the Region from IMDS", LOCAL, async || imds.region().await);
    imds.while_present(pin!(asking)).await.unwrap_or_else(|| Err(Trouble::Permanent(unknown())))
}

async fn load(chain: &Chain, patience: &Patience) -> Result<Credentials, Trouble> {
    let asking = patience.insist("credentials", LOCAL, async || chain.load().await);
    chain.unless_absent(pin!(asking)).await
}
