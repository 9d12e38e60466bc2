//! The plan: what is asked for, for which variable, in which order. Names only: it can be printed, and it is made without
//! the network.
#![forbid(unsafe_code)]

mod builder;

use std::collections::{HashMap, HashSet};

use crate::environment::Target;
use crate::environment::{EnvironmentRules, Inherited};
use crate::error::{Exit, Failure, Failures, count, printable};
use crate::name::{EnvName, Selector};
use crate::parameter::{NAMES_PER_CALL, ParameterName, Request, Subject};
use crate::scope::{self, Placeholders, Scope};
use crate::secret::JsonPath;
use crate::setting::{Existing, Origin};
use crate::spec::Spec;
use crate::spec::entry::{Absent, Entry, Expand, Load, Shape, Source, ValueSource};
use crate::template::Template;
use builder::Builder;

/// Names, variables and policy, and never a value.
#[derive(Debug)]
pub struct Plan {
    /// The scopes that keys are looked for in; empty when there is no key.
    pub scopes: Vec<Scope>,
    /// Each name once.
    pub requests: Vec<Request>,
    /// With their placeholders filled.
    pub loads: Vec<Load>,
    pub expansions: Vec<Expansion>,
    pub variables: Vec<Variable>,
    /// Variables that `--existing keep` leaves alone; they are not asked for.
    pub kept: Vec<EnvName>,
    pub rules: EnvironmentRules,
}

/// An index into [`Plan::requests`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub usize);

/// A version that is asked for, and the latest one of the same parameter.
#[derive(Clone, Copy, Debug)]
pub struct Pin {
    pub pinned: RequestId,
    pub latest: RequestId,
}

/// One variable of the command.
#[derive(Debug)]
pub struct Variable {
    pub name: EnvName,
    pub origin: Origin,
    /// The key that is looked for; `None` when there is one full name.
    pub key: Option<String>,
    /// In order: the first that exists wins. None for a template, and for what the spec says is absent.
    pub candidates: Vec<Candidate>,
    pub template: Option<Template>,
    pub absent: Absent,
    pub shape: Shape,
    pub target: Target,
    /// Whether it is set already, and may be passed on.
    pub inherited: bool,
    /// For templates only: the command does not get it.
    pub private: bool,
}

impl Variable {
    pub fn is_reference(&self) -> bool {
        self.origin == Origin::Reference
    }
}

/// An `[[expand]]` and where its JSON object can be.
#[derive(Debug)]
pub struct Expansion {
    pub expand: Expand,
    /// In order: the first that exists wins.
    pub candidates: Vec<Candidate>,
}

/// One place where a variable's value can come from.
#[derive(Debug)]
pub struct Candidate {
    /// The scope, for a key.
    pub scope: Option<Scope>,
    pub request: RequestId,
    /// For a label on a key: the same parameter without it, to tell a missing label from a missing parameter.
    pub unlabelled: Option<RequestId>,
    /// From the inherited variable: the shape of the line of the spec is not for it.
    pub is_reference: bool,
    /// The field that a reference names.
    pub field: Option<JsonPath>,
}

impl Candidate {
    /// All that is asked for it.
    pub fn requests(&self) -> impl Iterator<Item = RequestId> {
        self.unlabelled.into_iter().chain([self.request])
    }
}

impl Plan {
    /// Makes the plan. Reports everything that is wrong at once.
    pub fn new(spec: Spec, inherited: &Inherited) -> Result<Self, Failures> {
        let mut errors = Vec::new();
        let placeholders = Placeholders { project: spec.project.as_ref(), environment: spec.environment.as_ref() };
        let (layered, mut kept) = layers(spec.entries, &spec.rules, inherited, &mut errors);
        let is_key = |entry: &Entry| matches!(entry.source, ValueSource::Stored(Source::Key(_)));
        let has_keys =
            layered.iter().any(is_key) || spec.expands.iter().any(|expand| matches!(expand.source, Source::Key(_)));
        let scopes = has_keys.then(|| scope::expand(spec.scopes.as_deref(), spec.separator, placeholders));
        let scopes = scopes.unwrap_or(Ok(Vec::new())).unwrap_or_else(|failures| {
            errors.extend(failures);
            Vec::new()
        });
        let mut builder = Builder::new(scopes, placeholders, &spec.rules, inherited, layered.len());
        let mut variables: Vec<Variable> = Vec::with_capacity(layered.len());
        for entry in layered {
            match builder.variable(entry) {
                Ok(variable) => variables.push(variable),
                Err(failure) => errors.push(failure),
            }
        }
        if spec.references {
            builder.references(&mut variables, &mut errors);
            // A reference replaces itself, whatever `--existing` says.
            kept.retain(|name| !variables.iter().any(|variable| variable.name == *name));
        }
        let mut expansions = Vec::new();
        for expand in spec.expands {
            match builder.candidates(&expand.source, expand.selector.clone(), &expand.origin) {
                Ok(candidates) => expansions.push(Expansion { expand, candidates }),
                Err(failure) => errors.push(failure),
            }
        }
        let loads = filled(spec.loads, placeholders, &mut errors);
        let (scopes, requests) = builder.finish();
        Failures::check(errors)?;
        Ok(Plan { scopes, requests, loads, expansions, variables, kept, rules: spec.rules })
    }

    /// Asks for the latest version too, beside each that is asked for by its number or id.
    pub fn ask_for_latest(&mut self) -> Vec<Pin> {
        let mut pins = Vec::new();
        for at in 0..self.requests.len() {
            let pinned = &self.requests[at];
            if !matches!(pinned.selector, Some(Selector::Version(_) | Selector::SecretVersion(_))) {
                continue;
            }
            let bare = Request { selector: None, ..pinned.clone() };
            let known = self.requests.iter().position(|request| *request == bare);
            let latest = known.unwrap_or(self.requests.len());
            if known.is_none() {
                self.requests.push(bare);
            }
            pins.push(Pin { pinned: RequestId(at), latest: RequestId(latest) });
        }
        pins
    }

    /// CONFIG when parameters are asked for by an ARN of another Region, all of which it names: AWS would refuse them
    /// without a word about the Region.
    pub fn in_region(&self, here: &str) -> Result<(), Failure> {
        let foreign = self.requests.iter().filter(|request| match &request.subject {
            Subject::Arn(arn) => arn.region != here,
            Subject::Name(_) => false,
        });
        let foreign: Vec<String> = foreign.map(ToString::to_string).collect();
        if foreign.is_empty() {
            return Ok(());
        }
        let what = format!("{} of another Region than {here}", count(foreign.len(), "ARN"));
        let failure = foreign.into_iter().fold(Failure::new(Exit::Config, what), Failure::detail);
        Err(failure.help("one run asks one Region: copy the parameters, or say --region"))
    }

    /// Whether AWS has to be asked at all.
    pub fn needs_aws(&self) -> bool {
        !self.requests.is_empty() || !self.loads.is_empty()
    }

    /// How many `GetParameters` calls there will be.
    pub fn calls(&self) -> usize {
        self.requests.len().div_ceil(NAMES_PER_CALL)
    }

    /// The names that are asked for, in their order.
    pub fn names(&self, candidates: &[Candidate]) -> Vec<String> {
        candidates.iter().map(|candidate| self.request(candidate.request).to_string()).collect()
    }

    pub fn request(&self, id: RequestId) -> &Request {
        // A RequestId is only made by the Builder of the same plan, or by the plan, from an index of `requests`.
        &self.requests[id.0]
    }
}

/// Flags replace `[env]` and `[files]`; two of one layer for one variable are an error that names both. What
/// `--existing keep` leaves alone comes back apart.
fn layers(
    entries: Vec<Entry>,
    rules: &EnvironmentRules,
    inherited: &Inherited,
    errors: &mut Vec<Failure>,
) -> (Vec<Entry>, Vec<EnvName>) {
    let mut first: HashMap<(EnvName, bool), &Entry> = HashMap::with_capacity(entries.len());
    for entry in &entries {
        let by_flag = entry.origin.is_flag();
        let Some(other) = first.insert((entry.variable.clone(), by_flag), entry) else { continue };
        let exit = if by_flag { Exit::Usage } else { Exit::Config };
        let what = format!("two sources for {}: {} and {}", entry.variable, describe(other), describe(entry));
        errors.push(Failure::new(exit, what).help("give one of them another variable, as in VAR=KEY"));
    }
    let flags: HashSet<EnvName> = first.into_keys().filter(|(_, by_flag)| *by_flag).map(|(name, _)| name).collect();
    let mut kept = Vec::new();
    let layered = entries.into_iter().filter(|entry| {
        if rules.existing == Existing::Keep && !entry.private && inherited.has(&entry.variable, rules) {
            // A flag and a line of the spec can both name it.
            if !kept.contains(&entry.variable) {
                kept.push(entry.variable.clone());
            }
            return false;
        }
        entry.origin.is_flag() || !flags.contains(&entry.variable)
    });
    (layered.collect(), kept)
}

fn describe(entry: &Entry) -> String {
    let text = match &entry.source {
        ValueSource::Stored(Source::Key(key)) => key.as_str(),
        ValueSource::Stored(Source::Parameter(text) | Source::Secret(text)) => text,
        ValueSource::Template(_) => "a template",
        ValueSource::Absent => "what is absent",
    };
    format!("{} {}", entry.origin, printable(text))
}

/// The loads with their placeholders filled.
fn filled(loads: Vec<Load>, placeholders: Placeholders<'_>, errors: &mut Vec<Failure>) -> Vec<Load> {
    let loads = loads.into_iter().filter_map(|load| {
        let path = placeholders.fill(&load.path, &load.origin).and_then(|path| checked_path(path, &load.origin));
        let path = path.map_err(|failure| errors.push(failure)).ok()?;
        Some(Load { path, ..load })
    });
    loads.collect()
}

/// A path to load: as a name with slashes, and not `/` alone with an empty level.
fn checked_path(path: String, origin: &Origin) -> Result<String, Failure> {
    let trimmed = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(&path);
    let good = path == "/" || (trimmed.starts_with('/') && ParameterName::new(trimmed).is_ok());
    if good {
        return Ok(trimmed.to_owned());
    }
    Err(Failure::new(Exit::Config, format!("{origin}: \"{}\" is not a path of parameters", printable(&path)))
        .help("a path begins with / and is made of a-z A-Z 0-9 _ . - between slashes; dotted names cannot be listed"))
}
