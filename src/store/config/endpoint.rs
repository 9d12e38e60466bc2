//! Where Systems Manager is. The rules for FIPS, dual stack and other partitions are the SDK's; reading their table is a
//! tenth of a start, so the usual answer is given without it.
//! <https://docs.aws.amazon.com/general/latest/gr/ssm.html>

use aws_sdk_ssm::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use http::Uri;

use crate::error::{Exit, Failure};
use crate::store::config::settings::Settings;
use crate::store::retry::error::AttemptError;

fn usable(url: String) -> Option<Uri> {
    let uri = url.parse::<Uri>().ok();
    uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// `HOST` or `HOST:PORT` without a scheme. Anything else can hold a password, and is not shown.
fn address_alone(url: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:-[]".contains(c);
    (url.parse::<http::uri::Authority>().is_ok() && url.chars().all(plain)).then_some(url)
}

/// What the settings say about it.
pub struct Wanted {
    url: Option<String>,
    fips: bool,
    dual_stack: bool,
}

impl Wanted {
    pub fn new(settings: &Settings) -> Self {
        Wanted {
            url: settings.endpoint_url(),
            fips: settings.is_on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            dual_stack: settings.is_on("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
        }
    }

    /// Where it is when that does not depend on the Region: a connection can be opened before it is known.
    pub fn named(&self) -> Option<Uri> {
        self.url.as_ref()?;
        usual("", self).and_then(usable)
    }

    /// CONFIG when there is no such place.
    pub async fn of(&self, region: &str) -> Result<Uri, AttemptError> {
        let url = match usual(region, self) {
            Some(url) => Some(url),
            None => by_rules(region, self).await,
        };
        url.and_then(usable).ok_or_else(|| {
            if let Some(address) = self.url.as_deref().and_then(address_alone) {
                let what = "the endpoint is an address without http:// or https://";
                let help = format!(
                    "write https://{address} (or http://, which is not encrypted) in --endpoint-url, AWS_ENDPOINT_URL, \
                     AWS_ENDPOINT_URL_SSM or the profile's endpoint_url"
                );
                return AttemptError::Fatal(Failure::new(Exit::Config, what).help(help));
            }
            let what = "there is no endpoint of Systems Manager for this Region and these settings";
            let help = "look at --region, --endpoint-url, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SSM, \
                        AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT";
            AttemptError::Fatal(Failure::new(Exit::Config, what).help(help))
        })
    }
}

/// The address that is named, or that of a Region of the partition `aws`, whose names have this form and no other's.
fn usual(region: &str, wanted: &Wanted) -> Option<String> {
    if wanted.fips || wanted.dual_stack {
        return None;
    }
    if let Some(url) = &wanted.url {
        return Some(url.clone());
    }
    let mut parts = region.split('-');
    let (area, place, number) = (parts.next()?, parts.next()?, parts.next()?);
    let known = ["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx"].contains(&area);
    let plain = place.bytes().all(|byte| byte.is_ascii_lowercase()) && number.bytes().all(|byte| byte.is_ascii_digit());
    (known && plain && parts.next().is_none()).then(|| format!("https://ssm.{region}.amazonaws.com"))
}

async fn by_rules(region: &str, wanted: &Wanted) -> Option<String> {
    let params = Params::builder().region(region.to_owned()).use_fips(wanted.fips).use_dual_stack(wanted.dual_stack);
    let params = params.set_endpoint(wanted.url.clone()).build().ok()?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.ok()?;
    Some(endpoint.url().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_usual_is_what_the_rules_say() {
        let plain = Wanted { url: None, fips: false, dual_stack: false };
        let regions = "af-south-1 ap-east-1 ap-northeast-3 ap-southeast-7 ca-central-1 ca-west-1 eu-central-2 eu-north-1 \
                       eu-west-1 il-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-west-2 us-nowhere-77";
        for region in regions.split_whitespace() {
            let usual = usual(region, &plain);
            assert!(usual.is_some(), "{region}");
            assert_eq!(usual, by_rules(region, &plain).await, "{region}");
        }
        for other in
            ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "eusc-de-east-1"]
        {
            assert_eq!(usual(other, &plain), None, "{other}");
            let by_rules = by_rules(other, &plain).await;
            assert!(by_rules.is_some_and(|url| url.starts_with("https://ssm.")), "{other}");
        }
    }

    #[tokio::test]
    async fn the_rules_are_asked_for_all_else() {
        let fips = Wanted { url: None, fips: true, dual_stack: false };
        assert_eq!(usual("us-east-1", &fips), None);
        assert_eq!(by_rules("us-east-1", &fips).await.as_deref(), Some("https://ssm-fips.us-east-1.amazonaws.com"));
        let both = Wanted { url: Some("https://x.example".into()), fips: true, dual_stack: false };
        assert_eq!(
            (usual("us-east-1", &both), by_rules("us-east-1", &both).await),
            (None, None),
            "FIPS is not dropped"
        );
    }
}
