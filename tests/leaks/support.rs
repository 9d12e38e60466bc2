//! What the hunts share.

use std::path::PathBuf;
use std::process::Command;

use fake_aws::{Fake, Put};
use serde_json::json;

use crate::canary::VALUE;
use crate::common::Directory;

/// A fake without TLS, so that what crosses its sockets can be read, with the canary as the value of several parameters.
pub fn fake() -> Fake {
    let fake = Fake::builder().tls(false).start();
    for name in ["shared.canary", "/load/canary"] {
        fake.put(name, "SecureString", VALUE);
    }
    fake.put("/load/other", "String", VALUE);
    fake.put("shared.list", "StringList", &format!("{VALUE},b"));
    fake.put("shared.json", "SecureString", &json!({ "field": VALUE, "none": null }).to_string());
    fake.put("shared.nul", "SecureString", &format!("{VALUE}\0{VALUE}"));
    fake.put("shared.big", "SecureString", &VALUE.repeat(4000));
    fake.put_with(&Put::secure("shared.locked", VALUE).key("alias/locked"));
    for number in 0..20 {
        fake.put(&format!("shared.n{number}"), "SecureString", VALUE);
    }
    fake.secret("app/secret", &json!({ "field": VALUE }).to_string());
    fake
}

/// A program in C.
pub fn compiled(directory: &Directory, name: &str, source: &str, options: &[&str]) -> PathBuf {
    let source = directory.file(&format!("{name}.c"), source);
    let built = directory.join(name);
    let status = Command::new("cc").arg("-o").arg(&built).arg(source).args(options).status();
    assert!(status.is_ok_and(|status| status.success()), "the linker's cc compiles C");
    built
}

/// A library to be put in front of the C library by LD_PRELOAD.
pub fn shim(directory: &Directory, source: &str) -> PathBuf {
    compiled(directory, "shim.so", source, &["-shared", "-fPIC", "-ldl"])
}
