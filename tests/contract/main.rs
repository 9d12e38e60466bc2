//! The contract as a hostile reader would take it: the real binary against the fake, table by table. Each submodule has
//! one matter.

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod codes;
mod outputs;
mod precedence;
mod scopes;
mod sources;
mod variables;

use common::{Given, HOME, article};

#[test]
fn the_article_by_flags_and_by_spec() {
    let fake = article();
    let want = "2039402939302293029230923093\ndb_user\nd)Dmfj@)(dJF!hp\n";
    let print = ["--", "printenv", "NEWRELIC_KEY", "DATABASE_USERNAME", "DATABASE_PASSWORD"];
    let keys = ["-k", "newrelic_key", "-k", "database_username", "-k", "database_password"];
    let by_flags = Given::args(&[&HOME[..], &keys].concat()).run(&fake, "exec", &print).expect(0);
    assert_eq!(by_flags.stdout(), want);
    assert_eq!(by_flags.stderr(), "");
    assert_eq!(fake.calls("GetParameters").len(), 2, "twelve names");

    let spec = "project = \"projectA\"\nenvironment = \"production\"\n[env]\nNEWRELIC_KEY = \"newrelic_key\"\n\
                DATABASE_USERNAME = { key = \"database_username\" }\nDATABASE_PASSWORD = \"database_password\"\n";
    let by_spec = Given::spec(spec).run(&fake, "exec", &print).expect(0);
    assert_eq!(by_spec.stdout(), want);
}
