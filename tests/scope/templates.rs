//! Templates: variables and files that are made of the values of others.

use fake_aws::Fake;

use crate::common::{Directory, Given, map, stepzero, store};

/// Every character that means something to a URL, a shell, JSON or a template.
const HOSTILE: &str = "p@ss:/?#[]{USER}{{}}%20 'q'\"d\"\\\n$(id)`id`é";

fn world() -> Fake {
    store(&[("/user", "app"), ("/password", HOSTILE), ("/nul", "a\0b"), ("/json", r#"{"user": "deep", "none": null}"#)])
}

const PARTS: &str =
    "[env]\nUSER = { parameter = \"/user\", private = true }\nPW = { parameter = \"/password\", private = true }\n";

#[test]
fn a_value_is_data_in_each_encoding() {
    let fake = world();
    for (template, want) in [
        ("{PW}", HOSTILE.to_owned()),
        ("{USER}:{PW}{{x}}", format!("app:{HOSTILE}{{x}}")),
        (
            "postgres://{USER:url}:{PW:url}@db/app",
            "postgres://app:p%40ss%3A%2F%3F%23%5B%5D%7BUSER%7D%7B%7B%7D%7D%2520%20%27q%27%22d%22%5C%0A%24%28id%29%60id%60%C3%A9@db/app".into(),
        ),
        ("{PW:json}", serde_json::Value::from(HOSTILE).to_string()),
        ("{USER:base64}", "YXBw".into()),
        ("no place", "no place".into()),
    ] {
        let spec = format!("{PARTS}T = {{ template = '{template}' }}\n");
        assert_eq!(Given::spec(&spec).environment(&fake), map(&[("T", &want)]), "{template}");
    }
}

/// What a shell makes of the word is the value.
#[test]
fn a_shell_reads_its_encoding_back() {
    let spec = format!("{PARTS}T = {{ template = 'printf %s {{PW:shell}}' }}\n");
    Given::spec(&spec).run(&world(), "exec", &["--", "sh", "-c", "eval \"$T\""]).expect(0).prints(HOSTILE);
}

#[test]
fn a_file_beside_the_spec_becomes_sealed_memory() {
    let fake = world();
    let directory = Directory::new();
    directory.file("pgpass.tmpl", "db:5432:app:{USER}:{PW:base64}\n# {{}}\n");
    let spec = format!("{PARTS}[files]\nPGPASSFILE = {{ template_file = \"pgpass.tmpl\" }}\n");
    let spec = directory.file("spec.toml", spec);
    let run = |args: &[&str]| stepzero(&fake, [&["exec", "-s", &spec, "--"], args].concat()).output();
    let base64 = run(&["sh", "-c", "cat \"$PGPASSFILE\""]).expect(0).stdout();
    assert!(base64.starts_with("db:5432:app:app:cEBzc") && base64.ends_with("\n# {}\n"), "{base64}");
    let environment = run(&["env", "-0"]).expect(0).environment();
    assert_eq!(environment.keys().collect::<Vec<_>>(), ["PGPASSFILE"], "the parts stay out of it");
    assert!(environment["PGPASSFILE"].starts_with("/proc/self/fd/"));

    directory.file("pgpass.tmpl", "first\nsecond {NOBODY}\n");
    run(&["true"]).refused(78, &["pgpass.tmpl:2:8", "NOBODY", "no variable of [env] or [files]"]);
    directory.file("pgpass.tmpl", "first\n  } alone\n");
    run(&["true"]).refused(78, &["pgpass.tmpl:2:3", "a lone }"]);
    for named_by_mistake in ["{\"password\":\"hunter2\"}", "password = hunter2 {", "{ user hunter2; }", "{x=hunter2}"] {
        directory.file("pgpass.tmpl", named_by_mistake);
        run(&["true"]).refused(78, &["pgpass.tmpl:1:"]).hides(&["hunter2"]);
    }
    directory.file("pgpass.tmpl", b"\xff");
    run(&["true"]).refused(78, &["pgpass.tmpl:1: the template is not UTF-8"]);
    std::fs::remove_file(directory.join("pgpass.tmpl")).expect("it is ours");
    run(&["true"]).refused(66, &["the template", "pgpass.tmpl", "cannot be read"]);
}

#[test]
fn a_part_that_is_absent_makes_the_whole_absent() {
    let fake = world();
    let part = "[env]\nP = { parameter = \"/none\", optional = true }\n";
    let spec = |keys: &str| format!("{part}T = {{ template = \"<{{P}}>\"{keys} }}\n");
    Given::spec(&spec("")).fails(&fake, 66, &["T: its part P, which is optional"]);
    assert_eq!(Given::spec(&spec(", optional = true")).environment(&fake), map(&[]));
    assert_eq!(Given::spec(&spec(", default = \"d\"")).environment(&fake), map(&[("T", "d")]));
    let inherited = Given::spec(&spec("")).and_env(&[("P", "old")]).environment(&fake);
    assert_eq!(inherited, map(&[("P", "old"), ("T", "<old>")]), "the part stays as it is inherited");
    let kept = "existing = \"keep\"\n[env]\nP = { parameter = \"/user\" }\nT = { template = \"<{P}>\" }\n";
    let kept = Given::spec(kept).and_env(&[("P", "old")]).environment(&fake);
    assert_eq!(kept, map(&[("P", "old"), ("T", "<old>")]));
    let default = "[env]\nP = { key = \"none\", default = \"d\", private = true }\nT = { template = \"<{P}>\" }\nscopes = [\"x\"]\n";
    let (env, scopes) = default.split_once("scopes").expect("it is there");
    let default = format!("scopes{scopes}{env}");
    let private = Given::spec(&default).and_env(&[("P", "old")]).environment(&fake);
    assert_eq!(private, map(&[("P", "old"), ("T", "<d>")]), "a private part has nothing to do with what is inherited");
}

#[test]
fn what_cannot_be_made_is_told_once() {
    let fake = world();
    for (lines, code, says) in [
        ("T = { template = \"{T}\" }", 78, &["the template of T names T, which is a template itself"][..]),
        ("A = { template = \"x\" }\nT = { template = \"{A}\" }", 78, &["names A, which is a template itself"]),
        ("T = { template = \"{NOBODY}\" }", 78, &["spec.toml:2", "names NOBODY, which is no variable"]),
        ("T = { template = \"{project}\" }", 78, &["names project"]),
        ("T = { template = \"a } b\" }", 78, &["a lone }", "}}"]),
        (
            "N = { parameter = \"/none\" }\nT = { template = \"{N}\" }",
            66,
            &["1 required parameter does not exist", "N: /none"],
        ),
        ("J = { parameter = \"/json\", json = \"none\" }\nT = { template = \"{J}\" }", 65, &["\"none\" is null"]),
        ("P = { parameter = \"/nul\" }\nT = { template = \"{P}\" }", 65, &["NUL"]),
    ] {
        Given::spec(&format!("[env]\n{lines}\n")).fails(&fake, code, says).hides(&[HOSTILE]);
    }
    let nul = "[files]\nP = { parameter = \"/nul\" }\n[env]\nT = { template = \"{P:url}\" }\n";
    Given::spec(nul).exec(&fake).has(&[("T", "a%00b")]);
    let raw = "[files]\nP = { parameter = \"/nul\" }\n[env]\nT = { template = \"{P}\" }\n";
    Given::spec(raw).fails(&fake, 65, &["T: the template cannot be filled", "NUL byte"]);
}

#[test]
fn plan_and_check_name_the_parts_and_no_value() {
    let fake = world();
    let spec = format!("{PARTS}T = {{ template = 'x{{USER}}y{{PW:url}}' }}\n");
    let plan = Given::spec(&spec).plan(&fake);
    assert_eq!(plan["variables"][2]["parts"], serde_json::json!(["USER", "PW"]));
    assert_eq!((&plan["variables"][0]["private"], &plan["variables"][2]["source"]), (&true.into(), &"template".into()));
    let check =
        Given::spec(&spec).run(&fake, "check", &["--format", "json"]).expect(0).hides(&["p@ss", "p%40ss"]).json();
    assert_eq!(check["variables"][2]["parts"], serde_json::json!(["USER", "PW"]));
    Given::spec(&spec).run(&fake, "check", &[]).expect(0).shows(&["template of USER, PW"]).hides(&["p@ss", "p%40ss"]);
    Given::spec(&spec)
        .run(&fake, "exec", &["-vv", "--", "true"])
        .expect(0)
        .says(&["T from a template of USER, PW"])
        .hides(&["p@ss"]);
}
