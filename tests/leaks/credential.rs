//! The canary hunt for `stepzero credential`: what it says goes to the journal, by stderr. The value goes to systemd, whole,
//! or nothing does; and to nobody else.

use std::path::Path;

use crate::canary;
use crate::cases::{self, Case};
use crate::common::peer::{self, REFUSAL};
use crate::common::{Directory, NOBODY, Ran, STEPZERO, is_root, piped, together};
use crate::hunt::{self, LEVELS};
use crate::support::fake;

/// What is asked for where a case does not bring a spec of its own.
const UNIT: &str = "scopes = [\"shared\"]\n[env]\nA = \"canary\"\n";

/// A case as systemd would ask for it: the credential `A` of a unit with this spec.
struct Asked<'a> {
    case: &'a Case,
    unit: &'a str,
    credential: &'a str,
    uid: u32,
    code: i32,
}

impl<'a> Asked<'a> {
    fn new(case: &'a Case, unit: &'a str) -> Self {
        Asked { case, unit, credential: "A", uid: 0, code: case.code }
    }
}

fn root() -> bool {
    is_root("the hunt for a credential", "only root is answered")
}

fn check(asked: &Asked) {
    let case = asked.case;
    let fake = fake();
    (case.arrange)(&fake);
    let (directory, given) = (Directory::open(), Directory::open());
    let file = given.file("file", case.file.as_deref().unwrap_or(""));
    given.file("web.toml", asked.unit);
    let address = format!("/unit/web.service/{}", asked.credential);
    let runs = LEVELS.map(|level| {
        let (client, server) = peer::connection(given.path(), &address, asked.uid);
        // What is tried again is so until the deadline; the rest must not meet it.
        let timeout: &[&str] = if asked.code == 75 { &["--timeout", "1s"] } else { &[] };
        let args: Vec<&str> = ["--allow-writable-spec"].iter().chain(timeout).chain(level).copied().collect();
        let mut command = peer::server(Path::new(STEPZERO), given.path(), &args, server);
        command.envs(fake.env()).env("PATH", "/usr/bin:/bin");
        hunt::provoke(&mut command, case, &fake, &file, &directory);
        (level, client, piped(&mut command))
    });
    for (level, client, child) in runs {
        // At the same time: neither is left to fill its pipe.
        let (got, ran) = std::thread::scope(|scope| {
            let got = scope.spawn(|| peer::received(client));
            let ran = Ran::of_child(child);
            (got.join().expect("the peer closes"), ran)
        });
        let name = format!("{} {level:?}", case.name);
        let ran = hunt::report(ran.case(&name), asked.code);
        if ran.code() == 0 {
            assert!(canary::found(&got).is_some(), "{name}: the control: systemd gets it");
        } else {
            let refused = got.len() == REFUSAL && got.iter().all(|byte| *byte == 0);
            assert!(refused, "{name}: systemd gets {} bytes", got.len());
        }
    }
    assert_eq!(directory.files(), Vec::<std::path::PathBuf>::new(), "{}: a file was written", case.name);
}

/// Everything that can go wrong on the way to AWS.
#[test]
fn nothing_of_the_way_is_repeated() {
    if !root() {
        return;
    }
    let fetched =
        |case: &Case| case.args.iter().any(|arg| arg == "exec") && case.args.iter().any(|arg| arg == "canary");
    // About another value, about variables, or about a command.
    let foreign = ["one is missing beside it", "an answer cut after a value", "set already", "not found"];
    let all = [cases::garbled(), cases::refused(), cases::credentials(), cases::profiles()];
    let cases: Vec<Case> =
        all.into_iter().flatten().filter(|case| fetched(case) && !foreign.contains(&case.name)).collect();
    assert!(cases.len() > 40, "only {}", cases.len());
    together(4, &cases, |case| check(&Asked::new(case, UNIT)));
}

/// Everything that can be wrong with the spec, the value, and who asks.
#[test]
fn nothing_of_the_value_is_repeated() {
    if !root() {
        return;
    }
    for mut case in cases::shapes().into_iter().chain(cases::not_specs()) {
        let unit = case.file.take().expect("they are about a file");
        // A variable has a limit that a credential has not.
        let code = if case.name == "too big" { 0 } else { case.code };
        check(&Asked { code, ..Asked::new(&case, &unit) });
    }
    let units = [
        ("a NUL in the value", "A = \"nul\"", 0),
        ("a secret", "A = { secret = \"app/secret\" }", 0),
        ("a field of a secret", "A = { secret = \"app/secret\", json = \"field\" }", 0),
        ("no such field of a secret", "A = { secret = \"app/secret\", json = \"none\" }", 65),
        ("a secret that is not there", "A = { secret = \"app/none\" }", 66),
    ];
    for (name, line, code) in units {
        let unit = format!("scopes = [\"shared\"]\n[env]\n{line}\n");
        check(&Asked::new(&Case::new(name, "", code), &unit));
    }
    let strangers = [
        ("somebody else asks", "A", NOBODY, 77),
        ("a name that is not there", "B", 0, 78),
        ("a name that is none", "a b", 0, 64),
    ];
    for (name, credential, uid, code) in strangers {
        let case = Case::new(name, "", code);
        check(&Asked { credential, uid, ..Asked::new(&case, UNIT) });
    }
}
