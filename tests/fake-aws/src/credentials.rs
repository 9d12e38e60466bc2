//! The credentials that the fake has issued or was given, and the principals behind them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;

/// Who signs: the ARN for messages, the name under which policies are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    pub arn: String,
    pub role: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub token: Option<String>,
    pub principal: Principal,
    /// `None` for keys that do not expire.
    pub expires: Option<OffsetDateTime>,
}

impl Credential {
    pub fn is_expired(&self, now: OffsetDateTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Credentials {
    by_key: BTreeMap<String, Credential>,
    /// The access key that a metadata endpoint hands out for a role, until it is rotated.
    current: BTreeMap<String, String>,
    random: Random,
}

impl Credentials {
    pub fn find(&self, access_key_id: &str) -> Option<&Credential> {
        self.by_key.get(access_key_id)
    }

    pub fn add_static(&mut self, access_key_id: &str, secret_access_key: &str, principal: Principal) {
        let credential = Credential {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
            token: None,
            principal,
            expires: None,
        };
        self.by_key.insert(access_key_id.to_owned(), credential);
    }

    pub fn issue(&mut self, principal: Principal, expires: OffsetDateTime) -> Credential {
        let credential = Credential {
            access_key_id: format!("ASIA{}", hex::encode_upper(self.random.bytes(8))),
            secret_access_key: STANDARD.encode(self.random.bytes(30)),
            token: Some(STANDARD.encode(self.random.bytes(300))),
            principal,
            expires: Some(expires),
        };
        self.by_key.insert(credential.access_key_id.clone(), credential.clone());
        credential
    }

    /// The credential that a metadata endpoint answers with: the same one until it is expired or
    /// rotated.
    pub fn current(&mut self, principal: Principal, now: OffsetDateTime, lifetime: i64) -> Credential {
        let current = self.current.get(&principal.arn).and_then(|key| self.by_key.get(key));
        if let Some(current) = current.filter(|current| !current.is_expired(now)) {
            return current.clone();
        }
        let arn = principal.arn.clone();
        let issued = self.issue(principal, now + time::Duration::seconds(lifetime));
        self.current.insert(arn, issued.access_key_id.clone());
        issued
    }

    /// The metadata endpoints issue new ones from now on; those already issued stay good.
    pub fn rotate(&mut self) {
        self.current.clear();
    }

    /// All that were issued are expired from now on.
    pub fn expire(&mut self, now: OffsetDateTime) {
        for credential in self.by_key.values_mut().filter(|credential| credential.token.is_some()) {
            credential.expires = Some(now);
        }
        self.rotate();
    }

    /// A token for IMDS.
    pub fn session_token(&mut self) -> String {
        STANDARD.encode(self.random.bytes(42))
    }
}

/// Bytes that differ from run to run. Not for real secrets; std's hash keys are random enough that
/// two fakes never issue the same credential.
#[derive(Debug, Default)]
struct Random {
    keys: RandomState,
    drawn: u64,
}

impl Random {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            self.drawn += 1;
            bytes.extend(self.keys.hash_one(self.drawn).to_be_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

/// A number that no other process draws, in all likelihood.
pub(crate) fn unique() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_of_a_credential() {
        let principal = Principal { arn: "arn:x".into(), role: "x".into() };
        let now = OffsetDateTime::now_utc();
        let mut credentials = Credentials::default();
        let first = credentials.current(principal.clone(), now, 60);
        assert_eq!(credentials.current(principal.clone(), now, 60).access_key_id, first.access_key_id);
        credentials.rotate();
        let second = credentials.current(principal.clone(), now, 60);
        assert_ne!(second.access_key_id, first.access_key_id);
        assert_ne!(second.secret_access_key, first.secret_access_key);
        assert!(!credentials.find(&first.access_key_id).expect("still known").is_expired(now));
        credentials.expire(now);
        assert!(credentials.find(&first.access_key_id).expect("still known").is_expired(now));
        assert_ne!(credentials.current(principal, now, 60).access_key_id, second.access_key_id);
    }
}
