//! Policies from the command line: the schema, and files that are checked before a host has them.

use crate::house::House;

const ACME: &str = "[tools]\nallow = [\"*\"]\n[roles.agent]\ntools = [\"*\"]\n";
const GOOD: &str = "@id(\"agents\")\npermit(principal in Strongroom::Role::\"agent\", action, resource);\n";
const BAD: &str = "permit(principal, action, resource)\nwhen { context.hours > 8 };\n";

#[test]
fn the_schema_is_printed_as_it_is_shipped() {
    let house = House::new();
    let schema = house.run(["policy", "schema"]).ok().stdout.clone();
    let shipped = include_str!("../../src/authorize/strongroom.cedarschema");
    assert_eq!(schema, shipped);
    assert_eq!(house.run(["policy", "schema", "--format", "json"]).ok().json()["schema"], shipped);
}

#[test]
fn policies_are_checked_with_their_line() {
    let house = House::new();
    house.run(["policy", "check"]).ok().says("no tenant has policies");
    house.file("tenants/acme.toml", ACME);
    house.file("tenants/globex.toml", "");
    house.file("policies/acme.cedar", GOOD);
    house.file("policies/globex.cedar", "");
    assert_eq!(
        house.run(["policy", "check"]).ok().stdout,
        "ok  policies/acme.cedar  1 policy\nok  policies/globex.cedar  no policies: every call is denied\n"
    );
    let one = house.run(["policy", "check", "acme", "--format", "json"]).ok().json();
    let expected = serde_json::json!([{ "file": "policies/acme.cedar", "policies": ["agents"] }]);
    assert_eq!((&one["checked"], &one["findings"]), (&expected, &serde_json::json!([])));

    house.file("policies/acme.cedar", BAD);
    let told = house.run(["policy", "check"]);
    assert_eq!((told.code, told.stderr.as_str()), (1, ""), "{told:?}");
    assert!(told.stdout.contains("policies/acme.cedar:2:8"), "{told:?}");
    assert!(told.stdout.contains("context.hours > 8") && told.stdout.contains("help: "), "{told:?}");
    let told = house.run(["policy", "check", "--format", "json"]);
    assert_eq!(told.code, 1);
    let finding = &told.json()["findings"][0];
    assert_eq!((&finding["line"], &finding["column"]), (&2.into(), &8.into()), "{finding}");
    assert_eq!(finding["file"], "policies/acme.cedar");
    house.run(["policy", "check", "globex"]).ok();
    house.run(["doctor"]).failed(2, "config_invalid").says("policies/acme.cedar");

    house.file("policies/acme.cedar", &GOOD.replace("agent", "agnet"));
    let told = house.run(["policy", "check"]);
    assert!(told.code == 1 && told.stdout.contains("has no role \"agnet\""), "{told:?}");
}

#[test]
fn a_file_by_itself_is_checked_without_a_host() {
    let house = House::new();
    house.file("draft.cedar", GOOD);
    house.file("bad.cedar", BAD);
    assert_eq!(house.run(["policy", "check", "draft.cedar"]).ok().stdout, "ok  draft.cedar  1 policy\n");
    let told = house.run(["policy", "check", "draft.cedar", "bad.cedar", "--format", "json"]);
    assert_eq!(told.code, 1);
    let report = told.json();
    assert_eq!(
        (&report["checked"][0]["file"], &report["findings"][0]["file"]),
        (&"draft.cedar".into(), &"bad.cedar".into())
    );
    house.run(["policy", "check", "missing.cedar"]).failed(3, "not_found");
    house.run(["policy", "check", "acme"]).failed(3, "not_found");
    house.run(["policy", "check", "No Tenant"]).failed(2, "usage");
    house.file("tenants/acme.toml", "alow = 1\n");
    house.file("policies/acme.cedar", GOOD);
    house.run(["policy", "check"]).failed(2, "config_invalid").says("tenants/acme.toml");
}

#[test]
fn who_can_says_that_policies_narrow_further() {
    let house = House::new();
    house.file("tenants/acme.toml", ACME);
    house.file("policies/acme.cedar", GOOD);
    house.run(crate::words!["install", crate::house::component("files")]).ok();
    house.run(["who-can", "files.read"]).ok().says("policies/acme.cedar decides at each call as well");
    let found = house.run(["who-can", "files.read", "--format", "json"]).ok().json();
    assert_eq!(found["reached_by"][0]["narrowed_by"], "policies/acme.cedar");
}
