//! From a stored version to what a reader sees: decryption, its permissions, and secrets that are
//! read through a reference.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Context;
use crate::clock;
use crate::error::AwsError;
use crate::iam::Question;
use crate::keys;
use crate::name::Reference;
use crate::state::KmsDenial;
use crate::store::{Parameter, Version};

const SECURE: &str = "SecureString";

impl Context<'_> {
    /// The parameter that a reference means, or `None` when there is none.
    pub fn reveal(&mut self, reference: &Reference, decrypt: bool) -> Result<Option<Value>, AwsError> {
        if let Some(id) = reference.secret_id() {
            return self.reveal_secret(reference, id, decrypt);
        }
        let Some((parameter, version)) = self.state.store.look_up(reference) else {
            return Ok(None);
        };
        self.show(parameter, version, reference.selector.as_deref(), decrypt).map(Some)
    }

    /// One version as `Parameter` of the API.
    pub fn show(
        &self,
        parameter: &Parameter,
        version: &Version,
        selector: Option<&str>,
        decrypt: bool,
    ) -> Result<Value, AwsError> {
        let arn = self.state.site.parameter_arn(&parameter.account, crate::name::fold(&parameter.name));
        let value = match &version.key_arn {
            Some(key) if decrypt => {
                self.use_key("kms:Decrypt", key, &[("kms:EncryptionContext:PARAMETER_ARN", &arn)], "ssm")?;
                version.value.clone()
            }
            Some(_) => ciphertext(&version.value),
            None => version.value.clone(),
        };
        let mut shown = json!({
            "Name": parameter.name,
            "Type": version.kind,
            "Value": value,
            "Version": version.number,
            "LastModifiedDate": version.modified,
            "ARN": arn,
            "DataType": version.data_type,
        });
        if let Some(selector) = selector {
            shown["Selector"] = json!(format!(":{selector}"));
        }
        Ok(shown)
    }

    /// Whether the principal may use a key, through a service, under a context.
    pub fn use_key(&self, action: &str, key: &str, context: &[(&str, &str)], service: &str) -> Result<(), AwsError> {
        let site = &self.state.site;
        if self.state.keys.is_disabled(key) {
            return Err(AwsError::new("InvalidKeyId", format!("{key} is disabled.")));
        }
        let via = format!("{service}.{}.amazonaws.com", site.region);
        let mut keys = vec![("kms:ViaService", via.as_str()), ("kms:CallerAccount", &site.account)];
        keys.extend(context);
        let question = Question { action, resource: key, context: &keys };
        // The AWS-managed key's own policy lets everyone in the account use it through SSM.
        let open = key == keys::managed(site) && !self.state.knobs.managed_key_guarded;
        if open && !self.state.denies(self.principal, &question) {
            return Ok(());
        }
        self.state.authorize(self.principal, &question).map_err(|named| match self.state.knobs.kms_denial {
            KmsDenial::Named => named,
            KmsDenial::Ciphertext => AwsError::access_denied(
                "The ciphertext refers to a customer master key that does not exist, does not exist in this region, \
                 or you are not allowed to access.",
            ),
        })
    }

    fn reveal_secret(&mut self, reference: &Reference, id: &str, decrypt: bool) -> Result<Option<Value>, AwsError> {
        if !decrypt {
            return Err(AwsError::validation(
                "WithDecryption flag must be True for retrieving a Secret Manager secret.",
            ));
        }
        let arn = self.state.site.secret_arn(id);
        let question = Question { action: "secretsmanager:GetSecretValue", resource: &arn, context: &[] };
        self.state.authorize(self.principal, &question).map_err(|error| {
            let message = error.message;
            AwsError::access_denied(format!(
                "An error occurred (AccessDeniedException) when referencing Secrets Manager: {message}"
            ))
        })?;
        let Some(secret) = self.state.secrets.look_up(id, reference.selector.as_deref()).cloned() else {
            return Ok(None);
        };
        if let Some(key) = &secret.key {
            let key = self.state.keys.arn(key, &self.state.site);
            let context = [("kms:EncryptionContext:SecretARN", arn.as_str())];
            self.use_key("kms:Decrypt", &key, &context, "secretsmanager")?;
        }
        // Of the version, as AWS's example of such a reference has both.
        let created = secret.created.unwrap_or_else(|| self.state.clock.now());
        let mut shown = json!({
            "Name": format!("/{}", reference.folded),
            "Type": SECURE,
            "Value": secret.value,
            "Version": 0,
            "SourceResult": secret.source_result(&arn, &clock::iso(created)).to_string(),
            "LastModifiedDate": clock::epoch(created),
            "ARN": arn,
            "DataType": "text",
        });
        if let Some(selector) = &reference.selector {
            shown["Selector"] = json!(format!(":{selector}"));
        }
        Ok(Some(shown))
    }
}

/// What a SecureString looks like without decryption: base64 that begins as KMS's does.
fn ciphertext(value: &str) -> String {
    let digest = Sha256::digest(value.as_bytes());
    format!("AQICAH{}", STANDARD.encode([digest.as_slice(), digest.as_slice()].concat()))
}
