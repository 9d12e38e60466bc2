//! Everything that can change while the fake runs, behind one lock.

use std::collections::BTreeMap;

use crate::bucket::Bucket;
use crate::clock::{self, Clock};
use crate::credentials::{Credentials, Principal};
use crate::error::AwsError;
use crate::fault::Faults;
use crate::iam::{self, Decision, Policy, Question};
use crate::imds::Imds;
use crate::keys::Keys;
use crate::secrets::Secrets;
use crate::site::Site;
use crate::store::{Put, Store};

#[derive(Debug)]
pub(crate) struct State {
    pub site: Site,
    pub clock: Clock,
    pub store: Store,
    pub secrets: Secrets,
    pub keys: Keys,
    pub credentials: Credentials,
    /// Policies by role; a role without an entry may do everything.
    pub policies: BTreeMap<String, Vec<Policy>>,
    pub imds: Imds,
    pub bucket: Option<Bucket>,
    pub faults: Faults,
    pub knobs: Knobs,
}

/// The shape in which a KMS denial comes through SSM; AWS has both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KmsDenial {
    /// `User … is not authorized to perform: kms:Decrypt on resource: KEY …`
    #[default]
    Named,
    /// `The ciphertext refers to a customer master key that does not exist, …`
    Ciphertext,
}

/// Settings that are neither data nor faults.
#[derive(Debug, Default)]
pub(crate) struct Knobs {
    pub delay: std::time::Duration,
    pub connect_delay: std::time::Duration,
    pub kms_denial: KmsDenial,
    /// Whether `alias/aws/ssm` needs a `kms:Decrypt` of the caller's own.
    pub managed_key_guarded: bool,
    /// Items of a by-path page, below what the request asks for.
    pub page_size: Option<usize>,
    /// Every other by-path page is empty but for its token.
    pub empty_pages: bool,
    /// Role ARNs that STS refuses.
    pub denied_roles: Vec<String>,
    /// Role ARNs that want an external ID, and which.
    pub external_ids: Vec<(String, String)>,
    /// What a web identity token has to be; `None` takes any.
    pub web_identity_token: Option<String>,
}

impl State {
    /// Adds a version of a parameter, under its key when it is a SecureString.
    pub fn put(&mut self, put: &Put) -> u64 {
        let secure = put.kind == "SecureString";
        let key = secure.then(|| self.keys.arn(&put.key, &self.site));
        let modified = clock::epoch(self.clock.now());
        self.store.put(put, &self.site.account, key, modified)
    }

    /// Asks the principal's policies, and words a refusal as AWS does.
    pub fn authorize(&self, principal: &Principal, question: &Question<'_>) -> Result<(), AwsError> {
        let Some(policies) = self.policies.get(&principal.role) else {
            return Ok(());
        };
        let Question { action, resource, .. } = question;
        let because = match iam::decide(policies, question) {
            Decision::Allowed => return Ok(()),
            Decision::NotAllowed => format!("because no identity-based policy allows the {action} action"),
            Decision::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        };
        let user = &principal.arn;
        Err(AwsError::access_denied(format!(
            "User: {user} is not authorized to perform: {action} on resource: {resource} {because}"
        )))
    }

    /// Whether a policy denies outright, which counts even where a key's own policy allows.
    pub fn denies(&self, principal: &Principal, question: &Question<'_>) -> bool {
        let policies = self.policies.get(&principal.role);
        policies.is_some_and(|policies| iam::decide(policies, question) == Decision::Denied)
    }
}
