//! The steps that the subcommands share: options and spec to a plan, the fetch, outcomes to an environment.
#![forbid(unsafe_code)]

use std::io::ErrorKind;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::answers::Answers;
use crate::cli::Options;
use crate::environment::{self, Environment, Inherited};
use crate::error::{Exit, Failure, Failures, io_text, printable};
use crate::last_good::LastGood;
use crate::name::EnvName;
use crate::parameter::PathRequest;
use crate::plan::Plan;
use crate::resolve::{self, Outcome, Resolved};
use crate::setting::{Aws, LastGoodRule};
use crate::spec::Spec;
use crate::spec::entry::Load;
use crate::store::{self, FetchRequest, Fetched, OnDenial, Stopped};
use crate::{denied, last_good, log, sys};

/// A spec is written by hand; a file that is larger is not one.
pub const SPEC_LIMIT: u64 = 1024 * 1024;

/// What the fetch needs beside the plan.
pub struct FetchOptions {
    pub aws: Aws,
    /// What is left of `--timeout`.
    pub timeout: Duration,
    pub last_good: Option<LastGoodRule>,
}

/// The plan for these options. Sets up the log.
pub fn prepare(options: Options, inherited: &Inherited) -> Result<(Rc<Plan>, FetchOptions), Failures> {
    let (spec, fetch_options) = begin(options, inherited)?;
    let plan = plan(spec, &fetch_options, inherited)?;
    Ok((Rc::new(plan), fetch_options))
}

/// What these options and their spec say. Sets up the log.
pub fn begin(options: Options, inherited: &Inherited) -> Result<(Spec, FetchOptions), Failures> {
    log::init(log::Settings { verbose: options.verbose, quiet: options.quiet, format: options.log_format });
    read_spec(options, inherited)
}

/// The plan for a spec.
pub fn plan(spec: Spec, fetch_options: &FetchOptions, inherited: &Inherited) -> Result<Plan, Failures> {
    let plan = Plan::new(spec, inherited)?;
    warn_of_names(&plan);
    if let Some(region) = &fetch_options.aws.region {
        plan.in_region(region)?;
    }
    Ok(plan)
}

/// A name that no shell can read is allowed, because other programs can; but it is more often a slip. What is mapped from a
/// parameter's name is always readable, and an inherited reference had its name before, so only names that the operator
/// wrote are told.
fn warn_of_names(plan: &Plan) {
    let written = plan.variables.iter().filter(|variable| !variable.is_reference());
    for variable in written.filter(|variable| !variable.name.is_for_shells()) {
        log::warn(format_args!(
            "{}: no shell can read the variable {}: their names are of A-Z a-z 0-9 _, and begin with no digit",
            variable.origin, variable.name
        ));
    }
}

/// Flags, variables and the spec file, merged. Reading the file can take time, because it can be a pipe. Whole seconds of
/// that are taken from the one deadline.
pub fn read_spec(options: Options, inherited: &Inherited) -> Result<(Spec, FetchOptions), Failures> {
    let (begun, trusting) = (Instant::now(), options.allow_writable_spec);
    let mut spec = Spec::new(options, inherited, |what, path, timeout| read_file(what, path, trusting, timeout))?;
    let waited = Duration::from_secs(begun.elapsed().as_secs());
    let timeout = spec.timeout.saturating_sub(waited);
    let fetch_options = FetchOptions { aws: std::mem::take(&mut spec.aws), timeout, last_good: spec.last_good };
    Ok((spec, fetch_options))
}

/// The last good values of this plan, which the store is then asked for no longer than the grace. What an earlier start has left
/// is taken out of what the command inherits.
pub fn last_good(
    plan: &Plan,
    options: &mut FetchOptions,
    inherited: &mut Inherited,
) -> Result<Option<LastGood>, Failure> {
    let passed = last_good::take(inherited);
    let rule = options.last_good.filter(|_| plan.needs_aws());
    let last_good = LastGood::open(rule, passed, fingerprint(plan, &options.aws, inherited))?;
    options.timeout = last_good.as_ref().map_or(options.timeout, |last_good| last_good.timeout(options.timeout));
    Ok(last_good)
}

/// What the answers depend on, without a value: the names and paths, and by which settings AWS is asked. How they become
/// variables may change: that is worked out anew.
fn fingerprint(plan: &Plan, aws: &Aws, inherited: &Inherited) -> String {
    const VARIABLES: [&str; 8] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_PROFILE",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SSM",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_ROLE_ARN",
    ];
    let variables: Vec<_> = VARIABLES.iter().map(|name| inherited.value(name)).collect();
    let names: Vec<String> = plan.requests.iter().map(ToString::to_string).collect();
    let paths: Vec<PathRequest> = plan.loads.iter().map(Load::request).collect();
    format!("{names:?} {paths:?} {aws:?} {variables:?}")
}

/// The last good values, when there are some and the store could not answer. Else what went wrong.
pub fn in_outage(failures: Failures, last_good: Option<LastGood>) -> Result<(Answers, String), Failures> {
    let usable = last_good.filter(|_| failures.exit() == Exit::TempFail).and_then(LastGood::into_answers);
    let (answers, status) = usable.ok_or_else(|| failures.clone())?;
    // Without the way out, which is about a start that fails.
    failures.iter().for_each(|failure| log::warn(format_args!("{}", failure.what())));
    log::warn(format_args!("{status}"));
    Ok((answers, status))
}

/// Fetches what the plan needs. A plan that needs nothing makes no client and no connection.
pub fn fetch(
    plan: &Rc<Plan>,
    options: FetchOptions,
    inherited: &Inherited,
    on_denial: OnDenial,
) -> Result<Fetched, Failures> {
    if !plan.needs_aws() {
        return Ok(Fetched { answers: Answers::none(), waited: false });
    }
    Failures::check(inherited.wrong_settings())?;
    let paths: Vec<PathRequest> = plan.loads.iter().map(Load::request).collect();
    let request = FetchRequest { requests: &plan.requests, paths: &paths, on_denial };
    let fetched = store::fetch(request, options.aws, options.timeout, |region| plan.in_region(region));
    fetched.map_err(|stopped| match stopped {
        Stopped::Failed(failure) => failure.into(),
        Stopped::Denied(denial) => denied::failure(&denial, plan).into(),
    })
}

/// Reads the spec, or a template of it. NOINPUT when it cannot be read. As root, CONFIG when somebody else could have written it: who writes the spec chooses
/// the variables of a root process.
fn read_file(what: &str, path: &Path, trusting: bool, timeout: Duration) -> Result<Vec<u8>, Failure> {
    let shown = printable(&path.to_string_lossy());
    let (bytes, owner) = sys::read_file(path, SPEC_LIMIT, timeout).map_err(|error| {
        let failure = Failure::new(Exit::NoInput, format!("the {what} {shown} cannot be read: {}", io_text(&error)));
        match error.kind() {
            ErrorKind::TimedOut => failure.help(format!("nobody wrote it to its end in {} s", timeout.as_secs_f64())),
            _ => failure,
        }
    })?;
    // Nobody in this user namespace is an owner that is not mapped into it, not even its root (user_namespaces(7)).
    let others_can_write = owner.writable_by_others || (owner.uid != 0 && !owner.is_unmapped());
    if sys::is_root() && !trusting && others_can_write {
        if owner.is_unmapped() {
            let why = "can be written by group or others, and its owner is not in this user namespace";
            return Err(Failure::new(Exit::Config, format!("the {what} {shown} {why}"))
                .help("chmod go-w it outside, or say --allow-writable-spec"));
        }
        return Err(Failure::new(Exit::Config, format!("the {what} {shown} can be written by others than root"))
            .detail(format!("owner {}, writable by group or others: {}", owner.uid, owner.writable_by_others))
            .help("chown root and chmod go-w it, or say --allow-writable-spec"));
    }
    Ok(bytes)
}

fn names(parts: &[EnvName]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// With `-v`: what won.
pub fn log_outcomes(outcomes: &[Outcome]) {
    for outcome in outcomes {
        let variable = || ("variable", outcome.variable.as_str().into());
        match &outcome.result {
            Ok(Resolved::Fetched(won)) => log::info(|| {
                let fields = [
                    variable(),
                    ("parameter", won.parameter.clone().into()),
                    ("field", won.field.clone().into()),
                    ("scope", won.scope.clone().into()),
                    ("version", won.version_id.clone().map_or_else(|| won.version.into(), Json::from)),
                    ("type", won.kind.name().into()),
                ];
                (format!("{} from {}", outcome.variable, won.describe()), fields.to_vec())
            }),
            Ok(Resolved::Rendered(parts, _)) => log::info(|| {
                let of: Vec<&str> = parts.iter().map(EnvName::as_str).collect();
                (
                    format!("{} from a template of {}", outcome.variable, names(parts)),
                    vec![variable(), ("parts", of.into())],
                )
            }),
            _ => {}
        }
    }
}

/// From the answers to the command's environment.
pub fn environment(plan: &Plan, answers: Answers, inherited: &Inherited) -> Result<Environment, Failures> {
    let outcomes = resolve::outcomes(plan, answers, inherited);
    log_outcomes(&outcomes);
    bind(plan, outcomes, inherited.clone())
}

/// The command's environment, or everything that stands in its way.
pub fn bind(plan: &Plan, outcomes: Vec<Outcome>, inherited: Inherited) -> Result<Environment, Failures> {
    let (bindings, mut errors) = resolve::bindings(plan, outcomes);
    errors.extend(environment::clashes(&inherited, &bindings, &plan.rules));
    Failures::check(errors)?;
    Ok(Environment::new(inherited, bindings, &plan.rules))
}
