//! stepzero: an exec wrapper that puts parameters of AWS SSM Parameter Store into a command's environment.
//!
//! The data goes one way: what was typed ([`cli`]) and the spec file become a [`spec::Spec`], that a [`plan::Plan`] of
//! names, that [`answers::Answers`] (by [`store`]), those bindings ([`resolve`]), those an [`environment::Environment`], and that ends in
//! the exec (`exec`). Values exist from `store` on, and are exposed in `exec` (and in `credential`, to systemd).
// Each module below forbids it, which cannot be undone further down; here it can, for `sys`.
#![deny(unsafe_code)]
// The macros panic on a closed pipe; `log` and `report::print` write.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod answers;
pub mod cli;
mod credential;
mod denied;
pub mod environment;
pub mod error;
mod exec;
mod log;
pub mod name;
mod notify;
pub mod parameter;
pub mod plan;
pub mod policy;
mod reference;
pub mod refused;
pub mod region;
mod report;
pub mod resolve;
pub mod scope;
pub mod secret;
pub mod spec;
pub mod store;
#[allow(unsafe_code)]
mod sys;

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use sys::arguments;

use answers::Answers;
use cli::{Command, Exec, Format, Options, PolicyFormat, PolicyOptions, Typed};
use environment::{Environment, Inherited};
use error::{Exit, Failure, Failures, io_text, printable};
use plan::Plan;
use resolve::{Outcome, Settled};
use spec::Spec;
use store::{Fetched, OnDenial, Stopped};

/// A spec is written by hand; a file that is larger is not one.
const SPEC_LIMIT: u64 = 1024 * 1024;

/// The program: returns the exit code, or never, because it has become the command.
pub fn run(arguments: impl Iterator<Item = OsString>) -> i32 {
    let inheritance = sys::begin();
    match dispatch(&inheritance, &arguments.collect::<Vec<_>>()) {
        Ok(()) => 0,
        Err(failures) => {
            log::fail(&failures);
            failures.exit() as i32
        }
    }
}

fn dispatch(inheritance: &sys::Inheritance, arguments: &[OsString]) -> Result<(), Failures> {
    let armed = if arguments.get(1).is_some_and(|arg| arg == "credential") { credential::arm() } else { None };
    let command = match cli::parse(arguments) {
        Ok(Typed::Command(command)) => command,
        Ok(Typed::Help(text)) => return print(&text),
        Err(failure) => {
            log::init(log::Settings { verbose: 0, quiet: false, format: cli::log_format(arguments) });
            return Err(failure.into());
        }
    };
    let inherited = Inherited::new(sys::environment());
    sys::forget_empty_settings();
    match command {
        Command::Exec(typed) => match exec(*typed, inherited, inheritance)? {},
        Command::Plan { options, format } => {
            let (plan, _) = prepare(*options, &inherited)?;
            print(&report::plan(&plan, format))
        }
        Command::Check { options, format } => check(*options, format, &inherited),
        Command::Policy { options, policy } => write_policy(*options, &policy, &inherited),
        Command::Credential { options, units } => credential::serve(armed, *options, &units, &inherited),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut cli::definition(), "stepzero", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Plan, find the command, fetch, resolve, become the command.
fn exec(typed: Exec, inherited: Inherited, inheritance: &sys::Inheritance) -> Result<Infallible, Failures> {
    let (plan, aws) = prepare(typed.options, &inherited)?;
    let command = exec::find(typed.command, inherited.path())?;
    let Fetched { answers, waited } = fetch(&plan, aws, &inherited, OnDenial::Stop)?;
    let outcomes = resolve::settle(&plan, answers, &inherited);
    tell(&outcomes);
    let environment = bind(&plan, outcomes, inherited)?;
    if waited {
        notify::hand_over();
    }
    Err(exec::replace(command, environment, inheritance).into())
}

/// Fetch as exec would, and say what won.
fn check(options: Options, format: Format, inherited: &Inherited) -> Result<(), Failures> {
    let (plan, aws) = prepare(options, inherited)?;
    let Fetched { answers, .. } = fetch(&plan, aws, inherited, OnDenial::Bisect)?;
    let outcomes = resolve::settle(&plan, answers, inherited);
    print(&report::check(&outcomes, format))?;
    let environment = bind(&plan, outcomes, inherited.clone())?;
    Ok(exec::fits(&exec::Command::default(), &environment, sys::stack_limit)?)
}

/// The command's environment, or everything that stands in its way.
fn bind(plan: &Plan, outcomes: Vec<Outcome>, inherited: Inherited) -> Result<Environment, Failures> {
    let (bindings, mut errors) = resolve::bindings(plan, outcomes);
    errors.extend(environment::clashes(&inherited, &bindings, &plan.policy));
    Failures::check(errors)?;
    Ok(Environment::new(inherited, bindings, &plan.policy))
}

/// What the plan needs from IAM. A template is for any Region, unless one is said; a policy is for the one that is set here.
fn write_policy(options: Options, wanted: &PolicyOptions, inherited: &Inherited) -> Result<(), Failures> {
    let (plan, reach) = prepare(options, inherited)?;
    let here = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| inherited.value(name)?.to_str());
    let here = here.filter(|region| wanted.format == PolicyFormat::Json && region::is_region(region));
    let document = policy::document(&plan, wanted, reach.aws.region.as_deref().or(here))?;
    document.warnings.iter().for_each(|warning| log::warn(format_args!("{warning}")));
    print(&document.text)
}

/// How to reach AWS, and until when.
struct Reach {
    aws: spec::Aws,
    timeout: Duration,
}

fn prepare(options: Options, inherited: &Inherited) -> Result<(Rc<Plan>, Reach), Failures> {
    log::init(log::Settings { verbose: options.verbose, quiet: options.quiet, format: options.log_format });
    let (spec, reach) = said(options, inherited)?;
    let plan = Plan::new(spec, inherited)?;
    if let Some(region) = &reach.aws.region {
        plan.in_region(region)?;
    }
    Ok((Rc::new(plan), reach))
}

/// What the operator said. The time that a spec took, which can be a pipe, is taken from the one deadline, in whole
/// seconds: usually none.
fn said(options: Options, inherited: &Inherited) -> Result<(Spec, Reach), Failures> {
    let (begun, trusting) = (Instant::now(), options.allow_writable_spec);
    let mut spec = Spec::new(options, inherited, |path, patience| read_spec(path, trusting, patience))?;
    let waited = Duration::from_secs(begun.elapsed().as_secs());
    let reach = Reach { aws: std::mem::take(&mut spec.aws), timeout: spec.timeout.saturating_sub(waited) };
    Ok((spec, reach))
}

/// Nothing to fetch: no client, no network.
fn fetch(plan: &Rc<Plan>, reach: Reach, inherited: &Inherited, on_denial: OnDenial) -> Result<Fetched, Failures> {
    if !plan.needs_aws() {
        return Ok(Fetched { answers: Answers::none(), waited: false });
    }
    Failures::check(inherited.wrong_settings())?;
    store::fetch(plan, reach.aws, reach.timeout, on_denial).map_err(|stopped| match stopped {
        Stopped::Failed(failure) => failure.into(),
        Stopped::Denied(denial) => denied::failure(&denial, plan).into(),
    })
}

/// NOINPUT when it cannot be read. As root, CONFIG when somebody else could have written it: who writes the spec chooses
/// the variables of a root process.
fn read_spec(path: &Path, trusting: bool, patience: Duration) -> Result<Vec<u8>, Failure> {
    let shown = printable(&path.to_string_lossy());
    let (bytes, owner) = sys::read_file(path, SPEC_LIMIT, patience).map_err(|error| {
        let failure = Failure::new(Exit::NoInput, format!("the spec {shown} cannot be read: {}", io_text(&error)));
        match error.kind() {
            ErrorKind::TimedOut => failure.help(format!("nobody wrote it to its end in {} s", patience.as_secs_f64())),
            _ => failure,
        }
    })?;
    if sys::is_root() && !trusting && (owner.uid != 0 || owner.writable_by_others) {
        let unmapped = owner.is_unmapped();
        if unmapped && !owner.writable_by_others {
            // Nobody in this user namespace can write it, its root included (user_namespaces(7)).
            return Ok(bytes);
        }
        if unmapped {
            let what = format!(
                "the spec {shown} can be written by group or others, and its owner is not in this user namespace"
            );
            return Err(Failure::new(Exit::Config, what).help("chmod go-w it outside, or say --allow-writable-spec"));
        }
        return Err(Failure::new(Exit::Config, format!("the spec {shown} can be written by others than root"))
            .detail(format!("owner {}, writable by group or others: {}", owner.uid, owner.writable_by_others))
            .help("chown root and chmod go-w it, or say --allow-writable-spec"));
    }
    Ok(bytes)
}

/// With `-v`: what won.
fn tell(outcomes: &[Outcome]) {
    for outcome in outcomes {
        if let Ok(Settled::Fetched(won)) = &outcome.result {
            log::info(|| format!("{} from {}", outcome.variable, won.describe()));
        }
    }
}

fn print(text: &str) -> Result<(), Failures> {
    report::print(text)
        .map_err(|error| Failure::new(Exit::OsErr, format!("cannot write to stdout: {}", io_text(&error))).into())
}
