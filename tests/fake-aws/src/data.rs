//! What the fake's AWS holds: parameters, secrets, keys, policies, credentials.

use serde_json::Value;

use crate::credentials::Principal;
use crate::fake::Fake;
use crate::iam::Policy;
use crate::secrets::Secret;
use crate::store::Put;

impl Fake {
    /// Stores a version under the default key and returns its number. `kind` is `String`,
    /// `StringList` or `SecureString`. No limit is checked.
    pub fn put(&self, name: &str, kind: &str, value: &str) -> u64 {
        self.put_with(&Put::new(name, kind, value))
    }

    pub fn put_with(&self, put: &Put) -> u64 {
        self.0.shared.state().put(put)
    }

    /// Moves a label to a version. Panics when there is no such version.
    pub fn label(&self, name: &str, version: u64, label: &str) {
        self.try_label(name, version, label).unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) fn try_label(&self, name: &str, version: u64, label: &str) -> Result<(), String> {
        let mut state = self.0.shared.state();
        let account = state.site.account.clone();
        match state.store.label(&account, name, version, label) {
            true => Ok(()),
            false => Err(format!("there is no version {version} of {name}")),
        }
    }

    /// Removes a parameter; whether there was one.
    pub fn delete(&self, name: &str) -> bool {
        let mut state = self.0.shared.state();
        let account = state.site.account.clone();
        state.store.delete(&account, name)
    }

    /// Stores a new current version of a secret.
    pub fn secret(&self, id: &str, value: &str) {
        self.secret_with(Secret::new(id, value));
    }

    pub fn secret_with(&self, secret: Secret) {
        let mut state = self.0.shared.state();
        let now = state.clock.now();
        state.secrets.put(secret, now);
    }

    /// The ARN of a key given by alias or id. Keys come into being when named.
    pub fn key(&self, key: &str) -> String {
        let state = &mut *self.0.shared.state();
        state.keys.arn(key, &state.site)
    }

    pub fn disable_key(&self, key: &str) {
        self.set_key(key, true);
    }

    pub fn enable_key(&self, key: &str) {
        self.set_key(key, false);
    }

    fn set_key(&self, key: &str, disabled: bool) {
        let state = &mut *self.0.shared.state();
        state.keys.disable(key, &state.site, disabled);
    }

    /// Gives a role this policy in place of those it had. A role that never got one may do
    /// everything. Panics on a document that the fake does not understand.
    pub fn policy(&self, role: &str, document: Value) {
        self.set_policies(role, &[document]).unwrap_or_else(|error| panic!("policy of {role}: {error}"));
    }

    /// Several policies at once; an empty slice denies everything.
    pub fn policies(&self, role: &str, documents: &[Value]) {
        self.set_policies(role, documents).unwrap_or_else(|error| panic!("policies of {role}: {error}"));
    }

    pub(crate) fn set_policies(&self, role: &str, documents: &[Value]) -> Result<(), String> {
        let policies = documents.iter().map(Policy::parse).collect::<Result<Vec<_>, _>>()?;
        self.0.shared.state().policies.insert(role.to_owned(), policies);
        Ok(())
    }

    /// The role may do everything again.
    pub fn clear_policy(&self, role: &str) {
        self.0.shared.state().policies.remove(role);
    }

    /// Keys of an IAM user; `role` is the name its policy is set under.
    pub fn static_credentials(&self, access_key_id: &str, secret_access_key: &str, role: &str) {
        let mut state = self.0.shared.state();
        let principal = Principal { arn: state.site.user_arn(role), role: role.to_owned() };
        state.credentials.add_static(access_key_id, secret_access_key, principal);
    }
}
