//! The configuration file of the binary: what a test would do by calls, as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::builder::Builder;
use crate::fake::Fake;
use crate::fault::Fault;
use crate::secrets::Secret;
use crate::state::KmsDenial;
use crate::store::Put;

/// Every member may be left out. README.md has an example.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    region: Option<String>,
    account: Option<String>,
    /// Absent: the default role. Null: an instance without one.
    #[serde(deserialize_with = "present")]
    role: Option<Option<String>>,
    container_role: Option<String>,
    container_token: Option<String>,
    sans: Vec<String>,
    keys: Vec<String>,
    disabled_keys: Vec<String>,
    parameters: Vec<Put>,
    secrets: Vec<Secret>,
    policies: BTreeMap<String, Value>,
    static_credentials: Vec<StaticCredentials>,
    bucket: Option<BucketSize>,
    delay_ms: u64,
    connect_delay_ms: u64,
    clock_skew_seconds: i64,
    kms_denial: KmsDenial,
    guard_managed_key: bool,
    page_size: Option<usize>,
    empty_pages: bool,
    hop_limit_exceeded: bool,
    faults: Vec<Fault>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StaticCredentials {
    access_key_id: String,
    secret_access_key: String,
    role: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BucketSize {
    pub capacity: f64,
    pub refill_per_second: f64,
}

impl Config {
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// The part that has to be known before the start.
    pub fn builder(&self) -> Builder {
        let mut builder = Builder::default().hop_limit_exceeded(self.hop_limit_exceeded);
        if let Some(region) = &self.region {
            builder = builder.region(region);
        }
        if let Some(account) = &self.account {
            builder = builder.account(account);
        }
        if let Some(role) = &self.role {
            builder = builder.role(role.as_deref());
        }
        if let Some(role) = &self.container_role {
            builder = builder.container_role(role);
        }
        if let Some(token) = &self.container_token {
            builder = builder.container_token(token.as_str());
        }
        self.sans.iter().fold(builder, |builder, name| builder.san(name))
    }

    /// The rest, on a running fake.
    pub fn apply(self, fake: &Fake) -> Result<(), String> {
        for key in &self.keys {
            fake.key(key);
        }
        for key in &self.disabled_keys {
            fake.disable_key(key);
        }
        for put in &self.parameters {
            fake.put_with(put);
        }
        for secret in self.secrets {
            fake.secret_with(secret);
        }
        for (role, document) in &self.policies {
            let document = std::slice::from_ref(document);
            fake.set_policies(role, document).map_err(|error| format!("policy of {role}: {error}"))?;
        }
        for StaticCredentials { access_key_id, secret_access_key, role } in &self.static_credentials {
            fake.static_credentials(access_key_id, secret_access_key, role);
        }
        if let Some(bucket) = self.bucket {
            fake.bucket(bucket.capacity, bucket.refill_per_second);
        }
        if let Some(items) = self.page_size {
            fake.page_size(items);
        }
        fake.delay(Duration::from_millis(self.delay_ms));
        fake.connect_delay(Duration::from_millis(self.connect_delay_ms));
        fake.clock_skew(self.clock_skew_seconds);
        fake.kms_denial(self.kms_denial);
        fake.guard_managed_key(self.guard_managed_key);
        fake.empty_pages(self.empty_pages);
        self.faults.into_iter().for_each(|fault| fake.fault(fault));
        Ok(())
    }
}

/// Tells null from absent: serde calls this for members that are there.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_null_roles_differ() {
        let role = |text| Config::parse(text).expect("valid").role;
        assert_eq!(role("{}"), None);
        assert_eq!(role(r#"{"role": null}"#), Some(None));
        assert_eq!(role(r#"{"role": "x"}"#), Some(Some("x".to_owned())));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(Config::parse(r#"{"parameter": []}"#).is_err());
        assert!(Config::parse(r#"{"parameters": [{"name": "x", "value": "y", "typ": "String"}]}"#).is_err());
    }
}
