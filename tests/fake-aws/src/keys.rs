//! KMS keys: aliases, ids that stay the same from run to run, and whether they are enabled.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::site::Site;

/// The key that SecureStrings are under when nothing else is said.
pub(crate) const MANAGED: &str = "alias/aws/ssm";

/// All keys by ARN; they come into being when first named.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    disabled: BTreeMap<String, bool>,
}

impl Keys {
    /// The ARN of a key given as alias, id or ARN.
    pub fn arn(&mut self, key: &str, site: &Site) -> String {
        let arn = resolve(key, site);
        self.disabled.entry(arn.clone()).or_insert(false);
        arn
    }

    pub fn disable(&mut self, key: &str, site: &Site, disabled: bool) {
        self.disabled.insert(resolve(key, site), disabled);
    }

    pub fn is_disabled(&self, arn: &str) -> bool {
        self.disabled.get(arn).copied().unwrap_or(false)
    }
}

/// The ARN of the AWS-managed key.
pub(crate) fn managed(site: &Site) -> String {
    resolve(MANAGED, site)
}

fn resolve(key: &str, site: &Site) -> String {
    if key.starts_with("arn:") {
        return key.to_owned();
    }
    match key.strip_prefix("alias/") {
        Some(alias) => site.key_arn(&id_of(alias)),
        None => site.key_arn(key),
    }
}

/// A UUID derived from the alias, so that policies in files can name a key by its ARN.
fn id_of(alias: &str) -> String {
    let hex = hex::encode(&Sha256::digest(alias.as_bytes())[..16]);
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_by_three_names() {
        let site = Site { region: "us-east-1".into(), account: "123456789012".into() };
        let mut keys = Keys::default();
        let arn = keys.arn("alias/projectA/production", &site);
        let id = arn.rsplit('/').next().expect("split yields at least one part");
        assert_eq!(id.len(), 36);
        assert_eq!(keys.arn(id, &site), arn);
        assert_eq!(keys.arn(&arn, &site), arn);
        assert_ne!(keys.arn("alias/projectA", &site), arn);
        assert!(!keys.is_disabled(&arn));
        keys.disable("alias/projectA/production", &site, true);
        assert!(keys.is_disabled(&arn));
    }
}
