//! `tenant list`, `show` and `delete`.

use crate::house::House;
use crate::words;

const ACME: &str = "[tools]\nallow = [\"*\"]\n[storage]\nkeyvalue = { bytes = \"16MiB\", entries = 10 }\n\
                    [grants.files.dir.workspace]\npath = \"data/acme\"\nmode = \"rw\"\n\
                    [[budgets]]\nof = \"calls\"\nper = \"day\"\nlimit = 10\n";
const GLOBEX: &str = "suspended = true\n";
const CREDENTIALS: &str = "[acme-api]\ntenant = \"acme\"\norigins = [\"https://a.example\"]\nvalue = \"a\"\n\n\
                           # theirs\n[globex-api]\ntenant = \"globex\"\norigins = [\"https://g.example\"]\nvalue = \"g\"\n";

fn two() -> House {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new();
    house.file("tenants/acme.toml", ACME);
    house.file("tenants/globex.toml", GLOBEX);
    house.file("credentials.toml", CREDENTIALS);
    let owner = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(house.path().join("credentials.toml"), owner).unwrap();
    std::fs::create_dir_all(house.path().join("data/acme")).unwrap();
    house.run(["key", "create", "--tenant", "acme", "--actor", "agent"]).ok();
    house
}

#[test]
fn tenants_are_listed_and_shown() {
    let house = two();
    house.run(["kill", "tenant", "initech", "--why", "never there"]).ok();
    let list = house.run(["tenant", "list"]).ok().stdout.clone();
    assert_eq!(
        list,
        "tenant   standing   keys\nacme     active     1\nglobex   suspended  0\ninitech  remains    0\n"
    );
    let list = house.run(["tenant", "list", "--format", "json"]).ok().json();
    assert_eq!(list["tenants"][0]["ledger"]["keys"], 1);
    let shown = house.run(["tenant", "show", "acme"]).ok().stdout.clone();
    for line in [
        "acme: active\n",
        "files        tenants/acme.toml\n",
        "keyvalue     0 entries, 0B of 10 entries, 16MiB\n",
        "memory       0 entries, 0B of 100000 entries, 256MiB\n",
        "budget       10 calls per day: 0 spent\n",
        "credential   acme-api\n",
        "data/acme (files.workspace, rw)\n",
    ] {
        assert!(shown.contains(line), "{line:?} is missing in {shown}");
    }
    let shown = house.run(["tenant", "show", "acme", "--format", "json"]).ok().json();
    assert_eq!(shown["keyvalue"]["quota"]["entries"], 10);
    assert_eq!(shown["memory"]["used"], serde_json::Value::Null);
    house.run(["tenant", "show", "nobody"]).failed(3, "not_found").says("tenant list");
    assert_eq!(house.run(["tenant", "show", "../x"]).code, 2);
}

#[test]
fn a_tenant_is_deleted_only_by_who_means_it() {
    let house = two();
    // No terminal: nobody can be asked.
    house.run(["tenant", "delete", "acme"]).failed(2, "usage").says("--yes");
    assert!(house.path().join("tenants/acme.toml").exists());
    house.run(["tenant", "delete", "nobody", "--yes"]).failed(3, "not_found");
    assert_eq!(house.run(["tenant", "delete", "No Body", "--yes"]).code, 2);

    let done = house.run(["tenant", "delete", "acme", "--yes"]).ok().stdout.clone();
    assert!(done.starts_with("deleted: acme\n  1 API keys, 0 budgets, 0 idempotency keys"), "{done}");
    assert!(done.contains("  tenants/acme.toml, [acme-api] of credentials.toml\n"), "{done}");
    assert!(done.contains("because they are yours:\n") && done.contains("data/acme (files.workspace, rw)\n"));
    assert!(
        done.ends_with("the audit log keeps its entries of acme: ids, digests and targets, never values\n")
    );
    assert!(house.path().join("data/acme").exists() && !house.path().join("tenants/acme.toml").exists());
    let left = std::fs::read_to_string(house.path().join("credentials.toml")).unwrap();
    assert_eq!(left, CREDENTIALS.split_once("\n\n").unwrap().1);
    let book = house.run(["audit", "show", "--last", "20"]).ok().stdout.clone();
    assert!(book.contains("tenant.delete acme begins, leaving ") && book.contains("tenant.delete acme ends"));
    let gone = house.run(["tenant", "delete", "acme", "--yes"]);
    gone.failed(3, "not_found");

    let last = house.run(["tenant", "delete", "globex", "--yes", "--format", "json"]).ok().json();
    assert_eq!(last["deleted"]["credentials"][0], "globex-api");
    // A host whose last tenant is gone has no tenants, and does not stop to ask for keys.
    house.run(words!["call", "echo.echo-list", "{}"]).failed(4, "tenant_missing");
}
