//! One credential for systemd: `LoadCredential=NAME:SOCKET` makes systemd connect, and a socket unit with `Accept=yes`
//! hands that connection to this process. The peer's address says which unit wants which credential
//! (systemd.exec(5)); the unit's spec says where it comes from. One of the two places where a value is exposed.
//!
//! A connection that is closed without data would start the service with an empty credential, so whatever goes wrong
//! ends in more bytes than systemd takes.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::cli::Options;
use crate::environment::Target;
use crate::environment::{EnvironmentRules, Inherited, Value};
use crate::error::{Exit, Failure, Failures, io_text, printable};
use crate::name::{BadName, EnvName};
use crate::plan::Plan;
use crate::spec::Spec;
use crate::spec::entry::{Entry, ValueSource};
use crate::store::OnDenial;
use crate::{log, resolve, steps, sys};

/// A peer that does not read must not keep this process for ever.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// The connection that this process was started for, from now on refused whatever happens, until a value is with the
/// peer: also a command line that is wrong must not end in an empty credential.
pub struct Armed(UnixStream);

/// `None` when there is no connection. To be called before the command line is read.
pub fn arm() -> Option<Armed> {
    let connection = sys::accepted_connection()?;
    // Without a limit the write still ends: with the connection.
    let _ = connection.set_write_timeout(Some(WRITE_LIMIT));
    sys::refuse_at_exit(&connection);
    Some(Armed(connection))
}

impl Drop for Armed {
    fn drop(&mut self) {
        sys::refuse();
    }
}

/// Answers the connection.
pub fn serve(armed: Option<Armed>, options: Options, units: &Path, inherited: &Inherited) -> Result<(), Failures> {
    log::init(log::Settings { verbose: options.verbose, quiet: options.quiet, format: options.log_format });
    let Some(Armed(connection)) = &armed else {
        let failure = Failure::new(Exit::Usage, "there is no connection to answer");
        let help = "systemd starts this from a socket unit with Accept=yes, without StandardInput=socket";
        return Err(failure.help(help).into());
    };
    if options.spec.is_some() {
        return Err(Failure::new(Exit::Usage, "--spec: the unit's own is taken, from --units").into());
    }
    answer(connection, options, units, inherited)?;
    sys::keep_at_exit();
    Ok(())
}

fn answer(connection: &UnixStream, options: Options, units: &Path, inherited: &Inherited) -> Result<(), Failures> {
    let request = request(connection)?;
    let about = format!("for the credential {} of {}", printable(&request.credential), request.unit.0);
    let named = |failures: Failures| failures.map(|failure| failure.detail(about.clone()));
    let value = value(&request, options, units, inherited).map_err(named)?;
    let bytes = match &value {
        Some(Value::Fetched(secret)) => secret.expose(),
        Some(Value::Default(text)) => text.as_bytes(),
        None => &[],
    };
    let mut connection = connection;
    connection.write_all(bytes).map_err(|error| {
        let what = format!("systemd did not take the credential: {}", io_text(&error));
        named(Failure::new(Exit::OsErr, what).into())
    })
}

/// What the peer asks for.
#[derive(Debug, PartialEq, Eq)]
struct CredentialRequest {
    unit: Unit,
    credential: String,
}

/// Only root's word counts: any user can connect from any abstract address.
fn request(connection: &UnixStream) -> Result<CredentialRequest, Failure> {
    if sys::peer_uid(connection) != Some(0) {
        let failure = Failure::new(Exit::NoPerm, "the peer is not root: only systemd gets credentials");
        return Err(failure.help("say SocketMode=0600 in the socket unit"));
    }
    let name = sys::peer_name(connection).unwrap_or_default();
    let text = String::from_utf8_lossy(&name);
    parse(&text).map_err(|bad| {
        Failure::new(Exit::Usage, format!("the peer's address \"{}\": {bad}", printable(&text)))
            .help("systemd connects from RANDOM/unit/UNIT/CREDENTIAL when a unit says LoadCredential=NAME:SOCKET")
    })
}

/// `RANDOM/unit/UNIT/CREDENTIAL`.
fn parse(address: &str) -> Result<CredentialRequest, BadName> {
    let parts: Vec<&str> = address.split('/').collect();
    let [random, "unit", unit, credential] = parts[..] else {
        return Err(BadName("it is not RANDOM/unit/UNIT/CREDENTIAL".into()));
    };
    if random.is_empty() || !random.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(BadName("it does not begin with a random number".into()));
    }
    if credential.is_empty() || !credential.chars().all(|c| c.is_ascii_graphic()) {
        return Err(BadName("the credential's name is not made of printable characters".into()));
    }
    Ok(CredentialRequest { unit: Unit::new(unit)?, credential: credential.to_owned() })
}

/// The name of a service, which becomes a file name: no slash, no leading dot, only what systemd.unit(5) allows.
#[derive(Debug, PartialEq, Eq)]
struct Unit(String);

impl Unit {
    fn new(text: &str) -> Result<Self, BadName> {
        let refused = |why: &str| Err(BadName(format!("the unit \"{}\" {why}", printable(text))));
        let Some(stem) = text.strip_suffix(".service") else { return refused("is not a service") };
        let good = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if stem.is_empty() || stem.starts_with(['.', '@']) || !stem.chars().all(good) || text.len() > 255 {
            return refused("is not a name that systemd would give");
        }
        Ok(Unit(text.to_owned()))
    }

    /// Its own spec, then that of its template: `web@blue.toml`, `web@.toml`.
    fn specs(&self, units: &Path) -> Vec<PathBuf> {
        let stem = self.0.strip_suffix(".service").unwrap_or(&self.0);
        let mut names = vec![format!("{stem}.toml")];
        if let Some((template, instance)) = stem.split_once('@')
            && !instance.is_empty()
        {
            names.push(format!("{template}@.toml"));
        }
        names.into_iter().map(|name| units.join(name)).collect()
    }
}

/// The value, as `exec` would find it for the variable of that name; `None` for an optional one that nobody has.
fn value(
    request: &CredentialRequest,
    options: Options,
    units: &Path,
    inherited: &Inherited,
) -> Result<Option<Value>, Failures> {
    let paths = request.unit.specs(units);
    // When there is none, the error names its own.
    let path = paths.iter().find(|path| path.symlink_metadata().is_ok()).or(paths.first()).cloned();
    let (spec, fetch_options) = steps::read_spec(Options { spec: path, ..options }, inherited)?;
    // The service's environment is not this one's: nothing is inherited, kept or referred to.
    let nobody = Inherited::default();
    let plan = Rc::new(Plan::new(only(&request.credential, spec)?, &nobody)?);
    let fetched = steps::fetch(&plan, fetch_options, inherited, OnDenial::Stop)?;
    let outcomes = resolve::outcomes(&plan, fetched.answers, &nobody);
    steps::log_outcomes(&outcomes);
    let (mut bindings, errors) = resolve::bindings(&plan, outcomes);
    Failures::check(errors)?;
    Ok(bindings.pop().map(|binding| binding.value))
}

/// The spec reduced to one variable of `[env]` or `[files]`, as a file. Nothing else is asked for, and `[[load]]` is not:
/// its names are the store's, and would cost a listing for every credential.
fn only(credential: &str, mut spec: Spec) -> Result<Spec, Failures> {
    let (mut wanted, mut parts): (Vec<Entry>, Vec<Entry>) =
        spec.entries.into_iter().partition(|entry| entry.variable.as_str() == credential);
    if wanted.is_empty() {
        return Err(Failure::new(Exit::Config, "the unit's spec has no such name under [env] or [files]")
            .help(format!("add it there, as in {} = \"key\"", printable(credential)))
            .into());
    }
    for entry in &mut wanted {
        (entry.target, entry.private) = (Target::File { mode: 0o400 }, false);
    }
    // A template needs its parts as well, which are not handed out.
    let is_part = |name: &EnvName| {
        wanted.iter().any(|entry| match &entry.source {
            ValueSource::Template(template) => template.variables().any(|part| part == name),
            ValueSource::Stored(_) | ValueSource::Absent => false,
        })
    };
    parts.retain(|entry| is_part(&entry.variable));
    parts.iter_mut().for_each(|entry| entry.private = true);
    wanted.extend(parts);
    spec.entries = wanted;
    spec.loads.clear();
    spec.expands.clear();
    spec.references = false;
    spec.rules = EnvironmentRules::default();
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(unit: &str) -> Vec<String> {
        let paths = Unit::new(unit).expect("good").specs(Path::new("/u"));
        paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_address_says_unit_and_credential() {
        let wanted = parse("a1b2c3/unit/web@blue.service/db.password").expect("as systemd writes it");
        assert_eq!((wanted.unit.0.as_str(), wanted.credential.as_str()), ("web@blue.service", "db.password"));
        for wrong in [
            "",
            "a1/unit/web.service",
            "a1/unit/web.service/",
            "a1/unit/web.service/a/b",
            "/unit/web.service/a",
            "xyz/unit/web.service/a",
            "a1/system/web.service/a",
            "a1/unit/web.service/a b",
            "a1/unit/web.service/a\nb",
            "a1/unit/web.socket/a",
            "a1/unit/.service/a",
            "a1/unit/..service/a",
            "a1/unit/../web.service/a",
            "a1/unit/@x.service/a",
            "a1/unit/we b.service/a",
            "a1/unit/é.service/a",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_instance_falls_back_to_its_template() {
        assert_eq!(specs("web.service"), ["/u/web.toml"]);
        assert_eq!(specs("web@a-b\\x2dc.service"), ["/u/web@a-b\\x2dc.toml", "/u/web@.toml"]);
        assert_eq!(specs("web@.service"), ["/u/web@.toml"]);
        assert_eq!(specs("web@a@b.service"), ["/u/web@a@b.toml", "/u/web@.toml"]);
    }
}
