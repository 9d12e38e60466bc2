//! From the lines of a spec to variables and the names that are asked for.

use std::collections::HashMap;

use super::{Candidate, RequestId, Variable};
use crate::environment::Target;
use crate::environment::{EnvironmentRules, Inherited};
use crate::error::{Exit, Failure};
use crate::name::{BadName, Selector};
use crate::parameter::{ParameterName, Request, SECRET_PREFIX};
use crate::reference;
use crate::scope::{Placeholders, Scope};
use crate::setting::Origin;
use crate::spec::entry::{Absent, Entry, Shape, Source, ValueSource};

/// The names to ask for, each once, while the variables are gone through.
pub struct Builder<'a> {
    scopes: Vec<Scope>,
    placeholders: Placeholders<'a>,
    rules: &'a EnvironmentRules,
    inherited: &'a Inherited,
    requests: Vec<Request>,
    ids: HashMap<Request, RequestId>,
}

impl<'a> Builder<'a> {
    /// With room for so many lines.
    pub fn new(
        scopes: Vec<Scope>,
        placeholders: Placeholders<'a>,
        rules: &'a EnvironmentRules,
        inherited: &'a Inherited,
        lines: usize,
    ) -> Self {
        let (requests, ids) = (Vec::with_capacity(lines), HashMap::with_capacity(lines));
        Builder { scopes, placeholders, rules, inherited, requests, ids }
    }

    /// The scopes and the requests.
    pub fn finish(self) -> (Vec<Scope>, Vec<Request>) {
        (self.scopes, self.requests)
    }

    /// One line of the spec, or one flag.
    pub fn variable(&mut self, entry: Entry) -> Result<Variable, Failure> {
        let (key, candidates, template) = match entry.source {
            ValueSource::Absent => (None, Vec::new(), None),
            ValueSource::Template(template) => (None, Vec::new(), Some(template)),
            ValueSource::Stored(source) => {
                let candidates = self.candidates(&source, entry.selector, &entry.origin)?;
                let key = if let Source::Key(key) = &source { Some(key.as_str().to_owned()) } else { None };
                (key, candidates, None)
            }
        };
        let Entry { variable: name, origin, absent, shape, target, private, .. } = entry;
        // What the command does not get has nothing to do with a variable of that name that it inherits.
        let inherited = !private && self.inherited.has(&name, self.rules);
        Ok(Variable { name, origin, key, candidates, template, absent, shape, target, inherited, private })
    }

    /// Where a value can be, most specific first.
    pub fn candidates(
        &mut self,
        source: &Source,
        selector: Option<Selector>,
        origin: &Origin,
    ) -> Result<Vec<Candidate>, Failure> {
        let found = match source {
            Source::Key(key) => self.in_scopes(key.as_str(), selector.as_ref()),
            Source::Parameter(text) => {
                let name = self.placeholders.fill(text, origin)?;
                self.exactly(&name, selector).map(|candidate| vec![candidate])
            }
            Source::Secret(id) => {
                let name = format!("{SECRET_PREFIX}{}", self.placeholders.fill(id, origin)?);
                self.exactly(&name, selector).map(|candidate| vec![candidate])
            }
        };
        found.map_err(|bad| Failure::new(Exit::Config, format!("{origin}: {bad}")))
    }

    fn exactly(&mut self, name: &str, selector: Option<Selector>) -> Result<Candidate, BadName> {
        let request = Request::parse(name)?;
        let request = match selector {
            Some(selector) => request.with(selector)?,
            None => request,
        };
        Ok(Candidate { scope: None, request: self.ask(request), unlabelled: None, is_reference: false, field: None })
    }

    fn in_scopes(&mut self, key: &str, selector: Option<&Selector>) -> Result<Vec<Candidate>, BadName> {
        if matches!(selector, Some(Selector::Version(_))) && self.scopes.len() > 1 {
            return Err(BadName(format!(
                "`version` on the key \"{key}\", which is looked for in several scopes: versions count per parameter, \
                 so name the parameter in full"
            )));
        }
        let mut candidates = Vec::new();
        for scope in self.scopes.clone() {
            let name = ParameterName::new(&scope.name_of(key))?;
            let request = self.ask(Request::named(name.clone(), selector.cloned()));
            let labelled = matches!(selector, Some(Selector::Label(_)));
            let unlabelled = labelled.then(|| self.ask(Request::named(name, None)));
            candidates.push(Candidate { scope: Some(scope), request, unlabelled, is_reference: false, field: None });
        }
        Ok(candidates)
    }

    /// Inherited variables whose value is a reference. A variable of the spec or of a flag goes before it; under
    /// `--existing keep` that one is gone from the plan already.
    pub fn references(&mut self, variables: &mut Vec<Variable>, errors: &mut Vec<Failure>) {
        for (name, reference) in reference::find(self.inherited, errors) {
            let written = variables.iter_mut().find(|variable| variable.name == name);
            if let Some(private) = written.as_ref().filter(|variable| variable.private) {
                let what = format!(
                    "{}: {name} is private, and the inherited variable of that name is a reference",
                    private.origin
                );
                errors.push(Failure::new(Exit::Config, what).help("give one of them another name"));
                continue;
            }
            if written.as_ref().is_some_and(|variable| variable.absent == Absent::Fail) {
                continue;
            }
            let (request, field) = (self.ask(reference.request), reference.field);
            let candidate = Candidate { scope: None, request, unlabelled: None, is_reference: true, field };
            if let Some(variable) = written {
                // Without a match the inherited variable would stay, and that is the reference: resolved, or an error.
                variable.candidates.push(candidate);
                variable.absent = Absent::Fail;
                continue;
            }
            let candidates = vec![candidate];
            variables.push(Variable {
                name,
                origin: Origin::Reference,
                key: None,
                candidates,
                template: None,
                absent: Absent::Fail,
                shape: Shape::default(),
                target: Target::Environment,
                inherited: true,
                private: false,
            });
        }
    }

    /// The id of a request, which is asked once however many variables want it.
    fn ask(&mut self, request: Request) -> RequestId {
        if let Some(id) = self.ids.get(&request) {
            return *id;
        }
        let id = RequestId(self.requests.len());
        self.requests.push(request.clone());
        self.ids.insert(request, id);
        id
    }
}
