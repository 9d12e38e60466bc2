//! Hostile values and names from the store, through the whole program: the command gets exactly these bytes, or never
//! starts.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt as _;

use fake_aws::Fake;
use stepzero::name::Naming;
use stepzero::refused;

use crate::common::{TempFile, stepzero, store};
use crate::random::Random;

/// 20 runs of 500 variables each are 10,000.
const RUNS: usize = 20;
const EACH: usize = 500;
const KINDS: [&str; 3] = ["String", "SecureString", "StringList"];

/// Pieces that shells, terminals, parsers and the C library treat in some way of their own. No NUL.
#[rustfmt::skip] // A line for each would be long.
const PIECES: &[&str] = &[
    "", " ", "\n", "\r\n", "\t", "=", "==", "'", "\"", "`", "$(reboot)", "$HOME", "${x}", "\\", "\\n", "\x1b[2J",
    "\x1b]0;x\x07", "\x7f", "\u{85}", "🔑", "é", "e\u{301}", "\u{202e}", "\u{feff}", "\u{fffd}", "\u{10ffff}",
    "() { :; }; reboot", "ssm:shared.x", "{project}", "%s%n", "%00", "\\u0000", "null", "{\"a\":1}",
    "-----BEGIN KEY-----\n", "a", "B", "0", "_", "#", "!", "*", "~", ";", "&", "|", "<", ">",
];

fn value(random: &mut Random) -> String {
    let mut value = String::new();
    for _ in 0..random.below(12) {
        value.push_str(random.word(PIECES));
    }
    // One in fifty is as long as AWS allows.
    if random.below(50) == 0 {
        value = value.repeat(8192 / value.len().max(1) + 1).chars().take(2000).collect();
    }
    value
}

#[test]
fn ten_thousand_values_byte_for_byte() {
    let mut random = Random::new("values");
    for run in 0..RUNS {
        let fake = Fake::builder().tls(false).start();
        let (mut text, mut wanted) = ("[env]\n".to_owned(), BTreeMap::new());
        for number in 0..EACH {
            let value = value(&mut random);
            fake.put(&format!("p.{number}"), random.word(&KINDS), &value);
            // The operator may choose any name: also one that is no identifier.
            let name = format!("V{number}_{}", random.word(PIECES).replace('=', "-"));
            let quoted = toml_string(&name);
            text.push_str(&format!("{quoted} = {{ parameter = \"p.{number}\" }}\n"));
            wanted.insert(name.into_bytes(), value.into_bytes());
        }
        let spec = TempFile::spec(&text);
        let args = ["exec", "--allow-writable-spec", "--pristine", "-s", &spec.arg(), "cat", "/proc/self/environ"];
        let found = stepzero(&fake, args).output().expect(0).entries();
        assert!(found == wanted, "run {run}: {:?}", found.iter().zip(&wanted).find(|(found, wanted)| found != wanted));
    }
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    let escaped: String = text.chars().map(|c| format!("\\U{:08x}", c as u32)).collect();
    format!("\"{escaped}\"")
}

/// Names as hostile as the values, which the fake stores unchecked: mapped to variables, or refused with all of them.
#[test]
fn ten_thousand_names_are_mapped_or_refused() {
    let mut random = Random::new("names");
    let (mut started, mut refused) = (0, 0);
    // Runs of many harmless names, then runs with one name that is refused.
    for run in 0..40 {
        let fake = Fake::builder().tls(false).start();
        let (mut wanted, mut bad) = (BTreeMap::new(), false);
        for number in 0..250 {
            let mut name = format!("n{number}");
            for _ in 0..random.below(4) {
                name.push_str(random.word(PIECES));
            }
            if run % 2 == 1 && number == 100 {
                name = random
                    .word(&["LD_PRELOAD", "ld/preload", "Path", "BASH_FUNC_x%%", "git.config_x", "https-proxy"])
                    .into();
            }
            let value = value(&mut random);
            fake.put(&format!("/x/{name}"), "SecureString", &value);
            let variable = Naming::default().variable(&name).expect("never empty");
            bad |= refused::reason(variable.as_str()).is_some()
                || wanted.insert(variable.as_str().as_bytes().to_vec(), value.into_bytes()).is_some();
        }
        let spec = TempFile::spec("[[load]]\npath = \"/x\"\nrecursive = true\n");
        let args = ["exec", "--allow-writable-spec", "--pristine", "-s", &spec.arg(), "cat", "/proc/self/environ"];
        let ran = stepzero(&fake, args).output();
        if bad {
            ran.refused(65, &[]);
            refused += 1;
        } else {
            assert!(ran.expect(0).entries() == wanted);
            started += 1;
        }
    }
    assert!(started >= 10 && refused >= 20, "the control: {started} started, {refused} refused");
}

/// A NUL, which no variable can hold, stops everything, wherever it is; the message names the variable.
#[test]
fn a_value_with_a_nul_stops_the_command() {
    let fake = Fake::builder().tls(false).start();
    for (number, value) in ["\0", "a\0", "\0b", "a\0b"].into_iter().enumerate() {
        fake.put(&format!("shared.nul{number}"), "SecureString", value);
        let key = format!("nul{number}");
        let args = ["exec", "--scope", "shared", "-k", &key, "--", "echo", "started"];
        stepzero(&fake, args).output().refused(65, &["NUL", &format!("NUL{number}")]);
    }
}

/// Bytes that are no UTF-8 cannot be a parameter's value, but pass through where they are inherited.
#[test]
fn inherited_bytes_pass_through() {
    let fake = store(&[("shared.a", "a")]);
    let odd = std::ffi::OsString::from_vec(vec![0xff, b'\n', 0xc3, b'=', 0x1b]);
    let run =
        stepzero(&fake, ["exec", "--scope", "shared", "-k", "a", "cat", "/proc/self/environ"]).env("ODD", odd.clone());
    assert_eq!(run.output().expect(0).entries().get(b"ODD".as_slice()), Some(&odd.into_vec()));
}
