//! The chain of roles of a profile. Where it begins with a source that has to be waited for (IMDS, a container), or that is a
//! program, the first credentials are fetched by `chain`, and the SDK's provider is given them: its own providers for these
//! sources do not try again, and say little about what went wrong.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html>

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::Credentials;

/// The profiles from the one that is chosen to the one with the first credentials.
pub struct RoleChain {
    /// Each names a role that is assumed with the credentials of the next.
    pub roles: Vec<Profile>,
    pub source: RoleSource,
}

/// Where the first credentials come from.
#[derive(Debug, PartialEq, Eq)]
pub enum RoleSource {
    /// `credential_process`.
    Process { profile: String, command: String },
    /// `credential_source`, and the word that it says.
    Named { profile: String, word: String },
    /// Keys, a web identity, or what the SDK refuses.
    Sdk,
}

impl RoleChain {
    /// Follows `source_profile` as the SDK does.
    pub fn new(profiles: &ProfileSet, chosen: &str) -> Self {
        let mut roles: Vec<Profile> = Vec::new();
        let mut next = profiles.get_profile(chosen);
        while let Some(profile) = next {
            // A ring, or a chain that ends early: the SDK's to refuse, or to begin with the keys.
            let is_ring = roles.iter().any(|before| before.name() == profile.name());
            let has_keys = profile.get("aws_access_key_id").is_some() && profile.get("aws_secret_access_key").is_some();
            if is_ring || (!roles.is_empty() && has_keys) {
                break;
            }
            let is_role = profile.get("role_arn").is_some() && profile.get("web_identity_token_file").is_none();
            if !is_role {
                return RoleChain { roles, source: base(profile) };
            }
            roles.push(profile.clone());
            match (profile.get("source_profile"), profile.get("credential_source")) {
                (None, Some(word)) => return RoleChain { roles, source: named(profile, word) },
                (Some(source), None) if source == profile.name() => {
                    return RoleChain { roles, source: base(profile) };
                }
                (Some(source), None) => next = profiles.get_profile(source),
                _ => break,
            }
        }
        RoleChain { roles, source: RoleSource::Sdk }
    }

    /// Whether one of the roles is to be assumed with a second factor.
    pub fn needs_mfa(&self) -> bool {
        self.roles.iter().any(|role| role.get("mfa_serial").is_some())
    }

    /// The text of a credentials file in which a new profile with these keys is the `source_profile` of the last role. Merged
    /// over the user's files, so that their other settings still apply, such as the endpoint of STS.
    pub fn beginning_with(&self, credentials: &Credentials) -> String {
        const FIRST: &str = "stepzero-first-credentials";
        let Some(role) = self.roles.last() else { return String::new() };
        let (name, id, secret) = (role.name(), credentials.access_key_id(), credentials.secret_access_key());
        let token =
            credentials.session_token().map(|token| format!("aws_session_token = {token}\n")).unwrap_or_default();
        format!(
            "[{name}]\nsource_profile = {FIRST}\n\
             [{FIRST}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n{token}"
        )
    }
}

/// Where a profile gets credentials of its own: one without `role_arn`, or that names itself as `source_profile`. The order
/// is the SDK's.
fn base(profile: &Profile) -> RoleSource {
    let sdk_first = ["web_identity_token_file", "sso_session", "sso_start_url", "sso_account_id", "login_session"];
    let is_sdk_first = sdk_first.iter().any(|key| profile.get(key).is_some());
    match (profile.get("credential_source"), profile.get("credential_process")) {
        (Some(word), _) => named(profile, word),
        (None, Some(command)) if !is_sdk_first => {
            RoleSource::Process { profile: profile.name().to_owned(), command: command.to_owned() }
        }
        _ => RoleSource::Sdk,
    }
}

fn named(profile: &Profile, word: &str) -> RoleSource {
    RoleSource::Named { profile: profile.name().to_owned(), word: word.to_owned() }
}
