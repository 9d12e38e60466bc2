//! The sources of credentials on this machine: what variables and profiles say of them, before anybody is asked.

use std::rc::Rc;

use aws_config::Region;
use aws_config::profile::ProfileSet;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::error::{Exit, Failure};
use crate::store::auth::container::Container;
use crate::store::auth::profile::RoleChain;
use crate::store::auth::sdk_http::SdkHttp;
use crate::store::config::clock::Clock;
use crate::store::config::files::{ProfileFile, TokenFile};
use crate::store::config::settings::{Settings, variable};
use crate::store::net::http::Http;

/// A source of credentials.
pub enum CredentialSource {
    Environment,
    Profile(Box<FromProfile>),
    WebIdentity(Box<WebIdentity>),
    Container(Box<Container>),
    /// Only a part of what it needs is set.
    Half(Failure),
}

/// The chosen profile, and the roles that it assumes.
pub struct FromProfile {
    pub profiles: ProfileSet,
    pub files: Rc<Vec<ProfileFile>>,
    pub chosen: String,
    pub chain: RoleChain,
    pub token_files: Vec<TokenFile>,
    pub sdk: ProviderConfig,
}

/// The web identity of the environment.
pub struct WebIdentity {
    pub provider: WebIdentityTokenCredentialsProvider,
    pub token_file: TokenFile,
}

impl CredentialSource {
    /// For messages.
    pub fn name(&self) -> &'static str {
        match self {
            CredentialSource::Environment => "the environment",
            CredentialSource::Profile(_) => "the profile",
            CredentialSource::WebIdentity(_) => "the web identity",
            CredentialSource::Container(_) => "the container",
            CredentialSource::Half(_) => "a source that is half set up",
        }
    }
}

/// Each source that can have credentials here, in their order. One that has none is not made: its client would be a tenth of
/// a start.
pub fn sources(settings: &Settings, region: Option<&str>, http: &Http, clock: &Clock) -> Vec<CredentialSource> {
    let sdk = ProviderConfig::empty()
        .with_http_client(SdkHttp { http: http.clone(), clock: clock.clone() })
        .with_time_source(clock.clone())
        .with_region(region.map(|region| Region::new(region.to_owned())))
        .with_sleep_impl(TokioSleep::new())
        .with_retry_config(RetryConfig::disabled())
        .with_timeout_config(TimeoutConfig::disabled());
    let mut sources = Vec::new();
    // A profile that is named by the flag goes before the environment's keys, as with the aws command.
    if settings.aws.profile.is_none() {
        sources.extend(environment());
    }
    if !settings.profiles.is_empty() {
        sources.push(profile(settings, sdk.clone()));
    }
    sources.extend(web_identity(&sdk));
    match Container::from_environment() {
        Ok(container) => sources.extend(container.map(Box::new).map(CredentialSource::Container)),
        Err(failure) => sources.push(CredentialSource::Half(failure)),
    }
    sources
}

fn profile(settings: &Settings, sdk: ProviderConfig) -> CredentialSource {
    let (profiles, files) = (settings.profiles.clone(), settings.profile_files());
    let chosen = profiles.selected_profile().to_owned();
    let chain = RoleChain::new(&profiles, &chosen);
    let token_files = settings.token_files_of_profile();
    CredentialSource::Profile(Box::new(FromProfile { profiles, files, chosen, chain, token_files, sdk }))
}

fn environment() -> Option<CredentialSource> {
    let is_set = |name| variable(name).is_some_and(|(_, value)| !value.trim().is_empty());
    let half = |exit, what| Some(CredentialSource::Half(Failure::new(exit, what).help("set both, or none")));
    match (is_set("AWS_ACCESS_KEY_ID"), is_set("AWS_SECRET_ACCESS_KEY"), is_set("AWS_SESSION_TOKEN")) {
        (true, true, _) => Some(CredentialSource::Environment),
        (true, false, _) => half(Exit::NoPerm, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"),
        (false, true, _) => half(Exit::Config, "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not"),
        (false, false, true) => half(Exit::Config, "AWS_SESSION_TOKEN is set, but the keys that it belongs to are not"),
        (false, false, false) => None,
    }
}

/// botocore and Go refuse a token file without a role, too. A role without a token file is for other tools.
fn web_identity(sdk: &ProviderConfig) -> Option<CredentialSource> {
    let (named_by, path) = variable("AWS_WEB_IDENTITY_TOKEN_FILE")?;
    if variable("AWS_ROLE_ARN").is_none() {
        let what = "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not";
        return Some(CredentialSource::Half(
            Failure::new(Exit::Config, what).help("set the role that the token is for, or unset both"),
        ));
    }
    let provider = WebIdentityTokenCredentialsProvider::builder().configure(sdk).build();
    let token_file = TokenFile { named_by, path: path.into() };
    Some(CredentialSource::WebIdentity(Box::new(WebIdentity { provider, token_file })))
}
