//! Files of a test's own.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::stat::Mode;

use super::run::STEPZERO;

/// A directory of this test's own. It is removed at the end.
pub struct Directory(PathBuf);

impl Directory {
    /// Others may look into it. Stepzero would refuse a spec in a directory where they may write.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("stepzero-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Directory(path).with_mode(0o755)
    }

    /// One that anybody may write to.
    pub fn open() -> Self {
        // Other users read what is made here, whatever the runner's own mask is.
        nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
        Directory::new().with_mode(0o777)
    }

    fn with_mode(self, mode: u32) -> Self {
        set_mode(&self.0, mode);
        self
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A path in it as an argument.
    pub fn arg(&self, name: &str) -> String {
        self.join(name).to_string_lossy().into_owned()
    }

    /// Writes a file, with the directories above it, and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.join(name);
        let parent = path.parent().expect("it is in this directory");
        std::fs::create_dir_all(parent).expect("the directory is ours");
        std::fs::write(&path, content).expect("the directory is ours");
        self.arg(name)
    }

    /// The same with a mode.
    pub fn file_of_mode(&self, name: &str, content: &str, mode: u32) -> String {
        let path = self.file(name, content);
        set_mode(path.as_ref(), mode);
        path
    }

    /// A named pipe.
    pub fn fifo(&self, name: &str) -> String {
        nix::unistd::mkfifo(&self.join(name), Mode::S_IRUSR | Mode::S_IWUSR).expect("the directory is ours");
        self.arg(name)
    }

    /// A copy of the binary under test that every user may run; the build directory can be closed to others.
    pub fn binary(&self) -> PathBuf {
        let path = self.join("stepzero");
        // By another process: a file that this one has open for writing cannot be run ("text file busy"), and a child
        // of another thread may still hold it open.
        let copied = Command::new("install").args(["-m", "755"]).arg(STEPZERO).arg(&path).status();
        assert!(copied.is_ok_and(|status| status.success()), "the directory is ours");
        path
    }

    /// Every file below, with its path.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut left = vec![self.0.clone()];
        while let Some(directory) = left.pop() {
            for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { left.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Left behind, it hurts nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// A file in a directory of its own, with which it is removed.
pub struct TempFile {
    pub directory: Directory,
    pub path: PathBuf,
}

impl TempFile {
    pub fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let directory = Directory::new();
        let path = directory.file(name, content).into();
        TempFile { directory, path }
    }

    /// Messages about a spec begin with this name.
    pub fn spec(content: impl AsRef<[u8]>) -> Self {
        TempFile::new("spec.toml", content)
    }

    /// A file of profiles, for `AWS_CONFIG_FILE`.
    pub fn config(content: impl AsRef<[u8]>) -> Self {
        TempFile::new("config", content)
    }

    pub fn arg(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}
