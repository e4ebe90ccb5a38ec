//! Every other byte stays, whatever the file looks like. May name: id, authorize.

use super::*;
use proptest::prelude::*;

const FILE: &str = "credentials.toml";

/// Comments everywhere, tables in several forms, and no line break at the end.
const TEXT: &str = r#"# all credentials
# of the host

[acme-orders] # the shop
tenant = "acme"
# where the shop is
origins = [
    "https://a.example", # main
    "https://b.example",
]
value = "Bearer canary" # changed in May
# the end of it

globex = 1 # never here
"#;

fn text() -> String {
    TEXT.replace("globex = 1 # never here\n", "[\"globex-x\"]\ntenant='globex'\norigins=['https://g.example']\nheader='x-key'\nsealed=\"v1:0:0\"\n\n# last words\n[z]\ntenant = 'acme'\norigins = ['https://z.example']\nenv = 'Z'")
}

fn handle(name: &str) -> CredentialHandle {
    CredentialHandle::new(name).unwrap()
}

fn plain(text: &str) -> Written {
    Written::Plain(Zeroizing::new(text.to_owned()))
}

fn changed(text: &str, name: &str, change: &Change<'_>) -> String {
    edit(FILE, text, &handle(name), change).unwrap().to_string()
}

#[test]
fn a_value_is_replaced_and_nothing_else() {
    let value = plain("a \"new\\ one");
    let change = Change::Value { value: &value, changed: None };
    let expected = text().replace(r#"value = "Bearer canary""#, r#"value = "a \"new\\ one""#);
    assert_eq!(changed(&text(), "acme-orders", &change), expected);
    let sealed = Written::Sealed("v1:1:1".to_owned());
    let change = Change::Value { value: &sealed, changed: Some("2026-01-31T08:15:00Z") };
    let whole = r#"sealed = "v1:1:1" # changed in May
changed = 2026-01-31T08:15:00Z
# the end of it"#;
    let expected = text().replace("value = \"Bearer canary\" # changed in May\n# the end of it", whole);
    let once = changed(&text(), "acme-orders", &change);
    assert_eq!(once, expected);
    let again = Change::Value { value: &sealed, changed: Some("2027-01-31T08:15:00Z") };
    assert_eq!(changed(&once, "acme-orders", &again), expected.replace("2026-01", "2027-01"));
    // At the very end of a file without a line break.
    let last = changed(&text(), "z", &change);
    assert!(last.ends_with("sealed = \"v1:1:1\"\nchanged = 2026-01-31T08:15:00Z\n"), "{last}");
}

#[test]
fn an_entry_goes_and_its_neighbours_stay() {
    let without = changed(&text(), "globex-x", &Change::Remove);
    let start = text().find("[\"globex-x\"]").unwrap();
    let end = text().find("# last words").unwrap();
    assert_eq!(without, format!("{}{}", text().get(..start).unwrap(), text().get(end..).unwrap()));
    let without = changed(&without, "acme-orders", &Change::Remove);
    assert!(without.starts_with("# all credentials\n# of the host\n\n# the end of it\n\n# last words\n[z]"));
    let without = changed(&without, "z", &Change::Remove);
    assert_eq!(without, "# all credentials\n# of the host\n\n# the end of it\n\n# last words\n");
    assert_eq!(changed(&without, "z", &Change::Remove), without);
}

#[test]
fn an_entry_is_set_in_its_place_or_at_the_end() {
    let origins = [OriginPattern::parse("https://*.example.com").unwrap()];
    let (tenant, value) = (TenantId::new("acme").unwrap(), plain("s3cret"));
    let injection = Injection::Query("api_key".parse().unwrap());
    let set = Change::Set {
        tenant: &tenant,
        origins: &origins,
        injection: &injection,
        value: &value,
        changed: "2026-01-31T08:15:00Z",
    };
    let new = "[b]\ntenant = \"acme\"\norigins = [\"https://*.example.com\"]\nquery = \"api_key\"\nvalue = \"s3cret\"\nchanged = 2026-01-31T08:15:00Z\n";
    assert_eq!(changed("", "b", &set), new);
    assert_eq!(changed(&text(), "b", &set), format!("{}\n\n{new}", text()));
    assert_eq!(changed("# x\r\n", "b", &set), format!("# x\r\n\r\n{}", new.replace('\n', "\r\n")));
    let there = changed(&text(), "acme-orders", &set);
    let expected = "[acme-orders] # the shop\ntenant = \"acme\"\n# where the shop is\norigins = [\"https://*.example.com\"]\nvalue = \"s3cret\" # changed in May\nquery = \"api_key\"\nchanged = 2026-01-31T08:15:00Z\n# the end of it\n";
    assert!(there.contains(expected), "{there}");
    assert!(
        changed(&text(), "globex-x", &set)
            .contains("origins = [\"https://*.example.com\"]\nquery = \"api_key\"\nvalue = \"s3cret\"\n")
    );
}

#[test]
fn other_forms_are_changed_where_that_is_safe_and_refused_where_not() {
    let inline = "a = { tenant = 'acme', origins = ['https://a.example'], value = 'x' } # mine\nb.tenant = 'acme'\nb.origins = ['https://b.example']\nb.value = 'y'\n";
    let value = plain("s3cret");
    let rotate = Change::Value { value: &value, changed: Some("2026-01-31T08:15:00Z") };
    let once = changed(inline, "a", &rotate);
    assert!(once.starts_with("a = { tenant = 'acme', origins = ['https://a.example'], value = \"s3cret\", changed = 2026-01-31T08:15:00Z } # mine\n"), "{once}");
    assert!(changed(inline, "a", &Change::Remove).starts_with("b.tenant"));
    let seal = Change::Value { value: &value, changed: None };
    assert_eq!(changed(inline, "b", &seal), inline.replace("b.value = 'y'", "b.value = \"s3cret\""));
    for change in [&rotate, &Change::Remove] {
        let refused = edit(FILE, inline, &handle("b"), change).unwrap_err();
        assert!(refused.to_string().contains("by hand"), "{refused}");
    }
    for broken in ["[a]\nvalue = 'canary'\n", "[a\n", "a = 'canary'"] {
        let refused = edit(FILE, broken, &handle("a"), &seal).unwrap_err();
        assert!(!format!("{refused:?}").contains("canary"));
    }
}

proptest! {
    #[test]
    fn whatever_is_set_is_read_back_and_comes_out_again(value in "\\PC{1,60}", user in "[^:\\pC]{0,20}", at in 0_usize..3) {
        let name = ["acme-orders", "globex-x", "new"][at];
        let origins = [OriginPattern::parse("https://n.example").unwrap()];
        let (tenant, written) = (TenantId::new("new").unwrap(), plain(&value));
        let injection = Injection::Basic(user.parse().unwrap());
        let set = Change::Set { tenant: &tenant, origins: &origins, injection: &injection, value: &written, changed: "2026-01-31T08:15:00Z" };
        let with = edit(FILE, &text(), &handle(name), &set);
        let with = with.unwrap().to_string();
        let entry = entries(&Document::new(FileKind::Credentials, FILE, &with).unwrap()).unwrap().into_iter().find(|e| e.handle == handle(name)).unwrap();
        prop_assert!(matches!(&entry.stored, Stored::Plain(secret) if secret.expose() == value));
        prop_assert_eq!(entry.injection, injection);
        let without = changed(&with, name, &Change::Remove);
        let survivors = ["acme-orders", "globex-x", "z"].into_iter().filter(|n| *n != name);
        for survivor in survivors {
            prop_assert!(without.contains(survivor));
        }
        if name == "new" {
            prop_assert_eq!(without, format!("{}\n\n", text()));
        }
    }
}
