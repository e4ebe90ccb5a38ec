//! `schema` and `import`: what they print is what the other commands read.

use crate::house::House;
use crate::words;

const POLICY: &str = "version: \"1.0\"\npermissions:\n  network:\n    allow:\n    - host: api.example.com\n  \
                      resources:\n    memory: 64\n";

#[test]
fn the_schema_of_a_manifest_is_printed_and_comes_with_a_new_project() {
    let house = House::new();
    let printed = house.run(["schema", "manifest"]);
    let schema: serde_json::Value = serde_json::from_str(&printed.ok().stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let published = format!("{}/../docs/schema/tool.schema.json", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(printed.stdout, std::fs::read_to_string(published).unwrap());
    house.run(["new", "parcel-tracker"]).ok();
    let project = house.path().join("parcel-tracker");
    assert_eq!(printed.stdout, std::fs::read_to_string(project.join("vendor/tool.schema.json")).unwrap());
    let manifest = std::fs::read_to_string(project.join("tool.toml")).unwrap();
    assert!(manifest.starts_with("#:schema ./vendor/tool.schema.json\n"), "{manifest}");
    assert_eq!(house.run(["schema", "nothing"]).code, 2);
}

#[test]
fn an_imported_policy_is_a_grant_that_a_host_takes() {
    let house = House::new();
    let policy = house.file("policy.yaml", POLICY);
    let imported = house.run(words!["import", "wassette", &policy, "--tool", "weather", "--tenant", "acme"]);
    let text = &imported.ok().stdout;
    assert!(
        text.contains("tenants/acme.toml") && text.contains("origin = \"https://api.example.com\""),
        "{text}"
    );
    let json =
        house.run(words!["--format", "json", "import", "wassette", &policy, "--tool", "weather"]).json();
    assert_eq!((json["tenant"].as_str(), json["left_out"].as_array().unwrap().len()), (Some("default"), 0));
    // The whole page is TOML twice: everything else is a comment.
    house.file("tenants/acme.toml", json["grant"].as_str().unwrap());
    house.run(["doctor"]).ok();

    let leaky =
        house.file("leaky.yaml", &format!("{POLICY}  environment:\n    allow:\n    - key: \"HOME\"\n"));
    let told = house.run(words!["import", "wassette", &leaky, "--tool", "weather"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.stdout.contains("# Left out:\n# - environment \"HOME\""), "{told:?}");
    let unknown = house.file("unknown.yaml", &format!("{POLICY}  devices: []\n"));
    house.run(words!["import", "wassette", &unknown, "--tool", "weather"]).failed(2, "usage").says("devices");
    house.run(words!["import", "wassette", "nowhere.yaml", "--tool", "weather"]).failed(3, "not_found");
}
