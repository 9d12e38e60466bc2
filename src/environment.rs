//! The command's environment: one pure function of what was inherited, what was fetched, and the operator's rules.
//! Inherited entries stay as they are, byte for byte; a variable that is set replaces all entries of its name.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use crate::error::{Exit, Failure, count, printable};
use crate::name::EnvName;
use crate::secret::Secret;
use crate::setting::{Existing, OWN_VARIABLES};

/// The environment that stepzero was given (environ(7)), raw: entries can repeat, or have no `=`.
#[derive(Clone, Default)]
pub struct Inherited(Vec<Vec<u8>>);

/// Inherited values can be secrets as well.
impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inherited({})", count(self.0.len(), "variable"))
    }
}

impl Inherited {
    pub fn new(entries: Vec<Vec<u8>>) -> Self {
        Inherited(entries)
    }

    /// The first entry of that name, as getenv(3) finds it. An empty one counts as unset.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.raw(name).filter(|value| !value.is_empty()).map(OsStr::from_bytes)
    }

    /// Whether the command would inherit it, even if empty.
    pub fn has(&self, name: &EnvName, rules: &EnvironmentRules) -> bool {
        rules.passes(name.as_str().as_bytes()) && self.raw(name.as_str()).is_some()
    }

    /// `PATH` as execvp(3) sees it: an empty one is the current directory, and not unset.
    pub fn path(&self) -> Option<&OsStr> {
        self.raw("PATH").map(OsStr::from_bytes)
    }

    /// CONFIG for each variable of the AWS conventions that would count as unset because of what it says: not UTF-8, so that
    /// the next profile or Region in the order would silently take its place, or neither true nor false, so that FIPS
    /// would silently be off. A path to certificates is taken as it is.
    pub fn wrong_settings(&self) -> Vec<Failure> {
        const FLAGS: [&[u8]; 2] = [b"AWS_USE_FIPS_ENDPOINT", b"AWS_USE_DUALSTACK_ENDPOINT"];
        let is_flag = |value: &[u8]| value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"false");
        let settings = self.0.iter().filter(|entry| entry.starts_with(b"AWS_")).map(|entry| split(entry));
        let settings = settings.filter_map(|(name, value)| Some((name, value?)));
        let settings = settings.filter(|(name, _)| *name != b"AWS_CA_BUNDLE");
        let failures = settings.filter_map(|(name, value)| {
            let why = match std::str::from_utf8(value) {
                Err(_) => "is not UTF-8 text",
                Ok(text) if FLAGS.contains(&name) && !text.is_empty() && !is_flag(value) => "is neither true nor false",
                Ok(_) => return None,
            };
            let name = printable(&String::from_utf8_lossy(name));
            Some(Failure::new(Exit::Config, format!("{name} {why}")).help("set it anew, or unset it"))
        });
        failures.collect()
    }

    /// Without the passed descriptor at this index (sd_listen_fds(3)): the variables tell of the others, and go when there
    /// are none.
    pub fn passed_without(&mut self, index: usize, names: &[String]) {
        let left: Vec<&str> =
            names.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, name)| name.as_str()).collect();
        if left.is_empty() {
            return self.0.retain(|entry| {
                !matches!(split(entry).0, b"LISTEN_FDS" | b"LISTEN_FDNAMES" | b"LISTEN_PID" | b"LISTEN_PIDFDID")
            });
        }
        for entry in &mut self.0 {
            match split(entry).0 {
                b"LISTEN_FDS" => *entry = format!("LISTEN_FDS={}", left.len()).into_bytes(),
                b"LISTEN_FDNAMES" => *entry = format!("LISTEN_FDNAMES={}", left.join(":")).into_bytes(),
                _ => {}
            }
        }
    }

    /// The first entry of that name, also an empty one.
    pub fn raw(&self, name: &str) -> Option<&[u8]> {
        // A name has no `=` and is not empty. Asked for each variable of a spec: no entry is looked through to its end.
        self.0.iter().find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    /// Each variable once, with the value that getenv(3) would give.
    pub fn variables(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut seen = HashSet::new();
        self.0.iter().filter_map(move |entry| {
            let (name, value) = split(entry);
            let value = value?;
            seen.insert(name).then_some((name, value))
        })
    }
}

/// What happens to the inherited environment.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentRules {
    pub pristine: bool,
    pub keep: Vec<EnvName>,
    pub existing: Existing,
}

impl EnvironmentRules {
    /// Whether the command inherits a variable: stepzero's own never, and under `--pristine` only what is kept.
    fn passes(&self, name: &[u8]) -> bool {
        let own = OWN_VARIABLES.iter().any(|own| own.as_bytes() == name);
        let kept = || self.keep.iter().any(|keep| keep.as_str().as_bytes() == name);
        !own && (!self.pristine || kept())
    }
}

/// Name and value of an entry; an entry without `=` has no value. A name can begin with `=`.
fn split(entry: &[u8]) -> (&[u8], Option<&[u8]>) {
    match entry.iter().skip(1).position(|byte| *byte == b'=') {
        Some(at) => (&entry[..=at], Some(&entry[at + 2..])),
        None => (entry, None),
    }
}

/// What the variable holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The value.
    Environment,
    /// A path that opens to the value: sealed memory with this mode (chmod(2)).
    File { mode: u32 },
}

/// One variable and what it will hold.
#[derive(Debug)]
pub struct Binding {
    pub variable: EnvName,
    pub target: Target,
    pub value: Value,
    /// A reference replaces itself, whatever `--existing` says.
    pub replaces_itself: bool,
}

/// The value of a binding. Several variables can share one fetched parameter.
#[derive(Debug)]
pub enum Value {
    Fetched(Rc<Secret>),
    /// A `default` of the spec, which is never a secret.
    Default(String),
}

impl Value {
    pub fn len(&self) -> usize {
        match self {
            Value::Fetched(secret) => secret.len(),
            Value::Default(text) => text.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the command will get; its strings are made by `exec`, at the last moment.
pub struct Environment {
    pub inherited: Vec<Vec<u8>>,
    pub bindings: Vec<Binding>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("bindings", &self.bindings).finish_non_exhaustive()
    }
}

/// DATAERR for each variable that is set already under `--existing error`.
pub fn clashes(inherited: &Inherited, bindings: &[Binding], rules: &EnvironmentRules) -> Vec<Failure> {
    let clashing = bindings.iter().filter(|binding| {
        rules.existing == Existing::Error && !binding.replaces_itself && inherited.has(&binding.variable, rules)
    });
    let errors = clashing.map(|binding| {
        Failure::new(Exit::DataErr, format!("{} is set already, and --existing is error", binding.variable))
            .help("unset it, or choose --existing replace or keep")
    });
    errors.collect()
}

impl Environment {
    pub fn new(inherited: Inherited, bindings: Vec<Binding>, rules: &EnvironmentRules) -> Self {
        let set: HashSet<&[u8]> = bindings.iter().map(|binding| binding.variable.as_str().as_bytes()).collect();
        let mut entries = inherited.0;
        entries.retain(|entry| {
            // An entry without `=` is no variable, whatever it says.
            let (name, value) = split(entry);
            if value.is_some() { rules.passes(name) && !set.contains(name) } else { !rules.pristine }
        });
        Environment { inherited: entries, bindings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(entries: &[&[u8]]) -> Inherited {
        Inherited::new(entries.iter().map(|entry| entry.to_vec()).collect())
    }

    fn binding(name: &str) -> Binding {
        Binding {
            variable: EnvName::new(name).expect("good"),
            target: Target::Environment,
            value: Value::Fetched(Rc::new(Secret::new("new".into()))),
            replaces_itself: false,
        }
    }

    fn rules(pristine: bool, keep: &[&str], existing: Existing) -> EnvironmentRules {
        let keep = keep.iter().map(|name| EnvName::new(name).expect("good")).collect();
        EnvironmentRules { pristine, keep, existing }
    }

    #[test]
    fn a_set_variable_replaces_all_entries_of_its_name_and_no_other() {
        let before = inherited(&[b"A=1", b"AB=2", b"A=3", b"junk", b"A", b"STEPZERO_SPEC", b"\xff\xfe=\xff", b"=A=x"]);
        let after = Environment::new(before, vec![binding("A")], &EnvironmentRules::default());
        let rest: Vec<&[u8]> = vec![b"AB=2", b"junk", b"A", b"STEPZERO_SPEC", b"\xff\xfe=\xff", b"=A=x"];
        assert_eq!(after.inherited, rest);
    }

    #[test]
    fn own_variables_go_and_pristine_keeps_what_is_named() {
        let all: &[&[u8]] = &[b"STEPZERO_SPEC=x", b"AWS_REGION=r", b"HOME=/", b"HOME=/2", b"X="];
        let left = |rules| Environment::new(inherited(all), vec![], &rules).inherited;
        assert_eq!(left(EnvironmentRules::default()), all[1..]);
        assert_eq!(left(rules(true, &["HOME", "NOPE"], Existing::Replace)), all[2..4]);
    }

    #[test]
    fn existing_error_names_every_clash_but_not_a_reference() {
        let mut reference = binding("R");
        reference.replaces_itself = true;
        let bindings = vec![binding("A"), binding("B"), binding("C"), reference];
        let rules = rules(false, &[], Existing::Error);
        let errors = clashes(&inherited(&[b"A=", b"B=1", b"R=ssm:x"]), &bindings, &rules);
        assert_eq!(errors.iter().map(|error| error.exit).collect::<Vec<_>>(), [Exit::DataErr; 2]);
    }

    #[test]
    fn empty_counts_as_unset_for_settings_and_as_set_for_the_command() {
        let env = inherited(&[b"A=", b"A=2"]);
        assert_eq!(env.value("A"), None);
        assert!(env.has(&EnvName::new("A").expect("good"), &EnvironmentRules::default()));
    }

    #[test]
    fn debug_hides_what_is_inherited() {
        let before = inherited(&[b"TOKEN=hunter2"]);
        let shown = format!("{before:?}");
        let after = Environment::new(before, vec![binding("A")], &EnvironmentRules::default());
        let shown = shown + &format!("{after:?}");
        assert!(shown.contains("1 variable") && shown.contains("Secret"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117"), "{shown}");
    }
}
