//! stepzero: an exec wrapper that puts parameters of AWS SSM Parameter Store into a command's environment.
//!
//! The data goes one way: what was typed ([`cli`]) and the spec file become a [`spec::Spec`], that a [`plan::Plan`] of
//! names, that [`answers::Answers`] (by [`store`]), those bindings ([`resolve`]), those an [`environment::Environment`], and that ends in
//! the exec (`exec`). Values exist from `store` on, and are exposed in `exec` (and in `credential` and `last_good`, to systemd).
// Each module below forbids it, which cannot be undone further down; here it can, for `sys`.
#![deny(unsafe_code)]
// The macros panic on a closed pipe; `log` and `report::print` write.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod answers;
pub mod changed;
pub mod cli;
mod credential;
mod denied;
pub mod environment;
pub mod error;
mod exec;
mod foreign;
mod last_good;
mod lock;
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
pub mod setting;
pub mod spec;
mod steps;
pub mod store;
#[allow(unsafe_code)]
mod sys;
pub mod template;

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::Path;
use std::time::SystemTime;

pub use sys::arguments;

use cli::{ChangedOptions, Command, Exec, Options, Parsed, PolicyFormat, PolicyOptions};
use environment::Inherited;
use error::{Exit, Failure, Failures, io_text};
use last_good::LastGood;
use setting::Format;
use store::{Fetched, OnDenial};

/// The program: returns the exit code, or never, because it has become the command.
pub fn run(arguments: impl Iterator<Item = OsString>) -> i32 {
    let inheritance = sys::begin();
    match dispatch(&inheritance, &arguments.collect::<Vec<_>>()) {
        Ok(Verdict::Same) => 0,
        Ok(Verdict::Different) => 1,
        Err(failures) => {
            log::fail(&failures);
            failures.exit() as i32
        }
    }
}

/// What a command found that did what it was asked. Most have nothing to compare: that is the same.
enum Verdict {
    Same,
    Different,
}

fn dispatch(inheritance: &sys::Inheritance, arguments: &[OsString]) -> Result<Verdict, Failures> {
    let armed = if arguments.get(1).is_some_and(|arg| arg == "credential") { credential::arm() } else { None };
    let command = match cli::parse(arguments) {
        Ok(Parsed::Command(command)) => command,
        Ok(Parsed::Help(text)) => return print(&text).map(|()| Verdict::Same),
        Ok(Parsed::Nothing(help)) => {
            log::page(&help);
            return Err(Failure::new(Exit::Usage, "which command?").help("say one of the commands above").into());
        }
        Err(failure) => {
            log::init(log::Settings { verbose: 0, quiet: false, format: cli::log_format(arguments) });
            return Err(failure.into());
        }
    };
    let inherited = Inherited::new(sys::environment());
    sys::forget_empty_settings();
    let done = match command {
        Command::Exec(typed) => match exec(*typed, inherited, inheritance)? {},
        Command::Plan { options, format } => {
            let (plan, _) = steps::prepare(*options, &inherited)?;
            print(&report::plan(&plan, format))
        }
        Command::Check { options, format } => check(*options, format, &inherited),
        Command::Policy { options, policy } => write_policy(*options, &policy, &inherited),
        Command::Lock { options, check: None } => {
            let lock = lock::make(*options, &inherited)?;
            print(&lock.text(arguments)?)
        }
        Command::Lock { options, check: Some(file) } => return check_lock(*options, &file, &inherited),
        Command::Credential { options, units } => credential::serve(armed, *options, &units, &inherited),
        Command::Changed { options, changed } => return changed_since(*options, &changed, &inherited),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut cli::definition(), "stepzero", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    };
    done.map(|()| Verdict::Same)
}

/// Plan, find the command, fetch, resolve, become the command.
fn exec(typed: Exec, mut inherited: Inherited, inheritance: &sys::Inheritance) -> Result<Infallible, Failures> {
    let (plan, mut fetch_options) = steps::prepare(typed.options, &inherited)?;
    let command = exec::find(typed.command, inherited.path())?;
    let last_good = steps::last_good(&plan, &mut fetch_options, &mut inherited)?;
    let fetched = steps::fetch(&plan, fetch_options, &inherited, OnDenial::Stop);
    let started = fetched.and_then(|Fetched { answers, waited }| {
        let memory = last_good.as_ref().map(|last_good| last_good.seal(&answers)).transpose()?.flatten();
        Ok((steps::environment(&plan, answers, &inherited)?, memory, waited))
    });
    let environment = match started {
        Ok((environment, memory, waited)) => {
            memory.iter().for_each(LastGood::leave);
            if waited {
                notify::hand_over("");
            }
            environment
        }
        Err(failures) => {
            let (answers, status) = steps::in_outage(failures, last_good)?;
            notify::hand_over(&format!("stepzero: {status}"));
            steps::environment(&plan, answers, &inherited)?
        }
    };
    Err(exec::replace(command, environment, inheritance).into())
}

/// Fetch as exec would, and say what won.
fn check(options: Options, format: Format, inherited: &Inherited) -> Result<(), Failures> {
    let (plan, fetch_options) = steps::prepare(options, inherited)?;
    let Fetched { answers, .. } = steps::fetch(&plan, fetch_options, inherited, OnDenial::Bisect)?;
    let outcomes = resolve::outcomes(&plan, answers, inherited);
    print(&report::check(&outcomes, format))?;
    let environment = steps::bind(&plan, outcomes, inherited.clone())?;
    Ok(exec::fits(&exec::Command::default(), &environment, sys::stack_limit)?)
}

/// How the store differs from a lock.
fn check_lock(options: Options, file: &Path, inherited: &Inherited) -> Result<Verdict, Failures> {
    let lines = lock::check(file, options, inherited)?;
    print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    Ok(if lines.is_empty() { Verdict::Same } else { Verdict::Different })
}

/// Fetch as exec would, and compare with what a process was started with.
fn changed_since(options: Options, wanted: &ChangedOptions, inherited: &Inherited) -> Result<Verdict, Failures> {
    match compare(options, wanted, inherited) {
        // A line that is wrong is wrong from the first time on, and is no outage.
        Err(failures) if wanted.tolerant && failures.exit() != Exit::Usage => {
            failures.iter().for_each(|failure| log::warn(format_args!("{failure}")));
            Ok(Verdict::Same)
        }
        verdict => verdict,
    }
}

fn compare(options: Options, wanted: &ChangedOptions, inherited: &Inherited) -> Result<Verdict, Failures> {
    let (plan, fetch_options) = steps::prepare(options, inherited)?;
    let started = changed::Started::of(&wanted.process)?;
    let Fetched { answers, .. } = steps::fetch(&plan, fetch_options, inherited, OnDenial::Stop)?;
    let outcomes = resolve::outcomes(&plan, answers, inherited);
    let sources = changed::sources(&outcomes);
    let (bindings, errors) = resolve::bindings(&plan, outcomes);
    Failures::check(errors)?;
    let spread = wanted.spread.map(|span| changed::Spread::new(span, wanted.process.unit.as_deref()));
    let comparison =
        changed::compare(&bindings, plan.rules.existing, &sources, &started, spread.as_ref(), SystemTime::now());
    print(&report::changed(&comparison, wanted.format))?;
    comparison.check()?;
    Ok(if comparison.changed.is_empty() { Verdict::Same } else { Verdict::Different })
}

/// What the plan needs from IAM. A template is for any Region, unless one is said; a policy is for the one that is set here.
fn write_policy(options: Options, wanted: &PolicyOptions, inherited: &Inherited) -> Result<(), Failures> {
    let (plan, fetch_options) = steps::prepare(options, inherited)?;
    let here = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| inherited.value(name)?.to_str());
    let here = here.filter(|region| wanted.format == PolicyFormat::Json && region::is_region(region));
    let document = policy::document(&plan, wanted, fetch_options.aws.region.as_deref().or(here))?;
    document.warnings.iter().for_each(|warning| log::warn(format_args!("{warning}")));
    print(&document.text)
}

fn print(text: &str) -> Result<(), Failures> {
    report::print(text)
        .map_err(|error| Failure::new(Exit::OsErr, format!("cannot write to stdout: {}", io_text(&error))).into())
}
