//! What the command line, the `STEPZERO_*` variables and the spec file mean together: flags first, then variables, then
//! the file. Lists and scalars replace; `-k`, `--parameter` and `--load` add.
#![forbid(unsafe_code)]

pub mod entry;
pub mod file;
pub mod filter;
mod flags;
mod language;
mod many;
mod role;
mod source;
mod table;
mod template;
pub mod written;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::{Behind, Options};
use crate::environment::{EnvironmentRules, Inherited};
use crate::error::{Exit, Failure, Failures, printable};
use crate::name::Segment;
use crate::region;
use crate::scope::Placeholders;
use crate::setting::{self, Aws, CredentialMode, LastGoodRule, Origin, Separator};
use entry::{Entry, Expand, Load};
use file::File;

/// Without `--timeout`: long enough for a thousand simultaneous boots against the default quota.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Everything the operator said, merged.
#[derive(Debug)]
pub struct Spec {
    pub project: Option<Segment>,
    pub environment: Option<Segment>,
    pub separator: Separator,
    /// As written; `None` is the default list of the separator.
    pub scopes: Option<Vec<(String, Origin)>>,
    pub entries: Vec<Entry>,
    pub loads: Vec<Load>,
    pub expands: Vec<Expand>,
    pub references: bool,
    pub rules: EnvironmentRules,
    pub timeout: Duration,
    pub last_good: Option<LastGoodRule>,
    pub aws: Aws,
}

impl Spec {
    /// Merges. `read` reads the spec and the files of its templates, so that this stays free of system calls. It gets what the
    /// file is, its path and a timeout.
    pub fn new(
        options: Options,
        inherited: &Inherited,
        read: impl Fn(&str, &Path, Duration) -> Result<Vec<u8>, Failure>,
    ) -> Result<Self, Failures> {
        let path = options.spec.clone().or_else(|| inherited.value("STEPZERO_SPEC").map(PathBuf::from));
        let references = if options.references { Some(true) } else { flag(inherited, "STEPZERO_REFERENCES")? };
        if path.as_deref().is_some_and(|path| path.as_os_str() == "-") {
            let what =
                "the spec \"-\": standard input is the command's, and no spec is read from it unless it is named";
            return Err(Failure::new(Exit::Usage, what)
                .help("write /dev/stdin, or ./- for a file of that name")
                .into());
        }
        if path.is_none() && options.ask_for_nothing() && references != Some(true) {
            return Err(nothing_to_do(options.behind).into());
        }
        let file = match &path {
            Some(path) => {
                let shown = printable(&path.to_string_lossy());
                // The spec's own timeout stands in it, and a variable that is wrong is reported with the rest.
                let variable = || setting::duration(inherited.value("STEPZERO_TIMEOUT")?.to_str()?).ok();
                let timeout = options.timeout.or_else(variable).unwrap_or(TIMEOUT);
                let beside = |name: &str| {
                    let path = path.parent().unwrap_or(Path::new("")).join(name);
                    let shown = printable(&path.to_string_lossy());
                    let text = file::decode("template", &shown, read("template", &path, timeout)?)?;
                    Ok((shown, text))
                };
                let text = file::decode("spec", &shown, read("spec", path, timeout)?)?;
                file::parse(&shown, &text, &beside)?
            }
            None => File::default(),
        };
        merge(options, inherited, file, references)
    }
}

/// A mistyped line must not start the command without its secrets.
fn nothing_to_do(behind: Option<Behind>) -> Failure {
    let what = "nothing to do: no spec, no key, no parameter, no path, no references";
    let failure = Failure::new(Exit::Usage, what);
    let Some(Behind { command, option }) = behind else {
        return failure.help("name what the command needs, with --spec, --key, --parameter, --load or --references");
    };
    failure
        .detail(format!("{option} stands behind the command {command}, so it is an option of {command}"))
        .help(format!("options of stepzero come first: stepzero exec {option} … -- {command}"))
}

fn merge(options: Options, inherited: &Inherited, file: File, references: Option<bool>) -> Result<Spec, Failures> {
    let mut errors = Vec::new();
    let project = pick(options.project, "--project", inherited, "STEPZERO_PROJECT", file.project);
    let environment = pick(options.environment, "--environment", inherited, "STEPZERO_ENVIRONMENT", file.environment);
    let (project, environment) = segments(project, environment, &mut errors);
    let placeholders = Placeholders { project: project.as_ref(), environment: environment.as_ref() };
    let by_flag = flags::entries(&options.key, &options.parameter, placeholders, &mut errors);
    let entries = file.entries.into_iter().chain(by_flag).collect();
    let keep = flags::keep(&options.keep, &mut errors).or(file.keep).unwrap_or_default();
    // A variable that a flag replaces is not looked at.
    let timeout = options.timeout.or_else(|| setting(inherited, "STEPZERO_TIMEOUT", setting::duration, &mut errors));
    let credentials =
        options.credentials.or_else(|| setting(inherited, "STEPZERO_CREDENTIALS", CredentialMode::parse, &mut errors));
    let region = options.region.map(|region| (region, Origin::Flag("--region"))).or(file.region);
    let spec = Spec {
        project,
        environment,
        separator: options.separator.or(file.separator).unwrap_or_default(),
        scopes: flags::scopes(options.scope).or(file.scopes),
        entries,
        loads: file.loads.into_iter().chain(options.load.into_iter().map(flags::load)).collect(),
        expands: file.expands,
        references: references.or(file.references).unwrap_or(false),
        rules: EnvironmentRules {
            pristine: options.pristine || file.pristine.unwrap_or(false),
            keep,
            existing: options.existing.or(file.existing).unwrap_or_default(),
        },
        timeout: timeout.or(file.timeout).unwrap_or(TIMEOUT),
        last_good: options
            .last_good
            .or(file.last_good)
            .map(|max_age| LastGoodRule { max_age, after: file.last_good_after.unwrap_or(LastGoodRule::AFTER) }),
        aws: Aws {
            region: region.and_then(|region| checked_region(region, &mut errors)),
            endpoint_url: options.endpoint_url.filter(|url| !url.is_empty()),
            profile: options.profile.filter(|profile| !profile.is_empty()),
            credentials: credentials.or(file.credentials).unwrap_or_default(),
            role: role::merged(options.role, file.role, &mut errors),
        },
    };
    Failures::check(errors).map(|()| spec)
}

/// Flag, then variable, then file.
fn pick(
    flag: Option<String>,
    flag_name: &'static str,
    inherited: &Inherited,
    variable: &'static str,
    file: Written,
) -> Written {
    flag.map(|value| (value, Origin::Flag(flag_name)))
        .or_else(|| {
            let value = inherited.value(variable)?;
            Some((value.to_string_lossy().into_owned(), Origin::Variable(variable)))
        })
        .or(file)
}

/// A text, and where it was written.
type Written = Option<(String, Origin)>;

/// Project and environment; two that are the same are refused.
fn segments(project: Written, environment: Written, errors: &mut Vec<Failure>) -> (Option<Segment>, Option<Segment>) {
    let project = segment("the project", project, errors);
    let environment = segment("the environment", environment, errors);
    if let (Some((project, origin)), Some((environment, _))) = (&project, &environment)
        && project == environment
    {
        let what = format!("{origin}: project and environment are both \"{}\"", project.as_str());
        errors.push(Failure::new(Exit::Config, what).help(
            "choose two names: a project named like an environment would read what every project of that environment may read",
        ));
    }
    (project.map(|(segment, _)| segment), environment.map(|(segment, _)| segment))
}

fn segment(what: &str, text: Written, errors: &mut Vec<Failure>) -> Option<(Segment, Origin)> {
    let (text, origin) = text?;
    match Segment::new(what, &text) {
        Ok(segment) => Some((segment, origin)),
        Err(bad) => {
            errors.push(Failure::new(Exit::Config, format!("{origin}: {bad}")));
            None
        }
    }
}

fn flag(inherited: &Inherited, variable: &'static str) -> Result<Option<bool>, Failure> {
    let Some(value) = inherited.value(variable) else { return Ok(None) };
    match value.to_str() {
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        _ => Err(Failure::new(Exit::Config, format!("{variable}: it is \"true\" or \"false\""))),
    }
}

fn setting<T>(
    inherited: &Inherited,
    variable: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
    errors: &mut Vec<Failure>,
) -> Option<T> {
    let value = inherited.value(variable)?;
    let parsed = parse(&value.to_string_lossy());
    parsed.map_err(|why| errors.push(Failure::new(Exit::Config, format!("{variable}: {why}")))).ok()
}

/// A Region becomes part of a host name.
fn checked_region((region, origin): (String, Origin), errors: &mut Vec<Failure>) -> Option<String> {
    if region.is_empty() {
        return None;
    }
    let Some(fault) = region::fault(&region) else { return Some(region) };
    errors.push(Failure::new(Exit::Config, format!("{origin}: {fault}")));
    None
}
