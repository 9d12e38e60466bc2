//! Where Systems Manager is. The rules for Regions, partitions, FIPS and dual stack are the SDK's.
//! <https://docs.aws.amazon.com/general/latest/gr/ssm.html>

use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use http::Uri;

use crate::error::{Exit, Failure};
use crate::store::config::settings::Settings;

fn usable(url: &str) -> Option<Uri> {
    let uri = url.parse::<Uri>().ok();
    uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// `HOST` or `HOST:PORT` without a scheme. Anything else can hold a password, and is not shown.
fn address_alone(url: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:-[]".contains(c);
    (url.parse::<http::uri::Authority>().is_ok() && url.chars().all(plain)).then_some(url)
}

/// What the settings say about it.
pub struct EndpointConfig {
    url: Option<String>,
    fips: bool,
    dual_stack: bool,
}

impl EndpointConfig {
    pub fn new(settings: &Settings) -> Self {
        EndpointConfig {
            url: settings.endpoint_url(),
            fips: settings.uses_fips(),
            dual_stack: settings.uses_dual_stack(),
        }
    }

    /// Where it is when that does not depend on the Region: a connection can be opened before it is known. An address that
    /// is named has no twin for FIPS or dual stack, so the two together are refused.
    pub fn named(&self) -> Option<Uri> {
        let url = self.url.as_deref().filter(|_| !self.fips && !self.dual_stack);
        url.and_then(usable)
    }

    /// CONFIG when there is no such place.
    pub async fn resolve(&self, region: &str) -> Result<Uri, Failure> {
        let found = match &self.url {
            Some(_) => self.named(),
            None => self.by_rules(region).await,
        };
        found.ok_or_else(|| {
            if let Some(address) = self.url.as_deref().and_then(address_alone) {
                let what = "the endpoint is an address without http:// or https://";
                let help = format!(
                    "write https://{address} (or http://, which is not encrypted) in --endpoint-url, AWS_ENDPOINT_URL, \
                     AWS_ENDPOINT_URL_SSM or the profile's endpoint_url"
                );
                return Failure::new(Exit::Config, what).help(help);
            }
            let what = "there is no endpoint of Systems Manager for this Region and these settings";
            let help = "look at --region, --endpoint-url, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SSM, \
                        AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT";
            Failure::new(Exit::Config, what).help(help)
        })
    }

    /// The endpoint of STS with the name of this service. AWS names both by one rule, which `tests/endpoints` holds against
    /// the SDK's rules for Systems Manager: those are in a crate that takes as long to compile as all of stepzero.
    async fn by_rules(&self, region: &str) -> Option<Uri> {
        let params = Params::builder().region(region.to_owned()).use_fips(self.fips).use_dual_stack(self.dual_stack);
        let endpoint = DefaultResolver::new().resolve_endpoint(&params.build().ok()?).await.ok()?;
        usable(&endpoint.url().replacen("//sts", "//ssm", 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn by_region_partition_fips_and_dual_stack() {
        for (region, fips, dual_stack, want) in [
            ("us-east-1", false, false, "https://ssm.us-east-1.amazonaws.com/"),
            ("us-nowhere-77", false, false, "https://ssm.us-nowhere-77.amazonaws.com/"),
            ("cn-north-1", false, false, "https://ssm.cn-north-1.amazonaws.com.cn/"),
            ("eusc-de-east-1", false, false, "https://ssm.eusc-de-east-1.amazonaws.eu/"),
            ("us-iso-east-1", false, false, "https://ssm.us-iso-east-1.c2s.ic.gov/"),
            ("us-east-1", true, false, "https://ssm-fips.us-east-1.amazonaws.com/"),
            ("us-gov-west-1", true, false, "https://ssm.us-gov-west-1.amazonaws.com/"),
            ("eu-west-1", false, true, "https://ssm.eu-west-1.api.aws/"),
            ("us-east-1", true, true, "https://ssm-fips.us-east-1.api.aws/"),
        ] {
            let found = EndpointConfig { url: None, fips, dual_stack }.resolve(region).await.expect(region);
            assert_eq!(found, want, "{region} {fips} {dual_stack}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_named_goes_before_the_rules_but_drops_no_fips() {
        let named = |fips, dual_stack| EndpointConfig { url: Some("https://x.example".into()), fips, dual_stack };
        assert_eq!(named(false, false).resolve("us-east-1").await.expect("it is named"), "https://x.example/");
        for refused in [named(true, false), named(false, true)] {
            assert_eq!(refused.named(), None);
            assert!(refused.resolve("us-east-1").await.is_err());
        }
    }
}
