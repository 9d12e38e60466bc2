//! The contract, command by command, with the real binary against the fake.

mod common;

use common::{Spec, article, stepzero};

const ARTICLE: [&str; 11] = [
    "exec",
    "-p",
    "projectA",
    "-e",
    "production",
    "-k",
    "newrelic_key",
    "-k",
    "database_username",
    "-k",
    "database_password",
];

#[test]
fn the_article_by_flags_and_by_spec() {
    let fake = article();
    let want = "2039402939302293029230923093\ndb_user\nd)Dmfj@)(dJF!hp\n";
    let print = ["--", "printenv", "NEWRELIC_KEY", "DATABASE_USERNAME", "DATABASE_PASSWORD"];
    let by_flags = stepzero(&fake, ARTICLE.iter().chain(&print)).output().expect(0);
    assert_eq!(by_flags.stdout(), want);
    assert_eq!(by_flags.stderr(), "");
    assert_eq!(fake.calls("GetParameters").len(), 2, "twelve names");

    let spec = Spec::new(
        "project = \"projectA\"\nenvironment = \"production\"\n[env]\nNEWRELIC_KEY = \"newrelic_key\"\n\
         DATABASE_USERNAME = { key = \"database_username\" }\nDATABASE_PASSWORD = \"database_password\"\n",
    );
    let by_spec = stepzero(&fake, ["exec", "-s", &spec.arg()].iter().chain(&print)).output().expect(0);
    assert_eq!(by_spec.stdout(), want);
}
