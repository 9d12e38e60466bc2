//! What a run left behind, and the one way to say what it has to be.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output};

use super::fixtures::{ARTICLE, VALUE};

/// What a run left behind. The messages of assertions that fail show all of it, after the name of the case.
pub struct Ran {
    pub output: Output,
    case: String,
}

impl Ran {
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        let output = command.output();
        output.unwrap_or_else(|error| panic!("{} cannot be started: {error}", command.get_program().display())).into()
    }

    pub fn of_child(child: Child) -> Self {
        child.wait_with_output().expect("it is our child").into()
    }

    /// What the messages begin with.
    pub fn case(self, case: impl Display) -> Self {
        Ran { case: format!("{case}: "), ..self }
    }

    /// The exit code; a death by signal is 128 + its number, as a shell says it.
    pub fn code(&self) -> i32 {
        let status = self.output.status;
        status.code().unwrap_or_else(|| 128 + status.signal().expect("either a code or a signal"))
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.output.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }

    /// What `env -0` or `/proc/self/environ` printed, byte for byte; no variable twice.
    #[track_caller]
    pub fn entries(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in self.output.stdout.split_inclusive(|byte| *byte == 0) {
            let entry = entry.strip_suffix(b"\0").expect("an environment ends with a NUL");
            let at = entry.iter().position(|byte| *byte == b'=').expect("NAME=value");
            let before = found.insert(entry[..at].to_vec(), entry[at + 1..].to_vec());
            assert_eq!(before, None, "twice: {}: {self}", String::from_utf8_lossy(entry));
        }
        found
    }

    /// The same as text.
    #[track_caller]
    pub fn variables(&self) -> BTreeMap<String, String> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.entries().into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// The same, without what the harness put there.
    #[track_caller]
    pub fn environment(&self) -> BTreeMap<String, String> {
        const HARNESS: [&str; 4] = ["PATH", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];
        self.variables().into_iter().filter(|(name, _)| !HARNESS.contains(&name.as_str())).collect()
    }

    /// Panics unless the code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{self}");
        self
    }

    /// Panics unless stderr has every one of these.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let stderr = self.stderr();
        for part in parts {
            assert!(stderr.contains(part), "{part:?} is not in the message: {self}");
        }
        self
    }

    /// Panics unless stdout has every one of these.
    #[track_caller]
    pub fn shows(self, parts: &[&str]) -> Self {
        let stdout = self.stdout();
        for part in parts {
            assert!(stdout.contains(part), "{part:?} is not in the output: {self}");
        }
        self
    }

    /// Panics if stderr or stdout has one of these.
    #[track_caller]
    pub fn hides(self, parts: &[&str]) -> Self {
        for part in parts {
            let found = self.stderr().contains(part) || self.stdout().contains(part);
            assert!(!found, "{part:?} is told: {self}");
        }
        self
    }

    /// Panics unless it started, and the command wrote this.
    #[track_caller]
    pub fn prints(self, stdout: &str) -> Self {
        let ran = self.expect(0);
        assert_eq!(ran.stdout(), stdout, "{ran}");
        ran
    }

    /// Panics unless it started a command that got these variables with these values, by `env -0`.
    #[track_caller]
    pub fn has(&self, variables: &[(&str, &str)]) -> &Self {
        assert_eq!(self.code(), 0, "{self}");
        let all = self.variables();
        for (name, value) in variables {
            assert_eq!(all.get(*name).map(String::as_str), Some(*value), "{name}: {self}");
        }
        self
    }

    /// Panics unless it started a command that did not get these.
    #[track_caller]
    pub fn lacks(&self, names: &[&str]) -> &Self {
        assert_eq!(self.code(), 0, "{self}");
        let all = self.variables();
        for name in names {
            assert_eq!(all.get(*name), None, "{name}: {self}");
        }
        self
    }

    /// Panics unless it started a command that prints `VALUE`, which is nowhere else.
    #[track_caller]
    pub fn started(self) -> Self {
        assert_eq!((self.code(), self.stdout().trim_end()), (0, VALUE), "{self}");
        assert!(!self.stderr().contains(VALUE), "the value is in the message: {self}");
        self
    }

    /// Panics unless it ended with this code, said these things, wrote nothing to stdout, and told no value of a fixture.
    #[track_caller]
    pub fn refused(self, code: i32, says: &[&str]) -> Self {
        assert_eq!((self.code(), self.stdout().as_str()), (code, ""), "{self}");
        assert!(self.stderr().starts_with("stepzero: "), "{self}");
        let values = ARTICLE.map(|(_, value)| value);
        self.hides(&values).hides(&[VALUE]).says(says)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran { output, case: String::new() }
    }
}

impl Display for Ran {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        let (code, stderr, stdout) = (self.code(), self.stderr(), self.stdout().replace('\0', "\n"));
        write!(to, "{}it ended with {code}\nstderr:\n{stderr}\nstdout:\n{stdout}", self.case)
    }
}
