//! Who we are: the chain of the AWS SDKs under `auto`, or the instance profile alone. A source that is only half set up ends the
//! chain: to pass over it would be to go on as somebody else.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>

use std::rc::Rc;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;

use crate::error::{Exit, Failure, printable};
use crate::setting::CredentialMode;
use crate::store::auth::container::Container;
use crate::store::auth::explain::{SSO, explain, no_role};
use crate::store::auth::imds::Imds;
use crate::store::auth::process;
use crate::store::auth::profile::RoleSource;
use crate::store::auth::role::AssumedRole;
use crate::store::auth::sdk_http::SdkHttp;
use crate::store::auth::source::{CredentialSource, FromProfile, sources};
use crate::store::config::clock::Clock;
use crate::store::config::files::{TokenFile, for_sdk};
use crate::store::config::settings::Settings;
use crate::store::net::http::Http;
use crate::store::retry::error::{AttemptError, Cause};

/// The sources of credentials, in order.
pub struct Chain {
    /// Before IMDS.
    sources: Vec<CredentialSource>,
    imds: Option<Rc<Imds>>,
    /// Assumed with what they give.
    role: Option<AssumedRole>,
    http: Http,
    clock: Clock,
    uses_sso: bool,
}

impl Chain {
    /// The chain of these settings. `region` is for STS, which only some sources ask.
    pub fn new(settings: &Settings, region: Option<&str>, http: &Http, clock: &Clock, imds: Option<Rc<Imds>>) -> Self {
        let (sources, uses_sso) = match settings.aws.credentials {
            CredentialMode::InstanceProfile => (Vec::new(), false),
            CredentialMode::Auto => (sources(settings, region, http, clock), settings.profile_uses_sso()),
        };
        let (http, clock) = (http.clone(), clock.clone());
        let role = AssumedRole::new(settings, region, SdkHttp { http: http.clone(), clock: clock.clone() });
        Chain { sources, imds, role, http, clock, uses_sso }
    }

    /// One attempt, and a second one when STS refused what was signed at the wrong time.
    pub async fn load(&self) -> Result<Credentials, AttemptError> {
        let loaded = match self.identity().await {
            Err(AttemptError::Unauthenticated(_)) if self.clock.follow_server() => self.identity().await,
            loaded => loaded,
        };
        loaded.map_err(|error| no_role(error, self.role_needs_mfa()))
    }

    /// Those of the first source, or of the role that is assumed with them.
    async fn identity(&self) -> Result<Credentials, AttemptError> {
        let first = self.first().await?;
        match &self.role {
            Some(role) => checked("the role", role.assume(first).await?),
            None => Ok(first),
        }
    }

    /// Those of the first source that has some.
    async fn first(&self) -> Result<Credentials, AttemptError> {
        for source in &self.sources {
            match self.ask(source).await? {
                Some(credentials) => return checked(source.name(), credentials),
                None => crate::log::debug(format_args!("no credentials in {}", source.name())),
            }
        }
        let Some(imds) = &self.imds else {
            return Err(AttemptError::Fatal(self.nowhere()));
        };
        checked("the instance profile", imds.credentials().await?)
    }

    /// `None` when this source has none.
    async fn ask(&self, source: &CredentialSource) -> Result<Option<Credentials>, AttemptError> {
        let provided = match source {
            CredentialSource::Half(failure) => return Err(AttemptError::Fatal(failure.clone())),
            CredentialSource::Container(container) => return Ok(Some(container.credentials(&self.http).await?)),
            CredentialSource::Environment => EnvironmentVariableCredentialsProvider::new().provide_credentials().await,
            CredentialSource::WebIdentity(identity) => {
                identity.token_file.check().map_err(AttemptError::Fatal)?;
                identity.provider.provide_credentials().await
            }
            CredentialSource::Profile(profile) => self.ask_profile(profile).await?,
        };
        self.explained(source, provided)
    }

    /// What the SDK says of the profile, where its first source gives credentials.
    async fn ask_profile(&self, from: &FromProfile) -> Result<Result<Credentials, CredentialsError>, AttemptError> {
        from.token_files.iter().try_for_each(TokenFile::check).map_err(AttemptError::Fatal)?;
        let chain = &from.chain;
        let mut provider = ProfileFileCredentialsProvider::builder().configure(&from.sdk).profile_name(&from.chosen);
        let mut keys = String::new();
        match &chain.source {
            RoleSource::Sdk => {}
            RoleSource::Process { profile, command } => {
                let first = run_process(profile, command).await?;
                if chain.roles.is_empty() {
                    return Ok(Ok(first));
                }
                keys = chain.beginning_with(&checked("the profile", first)?);
            }
            RoleSource::Named { profile, word } => {
                let source = source_name(profile, word);
                let first = self.ask_named(word, &source).await.map_err(|error| of_source(error, &source))?;
                if chain.roles.is_empty() {
                    return Ok(Ok(first));
                }
                provider = provider.with_custom_provider(word.clone(), checked("the profile", first)?);
            }
        }
        let provider = provider.profile_files(for_sdk(&from.files, &keys)).build();
        let provided = provider.provide_credentials().await;
        if matches!(provided, Err(CredentialsError::CredentialsNotLoaded(_))) {
            no_half_profile(from).map_err(AttemptError::Fatal)?;
        }
        Ok(provided)
    }

    /// The credentials that a role is assumed with, by the word of `credential_source`.
    async fn ask_named(&self, word: &str, source: &str) -> Result<Credentials, AttemptError> {
        let wrong = |exit, why: &str| AttemptError::Fatal(Failure::new(exit, format!("{source}: {why}")));
        match word {
            "Environment" => {
                let provided = EnvironmentVariableCredentialsProvider::new().provide_credentials().await;
                let missing = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set";
                self.explained(&CredentialSource::Environment, provided)?.ok_or_else(|| wrong(Exit::NoPerm, missing))
            }
            "Ec2InstanceMetadata" => match &self.imds {
                Some(imds) => imds.credentials().await,
                None => Err(wrong(Exit::NoPerm, "IMDS is switched off (AWS_EC2_METADATA_DISABLED)")),
            },
            "EcsContainer" => match self.container() {
                Some(container) => container.credentials(&self.http).await,
                // One that is half set up is not among the sources, and says what it lacks.
                None => Err(match Container::from_environment() {
                    Err(failure) => AttemptError::Fatal(failure),
                    Ok(_) => wrong(Exit::Config, "no AWS_CONTAINER_CREDENTIALS_* variable says where that is"),
                }),
            },
            _ => Err(wrong(Exit::Config, "it is Environment, Ec2InstanceMetadata or EcsContainer")),
        }
    }

    fn container(&self) -> Option<&Container> {
        self.sources.iter().find_map(|source| match source {
            CredentialSource::Container(container) => Some(container.as_ref()),
            _ => None,
        })
    }

    fn explained(
        &self,
        source: &CredentialSource,
        provided: Result<Credentials, CredentialsError>,
    ) -> Result<Option<Credentials>, AttemptError> {
        match provided {
            Ok(credentials) => Ok(Some(credentials)),
            Err(CredentialsError::CredentialsNotLoaded(_)) => Ok(None),
            Err(error) => Err(explain(source, &error, self.uses_sso)),
        }
    }

    fn role_needs_mfa(&self) -> bool {
        self.profile().is_some_and(|profile| profile.chain.needs_mfa())
    }

    fn profile(&self) -> Option<&FromProfile> {
        self.sources.iter().find_map(|source| match source {
            CredentialSource::Profile(profile) => Some(profile.as_ref()),
            _ => None,
        })
    }

    /// Does `work`; NOPERM when credentials depend on an IMDS that is not there.
    pub async fn unless_absent<T>(
        &self,
        work: impl Future<Output = Result<T, AttemptError>>,
    ) -> Result<T, AttemptError> {
        match &self.imds {
            Some(imds) => {
                imds.while_present(work).await.unwrap_or_else(|| Err(AttemptError::Fatal(self.absence(imds))))
            }
            None => work.await,
        }
    }

    fn absence(&self, imds: &Imds) -> Failure {
        let named = self.profile().and_then(|profile| match &profile.chain.source {
            RoleSource::Named { profile, word } => Some(source_name(profile, word)),
            _ => None,
        });
        named.into_iter().fold(imds.absence(), Failure::detail)
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

/// An error when the profile that gave nothing is only half set up: to go on would be as somebody else.
fn no_half_profile(from: &FromProfile) -> Result<(), Failure> {
    if !from.chain.roles.is_empty() {
        let what = "the profile names a role, but its source_profile does not exist";
        return Err(Failure::new(Exit::Config, what).help("look at role_arn and source_profile in ~/.aws/config"));
    }
    let chosen = from.profiles.get_profile(&from.chosen);
    if chosen.is_some_and(|profile| profile.get("source_profile").is_some()) {
        let what = format!("profile {} has source_profile, but no role_arn", printable(&from.chosen));
        return Err(Failure::new(Exit::Config, what).help("set both, or none"));
    }
    let sso = ["sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name", "login_session"];
    if let Some(key) = sso.iter().find(|key| chosen.is_some_and(|profile| profile.get(key).is_some())) {
        let what = format!("profile {} has {key}, but gives no credentials", printable(&from.chosen));
        return Err(Failure::new(Exit::NoPerm, what).help(SSO));
    }
    Ok(())
}

async fn run_process(profile: &str, command: &str) -> Result<Credentials, AttemptError> {
    process::credentials(command).await.map_err(|why| {
        let what = format!("the credential_process of profile {}: {why}", printable(profile));
        AttemptError::Fatal(
            Failure::new(Exit::NoPerm, what).help("run it by hand, in the same environment and without input"),
        )
    })
}

fn source_name(profile: &str, word: &str) -> String {
    format!("credential_source = {} of profile {}", printable(word), printable(profile))
}

/// Says which source it was about.
fn of_source(error: AttemptError, source: &str) -> AttemptError {
    match error {
        AttemptError::Transient(cause) => {
            AttemptError::Transient(Cause { what: format!("{source}: {}", cause.what), ..cause })
        }
        AttemptError::Fatal(failure) if !failure.what().starts_with(source) => {
            AttemptError::Fatal(failure.detail(source))
        }
        other => other,
    }
}

/// A line break in a key would panic the SDK when it makes the header of it.
fn checked(source: &str, credentials: Credentials) -> Result<Credentials, AttemptError> {
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
                format!("the {part} from {source} has a space, a line break or another character that none can have");
            return Err(AttemptError::Fatal(
                Failure::new(Exit::NoPerm, what).help("look for a stray newline where it was set"),
            ));
        }
    }
    crate::log::debug(format_args!("credentials from {source}"));
    Ok(credentials)
}
