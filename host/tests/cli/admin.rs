//! Keys of admins at the command line: made once, listed without secrets, rotated, ended; and served where the file says.

use super::house::{House, Told};

fn with_acme() -> House {
    let house = House::new();
    house.file("tenants/acme.toml", "[tools]\nallow = [\"*\"]\n");
    house
}

fn create(house: &House, more: &[&str]) -> Told {
    house.run(["admin", "key", "create", "--actor", "kim", "--format", "json"].iter().chain(more))
}

#[test]
fn a_key_of_an_admin_is_made_listed_rotated_and_ended() {
    let house = with_acme();
    let made = create(&house, &["--role", "operator", "--expires", "30d"]);
    made.ok().says("shown this once").says("the admin API is off");
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let secret = key.strip_prefix(&format!("sr_admin_{id}_")).unwrap();
    create(&house, &["--role", "tenant-admin", "--tenant", "acme"]).ok();
    create(&house, &["--role", "auditor"]).ok();

    let listed = house.run(["admin", "key", "list", "--format", "json"]);
    assert!(!listed.ok().stdout.contains(secret));
    let keys = listed.json()["keys"].as_array().unwrap().clone();
    let roles: Vec<_> =
        keys.iter().map(|key| (key["role"].as_str().unwrap(), key["tenant"].as_str())).collect();
    assert_eq!(roles, [("operator", None), ("tenant-admin", Some("acme")), ("auditor", None)]);
    assert!(house.run(["key", "list"]).ok().stderr.contains("there are no keys"), "they are no tenant's");

    let rotated = house.run(["admin", "key", "rotate", &id, "--grace", "1s", "--format", "json"]);
    assert!(rotated.ok().json()["key"].as_str().unwrap().starts_with("sr_admin_"));
    let new = rotated.json()["id"].as_str().unwrap().to_owned();
    house.run(["admin", "key", "rotate", "a"]).failed(4, "tenant_unknown");
    house.run(["admin", "key", "revoke", &new]).ok();
    assert!(house.run(["admin", "key", "list"]).ok().stdout.contains("revoked"));
    let book = house.book();
    for word in ["create", "rotate", "revoke"] {
        assert!(book.contains(&format!("admin-key.{word}")), "{word}");
    }
    assert!(!book.contains(secret));
}

#[test]
fn a_role_and_its_tenant_belong_together() {
    let house = with_acme();
    create(&house, &["--role", "tenant-admin", "--tenant", "nobody"]).failed(4, "tenant_unknown");
    create(&house, &["--role", "auditor", "--tenant", "acme"]).failed(2, "usage").says("--tenant");
    assert_eq!(create(&house, &["--role", "tenant-admin"]).code, 2);
    assert_eq!(create(&house, &["--role", "root"]).code, 2);
    assert_eq!(create(&house, &[]).code, 2);
    house.run(["admin", "key", "rotate", "a", "--grace", "91d"]).failed(2, "usage");
    let long = "x".repeat(101);
    house.run(["admin", "key", "create", "--role", "auditor", "--actor", &long]).failed(2, "usage");
}
