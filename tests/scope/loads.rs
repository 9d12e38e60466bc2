//! `[[load]]` and `--load`: everything under a path.

use fake_aws::{Action, Fake, Fault, Put};

use crate::common::stepzero;
use crate::{exec, exec_with, variable, variables};

const LOAD: &str = "[[load]]\npath = \"/app\"\n";

fn app(names: &[(&str, &str)]) -> Fake {
    let fake = Fake::start();
    for (name, value) in names {
        fake.put(name, "SecureString", value);
    }
    fake
}

#[test]
fn one_level_or_all_of_them() {
    let fake = app(&[("/app/host", "h"), ("/app/db/user", "u"), ("/app/db/deep/er", "d")]);
    let flat = exec(&fake, LOAD);
    assert_eq!(variable(&flat, "HOST").as_deref(), Some("h"));
    assert_eq!(variable(&flat, "DB_USER"), None);
    let deep = exec(&fake, "[[load]]\npath = \"/app\"\nrecursive = true\n");
    assert_eq!(variable(&deep, "DB_USER").as_deref(), Some("u"));
    assert_eq!(variable(&deep, "DB_DEEP_ER").as_deref(), Some("d"));
}

#[test]
fn whole_segments_only() {
    let fake = app(&[("/app/a", "1"), ("/app2/b", "2"), ("/apple/c", "3"), ("/ap/d", "4")]);
    let ran = exec(&fake, "[[load]]\npath = \"/app\"\nrecursive = true\n");
    assert_eq!(variable(&ran, "A").as_deref(), Some("1"));
    for other in ["B", "C", "D", "2_B", "_2_B", "LE_C"] {
        assert_eq!(variable(&ran, other), None, "{other}");
    }
}

#[test]
fn names_map_and_the_prefix_comes_first() {
    let fake = app(&[("/app/db-host.name", "h"), ("/app/2fa", "f"), ("/app/x/y", "z")]);
    let ran = exec(&fake, "[[load]]\npath = \"/app/\"\nrecursive = true\n");
    for (name, want) in [("DB_HOST_NAME", "h"), ("_2FA", "f"), ("X_Y", "z")] {
        assert_eq!(variable(&ran, name).as_deref(), Some(want), "{name}");
    }
    let ran = exec(&fake, "[[load]]\npath = \"/app\"\nprefix = \"App_\"\n");
    // The prefix comes before the mapped rest, whose leading digit has got its guard.
    assert_eq!(variable(&ran, "App__2FA").as_deref(), Some("f"));
    assert_eq!(variable(&ran, "_2FA"), None);
}

#[test]
fn placeholders_are_filled_and_needed_only_where_used() {
    let fake = app(&[("/p/e/a", "1")]);
    let spec = "[[load]]\npath = \"/{project}/{environment}\"\n";
    assert_eq!(variable(&exec_with(&fake, spec, &["-p", "p", "-e", "e"], &[]), "A").as_deref(), Some("1"));
    exec_with(&fake, spec, &["-p", "p"], &[]).expect(78).says(&["nothing fills {environment}", "spec.toml:2:8"]);
    assert_eq!(fake.calls("GetParametersByPath").len(), 1, "the second run asked nobody");
    let by_flag = stepzero(&fake, ["exec", "-p", "p", "--load", "/{project}/e", "--", "printenv", "A"]).output();
    assert_eq!(by_flag.expect(0).stdout(), "1\n");
}

#[test]
fn what_is_no_path_is_refused_offline() {
    let fake = app(&[]);
    for path in ["app", "shared.key", "/a//b", "", "//", "/a b", "arn:aws:ssm:us-east-1:123456789012:parameter/a"] {
        exec(&fake, &format!("[[load]]\npath = \"{path}\"\n")).expect(78).says(&["is not a path of parameters"]);
    }
    assert!(fake.log().is_empty(), "nobody was asked");
}

#[test]
fn every_page_is_read_also_after_an_empty_one() {
    let fake = Fake::start();
    for n in 0..37 {
        fake.put(&format!("/app/k{n}"), "String", &n.to_string());
    }
    let loaded = |fake: &Fake| {
        let ran = exec(fake, LOAD).expect(0);
        variables(&ran).iter().filter(|(name, value)| name.strip_prefix('K') == Some(value)).count()
    };
    assert_eq!(loaded(&fake), 37);
    assert_eq!(fake.calls("GetParametersByPath").len(), 4);
    fake.page_size(3);
    fake.empty_pages(true);
    fake.clear_log();
    assert_eq!(loaded(&fake), 37);
    assert!(fake.calls("GetParametersByPath").len() > 13);
}

#[test]
fn an_empty_path_is_an_error_unless_optional() {
    let fake = app(&[("/other/a", "1")]);
    exec(&fake, LOAD).expect(66).says(&["no parameter under /app", "spec.toml:2:8", "optional = true"]);
    exec(&fake, &format!("{LOAD}optional = true\n")).expect(0);
    // A label that nothing has is empty too.
    exec(&fake, "[[load]]\npath = \"/other\"\nlabel = \"current\"\n").expect(66).says(&["with the label :current"]);
    stepzero(&fake, ["exec", "--load", "/app", "--", "env"]).output().expect(66).says(&["--load"]);
}

#[test]
fn a_label_for_the_whole_path() {
    let fake = Fake::start();
    fake.put_with(&Put::secure("/app/a", "old").label("current"));
    fake.put("/app/a", "SecureString", "new");
    fake.put("/app/b", "SecureString", "unlabelled");
    let ran = exec(&fake, "[[load]]\npath = \"/app\"\nlabel = \"current\"\n");
    assert_eq!(variable(&ran, "A").as_deref(), Some("old"));
    assert_eq!(variable(&ran, "B"), None);
}

#[test]
fn of_several_paths_the_first_that_is_listed_wins() {
    let fake = app(&[("/p/e/a", "specific"), ("/shared/a", "general"), ("/shared/b", "only")]);
    let spec = "[[load]]\npath = \"/p/e\"\n[[load]]\npath = \"/shared\"\n";
    let ran = exec(&fake, spec);
    assert_eq!(variable(&ran, "A").as_deref(), Some("specific"));
    assert_eq!(variable(&ran, "B").as_deref(), Some("only"));
    let turned = exec(&fake, "[[load]]\npath = \"/shared\"\n[[load]]\npath = \"/p/e\"\n");
    assert_eq!(variable(&turned, "A").as_deref(), Some("general"));
    // A path that is listed twice is no collision.
    let twice = exec(&fake, "[[load]]\npath = \"/p/e\"\n[[load]]\npath = \"/p/e\"\nrecursive = true\n");
    assert_eq!(variable(&twice, "A").as_deref(), Some("specific"));
}

#[test]
fn two_names_for_one_variable_collide() {
    for (names, spec) in [
        ([("/app/a-b", "1"), ("/app/a.b", "2")], LOAD),
        ([("/app/a_b", "1"), ("/app/A_B", "2")], LOAD),
        ([("/app/a/b", "1"), ("/app/a_b", "2")], "[[load]]\npath = \"/app\"\nrecursive = true\n"),
        ([("/app/x-y", "1"), ("/more/x.y", "2")], "[[load]]\npath = \"/app\"\n[[load]]\npath = \"/more\"\n"),
        (
            [("/app/a_b", "1"), ("/more/b", "2")],
            "[[load]]\npath = \"/app\"\n[[load]]\npath = \"/more\"\nprefix = \"A_\"\n",
        ),
    ] {
        let fake = app(&names);
        exec(&fake, spec).expect(65).says(&["two parameters for", names[0].0, names[1].0]);
        // [env] takes the variable, and nothing collides.
        let variable = if names[0].0.contains("x-y") { "X_Y" } else { "A_B" };
        exec(&fake, &format!("[env]\n{variable} = {{ parameter = \"{}\" }}\n{spec}", names[1].0)).expect(0);
    }
}

#[test]
fn names_that_load_code_are_refused_with_the_line_that_permits_them() {
    for (name, variable) in
        [("ld_preload", "LD_PRELOAD"), ("PATH", "PATH"), ("bash_func_x", "BASH_FUNC_X"), ("https-proxy", "HTTPS_PROXY")]
    {
        let full = format!("/app/{name}");
        let fake = app(&[(&full, "evil"), ("/app/fine", "1")]);
        let line = format!("{variable} = {{ parameter = \"{full}\" }}");
        exec(&fake, LOAD).expect(65).says(&[variable, &full, "under [env] in the spec", &line]);
        // The line does permit it; `true` is found before, and started by its full path.
        let spec = crate::common::Spec::new(&format!("[env]\n{line}\n{LOAD}"));
        let ran = stepzero(&fake, ["exec", "-s", &spec.arg(), "--", "/usr/bin/env"]).output();
        assert_eq!(crate::variable(&ran, variable).as_deref(), Some("evil"));
    }
}

#[test]
fn the_line_that_permits_a_labelled_name_has_the_label() {
    let fake = Fake::start();
    fake.put_with(&Put::secure("/app/PATH", "/bin").label("current"));
    exec(&fake, "[[load]]\npath = \"/app\"\nlabel = \"current\"\n")
        .expect(65)
        .says(&["PATH = { parameter = \"/app/PATH:current\" }"]);
}

#[test]
fn a_name_is_judged_after_its_prefix() {
    let fake = app(&[("/app/preload", "x"), ("/app/path", "y")]);
    exec(&fake, "[[load]]\npath = \"/app\"\nprefix = \"LD_\"\n").expect(65).says(&["LD_PRELOAD", "LD_PATH"]);
    exec(&fake, "[[load]]\npath = \"/app\"\nprefix = \"APP_\"\n").expect(0);
}

#[test]
fn flags_replace_env_which_replaces_loads() {
    let fake =
        app(&[("/app/a", "load"), ("/app/b", "load"), ("/app/c", "load"), ("/x/env", "env"), ("/x/flag", "flag")]);
    let spec = format!("[env]\nA = {{ parameter = \"/x/env\" }}\nB = {{ parameter = \"/x/env\" }}\n{LOAD}");
    let ran = exec_with(&fake, &spec, &["--parameter", "B=/x/flag"], &[("C", "inherited")]);
    for (name, want) in [("A", "env"), ("B", "flag"), ("C", "load")] {
        assert_eq!(variable(&ran, name).as_deref(), Some(want), "{name}");
    }
    let files = format!("[files]\nA = {{ parameter = \"/x/env\" }}\n{LOAD}");
    assert!(variable(&exec(&fake, &files), "A").is_some_and(|path| path.starts_with("/proc/self/fd/")));
}

#[test]
fn what_is_set_already_under_each_policy() {
    let fake = app(&[("/app/a", "load"), ("/app/b", "load")]);
    let set = [("A", "")];
    assert_eq!(variable(&exec_with(&fake, LOAD, &[], &set), "A").as_deref(), Some("load"));
    let kept = exec_with(&fake, LOAD, &["--existing", "keep"], &set);
    assert_eq!(variable(&kept, "A").as_deref(), Some(""), "set, even if empty");
    assert_eq!(variable(&kept, "B").as_deref(), Some("load"));
    exec_with(&fake, LOAD, &["--existing", "error"], &set).expect(65).says(&["A is set already"]);
    // Under --pristine only what is kept counts as set.
    exec_with(&fake, LOAD, &["--existing", "error", "--pristine"], &set).expect(0);
    exec_with(&fake, LOAD, &["--existing", "error", "--pristine", "--keep", "A"], &set).expect(65);
}

#[test]
fn what_is_kept_is_told_once() {
    let spec = crate::common::Spec::new("[env]\nA = \"a\"\n");
    let line = ["plan", "-s", &spec.arg(), "-k", "a", "--existing", "keep"];
    let plan = crate::common::offline(line).env("A", "set").output().expect(0).stdout();
    assert_eq!(plan.matches("kept as inherited").count(), 1, "{plan}");
}

#[test]
fn a_value_that_no_variable_can_hold_is_named_and_not_shown() {
    let fake = app(&[("/app/a", "hunter2\0x")]);
    let ran = exec(&fake, LOAD).expect(65).says(&["A:", "/app/a", "NUL"]);
    assert!(!ran.stderr().contains("hunter2"));
}

#[test]
fn several_troubles_are_told_at_once() {
    let fake = app(&[("/app/ld_audit", "x"), ("/app/a-b", "1"), ("/app/a.b", "2")]);
    let spec = format!("{LOAD}[[load]]\npath = \"/none\"\n");
    exec(&fake, &spec).expect(66).says(&["LD_AUDIT", "two parameters for A_B", "no parameter under /none"]);
}

#[test]
fn the_root_is_a_path_and_dotted_names_lie_flat_under_it() {
    let fake = app(&[("/rooted", "1"), ("shared.key", "2"), ("/deep/er", "3")]);
    let ran = exec(&fake, "[[load]]\npath = \"/\"\n");
    assert_eq!(variable(&ran, "ROOTED").as_deref(), Some("1"));
    assert_eq!(variable(&ran, "SHARED_KEY").as_deref(), Some("2"));
    assert_eq!(variable(&ran, "DEEP_ER"), None);
}

/// A name that is cut is another one: AWS lets them be some 2000 characters long.
#[test]
fn long_names_are_told_whole() {
    let long = format!("/app/{}", "x".repeat(900));
    let (dotted, dashed) = (format!("{long}.y"), format!("{long}-y"));
    let fake = app(&[(&dotted, "1"), (&dashed, "2")]);
    exec(&fake, LOAD).expect(65).says(&["two parameters for", &dotted, &dashed]);
    fake.delete(&dashed);
    let check = |format: &str| stepzero(&fake, ["check", "--load", "/app", "--format", format]).output().expect(0);
    let report: serde_json::Value = serde_json::from_str(&check("json").stdout()).expect("JSON");
    assert_eq!(report["variables"][0]["parameter"], *dotted);
    assert!(check("text").stdout().contains(&dotted));
    stepzero(&fake, ["exec", "-v", "--load", "/app", "true"]).output().expect(0).says(&[&dotted]);
}

/// The line of the message works as it is, also for a long name and an odd prefix.
#[test]
fn the_line_that_permits_a_refused_name_can_be_copied() {
    let long = format!("/app/{}", "x".repeat(900));
    let fake = app(&[(&long, "1")]);
    for prefix in ["LD_", "GIT_CONFIG.\\\"é "] {
        let load = format!("[[load]]\npath = \"/app\"\nprefix = \"{prefix}\"\n");
        let ran = exec(&fake, &load).expect(65);
        let (_, line) = ran
            .stderr()
            .split_once("under [env] in the spec: ")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("it says so");
        let ran = exec(&fake, &format!("[env]\n{line}\n{load}"));
        let name = format!("{}{}", prefix.replace('\\', ""), "X".repeat(900));
        assert_eq!(variable(&ran, &name).as_deref(), Some("1"), "{line}");
    }
}

const TWO_GLOBS: &str = "[[load]]\npath = \"/app\"\nonly = [\"DB_*\", \"API_KEY\"]\nexcept = [\"DB_OLD_*\"]\n";

#[test]
fn only_and_except_choose_among_the_variables() {
    let fake = app(&[("/app/db_host", "h"), ("/app/db_old_host", "o"), ("/app/api_key", "k"), ("/app/other", "x")]);
    // What is left out can be anything: a refused name, or two parameters for one variable.
    for name in ["/app/ld_preload", "/app/o.x", "/app/o-x"] {
        fake.put(name, "SecureString", "evil");
    }
    let ran = exec(&fake, TWO_GLOBS);
    assert_eq!(variable(&ran, "DB_HOST").as_deref(), Some("h"), "{}", ran.stderr());
    assert_eq!(variable(&ran, "API_KEY").as_deref(), Some("k"));
    for name in ["DB_OLD_HOST", "OTHER", "LD_PRELOAD", "O_X"] {
        assert_eq!(variable(&ran, name), None, "{name}");
    }
    let ran = exec(&fake, &TWO_GLOBS.replace("only = [\"DB_*\", \"API_KEY\"]", "only = [\"P_DB_*\"]\nprefix = \"P_\""));
    assert_eq!(variable(&ran, "P_DB_HOST").as_deref(), Some("h"), "the prefix counts");
    assert_eq!(variable(&ran, "P_API_KEY"), None);
}

#[test]
fn a_name_that_the_operator_wrote_in_full_is_taken() {
    let fake = app(&[("/app/ld_audit", "x"), ("/app/http_proxy", "http://p")]);
    exec(&fake, "[[load]]\npath = \"/app\"\nonly = [\"LD_*\", \"HTTP_PROXY\"]\n").expect(65).says(&["LD_AUDIT"]);
    let ran = exec(&fake, "[[load]]\npath = \"/app\"\nonly = [\"HTTP_PROXY\"]\n");
    assert_eq!(variable(&ran, "HTTP_PROXY").as_deref(), Some("http://p"));
    exec(&fake, "[[load]]\npath = \"/app\"\nexcept = [\"LD_*\", \"*_PROXY\"]\n").expect(0);
}

#[test]
fn what_only_names_and_nobody_has_is_missing() {
    let fake = app(&[("/app/db_host", "h"), ("/shared/api_key", "k")]);
    exec(&fake, TWO_GLOBS).expect(66).says(&["no parameter under /app gives API_KEY", "spec.toml:2:8", "optional"]);
    exec(&fake, &format!("{TWO_GLOBS}optional = true\n")).expect(0);
    exec(&fake, "[[load]]\npath = \"/app\"\nonly = [\"X_*\"]\n").expect(66).says(&["nothing under /app is X_*"]);
    // Another path, a line of the spec, or the inherited variable that is kept, can bring it.
    let shared = format!("{TWO_GLOBS}[[load]]\npath = \"/shared\"\nonly = [\"API_KEY\"]\n");
    assert_eq!(variable(&exec(&fake, &shared), "API_KEY").as_deref(), Some("k"));
    exec(&fake, &format!("[env]\nAPI_KEY = {{ parameter = \"/shared/api_key\" }}\n{TWO_GLOBS}")).expect(0);
    exec_with(&fake, TWO_GLOBS, &["--existing", "keep"], &[("API_KEY", "set")]).expect(0);
}

#[test]
fn the_plan_tells_only_and_except() {
    let spec = crate::common::Spec::new(TWO_GLOBS);
    let plan = |format: &str| {
        crate::common::offline(["plan", "-s", &spec.arg(), "--format", format]).output().expect(0).stdout()
    };
    assert!(plan("text").contains("DB_*, API_KEY except DB_OLD_*"), "{}", plan("text"));
    let json: serde_json::Value = serde_json::from_str(&plan("json")).expect("JSON");
    assert_eq!(json["loads"][0]["only"], serde_json::json!(["DB_*", "API_KEY"]));
    assert_eq!(json["loads"][0]["except"], serde_json::json!(["DB_OLD_*"]));
}

#[test]
fn a_glob_that_is_none_has_its_place() {
    let fake = app(&[]);
    for (line, says) in [
        ("only = [\"DB_*\", \"A[\"]", "spec.toml:3:17"),
        ("only = []", "`only` is empty"),
        ("except = [\"A=B\"]", "no variable has such a name"),
        ("only = \"DB_*\"", "`only` is a list of strings"),
    ] {
        exec(&fake, &format!("[[load]]\npath = \"/app\"\n{line}\n")).expect(78).says(&[says]);
    }
}

/// What `only` names can stand under the path that gave no answer: a missing name would say never to try again (66).
#[test]
fn a_name_is_not_missing_while_another_path_is_unanswered() {
    let fake = app(&[("/app/db_host", "h"), ("/shared/api_key", "k")]);
    fake.fault(Fault::always(Action::status(500)).operation("GetParametersByPath").name("/shared"));
    let spec = format!("{TWO_GLOBS}[[load]]\npath = \"/shared\"\nonly = [\"API_KEY\"]\n");
    let ran = exec_with(&fake, &spec, &["--timeout", "2s"], &[]).expect(75);
    assert!(!ran.stderr().contains("which `only` names"), "{}", ran.stderr());
}
