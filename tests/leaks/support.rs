//! What the hunts share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use fake_aws::{Fake, Put};

use crate::canary::VALUE;
pub use crate::common::skip;

/// A user who is not root.
pub const NOBODY: u32 = 65534;

/// A directory of this test's own, which anybody may enter. It is removed at the end.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("stepzero-leaks-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        // Other users read what is made here, whatever the runner's own mask is.
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("the directory is ours");
        path.to_string_lossy().into_owned()
    }

    /// A copy of the binary under test that every user may run; the build directory can be closed to others.
    pub fn binary(&self) -> PathBuf {
        let path = self.0.join("stepzero");
        // By another process: a file that this one has open for writing cannot be run ("text file busy"), and a child
        // of another thread may still hold it open.
        let copied =
            std::process::Command::new("install").args(["-m", "755"]).arg(crate::common::STEPZERO).arg(&path).status();
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

/// A fake without TLS, so that what crosses its sockets can be read, with the canary as the value of several parameters.
pub fn fake() -> Fake {
    let fake = Fake::builder().tls(false).start();
    fake.put("shared.canary", "SecureString", VALUE);
    fake.put("/load/canary", "SecureString", VALUE);
    fake.put("/load/other", "String", VALUE);
    fake.put("shared.list", "StringList", &format!("{VALUE},b"));
    fake.put("shared.json", "SecureString", &serde_json::json!({ "field": VALUE, "none": null }).to_string());
    fake.put("shared.nul", "SecureString", &format!("{VALUE}\0{VALUE}"));
    fake.put("shared.big", "SecureString", &VALUE.repeat(4000));
    fake.put_with(&Put::secure("shared.locked", VALUE).key("alias/locked"));
    for number in 0..20 {
        fake.put(&format!("shared.n{number}"), "SecureString", VALUE);
    }
    fake.secret("app/secret", &serde_json::json!({ "field": VALUE }).to_string());
    fake
}

/// A library to be put in front of the C library by LD_PRELOAD.
pub fn shim(directory: &Directory, source: &str) -> PathBuf {
    let source = directory.file("shim.c", source);
    let library = directory.path().join("shim.so");
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .args([&source, "-ldl"])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the linker's cc compiles C");
    library
}
