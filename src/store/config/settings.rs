//! What the AWS conventions say about this run before anything is asked: variables, then the profile.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>

use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Instant;

use aws_config::profile::{Profile, ProfileSet};
use aws_runtime::env_config::EnvConfigValue;
use aws_types::os_shim_internal::{Env, Fs};
use rustls::RootCertStore;

use crate::error::{Exit, Failure, printable};
use crate::region::fault;
use crate::setting::{Aws, CredentialMode, KeyExchange};
use crate::store::config::bundle::Bundle;
use crate::store::config::files::{self, ProfileFile, TokenFile};

/// Where IMDS is asked.
#[derive(Clone, Debug)]
pub struct ImdsAddresses {
    pub first: String,
    /// Where `first` cannot be reached.
    pub otherwise: Option<String>,
}

/// Flags and spec, completed by variables and profile.
pub struct Settings {
    pub aws: Aws,
    /// Unless only IMDS knows it.
    pub region: Option<String>,
    /// `None` when IMDS is switched off.
    pub imds: Option<ImdsAddresses>,
    pub profiles: ProfileSet,
    files: Rc<Vec<ProfileFile>>,
    deadline: Instant,
}

impl Settings {
    /// Reads the profile files, but not under `--credentials instance-profile`, unless `--profile` asks for it.
    /// A file that is a pipe is waited for until the deadline.
    pub async fn load(aws: Aws, deadline: Instant) -> Result<Self, Failure> {
        let reads_profiles = aws.credentials == CredentialMode::Auto || aws.profile.is_some();
        let files = if reads_profiles { Vec::from(files::profile_files(deadline)?) } else { Vec::new() };
        let profiles = profiles(&aws, &files).await?;
        if reads_profiles {
            exists(&profiles)?;
        }
        let from_profile = || {
            profiles
                .get("region")
                .filter(|region| !region.is_empty())
                .map(|region| ("the profile's region", region.to_owned()))
        };
        let found = match &aws.region {
            Some(region) => Some(("--region", region.clone())),
            None => variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).or_else(from_profile),
        };
        if let Some((place, fault)) = found.as_ref().and_then(|(place, region)| Some((place, fault(region)?))) {
            return Err(Failure::new(Exit::Config, format!("{place}: {fault}")));
        }
        let region = found.map(|(_, region)| region);
        let imds = imds_addresses(&aws, &profiles)?;
        Ok(Settings { aws, region, imds, profiles, files: files.into(), deadline })
    }

    /// The profile files that the SDK may read.
    pub fn profile_files(&self) -> Rc<Vec<ProfileFile>> {
        self.files.clone()
    }

    /// Where Systems Manager is said to be: by the flag, else by `AWS_ENDPOINT_URL_SSM`, `AWS_ENDPOINT_URL`, a `services`
    /// section of the profile or the profile itself.
    pub fn endpoint_url(&self) -> Option<String> {
        self.aws.endpoint_url.clone().or_else(|| self.endpoint_url_of("SSM"))
    }

    /// Where a service is said to be, but by the flag, which is for Systems Manager.
    pub fn endpoint_url_of(&self, service: &'static str) -> Option<String> {
        let ignored = || self.is_on("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");
        self.setting(service, "AWS_ENDPOINT_URL", "endpoint_url").filter(|_| !ignored())
    }

    /// The application's name for the User-Agent, as every SDK has it.
    pub fn application(&self) -> Option<String> {
        let (name, key) = ("AWS_SDK_UA_APP_ID", "sdk_ua_app_id");
        let named = variable(name).map(|(_, value)| value);
        named.or_else(|| self.profiles.get(key).map(str::to_owned)).filter(|value| !value.is_empty())
    }

    pub fn uses_fips(&self) -> bool {
        self.is_on("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")
    }

    pub fn uses_dual_stack(&self) -> bool {
        self.is_on("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")
    }

    /// A switch of the AWS conventions, off unless it says `true`.
    fn is_on(&self, variable: &str, key: &str) -> bool {
        self.setting("SSM", variable, key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// As the SDK looks for it: variables before the profile, what is for the service alone first.
    fn setting(&self, service: &'static str, variable: &str, key: &str) -> Option<String> {
        let env = Env::real();
        let value = EnvConfigValue::new().env(variable).profile(key).service_id(service);
        Some(value.load(&env, Some(&self.profiles))?.0.into_owned()).filter(|value| !value.is_empty())
    }

    /// Whether STS is asked for credentials, which needs the Region first.
    pub fn asks_sts(&self) -> bool {
        let by_chain = || variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() || self.profile_assumes_role();
        self.aws.role.is_some() || self.aws.credentials == CredentialMode::Auto && by_chain()
    }

    pub fn profile_assumes_role(&self) -> bool {
        self.profile().is_some_and(|profile| profile.get("role_arn").is_some())
    }

    /// The files of tokens that the profile, and those that it assumes its role with, name.
    pub fn token_files_of_profile(&self) -> Vec<TokenFile> {
        let key = "web_identity_token_file";
        let named = self.profile_and_its_sources().filter_map(|profile| profile.get(key));
        named.map(|path| TokenFile { named_by: key, path: path.into() }).collect()
    }

    /// Whether the profile, or one that it assumes a role with, is for SSO.
    pub fn profile_uses_sso(&self) -> bool {
        let is_sso = |profile: &Profile| {
            ["sso_session", "sso_start_url", "sso_account_id", "login_session"]
                .iter()
                .any(|key| profile.get(key).is_some())
        };
        self.profile_and_its_sources().any(is_sso)
    }

    /// The profile that is chosen, and those that it assumes its role with. A ring, which the SDK refuses, ends too.
    fn profile_and_its_sources(&self) -> impl Iterator<Item = &Profile> {
        let source = |profile: &&'_ Profile| self.profiles.get_profile(profile.get("source_profile")?);
        std::iter::successors(self.profile(), source).take(self.profiles.profiles().count())
    }

    /// The profile that is chosen, if there is one.
    fn profile(&self) -> Option<&Profile> {
        let chosen = self.aws.profile.as_deref().unwrap_or_else(|| self.profiles.selected_profile());
        self.profiles.get_profile(chosen)
    }

    /// Whether an IMDS that stays silent is taken as not there. On an instance whose profile is the only source, it is
    /// waited for.
    pub fn imds_can_be_absent(&self) -> bool {
        self.aws.credentials == CredentialMode::Auto
    }

    /// Those that are named in the place of the compiled-in ones. CONFIG when the file cannot be used.
    pub fn trust_anchors(&self) -> Result<Option<RootCertStore>, Failure> {
        let by_variable = |named_by: &'static str| {
            let path = std::env::var_os(named_by).filter(|value| !value.is_empty());
            path.map(|path| Bundle { named_by, path: path.into() })
        };
        let by_profile =
            || self.profiles.get("ca_bundle").map(|path| Bundle { named_by: "ca_bundle", path: path.into() });
        let bundle = by_variable("AWS_CA_BUNDLE").or_else(by_profile).or_else(|| by_variable("SSL_CERT_FILE"));
        bundle.map(|bundle| bundle.read(self.deadline)).transpose()
    }

    /// CONFIG when the variable says another word.
    pub fn key_exchange(&self) -> Result<KeyExchange, Failure> {
        let Some((place, text)) = variable("STEPZERO_KEY_EXCHANGE") else { return Ok(KeyExchange::default()) };
        KeyExchange::parse(&text).map_err(|why| Failure::new(Exit::Config, format!("{place}: {why}")))
    }

    /// The authorities that give credentials, and so are never reached through a proxy.
    pub fn direct_authorities(&self) -> HashSet<String> {
        let container = std::env::var("AWS_CONTAINER_CREDENTIALS_FULL_URI").ok();
        let authority =
            |url: String| url.parse::<http::Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
        let imds = self.imds.as_ref().map(|imds| imds.first.clone());
        [imds, container].into_iter().flatten().filter_map(authority).collect()
    }
}

/// The addresses of IMDS; `None` when it is switched off. Under `instance-profile` an address that is configured is ignored, a
/// configured mode only says which of the two fixed ones is first. CONFIG for an unknown mode.
fn imds_addresses(aws: &Aws, profiles: &ProfileSet) -> Result<Option<ImdsAddresses>, Failure> {
    const V4: &str = "http://169.254.169.254";
    const V6: &str = "http://[fd00:ec2::254]";
    let setting = |name: &'static str, key: &'static str| {
        variable(name).or_else(|| profiles.get(key).map(|value| (key, value.to_owned())))
    };
    let is_auto = aws.credentials == CredentialMode::Auto;
    if is_auto && variable("AWS_EC2_METADATA_DISABLED").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let mode = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
    let (first, other) = match &mode {
        None => (V4, V6),
        Some((_, mode)) if mode.eq_ignore_ascii_case("IPv4") => (V4, V6),
        Some((_, mode)) if mode.eq_ignore_ascii_case("IPv6") => (V6, V4),
        Some((place, mode)) => {
            let what = format!("{place}: \"{}\" is neither IPv4 nor IPv6", printable(mode));
            return Err(Failure::new(Exit::Config, what).help("set it anew, or unset it"));
        }
    };
    let named = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    if is_auto && let Some((_, first)) = named {
        return Ok(Some(ImdsAddresses { first, otherwise: None }));
    }
    // Under `auto` a configured mode is binding, as in the SDKs; a variable must not keep `instance-profile` from working.
    let otherwise = (mode.is_none() || !is_auto).then(|| other.to_owned());
    Ok(Some(ImdsAddresses { first: first.to_owned(), otherwise }))
}

/// A variable of the AWS conventions; an empty one counts as unset.
pub fn variable(name: &'static str) -> Option<(&'static str, String)> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(|value| (name, value))
}

/// A misspelt profile must not end with the identity of the next place in the chain.
fn exists(profiles: &ProfileSet) -> Result<(), Failure> {
    let name = profiles.selected_profile();
    if name == "default" || profiles.get_profile(name).is_some() {
        return Ok(());
    }
    let what = format!("there is no profile \"{}\" in the AWS configuration files", printable(name));
    Err(Failure::new(Exit::Config, what)
        .help("look at --profile, AWS_PROFILE and AWS_DEFAULT_PROFILE, and at `aws configure list-profiles`"))
}

async fn profiles(aws: &Aws, files: &[ProfileFile]) -> Result<ProfileSet, Failure> {
    let (fs, env) = (Fs::real(), Env::real());
    // The SDK for Rust does not know AWS_DEFAULT_PROFILE, which the aws command and botocore honour.
    let named = || variable("AWS_PROFILE").or_else(|| variable("AWS_DEFAULT_PROFILE")).map(|(_, name)| name);
    let selected = aws.profile.clone().or_else(named).map(Cow::Owned);
    let error = match aws_config::profile::load(&fs, &env, &files::for_sdk(files, ""), selected).await {
        Ok(profiles) => return Ok(profiles),
        Err(error) => error,
    };
    // In a box, because it is large, and rarely needed.
    let place = Box::pin(first_wrong(files)).await;
    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let why = why.replacen("error parsing  on line", &format!("{place}: line"), 1);
    Err(Failure::new(Exit::Config, "the AWS configuration files cannot be read")
        .detail(printable(&why))
        .detail("this is the grammar of the AWS SDKs, which is stricter than that of the aws command")
        .help("mend the line, or point AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE elsewhere"))
}

/// Which file it is: the SDK was given contents, and does not know.
async fn first_wrong(files: &[ProfileFile]) -> String {
    for file in files {
        let alone = files::for_sdk(std::slice::from_ref(file), "");
        if aws_config::profile::load(&Fs::real(), &Env::real(), &alone, None).await.is_err() {
            return file.shown();
        }
    }
    String::new()
}
