//! The parameters: names, versions, labels. Pure data; who may see what is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::name::{Reference, fold};

/// What is needed to write one version of a parameter. Made by `Put::string` and its siblings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Put {
    pub(crate) name: String,
    #[serde(rename = "type", default = "secure_string")]
    pub(crate) kind: String,
    pub(crate) value: String,
    #[serde(default = "managed_key")]
    pub(crate) key: String,
    #[serde(default = "text")]
    pub(crate) data_type: String,
    #[serde(default)]
    pub(crate) account: Option<String>,
    #[serde(default)]
    pub(crate) advanced: bool,
    #[serde(default)]
    pub(crate) labels: Vec<String>,
}

fn secure_string() -> String {
    "SecureString".to_owned()
}

fn managed_key() -> String {
    crate::keys::MANAGED.to_owned()
}

fn text() -> String {
    "text".to_owned()
}

impl Put {
    /// `kind` is `String`, `StringList` or `SecureString`; nothing is checked, so that a test can
    /// store what AWS would refuse.
    pub fn new(name: &str, kind: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            value: value.to_owned(),
            key: managed_key(),
            data_type: text(),
            account: None,
            advanced: false,
            labels: Vec::new(),
        }
    }

    pub fn string(name: &str, value: &str) -> Self {
        Self::new(name, "String", value)
    }

    pub fn list(name: &str, value: &str) -> Self {
        Self::new(name, "StringList", value)
    }

    pub fn secure(name: &str, value: &str) -> Self {
        Self::new(name, "SecureString", value)
    }

    /// Encrypted under this key: an alias (made when new), an id or an ARN.
    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    pub fn data_type(mut self, data_type: &str) -> Self {
        data_type.clone_into(&mut self.data_type);
        self
    }

    /// A parameter that another account shares; it can be asked for by its full ARN only.
    pub fn account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    pub fn advanced(mut self) -> Self {
        self.advanced = true;
        self
    }

    /// Attached to the version that this makes.
    pub fn label(mut self, label: &str) -> Self {
        self.labels.push(label.to_owned());
        self
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub number: u64,
    pub kind: String,
    pub value: String,
    /// ARN of the key, for a SecureString.
    pub key_arn: Option<String>,
    pub data_type: String,
    pub advanced: bool,
    pub labels: BTreeSet<String>,
    pub modified: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// As it was first written; `/X` and `X` are the same parameter, and answers use this form.
    pub name: String,
    pub account: String,
    pub versions: Vec<Version>,
}

impl Parameter {
    pub fn latest(&self) -> &Version {
        self.versions.last().expect("a parameter is made together with its first version")
    }

    /// The version that a selector means: a number, a label, or the latest without one.
    pub fn select(&self, selector: Option<&str>) -> Option<&Version> {
        let Some(selector) = selector else {
            return Some(self.latest());
        };
        match selector.parse::<u64>() {
            Ok(number) => self.versions.iter().find(|version| version.number == number),
            Err(_) => self.versions.iter().find(|version| version.labels.contains(selector)),
        }
    }
}

/// Parameters by account and folded name, which is also the order of answers.
#[derive(Debug, Default)]
pub(crate) struct Store {
    parameters: BTreeMap<(String, String), Parameter>,
}

impl Store {
    /// Adds a version and returns its number.
    pub fn put(&mut self, put: &Put, account: &str, key_arn: Option<String>, modified: f64) -> u64 {
        let account = put.account.as_deref().unwrap_or(account).to_owned();
        let key = (account.clone(), fold(&put.name).to_owned());
        let parameter = self.parameters.entry(key).or_insert_with(|| Parameter {
            name: put.name.clone(),
            account,
            versions: Vec::new(),
        });
        let number = parameter.versions.last().map_or(1, |latest| latest.number + 1);
        let version = Version {
            number,
            kind: put.kind.clone(),
            value: put.value.clone(),
            key_arn,
            data_type: put.data_type.clone(),
            advanced: put.advanced,
            labels: BTreeSet::new(),
            modified,
        };
        parameter.versions.push(version);
        for label in &put.labels {
            move_label(parameter, number, label);
        }
        number
    }

    pub fn find(&self, account: &str, name: &str) -> Option<&Parameter> {
        self.parameters.get(&(account.to_owned(), fold(name).to_owned()))
    }

    pub fn look_up(&self, reference: &Reference) -> Option<(&Parameter, &Version)> {
        let parameter = self.find(&reference.account, &reference.folded)?;
        let version = parameter.select(reference.selector.as_deref())?;
        Some((parameter, version))
    }

    /// Moves a label to a version, as AWS does; `false` when there is no such version.
    pub fn label(&mut self, account: &str, name: &str, version: u64, label: &str) -> bool {
        let key = (account.to_owned(), fold(name).to_owned());
        let parameter = self.parameters.get_mut(&key);
        parameter.is_some_and(|parameter| move_label(parameter, version, label))
    }

    pub fn delete(&mut self, account: &str, name: &str) -> bool {
        self.parameters.remove(&(account.to_owned(), fold(name).to_owned())).is_some()
    }

    /// Everything of one account, by name.
    pub fn all(&self, account: &str) -> impl Iterator<Item = &Parameter> {
        self.parameters.values().filter(move |parameter| parameter.account == account)
    }
}

fn move_label(parameter: &mut Parameter, number: u64, label: &str) -> bool {
    if !parameter.versions.iter().any(|version| version.number == number) {
        return false;
    }
    for version in &mut parameter.versions {
        version.labels.remove(label);
        if version.number == number {
            version.labels.insert(label.to_owned());
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(store: &Store, name: &str, selector: Option<&str>) -> Option<String> {
        let parameter = store.find("1", name)?;
        parameter.select(selector).map(|version| version.value.clone())
    }

    #[test]
    fn versions_and_labels() {
        let mut store = Store::default();
        assert_eq!(store.put(&Put::string("x", "one"), "1", None, 0.0), 1);
        assert_eq!(store.put(&Put::string("/x", "two").label("current"), "1", None, 0.0), 2);
        assert_eq!(value(&store, "/x", None).as_deref(), Some("two"));
        assert_eq!(value(&store, "x", Some("1")).as_deref(), Some("one"));
        assert_eq!(value(&store, "x", Some("current")).as_deref(), Some("two"));
        assert!(store.label("1", "x", 1, "current"));
        assert_eq!(value(&store, "x", Some("current")).as_deref(), Some("one"));
        assert!(!store.label("1", "x", 9, "current"));
        assert_eq!(value(&store, "x", Some("9")), None);
        assert_eq!(value(&store, "x", Some("other")), None);
        assert!(store.find("2", "x").is_none());
        assert!(store.delete("1", "x") && store.find("1", "x").is_none());
    }
}
