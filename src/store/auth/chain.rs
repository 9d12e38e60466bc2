//! Who we are: the chain of the AWS SDKs under `auto`, or the instance profile alone.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>

use std::path::PathBuf;
use std::rc::Rc;

use aws_config::Region;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::error::{Exit, Failure};
use crate::setting::Credentials as Source;
use crate::store::auth::explain::{SSO, explain};
use crate::store::auth::imds::Imds;
use crate::store::config::clock::Clock;
use crate::store::config::files::has_an_end;
use crate::store::config::settings::Settings;
use crate::store::net::http::Http;
use crate::store::retry::trouble::Trouble;

type Provider = (&'static str, Box<dyn ProvideCredentials>);

/// The places where credentials can be, in order.
pub struct Chain {
    /// Before IMDS, each with its name for messages.
    providers: Vec<Provider>,
    imds: Option<Rc<Imds>>,
    uses_sso: bool,
    /// The profile names a role: without it, going on would be as somebody else.
    assumes_role: bool,
    /// The files of tokens that the SDK reads itself: in which place, named by what, and where they are.
    token_files: Vec<(&'static str, &'static str, PathBuf)>,
    /// A profile has a credential_process.
    runs_process: bool,
    clock: Clock,
}

/// An attempt that is cut would leave its credential_process behind: to ask once more at the same time, and to the
/// command as a child that it did not start.
struct EndsWithUs {
    /// The children before it.
    others: Vec<i32>,
    settled: bool,
}

impl EndsWithUs {
    fn begin() -> Self {
        EndsWithUs { others: crate::sys::children(), settled: false }
    }

    /// It has ended by itself. What it leaves running is its own matter, also where that becomes a child of PID 1.
    fn settled(mut self) {
        self.settled = true;
    }
}

impl Drop for EndsWithUs {
    fn drop(&mut self) {
        if !self.settled {
            crate::sys::end_children_but(&self.others);
        }
    }
}

impl Chain {
    /// The chain of these settings. `region` is for STS, which only some places ask.
    pub fn new(settings: &Settings, region: Option<&str>, http: &Http, clock: &Clock, imds: Option<Rc<Imds>>) -> Self {
        if settings.aws.credentials == Source::InstanceProfile {
            return Chain {
                providers: Vec::new(),
                imds,
                uses_sso: false,
                assumes_role: false,
                token_files: Vec::new(),
                runs_process: false,
                clock: clock.clone(),
            };
        }
        let runs_process = settings.profiles.profiles().any(|name| {
            settings.profiles.get_profile(name).is_some_and(|profile| profile.get("credential_process").is_some())
        });
        Chain {
            providers: providers(settings, region, http, clock),
            imds,
            uses_sso: settings.profile_uses_sso(),
            assumes_role: settings.profile_assumes_role(),
            token_files: settings.token_files(),
            runs_process,
            clock: clock.clone(),
        }
    }

    /// One try, and a second one when STS refused what was signed at the wrong time.
    pub async fn load(&self) -> Result<Credentials, Trouble> {
        let loaded = match self.look().await {
            Err(Trouble::Rejected(_)) if self.clock.correct() => self.look().await,
            loaded => loaded,
        };
        loaded.map_err(refused)
    }

    async fn look(&self) -> Result<Credentials, Trouble> {
        for (place, provider) in &self.providers {
            for (_, named_by, path) in self.token_files.iter().filter(|(reader, ..)| reader == place) {
                has_an_end(named_by, path).map_err(Trouble::Permanent)?;
            }
            let process = (self.runs_process && *place == "the profile").then(EndsWithUs::begin);
            let provided = provider.provide_credentials().await;
            process.into_iter().for_each(EndsWithUs::settled);
            match provided {
                Ok(credentials) => return checked(place, credentials),
                Err(CredentialsError::CredentialsNotLoaded(_)) if self.assumes_role && *place == "the profile" => {
                    let what = "the profile names a role, but its source_profile does not exist";
                    let failure = Failure::new(Exit::Config, what);
                    return Err(Trouble::Permanent(
                        failure.help("look at role_arn and source_profile in ~/.aws/config"),
                    ));
                }
                // As with boto3: half a key would end with the identity of the next place.
                Err(CredentialsError::CredentialsNotLoaded(_)) if *place == "the environment" && has_key_id() => {
                    let what = "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not";
                    return Err(Trouble::Permanent(Failure::new(Exit::NoPerm, what).help("set both, or none")));
                }
                Err(CredentialsError::CredentialsNotLoaded(_)) => {
                    crate::log::debug(format_args!("no credentials in {place}"))
                }
                Err(error) => return Err(explain(place, &error, self.uses_sso)),
            }
        }
        let Some(imds) = &self.imds else {
            return Err(Trouble::Permanent(self.nowhere()));
        };
        let credentials = imds.credentials().await?;
        checked("the instance profile", credentials)
    }

    /// Does `work`; NOPERM when credentials depend on an IMDS that is not there.
    pub async fn unless_absent<T>(&self, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        match &self.imds {
            Some(imds) => imds.while_present(work).await.unwrap_or_else(|| Err(Trouble::Permanent(imds.absence()))),
            None => work.await,
        }
    }

    fn nowhere(&self) -> Failure {
        let failure = Failure::new(Exit::NoPerm, "no credentials: not in the environment, a profile or a container");
        if self.uses_sso {
            failure.help(SSO)
        } else {
            failure.help("give them by the environment or --profile; IMDS is switched off")
        }
    }
}

/// The SDK's, for each place that can have credentials here. One that has none is not made: its client would be a tenth of
/// a start.
fn providers(settings: &Settings, region: Option<&str>, http: &Http, clock: &Clock) -> Vec<Provider> {
    let is_set = |name| crate::store::config::settings::variable(name).is_some();
    let local = ProviderConfig::empty().with_http_client(http.clone()).with_time_source(clock.clone());
    let remote = local
        .clone()
        .with_region(region.map(|region| Region::new(region.to_owned())))
        .with_sleep_impl(TokioSleep::new())
        .with_retry_config(RetryConfig::disabled())
        .with_timeout_config(TimeoutConfig::disabled());
    let mut providers: Vec<Provider> = Vec::new();
    let profile = settings.aws.profile.as_deref();
    // A profile that is named goes before the environment's keys, which are not asked then, as with the aws command.
    if profile.is_none() {
        providers.push(("the environment", Box::new(EnvironmentVariableCredentialsProvider::new())));
    }
    if !settings.profiles.is_empty() {
        let mut from_profile =
            ProfileFileCredentialsProvider::builder().configure(&remote).profile_files(settings.profile_files());
        if let Some(name) = profile {
            from_profile = from_profile.profile_name(name);
        }
        providers.push(("the profile", Box::new(from_profile.build())));
    }
    if is_set("AWS_WEB_IDENTITY_TOKEN_FILE") {
        let web_identity = WebIdentityTokenCredentialsProvider::builder().configure(&remote).build();
        providers.push(("the web identity", Box::new(web_identity)));
    }
    if ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"].into_iter().any(is_set) {
        // Without a sleep implementation this provider does not retry: `patience` does.
        let container = EcsCredentialsProvider::builder().configure(&local).build();
        providers.push(("the container", Box::new(container)));
    }
    providers
}

/// Credentials that STS refuses are not fetched anew here: they are the operator's own.
fn refused(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Rejected(cause) => Trouble::Permanent(
            Failure::new(Exit::NoPerm, format!("the role cannot be assumed: {}", cause.what))
                .help("look at the credentials that assume it, and at the role's trust policy"),
        ),
        other => other,
    }
}

fn has_key_id() -> bool {
    crate::store::config::settings::variable("AWS_ACCESS_KEY_ID").is_some_and(|(_, id)| !id.trim().is_empty())
}

/// A line break in a key would panic the SDK when it makes the header of it.
fn checked(place: &str, credentials: Credentials) -> Result<Credentials, Trouble> {
    // A credential_process can say that there is no token by an empty one.
    let credentials = match credentials.session_token() {
        Some("") => {
            let (id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
            Credentials::new(id, secret, None, credentials.expiry(), "a process")
        }
        _ => credentials,
    };
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let parts = [
        ("access key id", Some(credentials.access_key_id())),
        ("secret access key", Some(credentials.secret_access_key())),
        ("session token", credentials.session_token()),
    ];
    for (part, text) in parts {
        if text.is_some_and(|text| !visible(text)) {
            let what =
                format!("the {part} from {place} has a space, a line break or another character that none can have");
            return Err(Trouble::Permanent(
                Failure::new(Exit::NoPerm, what).help("look for a stray newline where it was set"),
            ));
        }
    }
    crate::log::debug(format_args!("credentials from {place}"));
    Ok(credentials)
}
