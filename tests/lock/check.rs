//! `lock --check`: 0 when the store would give the same, 1 when not, and a code of its own when that cannot be known.

use std::time::Duration;

use fake_aws::{Fake, Put, Secret};

use crate::common::{Given, HOME, KEYS, ROLE, Ran, TempFile, USER, allowing, denying, keyed, parameter, store};
use crate::lock;

/// The lines of a check, and its exit code.
#[track_caller]
fn check(fake: &Fake, text: &str, args: &[&str]) -> (i32, Vec<String>) {
    let ran = ran(fake, text, args);
    assert!(ran.stderr().is_empty(), "{ran}");
    (ran.code(), ran.stdout().lines().map(str::to_owned).collect())
}

fn ran(fake: &Fake, text: &str, args: &[&str]) -> Ran {
    let file = TempFile::spec(text);
    Given::args(args).run(fake, "lock", &["--check", &file.arg()])
}

fn versions(name: &str, count: usize) -> Fake {
    let fake = store(&[("/other", "x")]);
    (0..count).for_each(|_| _ = fake.put(name, "SecureString", "v"));
    fake
}

fn pinned(version: usize) -> String {
    format!("[env]\nA = {{ parameter = \"/a\", version = {version} }}\nB = {{ parameter = \"/other\", version = 1 }}\n")
}

#[test]
fn the_same_is_0_and_says_nothing() {
    let fake = versions("/a", 1);
    let spec = "[env]\nA = { parameter = \"/a\" }\nC = { parameter = \"/nobody\", default = \"d\" }\nT = { template = \"{A}\" }\n[[load]]\npath = \"/nothing\"\noptional = true\n";
    let text = lock(Given::spec(spec), &fake);
    assert_eq!(check(&fake, &text, &[]), (0, vec![]));
}

#[test]
fn newer_gone_and_soon_gone() {
    for (count, locked, says) in [
        (2, 2, &[][..]),
        (3, 2, &["A: /a: version 2 is locked, the store has 3"]),
        (90, 1, &["version 1 is locked, the store has 90"]),
        (2, 9, &["A: /a: version 9 is gone, the store has 2"]),
        (91, 1, &["the store has 91", "among the 10 oldest", "version 101 takes it away"]),
        (0, 1, &["A: /a: it does not exist any more"]),
    ] {
        let (code, lines) = check(&versions("/a", count), &pinned(locked), &[]);
        assert_eq!((code, lines.len()), (i32::from(!says.is_empty()), usize::from(!says.is_empty())), "{lines:?}");
        assert!(says.iter().all(|part| lines[0].contains(part)), "{count} {locked}: {lines:?}");
        assert!(count == 91 || !lines.iter().any(|line| line.contains("oldest")), "{lines:?}");
    }
}

#[test]
fn a_secret_that_was_rotated() {
    let fake = Fake::start();
    fake.secret_with(Secret::new("prod/x", "v").version_id("v-1"));
    let text = lock(Given::spec("[env]\nA = { secret = \"prod/x\" }\n"), &fake);
    assert_eq!(check(&fake, &text, &[]), (0, vec![]));
    fake.secret_with(Secret::new("prod/x", "w").version_id("v-2"));
    let (code, lines) = check(&fake, &text, &[]);
    assert_eq!(code, 1);
    assert!(
        lines[0].starts_with("A: /aws/reference/secretsmanager/prod/x: version v-1 is locked, the store has v-2"),
        "{lines:?}"
    );
    let (code, lines) = check(&fake, &text.replace("v-1", "v-0"), &[]);
    assert!(code == 1 && lines[0].contains("version v-0 is gone, the store has v-2"), "{lines:?}");
}

/// With the options that it was made with, the whole is compared with a new lock.
#[test]
fn added_removed_and_changed() {
    let fake = store(&[("shared.a", "v"), ("shared.b", "v"), ("/app/c", "v")]);
    fake.put_with(&Put::secure("shared.l", "v").label("current"));
    fake.put("shared.l", "SecureString", "newer than its label");
    let before = "scopes = [\"production\", \"shared\"]\ntimeout = \"90s\"\n[env]\nA = \"a\"\nB = \"b\"\nL = { key = \"l\", label = \"current\" }\nD = { key = \"d\", default = \"d\" }\n[[load]]\npath = \"/app\"\n";
    let spec = TempFile::spec(before);
    let text = lock(Given::args(&["-s", &spec.arg()]), &fake);
    assert_eq!(check(&fake, &text, &["-s", &spec.arg()]), (0, vec![]), "a label may hold an older version");
    let (code, lines) = check(&fake, &text, &[]);
    assert!(
        code == 1 && lines.len() == 1 && lines[0].contains("L: shared.l: version 1 is locked, the store has 2"),
        "{lines:?}"
    );

    fake.put("production.a", "SecureString", "more specific");
    fake.put("shared.d", "SecureString", "no default any more");
    fake.put("/app/e", "SecureString", "one more");
    let after = TempFile::spec(before.replace("B = \"b\"\n", "").replace("90s", "80s"));
    let (code, lines) = check(&fake, &text, &["-s", &after.arg(), "--pristine"]);
    let want = [
        r#"B: the lock has { parameter = "shared.b", version = 1 }, and it is not asked for any more"#,
        r#"`pristine`: the lock has it not, and now it would be true"#,
        r#"`timeout`: the lock has "90s", and now it would be "80s""#,
        r#"A: the lock has { parameter = "shared.a", version = 1 }, and now it would be { parameter = "production.a", version = 1 }"#,
        r#"D: the lock has { absent = true, default = "d" }, and now it would be { parameter = "shared.d", version = 1, default = "d" }"#,
        r#"E: the lock has it not, and now it would be { parameter = "/app/e", version = 1 }"#,
    ];
    assert_eq!((code, lines), (1, want.map(str::to_owned).to_vec()));
    let flags = [&HOME[..], &["--scope", "shared", "-k", "a"]].concat();
    assert_eq!(check(&fake, &lock(Given::args(&flags), &fake), &flags), (0, vec![]));
}

/// One deadline over both: each answer comes in time, and two of them do not.
#[test]
fn one_deadline_for_the_lock_and_a_new_one() {
    let fake = versions("/a", 1);
    let text = lock(Given::args(&["--parameter", "/a"]), &fake);
    fake.static_credentials(KEYS[0].1, KEYS[1].1, USER);
    fake.delay(Duration::from_secs(3));
    let file = TempFile::spec(&text);
    let check =
        |more: &[&str]| keyed(&fake, [&["lock", "--timeout", "5s", "--check", &file.arg()], more].concat()).output();
    check(&[]).expect(0);
    check(&["--parameter", "/a"]).refused(75, &[]);
}

/// What cannot be known is no difference.
#[test]
fn codes_of_their_own() {
    let fake = Fake::builder().role(ROLE).start();
    fake.put("/a", "SecureString", "v");
    fake.put("/other", "SecureString", "v");
    for (text, code, words) in [
        ("project = \"p\"\nenvironment = \"e\"\n[env]\nA = \"a\"\n", 78, &["is no lock", ":4:1: a key"][..]),
        ("[[load]]\npath = \"/a\"\n", 78, &["is no lock", "a load"]),
        ("[[expand]]\nsecret = \"x\"\n", 78, &["is no lock", "an expansion"]),
        ("# a command that failed\n", 78, &["is no lock", "names no variable"]),
        ("not TOML", 78, &["not TOML"]),
    ] {
        ran(&fake, text, &[]).refused(code, words);
    }
    Given::default().run(&fake, "lock", &["--check", "/nowhere"]).refused(66, &["/nowhere", "cannot be read"]);
    Given::default().run(&fake, "lock", &["--check"]).refused(64, &["--check"]);
    fake.policy(ROLE, denying(&["ssm:GetParameters"], &[parameter("a")]));
    ran(&fake, &pinned(1), &[]).refused(77, &["/a"]);
    fake.policy(ROLE, allowing(&["*"]));
    fake.down();
    ran(&fake, &pinned(1), &["--timeout", "1s"]).refused(75, &[]);
}
