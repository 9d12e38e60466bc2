//! What is fuzzed, and what has to hold for any input. The suite `leaks` runs the same functions on the corpus and on
//! mutations of it (`tests/leaks/hostile_specs.rs`).

use std::collections::HashSet;
use std::rc::Rc;

use stepzero::answers::{Answers, Kind, LoadReply, Parameter};
use stepzero::cli::Options;
use stepzero::environment::{EnvironmentRules, Inherited, Target};
use stepzero::error::{Failure, Failures, printable};
use stepzero::name::Naming;
use stepzero::parameter::Request;
use stepzero::plan::Plan;
use stepzero::refused;
use stepzero::resolve;
use stepzero::secret::{JsonPath, Secret};
use stepzero::setting::Origin;
use stepzero::spec::entry::{Entry, Load};
use stepzero::spec::filter::Filter;
use stepzero::spec::{Spec, written};

/// A spec file, through to the plan.
pub fn spec(data: &[u8]) {
    let inherited = Inherited::new(vec![b"PATH=/bin".to_vec()]);
    let read = read_spec(data, &inherited);
    read.iter().for_each(|spec| written_back(spec, &inherited));
    match read.and_then(|spec| Plan::new(spec, &inherited)) {
        Ok(plan) => round_trip(&plan),
        Err(failures) => calm(failures.iter()),
    }
}

fn read_spec(data: &[u8], inherited: &Inherited) -> Result<Spec, Failures> {
    let options = Options { spec: Some("spec.toml".into()), ..Options::default() };
    Spec::new(options, inherited, |_, _, _| Ok(data.to_vec()))
}

/// Its settings and variables, written as a lock has them, are read back as the same.
fn written_back(spec: &Spec, inherited: &Inherited) {
    let is_file = |entry: &&Entry| matches!(entry.target, Target::File { .. });
    let written = |spec: &Spec| {
        let settings = written::settings(spec, &spec.aws).into_iter().map(|(key, value)| format!("{key} = {value}\n"));
        let (files, env): (Vec<&Entry>, Vec<&Entry>) = spec.entries.iter().partition(is_file);
        let lines =
            |entries: Vec<&Entry>| entries.into_iter().map(|entry| written::entry(entry) + "\n").collect::<String>();
        format!("{}[env]\n{}[files]\n{}", settings.collect::<String>(), lines(env), lines(files))
    };
    let text = written(spec);
    let again = read_spec(text.as_bytes(), inherited);
    let again = again.unwrap_or_else(|failures| panic!("{:?} of\n{text}", failures.iter().collect::<Vec<_>>()));
    assert_eq!(written(&again), text);
}

/// An inherited environment, its entries separated by NUL bytes.
pub fn references(data: &[u8]) {
    let entries: Vec<Vec<u8>> = data.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    let inherited = Inherited::new(entries.clone());
    let options = Options { references: true, ..Options::default() };
    let no_spec = |_: &str, _: &std::path::Path, _| Ok(Vec::new());
    match Spec::new(options, &inherited, no_spec).and_then(|spec| Plan::new(spec, &inherited)) {
        Ok(plan) => round_trip(&plan),
        Err(failures) => {
            calm(failures.iter());
            // A setting of stepzero's own, such as STEPZERO_TIMEOUT, is quoted, whatever else it holds.
            if entries.iter().any(|entry| entry.starts_with(b"STEPZERO_")) {
                return;
            }
            let text: String = failures.iter().map(Failure::to_string).collect();
            let text = without_names(text, &entries);
            for entry in &entries {
                let value = entry.splitn(2, |byte| *byte == b'=').nth(1).unwrap_or_default();
                let Ok(value) = std::str::from_utf8(value) else { continue };
                assert!(value.len() < LONG || !text.contains(value), "a value in {text}");
            }
        }
    }
}

/// A shorter value can be part of a message by chance.
const LONG: usize = 40;

/// A message without the names of variables, which it shows, and which can hold most of what is also somebody's value.
fn without_names(mut text: String, entries: &[Vec<u8>]) -> String {
    // A name can begin with "=", and is refused with it.
    let end = |entry: &[u8]| entry.iter().skip(1).position(|byte| *byte == b'=').map_or(entry.len(), |at| at + 1);
    let shown = |entry: &Vec<u8>| printable(&String::from_utf8_lossy(&entry[..end(entry)]));
    let mut names: Vec<String> = entries.iter().map(shown).filter(|name| name.len() >= LONG / 2).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        text = text.replace(&name, "\0");
    }
    text
}

/// What a path loads: lines of a name and a value, separated by a tab; the value is also taken as JSON, base64 and a list.
pub fn answers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut names = HashSet::new();
    let mut parameters = Vec::new();
    for line in text.split('\n') {
        let (name, value) = line.split_once('\t').unwrap_or((line, ""));
        shapes(name, value);
        // The store has each name once.
        if names.insert(name) {
            let value = Rc::new(Secret::new(value.to_owned()));
            parameters.push(Parameter {
                name: format!("/x/{name}"),
                version: 1,
                version_id: None,
                modified: None,
                kind: Kind::SecureString,
                value,
            });
        }
    }
    let load = Load {
        origin: Origin::Flag("--load"),
        path: "/x".into(),
        recursive: true,
        naming: Naming::default(),
        label: None,
        optional: true,
        filter: Filter::default(),
    };
    let plan = Plan {
        scopes: vec![],
        requests: vec![],
        loads: vec![load],
        expansions: vec![],
        variables: vec![],
        kept: vec![],
        rules: EnvironmentRules::default(),
    };
    let answers = Answers { replies: vec![], loads: vec![LoadReply::Found(parameters)] };
    let outcomes = resolve::outcomes(&plan, answers, &Inherited::default());
    let (bindings, failures) = resolve::bindings(&plan, outcomes);
    calm(&failures);
    let variables: HashSet<&str> = bindings.iter().map(|binding| binding.variable.as_str()).collect();
    assert!(variables.len() == bindings.len() || !failures.is_empty(), "a variable twice");
    for variable in variables {
        assert!(
            !variable.is_empty() && !variable.contains(['=', '\0']) && refused::reason(variable).is_none(),
            "{variable}"
        );
    }
}

fn shapes(path: &str, value: &str) {
    let secret = Secret::new(value.to_owned());
    assert_eq!(format!("{secret:?}"), "Secret");
    let _ = secret.decode_base64();
    let _ = secret.list_joined_by("; ");
    if let Some(path) = JsonPath::parse(path)
        && let Err(why) = secret.json_field(&path)
    {
        let why = why.to_string();
        assert!(value.len() < 30 || why.contains(&path.to_string()) || !why.contains(value), "a value in {why}");
    }
}

/// What is asked for is a name by our own grammar, and each is asked for once.
fn round_trip(plan: &Plan) {
    let names: HashSet<String> = plan.requests.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), plan.requests.len(), "asked twice");
    for name in &names {
        let parsed = Request::parse(name).map(|request| request.to_string());
        assert_eq!(parsed.as_deref(), Ok(name.as_str()), "no name");
    }
}

/// An error cannot steer a terminal, forge a line of a log, or go on for ever.
fn calm<'a>(failures: impl IntoIterator<Item = &'a Failure>) {
    for failure in failures {
        let text = failure.to_string();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        for line in text.lines().skip(1) {
            assert!(line.starts_with("  "), "a forged line in {text:?}");
        }
    }
}
