//! Section 2: the four scopes, patterns that the user writes, placeholders, and the rules for segments.

use crate::common::{Given, HOME, map, store};
use fake_aws::Fake;

const DOTTED: [&str; 4] = ["projectA.production.", "projectA.shared.", "production.", "shared."];
const SLASHED: [&str; 4] = ["/projectA/production/", "/projectA/shared/", "/production/", "/shared/"];

/// Fifteen keys, one for each set of scopes that can have a key.
#[test]
fn the_most_specific_scope_that_has_the_key_wins() {
    for (separator, scopes) in [(".", DOTTED), ("/", SLASHED)] {
        let fake = Fake::start();
        let mut args: Vec<String> = HOME.map(str::to_owned).to_vec();
        args.extend(["--separator".to_owned(), separator.to_owned()]);
        let mut want = vec![];
        for set in 1..16 {
            let having = scopes.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0).map(|(_, scope)| scope);
            let names: Vec<String> = having.map(|scope| format!("{scope}k{set}")).collect();
            names.iter().for_each(|name| _ = fake.put(name, "SecureString", name));
            want.push((format!("K{set}"), names[0].clone()));
            args.extend(["-k".to_owned(), format!("k{set}")]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let got = Given::args(&args).environment(&fake);
        assert_eq!(got, want.into_iter().collect(), "{separator}");
        assert_eq!(fake.calls("GetParameters").len(), 6, "60 names");
    }
}

#[test]
fn written_patterns_are_literal() {
    let fake = Fake::start();
    let spec_scopes = "scopes = [\"/x/{environment}\", \"y\"]\n[env]\nA = \"k\"\n";
    for (spec, args, want) in [
        ("", &["--scope", "a.b", "--scope", "c"][..], &["a.b.k", "c.k"][..]),
        ("", &["--scope", "/a/b", "--scope", "c"], &["/a/b/k", "c.k"]),
        ("", &["--scope", "{environment}-x.{project}"], &["production-x.projectA.k"]),
        ("", &["--scope", "a", "--separator", "/"], &["a.k"]),
        ("", &["--scope", "/a", "--separator", "."], &["/a/k"]),
        ("", &["--scope", "MiXed_Case-1"], &["MiXed_Case-1.k"]),
        (spec_scopes, &[], &["/x/production/k", "y.k"]),
        (spec_scopes, &["--scope", "z"], &["z.k"]),
        ("separator = \"/\"\n", &["--scope", "z"], &["z.k"]),
    ] {
        let key: &[&str] = if spec == spec_scopes { &[] } else { &["-k", "k"] };
        let args = [&HOME[..], args, key].concat();
        assert_eq!(Given::spec(spec).and_args(&args).names(&fake), want, "{spec} {args:?}");
    }
}

#[test]
fn the_spec_chooses_the_separator_and_the_flag_replaces_it() {
    let fake = Fake::start();
    let spec = "project = \"p\"\nenvironment = \"e\"\nseparator = \"/\"\n[env]\nA = \"k\"\n";
    assert_eq!(Given::spec(spec).names(&fake), ["/p/e/k", "/p/shared/k", "/e/k", "/shared/k"]);
    let args = &["--separator", "."];
    assert_eq!(Given::spec(spec).and_args(args).names(&fake), ["p.e.k", "p.shared.k", "e.k", "shared.k"]);
}

#[test]
fn placeholders_are_needed_only_where_they_are_used() {
    let fake = store(&[("shared.k", "by scope"), ("/full/k", "by name")]);
    for (args, want) in [
        (&["--scope", "shared", "-k", "k"][..], &[("K", "by scope")][..]),
        (&["--parameter", "/full/k"], &[("K", "by name")]),
        // Scopes without a key are not used.
        (&["--scope", "{project}", "--parameter", "/full/k"], &[("K", "by name")]),
        (&["-e", "full", "--parameter", "/{environment}/k"], &[("K", "by name")]),
    ] {
        assert_eq!(Given::args(args).environment(&fake), map(want), "{args:?}");
    }
}

#[test]
fn what_is_wrong_with_scopes_is_config() {
    let fake = Fake::start();
    for (args, words) in [
        (&["-p", "a"][..], &["{environment}", "--environment", "STEPZERO_ENVIRONMENT"][..]),
        (&["-e", "a"], &["{project}", "--project", "STEPZERO_PROJECT"]),
        (&[], &["{project}", "{environment}"]),
        (&["--scope", "{project}.x"], &["{project}"]),
        (&["--scope", "{nope}"], &["{nope}", "{project} and {environment}"]),
        (&["--scope", "{project"], &["{project"]),
        (&["--scope", ""], &["--scope", "empty"]),
        (&["--scope", "a", "--scope", "a"], &["two scopes", "\"a\""]),
        (&["-e", "a", "--scope", "{environment}", "--scope", "a"], &["two scopes", "\"a\""]),
        (&["--scope", "a/b"], &["a/b.k", "does not begin with one"]),
        (&["--scope", "a b"], &["a b.k"]),
        (&["-p", "shared", "-e", "e"], &["--project", "shared"]),
        (&["-p", "p", "-e", "shared"], &["--environment", "shared"]),
        (&["-p", "same", "-e", "same"], &["same", "both"]),
        (&["-p", "a.b", "-e", "e"], &["--project", "a.b"]),
        (&["-p", "a/b", "-e", "e"], &["--project", "a/b"]),
        (&["-p", "", "-e", "e"], &["project"]),
        (&["-p", "é", "-e", "e"], &["--project", "é"]),
        (&["-p", "a b", "-e", "e"], &["--project", "a b"]),
    ] {
        Given::args(&[args, &["-k", "k"]].concat()).refused(&fake, 78, words);
    }
}

#[test]
fn the_rules_for_segments_hold_even_where_nothing_uses_them() {
    let fake = Fake::start();
    for args in [["-p", "shared", "-e", "e"], ["-p", "x", "-e", "x"], ["-p", "a.b", "-e", "e"]] {
        Given::args(&[&args[..], &["--parameter", "/full/k"]].concat()).refused(&fake, 78, &[]);
    }
}

#[test]
fn a_segment_like_shared_is_not_shared() {
    let fake = Fake::start();
    let args = &["-p", "Shared", "-e", "SHARED-1", "-k", "k"];
    let want = ["Shared.SHARED-1.k", "Shared.shared.k", "SHARED-1.k", "shared.k"];
    assert_eq!(Given::args(args).names(&fake), want);
}

#[test]
fn an_empty_list_of_scopes_is_config() {
    let fake = Fake::start();
    let spec = "scopes = []\n[env]\nA = \"k\"\n";
    Given::spec(spec).refused(&fake, 78, &["`scopes` is empty"]);
}
