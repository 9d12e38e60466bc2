//! Where credentials can be on this machine: what variables and profiles say of it, before anybody is asked.

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
use crate::store::auth::sdk_http::SdkHttp;
use crate::store::config::clock::Clock;
use crate::store::config::files::ProfileFile;
use crate::store::config::settings::{Settings, variable};
use crate::store::net::http::Http;

/// A place where credentials can be.
pub enum Place {
    Environment,
    Profile(Box<FromProfile>),
    WebIdentity(Box<WebIdentityTokenCredentialsProvider>),
    Container(Box<Container>),
    /// Only a part of what it needs is set.
    Half(Failure),
}

/// What the chosen profile needs.
pub struct FromProfile {
    pub profiles: ProfileSet,
    pub files: Rc<Vec<ProfileFile>>,
    pub chosen: String,
    pub sdk: ProviderConfig,
}

impl Place {
    /// For messages.
    pub fn name(&self) -> &'static str {
        match self {
            Place::Environment => "the environment",
            Place::Profile(_) => "the profile",
            Place::WebIdentity(_) => "the web identity",
            Place::Container(_) => "the container",
            Place::Half(_) => "a place that is half set up",
        }
    }
}

/// Each place that can have credentials here. One that has none is not made: its client would be a tenth of a start.
pub fn places(settings: &Settings, region: Option<&str>, http: &Http, clock: &Clock) -> Vec<Place> {
    let sdk = ProviderConfig::empty()
        .with_http_client(SdkHttp { http: http.clone(), clock: clock.clone() })
        .with_time_source(clock.clone())
        .with_region(region.map(|region| Region::new(region.to_owned())))
        .with_sleep_impl(TokioSleep::new())
        .with_retry_config(RetryConfig::disabled())
        .with_timeout_config(TimeoutConfig::disabled());
    let mut places = Vec::new();
    // A profile that is named by the flag goes before the environment's keys, as with the aws command.
    if settings.aws.profile.is_none() {
        places.extend(environment());
    }
    if !settings.profiles.is_empty() {
        let (profiles, files) = (settings.profiles.clone(), settings.profile_files());
        let chosen = settings.profiles.selected_profile().to_owned();
        places.push(Place::Profile(Box::new(FromProfile { profiles, files, chosen, sdk: sdk.clone() })));
    }
    places.extend(web_identity(&sdk));
    match Container::from_environment() {
        Ok(container) => places.extend(container.map(Box::new).map(Place::Container)),
        Err(failure) => places.push(Place::Half(failure)),
    }
    places
}

fn environment() -> Option<Place> {
    let is_set = |name| variable(name).is_some_and(|(_, value)| !value.trim().is_empty());
    let half = |exit, what| Some(Place::Half(Failure::new(exit, what).help("set both, or none")));
    match (is_set("AWS_ACCESS_KEY_ID"), is_set("AWS_SECRET_ACCESS_KEY"), is_set("AWS_SESSION_TOKEN")) {
        (true, true, _) => Some(Place::Environment),
        (true, false, _) => half(Exit::NoPerm, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"),
        (false, true, _) => half(Exit::Config, "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not"),
        (false, false, true) => half(Exit::Config, "AWS_SESSION_TOKEN is set, but the keys that it belongs to are not"),
        (false, false, false) => None,
    }
}

/// botocore and Go refuse a token file without a role, too. A role without a token file is for other tools.
fn web_identity(sdk: &ProviderConfig) -> Option<Place> {
    variable("AWS_WEB_IDENTITY_TOKEN_FILE")?;
    if variable("AWS_ROLE_ARN").is_none() {
        let what = "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not";
        return Some(Place::Half(
            Failure::new(Exit::Config, what).help("set the role that the token is for, or unset both"),
        ));
    }
    Some(Place::WebIdentity(Box::new(WebIdentityTokenCredentialsProvider::builder().configure(sdk).build())))
}
