//! Another process, as proc(5) shows it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;

use super::descriptors::memory_name;
use crate::secret::Secret;

/// The kernel gives an environment at most 6 MiB (execve(2)).
const ENVIRONMENT_LIMIT: u64 = 6 * 1024 * 1024;

/// Sealed memory that stepzero made holds one value; a template is the longest.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;

/// A process that was there when this was made. It is never taken for a later one that got its number: its directory in
/// /proc answers ESRCH from then on.
pub struct Process(File);

impl Process {
    pub fn open(pid: u32) -> io::Result<Self> {
        File::open(format!("/proc/{pid}")).map(Process)
    }

    /// Whether it is stepzero itself, of whatever version, which has not become its command yet.
    pub fn is_stepzero(&self) -> io::Result<bool> {
        let mut name = String::new();
        self.file("comm")?.read_to_string(&mut name)?;
        let own = std::fs::metadata("/proc/self/exe")?;
        // As another user the link cannot be followed, and neither can the environment be read.
        let same = self.file("exe").and_then(|exe| exe.metadata());
        Ok(name.trim_end() == "stepzero" || same.is_ok_and(|exe| (exe.dev(), exe.ino()) == (own.dev(), own.ino())))
    }

    /// The memory in which its environment was when it was started.
    pub fn environment(&self) -> io::Result<Secret> {
        read(self.file("environ")?, ENVIRONMENT_LIMIT)
    }

    /// What one of its descriptors holds, if that is memory of this name (`sealed_file`). The process's position in it stays
    /// as it is.
    pub fn memory_file(&self, descriptor: u32, name: &str) -> io::Result<Option<Secret>> {
        let path = format!("fd/{descriptor}");
        let target = readlinkat(&self.0, Path::new(&path))?;
        let named = format!("/memfd:{}", memory_name(name));
        if !target.as_encoded_bytes().starts_with(named.as_bytes()) {
            return Ok(None);
        }
        read(self.file(&path)?, FILE_LIMIT).map(Some)
    }

    fn file(&self, path: &str) -> io::Result<File> {
        Ok(openat(&self.0, &PathBuf::from(path), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?.into())
    }
}

/// With room for the most that it can be, so that growing does not leave copies behind. What is not touched costs no memory.
fn read(file: File, limit: u64) -> io::Result<Secret> {
    let size = match file.metadata()?.len() {
        0 => limit,
        size => size.min(limit),
    };
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    // Wiped also when the reading failed.
    let secret = Secret::from_bytes(bytes);
    if read? as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(secret)
}
