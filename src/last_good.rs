//! The last good values: what was fetched at one start is left with systemd, in memory, for a start in an outage. The store is
//! always asked first, and only what would be TEMPFAIL is answered from here.
#![forbid(unsafe_code)]

mod form;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::answers::Answers;
use crate::environment::Inherited;
use crate::error::{Exit, Failure, io_text};
use crate::log;
use crate::notify::fd_store;
use crate::secret::Secret;
use crate::setting::LastGoodRule;
use crate::sys;

/// The name of the descriptor, in systemd's store and in `LISTEN_FDNAMES`.
const NAME: &str = "stepzero";

/// What an earlier start has left, as systemd has passed it on.
#[derive(Default)]
pub struct Passed {
    /// So the manager keeps descriptors.
    is_there: bool,
    content: Option<Secret>,
}

/// Takes what was left out of the descriptors that systemd passes, and out of the variables that tell of them: the command sees
/// nothing of it. This holds also when nobody wants it any more.
pub fn take(inherited: &mut Inherited) -> Passed {
    let mut passed = Passed::default();
    while let Some((index, names)) = position(inherited) {
        let taken = sys::take_passed(index, names.len());
        inherited.passed_without(index, &names);
        passed.is_there = true;
        match taken.and_then(|memory| sys::kept_memory(&memory, NAME)) {
            Ok(Some(content)) => passed.content = Some(content),
            Ok(None) => log::debug(format_args!("memory named {NAME} is not sealed, and is closed")),
            Err(error) => log::warn(format_args!("the last good values cannot be read: {}", io_text(&error))),
        }
    }
    passed
}

/// Where ours stands, and the names of all that are passed to this process (sd_listen_fds_with_names(3)).
fn position(inherited: &Inherited) -> Option<(usize, Vec<String>)> {
    let number = |name| inherited.value(name)?.to_str()?.parse::<usize>().ok();
    let names: Vec<String> = inherited.value("LISTEN_FDNAMES")?.to_str()?.split(':').map(str::to_owned).collect();
    let is_for_us =
        number("LISTEN_PID")? == usize::try_from(std::process::id()).ok()? && number("LISTEN_FDS")? == names.len();
    if !is_for_us {
        return None;
    }
    let is_ours = |index: &usize| names[*index] == NAME && sys::is_passed_memory(*index, NAME);
    let index = (0..names.len()).find(is_ours)?;
    Some((index, names))
}

/// The last good values of one plan.
pub struct LastGood {
    rule: LastGoodRule,
    /// What the answers depend on: the plan, and how AWS is reached. There is no value in it.
    fingerprint: String,
    usable: Option<(Answers, Duration)>,
}

impl LastGood {
    /// `None` without a rule: then what was left is taken back. CONFIG when the service manager keeps nothing.
    pub fn open(rule: Option<LastGoodRule>, passed: Passed, fingerprint: String) -> Result<Option<Self>, Failure> {
        let Some(rule) = rule else {
            if passed.is_there {
                warn_unless(fd_store::remove(NAME), "cannot be taken back");
            }
            return Ok(None);
        };
        if !passed.is_there {
            can_be_kept()?;
        }
        let usable = passed.content.and_then(|content| match form::read(&content, &fingerprint) {
            Ok((made, answers)) => Some((answers, since_boot().saturating_sub(made))),
            Err(why) => {
                log::warn(format_args!("the last good values are not used: {why}"));
                None
            }
        });
        let usable = usable.filter(|(_, age)| {
            let is_young = *age <= rule.max_age;
            if !is_young {
                log::debug(format_args!("the last good values are {} old, and are not used", shown(*age)));
            }
            is_young
        });
        Ok(Some(LastGood { rule, fingerprint, usable }))
    }

    /// How long the store is asked: no longer than the grace when there is something to go on with.
    pub fn timeout(&self, timeout: Duration) -> Duration {
        if self.usable.is_some() { timeout.min(self.rule.after) } else { timeout }
    }

    /// These answers in memory that can be left. Made before they are used up.
    pub fn seal(&self, answers: &Answers) -> Result<Option<OwnedFd>, Failure> {
        let Some(content) = form::written(answers, &self.fingerprint, since_boot()) else { return Ok(None) };
        let memory = sys::memory_to_keep(NAME, content.expose()).map_err(|errno| {
            let what = format!("no memory for the last good values: {}", errno.desc().to_lowercase());
            Failure::new(Exit::OsErr, what)
        })?;
        Ok(Some(memory))
    }

    /// Leaves them with systemd, in the place of older ones.
    pub fn leave(memory: &OwnedFd) {
        warn_unless(fd_store::leave(NAME, memory), "cannot be left with the service manager");
        log::info(|| {
            ("the values were left with the service manager, for a start in an outage".to_owned(), Vec::new())
        });
    }

    /// The answers of an earlier start and a line that says how old they are; `None` when there are none that may be used.
    pub fn into_answers(self) -> Option<(Answers, String)> {
        let (answers, age) = self.usable?;
        Some((answers, format!("the store cannot answer: going on with the last good values, {} old", shown(age))))
    }
}

/// CONFIG unless the manager keeps descriptors of this process.
fn can_be_kept() -> Result<(), Failure> {
    let help = "the unit needs FileDescriptorStoreMax=1 and NotifyAccess=main (systemd.service(5)); elsewhere leave last_good out";
    match fd_store::keeps_descriptors() {
        Ok(true) => Ok(()),
        Ok(false) => {
            let what = "last_good: no service manager keeps the values for the next start";
            Err(Failure::new(Exit::Config, what).help(help))
        }
        Err(error) => {
            let what =
                format!("last_good: the service manager cannot be asked to keep the values: {}", io_text(&error));
            Err(Failure::new(Exit::Config, what).help(help))
        }
    }
}

fn warn_unless(done: io::Result<()>, what: &str) {
    if let Err(error) = done {
        log::warn(format_args!("the last good values {what}: {}", io_text(&error)));
    }
}

/// To the second.
fn shown(age: Duration) -> String {
    humantime::format_duration(Duration::from_secs(age.as_secs())).to_string()
}

/// A clock that nobody sets, and that goes on while the machine is suspended (CLOCK_BOOTTIME in clock_gettime(2)). What systemd
/// keeps does not outlast a boot either.
fn since_boot() -> Duration {
    // It is there since Linux 2.6.39.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}
