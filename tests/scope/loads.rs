//! `[[load]]` and `--load`: everything under a path.

use fake_aws::{Action, Fake, Fault, Put};

use crate::common::{Given, map, stepzero, store};

const LOAD: &str = "[[load]]\npath = \"/app\"\n";

/// The same with one line more.
fn app(line: &str) -> String {
    format!("{LOAD}{line}\n")
}

#[test]
fn one_level_or_all_of_them() {
    let fake = store(&[("/app/host", "h"), ("/app/db/user", "u"), ("/app/db/deep/er", "d")]);
    Given::spec(LOAD).exec(&fake).has(&[("HOST", "h")]).lacks(&["DB_USER"]);
    Given::spec(&app("recursive = true")).exec(&fake).has(&[("DB_USER", "u"), ("DB_DEEP_ER", "d")]);
}

#[test]
fn whole_segments_only() {
    let fake = store(&[("/app/a", "1"), ("/app2/b", "2"), ("/apple/c", "3"), ("/ap/d", "4")]);
    Given::spec(&app("recursive = true")).exec(&fake).has(&[("A", "1")]).lacks(&["B", "C", "D", "2_B", "_2_B", "LE_C"]);
}

#[test]
fn names_map_and_the_prefix_comes_first() {
    let fake = store(&[("/app/db-host.name", "h"), ("/app/2fa", "f"), ("/app/x/y", "z")]);
    Given::spec("[[load]]\npath = \"/app/\"\nrecursive = true\n").exec(&fake).has(&[
        ("DB_HOST_NAME", "h"),
        ("_2FA", "f"),
        ("X_Y", "z"),
    ]);
    let ran = Given::spec(&app("prefix = \"App_\"")).exec(&fake);
    // The prefix comes before the mapped rest, whose leading digit has got its guard.
    ran.has(&[("App__2FA", "f")]).lacks(&["_2FA"]);
}

#[test]
fn placeholders_are_filled_and_needed_only_where_used() {
    let fake = store(&[("/p/e/a", "1")]);
    let spec = "[[load]]\npath = \"/{project}/{environment}\"\n";
    Given::spec(spec).and_args(&["-p", "p", "-e", "e"]).exec(&fake).has(&[("A", "1")]);
    Given::spec(spec).and_args(&["-p", "p"]).fails(&fake, 78, &["nothing fills {environment}", "spec.toml:2:8"]);
    assert_eq!(fake.calls("GetParametersByPath").len(), 1, "the second run asked nobody");
    let by_flag = stepzero(&fake, ["exec", "-p", "p", "--load", "/{project}/e", "--", "printenv", "A"]).output();
    by_flag.prints("1\n");
}

#[test]
fn what_is_no_path_is_refused_offline() {
    let fake = store(&[]);
    for path in ["app", "shared.key", "/a//b", "", "//", "/a b", "arn:aws:ssm:us-east-1:123456789012:parameter/a"] {
        Given::spec(&format!("[[load]]\npath = \"{path}\"\n")).fails(&fake, 78, &["is not a path of parameters"]);
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
        let variables = Given::spec(LOAD).environment(fake);
        variables.iter().filter(|(name, value)| name.strip_prefix('K') == Some(value)).count()
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
    let fake = store(&[("/other/a", "1")]);
    Given::spec(LOAD).fails(&fake, 66, &["no parameter under /app", "spec.toml:2:8", "optional = true"]);
    Given::spec(&app("optional = true")).exec(&fake).expect(0);
    // A label that nothing has is empty too.
    Given::spec("[[load]]\npath = \"/other\"\nlabel = \"current\"\n").fails(&fake, 66, &["with the label current"]);
    stepzero(&fake, ["exec", "--load", "/app", "--", "env"]).output().expect(66).says(&["--load"]);
}

#[test]
fn a_label_for_the_whole_path() {
    let fake = Fake::start();
    fake.put_with(&Put::secure("/app/a", "old").label("current"));
    fake.put("/app/a", "SecureString", "new");
    fake.put("/app/b", "SecureString", "unlabelled");
    Given::spec(&app("label = \"current\"")).exec(&fake).has(&[("A", "old")]).lacks(&["B"]);
}

#[test]
fn of_several_paths_the_first_that_is_listed_wins() {
    let fake = store(&[("/p/e/a", "specific"), ("/shared/a", "general"), ("/shared/b", "only")]);
    let spec = "[[load]]\npath = \"/p/e\"\n[[load]]\npath = \"/shared\"\n";
    Given::spec(spec).exec(&fake).has(&[("A", "specific"), ("B", "only")]);
    Given::spec("[[load]]\npath = \"/shared\"\n[[load]]\npath = \"/p/e\"\n").exec(&fake).has(&[("A", "general")]);
    // A path that is listed twice is no collision.
    Given::spec("[[load]]\npath = \"/p/e\"\n[[load]]\npath = \"/p/e\"\nrecursive = true\n")
        .exec(&fake)
        .has(&[("A", "specific")]);
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
        let fake = store(&names);
        Given::spec(spec).fails(&fake, 65, &["two parameters for", names[0].0, names[1].0]);
        // [env] takes the variable, and nothing collides.
        let variable = if names[0].0.contains("x-y") { "X_Y" } else { "A_B" };
        Given::spec(&format!("[env]\n{variable} = {{ parameter = \"{}\" }}\n{spec}", names[1].0)).exec(&fake).expect(0);
    }
}

#[test]
fn names_that_load_code_are_refused_with_the_line_that_permits_them() {
    for (name, variable) in
        [("ld_preload", "LD_PRELOAD"), ("PATH", "PATH"), ("bash_func_x", "BASH_FUNC_X"), ("https-proxy", "HTTPS_PROXY")]
    {
        let full = format!("/app/{name}");
        let fake = store(&[(&full, "evil"), ("/app/fine", "1")]);
        let line = format!("{variable} = {{ parameter = \"{full}\" }}");
        Given::spec(LOAD).fails(&fake, 65, &[variable, &full, "under [env] in the spec", &line]);
        // The line does permit it; `true` is found before, and started by its full path.
        let spec = format!("[env]\n{line}\n{LOAD}");
        Given::spec(&spec).run(&fake, "exec", &["--", "/usr/bin/env", "-0"]).has(&[(variable, "evil")]);
    }
}

#[test]
fn the_line_that_permits_a_labelled_name_has_the_label() {
    let fake = Fake::start();
    fake.put_with(&Put::secure("/app/PATH", "/bin").label("current"));
    Given::spec(&app("label = \"current\"")).fails(&fake, 65, &["PATH = { parameter = \"/app/PATH:current\" }"]);
}

#[test]
fn a_name_is_judged_after_its_prefix() {
    let fake = store(&[("/app/preload", "x"), ("/app/path", "y")]);
    Given::spec(&app("prefix = \"LD_\"")).fails(&fake, 65, &["LD_PRELOAD", "LD_PATH"]);
    Given::spec(&app("prefix = \"APP_\"")).exec(&fake).expect(0);
}

#[test]
fn flags_replace_env_which_replaces_loads() {
    let fake =
        store(&[("/app/a", "load"), ("/app/b", "load"), ("/app/c", "load"), ("/x/env", "env"), ("/x/flag", "flag")]);
    let spec = format!("[env]\nA = {{ parameter = \"/x/env\" }}\nB = {{ parameter = \"/x/env\" }}\n{LOAD}");
    Given::spec(&spec).and_args(&["--parameter", "B=/x/flag"]).and_env(&[("C", "inherited")]).exec(&fake).has(&[
        ("A", "env"),
        ("B", "flag"),
        ("C", "load"),
    ]);
    let files = format!("[files]\nA = {{ parameter = \"/x/env\" }}\n{LOAD}");
    assert!(Given::spec(&files).environment(&fake)["A"].starts_with("/proc/self/fd/"));
}

#[test]
fn what_is_set_already_under_each_policy() {
    let fake = store(&[("/app/a", "load"), ("/app/b", "load")]);
    let set = [("A", "")];
    Given::spec(LOAD).and_env(&set).exec(&fake).has(&[("A", "load")]);
    let kept = Given::spec(LOAD).and_args(&["--existing", "keep"]).and_env(&set).exec(&fake);
    // An empty variable is set as well.
    kept.has(&[("A", ""), ("B", "load")]);
    Given::spec(LOAD).and_args(&["--existing", "error"]).and_env(&set).fails(&fake, 65, &["A is set already"]);
    // Under --pristine only what is kept counts as set.
    Given::spec(LOAD).and_args(&["--existing", "error", "--pristine"]).and_env(&set).exec(&fake).expect(0);
    Given::spec(LOAD)
        .and_args(&["--existing", "error", "--pristine", "--keep", "A"])
        .and_env(&set)
        .exec(&fake)
        .expect(65);
}

#[test]
fn what_is_kept_is_told_once() {
    let given = Given::spec("[env]\nA = \"a\"\n").and_args(&["-k", "a", "--existing", "keep"]);
    let plan = given.and_env(&[("A", "set")]).offline("plan", &[]).expect(0).stdout();
    assert_eq!(plan.matches("kept as inherited").count(), 1, "{plan}");
}

#[test]
fn a_value_that_no_variable_can_hold_is_named_and_not_shown() {
    let fake = store(&[("/app/a", "hunter2\0x")]);
    Given::spec(LOAD).fails(&fake, 65, &["A:", "/app/a", "NUL"]).hides(&["hunter2"]);
}

#[test]
fn several_troubles_are_told_at_once() {
    let fake = store(&[("/app/ld_audit", "x"), ("/app/a-b", "1"), ("/app/a.b", "2")]);
    let spec = format!("{LOAD}[[load]]\npath = \"/none\"\n");
    Given::spec(&spec).fails(&fake, 66, &["LD_AUDIT", "two parameters for A_B", "no parameter under /none"]);
}

#[test]
fn the_root_is_a_path_and_dotted_names_lie_flat_under_it() {
    let fake = store(&[("/rooted", "1"), ("shared.key", "2"), ("/deep/er", "3")]);
    Given::spec("[[load]]\npath = \"/\"\n")
        .exec(&fake)
        .has(&[("ROOTED", "1"), ("SHARED_KEY", "2")])
        .lacks(&["DEEP_ER"]);
}

/// A name that is cut is another one: AWS lets them be some 2000 characters long.
#[test]
fn long_names_are_told_whole() {
    let long = format!("/app/{}", "x".repeat(900));
    let (dotted, dashed) = (format!("{long}.y"), format!("{long}-y"));
    let fake = store(&[(&dotted, "1"), (&dashed, "2")]);
    Given::spec(LOAD).fails(&fake, 65, &["two parameters for", &dotted, &dashed]);
    fake.delete(&dashed);
    let check = |format: &str| stepzero(&fake, ["check", "--load", "/app", "--format", format]).output().expect(0);
    let report = check("json").json();
    assert_eq!(report["variables"][0]["parameter"], *dotted);
    assert!(check("text").stdout().contains(&dotted));
    stepzero(&fake, ["exec", "-v", "--load", "/app", "true"]).output().expect(0).says(&[&dotted]);
}

/// The line of the message works as it is, also for a long name and an odd prefix.
#[test]
fn the_line_that_permits_a_refused_name_can_be_copied() {
    let long = format!("/app/{}", "x".repeat(900));
    let fake = store(&[(&long, "1")]);
    for prefix in ["LD_", "GIT_CONFIG.\\\"é "] {
        let load = format!("[[load]]\npath = \"/app\"\nprefix = \"{prefix}\"\n");
        let stderr = Given::spec(&load).exec(&fake).expect(65).stderr();
        let (_, line) = stderr.split_once("under [env] in the spec: ").expect("it says so");
        let ran = Given::spec(&format!("[env]\n{line}\n{load}")).exec(&fake);
        let name = format!("{}{}", prefix.replace('\\', ""), "X".repeat(900));
        ran.has(&[(&name, "1")]);
    }
}

const TWO_GLOBS: &str = "[[load]]\npath = \"/app\"\nonly = [\"DB_*\", \"API_KEY\"]\nexcept = [\"DB_OLD_*\"]\n";

#[test]
fn only_and_except_choose_among_the_variables() {
    let fake = store(&[("/app/db_host", "h"), ("/app/db_old_host", "o"), ("/app/api_key", "k"), ("/app/other", "x")]);
    // What is left out can be anything: a refused name, or two parameters for one variable.
    for name in ["/app/ld_preload", "/app/o.x", "/app/o-x"] {
        fake.put(name, "SecureString", "evil");
    }
    Given::spec(TWO_GLOBS).exec(&fake).has(&[("DB_HOST", "h"), ("API_KEY", "k")]).lacks(&[
        "DB_OLD_HOST",
        "OTHER",
        "LD_PRELOAD",
        "O_X",
    ]);
    Given::spec(&TWO_GLOBS.replace("only = [\"DB_*\", \"API_KEY\"]", "only = [\"P_DB_*\"]\nprefix = \"P_\""))
        .exec(&fake)
        // The prefix counts.
        .has(&[("P_DB_HOST", "h")])
        .lacks(&["P_API_KEY"]);
}

#[test]
fn a_name_that_the_operator_wrote_in_full_is_taken() {
    let fake = store(&[("/app/ld_audit", "x"), ("/app/http_proxy", "http://p")]);
    Given::spec(&app("only = [\"LD_*\", \"HTTP_PROXY\"]")).fails(&fake, 65, &["LD_AUDIT"]);
    Given::spec(&app("only = [\"HTTP_PROXY\"]")).exec(&fake).has(&[("HTTP_PROXY", "http://p")]);
    Given::spec(&app("except = [\"LD_*\", \"*_PROXY\"]")).exec(&fake).expect(0);
}

#[test]
fn what_only_names_and_nobody_has_is_missing() {
    let fake = store(&[("/app/db_host", "h"), ("/shared/api_key", "k")]);
    Given::spec(TWO_GLOBS).fails(&fake, 66, &["no parameter under /app gives API_KEY", "spec.toml:2:8", "optional"]);
    Given::spec(&format!("{TWO_GLOBS}optional = true\n")).exec(&fake).expect(0);
    Given::spec(&app("only = [\"X_*\"]")).fails(&fake, 66, &["nothing under /app is X_*"]);
    // Another path, a line of the spec, or the inherited variable that is kept, can bring it.
    let shared = format!("{TWO_GLOBS}[[load]]\npath = \"/shared\"\nonly = [\"API_KEY\"]\n");
    Given::spec(&shared).exec(&fake).has(&[("API_KEY", "k")]);
    Given::spec(&format!("[env]\nAPI_KEY = {{ parameter = \"/shared/api_key\" }}\n{TWO_GLOBS}")).exec(&fake).expect(0);
    Given::spec(TWO_GLOBS).and_args(&["--existing", "keep"]).and_env(&[("API_KEY", "set")]).exec(&fake).expect(0);
}

#[test]
fn the_plan_tells_only_and_except() {
    let plan = |format: &str| Given::spec(TWO_GLOBS).offline("plan", &["--format", format]).expect(0);
    assert!(plan("text").stdout().contains("DB_*, API_KEY except DB_OLD_*"), "{}", plan("text"));
    let json = plan("json").json();
    assert_eq!(json["loads"][0]["only"], serde_json::json!(["DB_*", "API_KEY"]));
    assert_eq!(json["loads"][0]["except"], serde_json::json!(["DB_OLD_*"]));
}

#[test]
fn a_glob_that_is_none_has_its_place() {
    let fake = store(&[]);
    for (line, says) in [
        ("only = [\"DB_*\", \"A[\"]", "spec.toml:3:17"),
        ("only = []", "`only` is empty"),
        ("except = [\"A=B\"]", "no variable has such a name"),
        ("only = \"DB_*\"", "`only` is a list of strings"),
    ] {
        Given::spec(&format!("[[load]]\npath = \"/app\"\n{line}\n")).fails(&fake, 78, &[says]);
    }
}

/// What `only` names can stand under the path that gave no answer: a missing name would say never to try again (66).
#[test]
fn a_name_is_not_missing_while_another_path_is_unanswered() {
    let fake = store(&[("/app/db_host", "h"), ("/shared/api_key", "k")]);
    fake.fault(Fault::always(Action::status(500)).operation("GetParametersByPath").name("/shared"));
    let spec = format!("{TWO_GLOBS}[[load]]\npath = \"/shared\"\nonly = [\"API_KEY\"]\n");
    let ran = Given::spec(&spec).and_args(&["--timeout", "2s"]).exec(&fake);
    ran.expect(75).hides(&["which `only` names"]);
}

#[test]
fn names_for_terraform_and_for_dotnet() {
    let fake = store(&[("/app/ConnectionStrings/Default", "s"), ("/app/db-userName", "u"), ("/app/PATH", "p")]);
    for (keys, want) in [
        (
            "prefix = \"TF_VAR_\"\ncase = \"keep\"",
            [("TF_VAR_ConnectionStrings_Default", "s"), ("TF_VAR_db_userName", "u"), ("TF_VAR_PATH", "p")],
        ),
        (
            "prefix = \"X_\"\ncase = \"keep\"\njoin = \"__\"",
            [("X_ConnectionStrings__Default", "s"), ("X_db_userName", "u"), ("X_PATH", "p")],
        ),
        (
            "prefix = \"X_\"\njoin = \"__\"",
            [("X_CONNECTIONSTRINGS__DEFAULT", "s"), ("X_DB_USERNAME", "u"), ("X_PATH", "p")],
        ),
    ] {
        let spec = format!("[[load]]\npath = \"/app\"\nrecursive = true\n{keys}\n");
        assert_eq!(Given::spec(&spec).environment(&fake), map(&want), "{keys}");
    }
    // Refused names are so whatever the case.
    let kept = "[[load]]\npath = \"/app\"\ncase = \"keep\"\nonly = [\"PA*\"]\n";
    Given::spec(kept).fails(&fake, 65, &["PATH", "refused"]);
}
