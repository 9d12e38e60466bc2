//! Secrets of Secrets Manager, as far as Parameter Store's references show them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// One version of a secret. Made by `Secret::new`; the newest carries `AWSCURRENT`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    pub(crate) id: String,
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) version_id: Option<String>,
    #[serde(default = "current")]
    pub(crate) stages: Vec<String>,
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// Set when it is put.
    #[serde(skip)]
    pub(crate) created: Option<OffsetDateTime>,
}

fn current() -> Vec<String> {
    vec!["AWSCURRENT".to_owned()]
}

impl Secret {
    pub fn new(id: &str, value: &str) -> Self {
        let (id, value) = (id.to_owned(), value.to_owned());
        Self { id, value, version_id: None, stages: current(), key: None, created: None }
    }

    pub fn version_id(mut self, version_id: &str) -> Self {
        self.version_id = Some(version_id.to_owned());
        self
    }

    /// Replaces the stages; each stage is taken from the version that had it.
    pub fn stages(mut self, stages: &[&str]) -> Self {
        self.stages = stages.iter().map(|&stage| stage.to_owned()).collect();
        self
    }

    /// Encrypted under a key of its own instead of `aws/secretsmanager`.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }
}

#[derive(Debug, Default)]
pub(crate) struct Secrets {
    versions: BTreeMap<String, Vec<Secret>>,
}

impl Secrets {
    pub fn put(&mut self, mut secret: Secret, now: OffsetDateTime) {
        secret.created = Some(now);
        let versions = self.versions.entry(secret.id.clone()).or_default();
        let number = versions.len() + 1;
        secret.version_id.get_or_insert_with(|| format!("00000000-0000-4000-8000-{number:012}"));
        for older in versions.iter_mut() {
            older.stages.retain(|stage| !secret.stages.contains(stage));
        }
        versions.push(secret);
    }

    /// The version that a selector means: a version id, a stage, or `AWSCURRENT` without one.
    pub fn look_up(&self, id: &str, selector: Option<&str>) -> Option<&Secret> {
        let wanted = selector.unwrap_or("AWSCURRENT");
        self.versions.get(id)?.iter().find(|secret| {
            secret.version_id.as_deref() == Some(wanted) || secret.stages.iter().any(|stage| stage == wanted)
        })
    }
}

impl Secret {
    /// The whole secret, as `SourceResult` shows it.
    pub(crate) fn source_result(&self, arn: &str, created: &str) -> Value {
        json!({
            "ARN": arn,
            "name": self.id,
            "versionId": self.version_id,
            "secretString": self.value,
            "versionStages": self.stages,
            "createdDate": created,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_move_to_the_newest() {
        let mut secrets = Secrets::default();
        secrets.put(Secret::new("db", "old").version_id("v1"), OffsetDateTime::UNIX_EPOCH);
        secrets.put(Secret::new("db", "new").version_id("v2"), OffsetDateTime::UNIX_EPOCH);
        let value = |selector| secrets.look_up("db", selector).map(|secret| secret.value.as_str());
        assert_eq!(value(None), Some("new"));
        assert_eq!(value(Some("AWSCURRENT")), Some("new"));
        assert_eq!(value(Some("v1")), Some("old"));
        assert_eq!(value(Some("AWSPREVIOUS")), None);
        assert!(secrets.look_up("other", None).is_none());
    }
}
