//! Where the SDK would send a call: asked by making one that goes nowhere, because the rules (FIPS, dual stack, the
//! service's own variable, a `services` section of the profile) are the SDK's, and a connection that is opened ahead of
//! time must go to the same place.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ssm::Client;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use http::Uri;

use super::trouble::Trouble;
use crate::error::{Exit, Failure};

/// CONFIG when there is no such place.
pub async fn of(client: &Client) -> Result<Uri, Trouble> {
    let seen = Seen::default();
    // Its only outcome is what was seen: it ends before it is signed.
    let _ = client.get_parameters().names("endpoint").customize().interceptor(seen.clone()).send().await;
    let uri = seen.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let good = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    good.ok_or_else(|| {
        let what = "there is no endpoint of Systems Manager for this Region and these settings";
        let help = "look at --region, --endpoint-url, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SSM, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT";
        Trouble::Permanent(Failure::new(Exit::Config, what).help(help))
    })
}

#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Option<Uri>>>);

impl Intercept for Seen {
    fn name(&self) -> &'static str {
        "Seen"
    }

    fn read_before_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = context.request().uri().parse().ok();
        Err("only looking".into())
    }
}
