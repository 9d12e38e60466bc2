//! The settings that a flag, a variable and the spec share: their words and grammars, and where the operator wrote them.
#![forbid(unsafe_code)]

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use clap::ValueEnum;

/// The variables that stepzero reads and the command does not inherit.
pub const OWN_VARIABLES: [&str; 7] = [
    "STEPZERO_SPEC",
    "STEPZERO_PROJECT",
    "STEPZERO_ENVIRONMENT",
    "STEPZERO_REFERENCES",
    "STEPZERO_CREDENTIALS",
    "STEPZERO_KEY_EXCHANGE",
    "STEPZERO_TIMEOUT",
];

/// Where the operator wrote something, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An option of the command line.
    Flag(&'static str),
    /// An environment variable of stepzero's own.
    Variable(&'static str),
    /// A place in the spec file; line and column count from 1.
    File { path: Rc<str>, line: usize, column: usize },
    /// An inherited variable whose value is a reference.
    Reference,
}

impl Origin {
    pub fn is_flag(&self) -> bool {
        matches!(self, Origin::Flag(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) | Origin::Variable(name) => f.write_str(name),
            Origin::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Origin::Reference => f.write_str("--references"),
        }
    }
}

/// How AWS is reached; what is `None` here is looked up by the AWS conventions.
#[derive(Clone, Debug, Default)]
pub struct Aws {
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
    pub profile: Option<String>,
    pub credentials: CredentialMode,
    /// Assumed with the credentials that are found.
    pub role: Option<Role>,
}

/// A role for the fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub arn: String,
    /// What its trust policy wants to hear, where it wants that.
    pub external_id: Option<String>,
    pub session_name: String,
}

/// How messages and results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// How scope and key are joined in the default list of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Separator {
    #[default]
    Dot,
    Slash,
}

impl Separator {
    pub const WORDS: [(&str, Self); 2] = [(".", Separator::Dot), ("/", Separator::Slash)];

    pub fn parse(text: &str) -> Result<Self, String> {
        word(text, &Self::WORDS)
    }
}

/// What a fetched value does to a variable that is already set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    #[default]
    Replace,
    /// The variable stays, and is not fetched at all.
    Keep,
    Error,
}

impl Existing {
    pub const WORDS: [(&str, Self); 3] =
        [("replace", Existing::Replace), ("keep", Existing::Keep), ("error", Existing::Error)];

    pub fn parse(text: &str) -> Result<Self, String> {
        word(text, &Self::WORDS)
    }
}

/// When values of an earlier start may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastGoodRule {
    /// Older ones are not.
    pub max_age: Duration,
    /// How long the store is asked before.
    pub after: Duration,
}

impl LastGoodRule {
    /// How long the store is asked, unless it is said.
    pub const AFTER: Duration = Duration::from_secs(15);
}

/// Where credentials come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialMode {
    /// Environment, profile, web identity, container, IMDS: the first that has some.
    #[default]
    Auto,
    /// IMDS alone, whatever the environment says.
    InstanceProfile,
}

impl CredentialMode {
    pub const WORDS: [(&str, Self); 2] =
        [("auto", CredentialMode::Auto), ("instance-profile", CredentialMode::InstanceProfile)];

    pub fn parse(text: &str) -> Result<Self, String> {
        word(text, &Self::WORDS)
    }
}

/// Which key exchange TLS offers first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyExchange {
    /// X25519MLKEM768, where the processor allows it, and the share of X25519 beside it: no server costs a round trip more.
    #[default]
    Hybrid,
    /// None that is post-quantum: for a server, or a device before it, that fails on a hello of two packets.
    Classical,
}

impl KeyExchange {
    pub const WORDS: [(&str, Self); 2] = [("hybrid", KeyExchange::Hybrid), ("classical", KeyExchange::Classical)];

    pub fn parse(text: &str) -> Result<Self, String> {
        word(text, &Self::WORDS)
    }
}

/// What a word of a fixed list stands for; an error that names them all.
pub fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        format!("\"{}\" is none of {}", crate::error::printable(text), known.join(", "))
    })
}

/// The word of a fixed list that stands for this.
pub fn spelled<T: PartialEq>(wanted: &T, words: &[(&'static str, T)]) -> &'static str {
    // Each list has a word for every value.
    words.iter().find(|(_, value)| value == wanted).map_or("", |(word, _)| word)
}

/// A duration as [`duration`] reads it: whole hours, or seconds, with what is behind the point to the microsecond.
pub fn spelled_duration(duration: Duration) -> String {
    let (seconds, micros) = (duration.as_secs(), duration.subsec_micros());
    if micros == 0 && seconds.is_multiple_of(3600) {
        return format!("{}h", seconds / 3600);
    }
    if micros == 0 {
        format!("{seconds}s")
    } else {
        format!("{seconds}.{micros:06}").trim_end_matches('0').to_owned() + "s"
    }
}

/// `120s`, `2m`, `500ms`, `0.5s`, `1m30s`, or a bare number of seconds. More than zero, at most a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    duration_up_to(text, Duration::from_secs(86_400), "24h")
}

/// How old something may be: as a duration, of up to a year, and in days as well.
pub fn age(text: &str) -> Result<Duration, String> {
    duration_up_to(text, Duration::from_secs(366 * 86_400), "366d")
}

fn duration_up_to(text: &str, most: Duration, shown: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{}\" is not a duration such as 120s, 2m, 0.5s or 500ms", crate::error::printable(text));
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let unit = rest[digits..].find(is_number).map_or(rest.len(), |at| digits + at);
        let micros = match &rest[digits..unit] {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            "" if digits == text.len() => 1_000_000,
            _ => return Err(wrong()),
        };
        total = total.saturating_add(amount(&rest[..digits], micros).ok_or_else(wrong)?);
        rest = &rest[unit..];
    }
    if total.is_zero() || total > most {
        return Err(format!("{}; it is more than zero and at most {shown}", wrong()));
    }
    Ok(total)
}

/// So many units of so many microseconds: digits, and perhaps a fraction, of which six digits count.
fn amount(text: &str, micros: u64) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millionths: u64 = format!("{fraction:0<6}")[..6].parse().ok()?;
    let whole = whole.parse::<u64>().ok()?.saturating_mul(micros);
    Some(Duration::from_micros(whole.saturating_add(micros * millionths / 1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("120s", 120_000),
            ("2m", 120_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("5", 5_000),
            ("24h", 86_400_000),
            ("0.5s", 500),
            ("0.25", 250),
            ("1.5m0.5s", 90_500),
            ("0.0010000000000000000000000s", 1),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
            let spelled = spelled_duration(Duration::from_millis(millis));
            assert_eq!(duration(&spelled), Ok(Duration::from_millis(millis)), "{spelled}");
        }
        for text in [
            "",
            "0",
            "0s",
            "s",
            "5x",
            "-1s",
            "+1s",
            ".5s",
            "1.s",
            "1.5.s",
            ".",
            "0.0s",
            "1e3s",
            "1.-5s",
            "5 s",
            "1m30",
            "25h",
            "24.1h",
            "99999999999999999999s",
            "1.é",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
