//! Credentials of a profile. Where its chain of roles begins with a source that has to be waited for (IMDS, a container), or
//! that is a program, the first credentials are fetched here, and the SDK's provider is given them as keys: its own providers
//! for these sources do not try again, and say little about what went wrong.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html>

use std::fmt::Write as _;

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::Credentials;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

/// The profiles from the one that is chosen to the one with the first credentials.
pub struct RoleChain<'a> {
    /// Each names a role that is assumed with the credentials of the next.
    pub roles: Vec<&'a Profile>,
    pub source: Source<'a>,
}

/// Where the first credentials come from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// `credential_process`: the profile's name, and the command.
    Process(&'a str, &'a str),
    /// `credential_source`: the profile's name, and the word.
    Named(&'a str, &'a str),
    /// Keys, a web identity, or what the SDK refuses.
    Sdk,
}

impl<'a> RoleChain<'a> {
    /// Follows `source_profile` as the SDK does.
    pub fn new(profiles: &'a ProfileSet, chosen: &str) -> Self {
        let mut roles: Vec<&Profile> = Vec::new();
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
            roles.push(profile);
            match (profile.get("source_profile"), profile.get("credential_source")) {
                (None, Some(word)) => return RoleChain { roles, source: Source::Named(profile.name(), word) },
                (Some(source), None) if source == profile.name() => {
                    return RoleChain { roles, source: base(profile) };
                }
                (Some(source), None) => next = profiles.get_profile(source),
                _ => break,
            }
        }
        RoleChain { roles, source: Source::Sdk }
    }

    /// The chain as a configuration file that begins with these credentials, and its first profile.
    pub fn with_keys(&self, credentials: &Credentials) -> (EnvConfigFiles, String) {
        let mut text = String::new();
        for (at, role) in self.roles.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[profile role{at}]\nsource_profile = role{}", at + 1);
            for key in ["role_arn", "external_id", "role_session_name"] {
                if let Some(value) = role.get(key) {
                    let _ = writeln!(text, "{key} = {value}");
                }
            }
        }
        let (id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
        let _ = writeln!(
            text,
            "[profile role{}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}",
            self.roles.len()
        );
        if let Some(token) = credentials.session_token() {
            let _ = writeln!(text, "aws_session_token = {token}");
        }
        (EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, text).build(), "role0".into())
    }
}

/// The source of a profile that assumes no role, or itself is what it assumes its role with. The order is the SDK's.
fn base(profile: &Profile) -> Source<'_> {
    let sdk_first = ["web_identity_token_file", "sso_session", "sso_start_url", "sso_account_id", "login_session"];
    let is_sdk_first = sdk_first.iter().any(|key| profile.get(key).is_some());
    match (profile.get("credential_source"), profile.get("credential_process")) {
        (Some(word), _) => Source::Named(profile.name(), word),
        (None, Some(command)) if !is_sdk_first => Source::Process(profile.name(), command),
        _ => Source::Sdk,
    }
}
