//! What was typed. Nothing here looks at the system; what it means is decided in `spec`.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{ArgAction, Args, FromArgMatches as _, Subcommand, ValueEnum};

use crate::error::{Exit, Failure};
use crate::setting::{self, CredentialMode, Existing, Format, Separator};

const ABOUT: &str = "Start a command with its secrets: parameters from AWS SSM Parameter Store become environment variables, then \
stepzero becomes the command. Nothing is written to disk.";

const EXIT_CODES: &str = "Exit codes: 64 USAGE, 65 DATAERR, 66 NOINPUT, 70 SOFTWARE, 71 OSERR, 75 TEMPFAIL (try again), 77 NOPERM, \
78 CONFIG, 126 the command cannot be executed, 127 it is not found; anything else is the command's own.";

const EXEC_HELP: &str = "Example:
  stepzero exec -p projectA -e production -k database_password -- /opt/app/start

`stepzero plan` with the same options shows what would be asked for; `stepzero check` asks, and shows what won.
`stepzero --help` has the exit codes.";

#[derive(Debug, Subcommand)]
pub enum Command {
    Exec(Box<Exec>),
    /// Show what would be asked for, for which variable, in which order, without the network
    Plan {
        #[command(flatten)]
        options: Box<Options>,
        /// How to print it
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Fetch as exec would, and show what won and why, never a value; same exit codes as exec
    Check {
        #[command(flatten)]
        options: Box<Options>,
        /// How to print it
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Print the least-privilege IAM policy for these options
    Policy {
        #[command(flatten)]
        options: Box<Options>,
        #[command(flatten)]
        policy: PolicyOptions,
    },
    /// Fetch as exec would, and write a spec that names each parameter in full with its version
    Lock {
        #[command(flatten)]
        options: Box<Options>,
        /// Say how a lock differs from the store, and end with 1 if it does; with options that name something, from a new lock
        #[arg(long, value_name = "FILE")]
        check: Option<PathBuf>,
    },
    /// Answer systemd's LoadCredential=NAME:SOCKET with one value
    Credential {
        #[command(flatten)]
        options: Box<Options>,
        /// Where the specs of units are: UNIT.toml for UNIT.service
        #[arg(long, value_name = "DIR", default_value = "/etc/stepzero/units")]
        units: PathBuf,
    },
    /// Tell whether a running process holds what the store says now: 0 nothing changed, 1 changed
    Changed {
        #[command(flatten)]
        options: Box<Options>,
        #[command(flatten)]
        changed: ChangedOptions,
    },
    /// Print completions for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

/// Fetch, then become COMMAND
#[derive(Debug, Args)]
#[command(override_usage = "stepzero exec [OPTIONS] [--] COMMAND [ARG]...", after_help = EXEC_HELP)]
pub struct Exec {
    #[command(flatten)]
    pub options: Options,
    /// The command and its arguments. Options of stepzero come before it
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// What all commands that read a spec have in common.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// A TOML file that says which variable gets which parameter [env: STEPZERO_SPEC]
    #[arg(short, long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Fills {project} in scopes and names [env: STEPZERO_PROJECT]
    #[arg(short, long, value_name = "NAME")]
    pub project: Option<String>,
    /// Fills {environment}, such as production [env: STEPZERO_ENVIRONMENT]
    #[arg(short, long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Replaces the list of scopes, most specific first (repeatable)
    #[arg(long, value_name = "PATTERN")]
    pub scope: Vec<String>,
    /// Default scopes as dotted names (projectA.production) or as paths (/projectA/production) [default: .]
    #[arg(long, value_name = ". or /", value_parser = words(&Separator::WORDS, Separator::parse), hide_possible_values = true)]
    pub separator: Option<Separator>,
    /// A key to look for in the scopes: database_password sets DATABASE_PASSWORD (repeatable)
    #[arg(short, long, value_name = "[VAR=]KEY")]
    pub key: Vec<String>,
    /// A full parameter name or ARN, with an optional :version or :label (repeatable)
    #[arg(long, value_name = "[VAR=]NAME")]
    pub parameter: Vec<String>,
    /// Every parameter directly under a path such as /projectA/production (repeatable)
    #[arg(long, value_name = "PATH")]
    pub load: Vec<String>,
    /// Also resolve inherited variables whose value is a reference such as ssm:NAME. Off by default: whoever
    /// can set the environment could then read with the role's rights [env: STEPZERO_REFERENCES=true]
    #[arg(long)]
    pub references: bool,
    /// The command gets only the fetched variables, and those named by --keep
    #[arg(long, help_heading = "The command's environment")]
    pub pristine: bool,
    /// With --pristine: an inherited variable to keep (repeatable)
    #[arg(long, value_name = "VAR", help_heading = "The command's environment")]
    pub keep: Vec<String>,
    /// What a fetched value does to a variable that is already set: replace, keep or error [default: replace]
    #[arg(long, value_name = "POLICY", value_parser = words(&Existing::WORDS, Existing::parse), hide_possible_values = true, help_heading = "The command's environment")]
    pub existing: Option<Existing>,
    /// The AWS Region [env: AWS_REGION]
    #[arg(long, value_name = "REGION", help_heading = "AWS")]
    pub region: Option<String>,
    /// Where Systems Manager is, when not at its usual place [env: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    pub endpoint_url: Option<String>,
    /// The profile of the AWS configuration files [env: AWS_PROFILE]
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub profile: Option<String>,
    /// auto: environment, profile, container, IMDS; instance-profile: IMDS alone, whatever the environment says
    /// [env: STEPZERO_CREDENTIALS] [default: auto]
    #[arg(long, value_name = "SOURCE", value_parser = words(&CredentialMode::WORDS, CredentialMode::parse), hide_possible_values = true, help_heading = "AWS")]
    pub credentials: Option<CredentialMode>,
    #[command(flatten)]
    pub role: RoleOptions,
    /// One deadline over everything before the exec [env: STEPZERO_TIMEOUT] [default: 120s]
    #[arg(long, value_name = "DURATION", value_parser = setting::duration, help_heading = "AWS")]
    pub timeout: Option<Duration>,
    /// In an outage, go on with the values of an earlier start that are not older than this, such as 7d. systemd keeps them
    /// in memory: the unit needs FileDescriptorStoreMax=1 and NotifyAccess=main
    #[arg(long, value_name = "AGE", value_parser = setting::age)]
    pub last_good: Option<Duration>,
    /// Accept, as root, a spec file that somebody else can write
    #[arg(long)]
    pub allow_writable_spec: bool,
    /// Log more, on stderr (repeatable)
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log nothing but the final error
    #[arg(short, long)]
    pub quiet: bool,
    /// How to log: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: Format,
    /// With exec: an option of ours that stands behind the command, and so is the command's
    #[arg(skip)]
    pub behind: Option<Behind>,
}

impl Options {
    /// Whether nothing here names a parameter.
    pub fn ask_for_nothing(&self) -> bool {
        let lists = [&self.key, &self.parameter, &self.load];
        self.spec.is_none() && !self.references && lists.iter().all(|list| list.is_empty())
    }
}

/// An option that was probably meant for stepzero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub command: String,
    pub option: String,
}

/// A role for the fetch.
#[derive(Clone, Debug, Default, Args)]
pub struct RoleOptions {
    /// A role to assume for the fetch, with whatever credentials there are: arn:aws:iam::123456789012:role/reader
    #[arg(long, value_name = "ARN", help_heading = "AWS")]
    pub role_arn: Option<String>,
    /// With --role-arn: what the role's trust policy wants to hear (sts:ExternalId)
    #[arg(long, value_name = "ID", help_heading = "AWS")]
    pub external_id: Option<String>,
    /// With --role-arn: the session's name, which CloudTrail shows [default: stepzero]
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub role_session_name: Option<String>,
}

/// What `policy` adds.
#[derive(Debug, Default, Args)]
pub struct PolicyOptions {
    /// The policy of who writes the parameters: it may put and encrypt them, and not decrypt
    #[arg(long)]
    pub writer: bool,
    /// Grant whole scopes, as in projectA.production.*, instead of exactly the names that the plan asks for
    #[arg(long)]
    pub whole_scopes: bool,
    /// A KMS key that may be used (repeatable); without one, any key. Bound to Systems Manager and to the parameters
    #[arg(long, value_name = "ARN")]
    pub kms_key: Vec<String>,
    /// The account of the parameters
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// The partition of the ARNs: aws, aws-cn or aws-us-gov
    #[arg(long, value_name = "NAME")]
    pub partition: Option<String>,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub format: PolicyFormat,
}

/// What `changed` adds.
#[derive(Debug, Args)]
pub struct ChangedOptions {
    #[command(flatten)]
    pub process: ProcessOptions,
    /// Exit with 0 and a warning when it cannot be told, for probes that restart on anything else
    #[arg(long)]
    pub tolerant: bool,
    /// Report a change only after a part of this time, another one on each machine and for each unit
    #[arg(long, value_name = "DURATION", value_parser = setting::duration)]
    pub spread: Option<Duration>,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

/// Which process is looked into.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ProcessOptions {
    /// The process that exec has become
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
    /// The systemd unit whose main process that is
    #[arg(long, value_name = "NAME.service")]
    pub unit: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PolicyFormat {
    #[default]
    Json,
    /// With CloudFormation's pseudo parameters
    Cloudformation,
}

/// The parsed command line, or what to print instead.
pub enum Parsed {
    Command(Command),
    /// `--help` and `--version`.
    Help(String),
    /// Nothing was typed: the first page of the help, for stderr.
    Nothing(String),
}

/// The whole definition.
pub fn definition() -> clap::Command {
    let program = clap::Command::new("stepzero").version(env!("CARGO_PKG_VERSION")).about(ABOUT).after_help(EXIT_CODES);
    let program = program.max_term_width(100).subcommand_required(true).arg_required_else_help(true);
    Command::augment_subcommands(program.disable_help_subcommand(true))
}

/// A value that is one of a few words, which completions offer.
fn words<T: Clone + Send + Sync + 'static>(
    words: &[(&'static str, T)],
    parse: fn(&str) -> Result<T, String>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).try_map(move |text| parse(&text))
}

/// USAGE when the line is wrong, with clap's own words and suggestions.
pub fn parse(args: &[OsString]) -> Result<Parsed, Failure> {
    let mut definition = definition();
    let parsed = definition.try_get_matches_from_mut(args);
    let error = match parsed.and_then(|mut matches| Command::from_arg_matches_mut(&mut matches)) {
        Ok(Command::Exec(mut exec)) => {
            if exec.options.ask_for_nothing() {
                exec.options.behind = behind(&definition, &exec.command);
            }
            return Ok(Parsed::Command(Command::Exec(exec)));
        }
        Ok(command) => return Ok(Parsed::Command(command)),
        Err(error) => error.format(&mut definition),
    };
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Ok(Parsed::Help(text));
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Ok(Parsed::Nothing(text));
    }
    let mut lines = text.trim().lines().filter(|line| !line.trim().is_empty());
    let what = lines.next().unwrap_or("the command line is wrong");
    let failure = Failure::new(Exit::Usage, crate::error::printable(what.trim_start_matches("error: ")));
    Err(lines.fold(failure, |failure, line| failure.detail(crate::error::printable(line.trim()))))
}

/// The first argument of the command that is one of our options; further on, only one that would have named a parameter.
/// The argument's value is left out: it is the command's, and can be anything.
fn behind(definition: &clap::Command, line: &[OsString]) -> Option<Behind> {
    const ASKING: [&str; 5] = ["spec", "key", "parameter", "load", "references"];
    let exec = definition.find_subcommand("exec")?;
    let (command, args) = line.split_first()?;
    let options = args.iter().enumerate().filter_map(|(at, arg)| {
        let arg = arg.to_str()?;
        let (known, shown) = match arg.strip_prefix("--") {
            Some(long) => {
                let long = long.split('=').next()?;
                (exec.get_arguments().find(|known| known.get_long() == Some(long))?, format!("--{long}"))
            }
            None => {
                let short = arg.strip_prefix('-')?.chars().next()?;
                (exec.get_arguments().find(|known| known.get_short() == Some(short))?, format!("-{short}"))
            }
        };
        (at == 0 || ASKING.contains(&known.get_id().as_str())).then_some(shown)
    });
    let option = options.into_iter().next()?;
    Some(Behind { command: crate::error::printable(&command.to_string_lossy()), option })
}

/// How a line that is wrong wants its error to be logged, as far as that can be told.
pub fn log_format(args: &[OsString]) -> Format {
    let options: Vec<&OsString> = args.iter().take_while(|arg| *arg != "--").collect();
    let joined = options.iter().any(|arg| *arg == "--log-format=json");
    let apart = options.windows(2).any(|pair| pair[0] == "--log-format" && pair[1] == "json");
    if joined || apart { Format::Json } else { Format::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &[&str]) -> Vec<OsString> {
        let args: Vec<OsString> = ["stepzero", "exec"].iter().chain(line).map(OsString::from).collect();
        match parse(&args) {
            Ok(Parsed::Command(Command::Exec(exec))) => exec.command,
            Ok(_) => panic!("not an exec: {line:?}"),
            Err(failure) => panic!("{failure}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn the_first_operand_ends_the_options_and_only_a_double_dash_before_it_is_ours() {
        assert_eq!(command(&["-k", "a", "env", "-k", "b"]), ["env", "-k", "b"]);
        assert_eq!(command(&["-k", "a", "--", "-h"]), ["-h"]);
        assert_eq!(command(&["-k", "a", "env", "--", "x"]), ["env", "--", "x"]);
        assert_eq!(command(&["--", "--", "x"]), ["--", "x"]);
        assert_eq!(command(&["env", "", "--help"]), ["env", "", "--help"]);
    }

    #[test]
    fn an_option_behind_the_command_is_found() {
        let found = |line: &[&str]| {
            let line: Vec<OsString> = line.iter().map(OsString::from).collect();
            behind(&definition(), &line).map(|behind| behind.option)
        };
        for (line, want) in [
            (&["env", "-k", "a"][..], Some("-k")),
            (&["env", "-ka"], Some("-k")),
            (&["env", "--timeout=5s"], Some("--timeout")),
            (&["sh", "-c", "x"], None),
            (&["app", "serve", "--spec", "web.toml"], Some("--spec")),
            (&["app", "serve", "--timeout", "5s"], None),
            (&["env"], None),
            (&["env", "-"], None),
            (&["env", "--"], None),
            (&["env", "é", "--key"], Some("--key")),
        ] {
            assert_eq!(found(line).as_deref(), want, "{line:?}");
        }
    }

    #[test]
    fn a_wrong_line_is_usage() {
        for line in
            [&["stepzero", "exec"][..], &["stepzero", "exec", "--nope", "x"], &["stepzero", "plan", "--timeout", "x"]]
        {
            let parsed = parse(&line.iter().map(OsString::from).collect::<Vec<_>>());
            assert!(matches!(parsed, Err(failure) if failure.exit == Exit::Usage), "{line:?}");
        }
    }
}
