//! The role that `--role-arn` names, assumed with the credentials that the chain gives.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sdk_sts::config::{BehaviorVersion, IdentityCache, Region, SharedAsyncSleep};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::{Client, Config};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::error::printable;
use crate::setting::Role;
use crate::store::auth::sdk_http::SdkHttp;
use crate::store::config::settings::Settings;
use crate::store::retry::error::{AttemptError, Cause, classify};

/// STS, and what it is asked for.
pub struct AssumedRole {
    role: Role,
    sts: Config,
}

impl AssumedRole {
    /// `None` when the credentials of the chain are what is asked with.
    pub fn new(settings: &Settings, region: Option<&str>, http: SdkHttp) -> Option<Self> {
        let role = settings.aws.role.clone()?;
        let mut sts = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .identity_cache(IdentityCache::no_cache())
            .time_source(http.clock.clone())
            .http_client(http)
            .region(region.map(|region| Region::new(region.to_owned())))
            .use_fips(settings.uses_fips())
            .use_dual_stack(settings.uses_dual_stack())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled());
        sts.set_endpoint_url(settings.endpoint_url_of("STS"));
        Some(AssumedRole { role, sts: sts.build() })
    }

    /// One attempt.
    pub async fn assume(&self, with: Credentials) -> Result<Credentials, AttemptError> {
        let sts = Client::from_conf(self.sts.to_builder().credentials_provider(with).build());
        let asked = sts
            .assume_role()
            .role_arn(&self.role.arn)
            .role_session_name(&self.role.session_name)
            .set_external_id(self.role.external_id.clone())
            .send();
        // In a box, because it is large, and rarely needed.
        let answer = Box::pin(asked).await.map_err(|error| classify(&error))?;
        let credentials = credentials(&answer)
            .ok_or_else(|| AttemptError::Transient(Cause::new("STS answered 200 with something that is no answer")))?;
        let who = answer.assumed_role_user().map_or(self.role.arn.as_str(), |user| user.arn());
        crate::log::debug(format_args!("assumed the role {}, as {}", self.role.arn, printable(who)));
        Ok(credentials)
    }
}

fn credentials(answer: &AssumeRoleOutput) -> Option<Credentials> {
    let found = answer.credentials()?;
    let (id, secret, token) = (found.access_key_id(), found.secret_access_key(), found.session_token());
    let expiry = SystemTime::try_from(*found.expiration()).ok()?;
    Some(Credentials::new(id, secret, Some(token.to_owned()), Some(expiry), "a role"))
}
