//! Where the SDK would send a call: asked by making one that goes nowhere, because the rules (FIPS, dual stack, the
//! service's own variable, a `services` section of the profile) are the SDK's, and a connection that is opened ahead of
//! time must go to the same place.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ssm::{Client, Config};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use http::Uri;

use super::trouble::Trouble;
use crate::error::{Exit, Failure};

/// CONFIG when there is no such place.
pub async fn of(client: &Client) -> Result<Uri, Trouble> {
    let seen = Seen::default();
    let config: Config = client.config().to_builder().http_client(seen_by(&seen)).build();
    // Its only outcome is what was seen: the connector refuses every request.
    let _ = Client::from_conf(config).get_parameters().names("endpoint").send().await;
    let uri = seen.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let good = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    good.ok_or_else(|| {
        let what = "there is no endpoint of Systems Manager for this Region and these settings";
        let help = "look at --region, --endpoint-url, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SSM, AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT";
        Trouble::Permanent(Failure::new(Exit::Config, what).help(help))
    })
}

fn seen_by(seen: &Seen) -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    let connector = SharedHttpConnector::new(seen.clone());
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Option<Uri>>>);

impl HttpConnector for Seen {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = request.uri().parse().ok();
        HttpConnectorFuture::ready(Err(ConnectorError::user("only looking".into())))
    }
}
