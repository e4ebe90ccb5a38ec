//! Broken components, wrong JSON, wrong types, huge values, unknown tools and bad files: a clear error with its reason code,
//! no panic, nothing kept.

use strongroom::config::Settings;
use strongroom::powers::Home;
use strongroom::reason::Reason;
use strongroom_tests::{component, house};

#[tokio::test]
async fn components_that_are_none_are_refused_and_nothing_is_kept() {
    let house = house().build().await;
    let mut cut = component("echo");
    cut.truncate(cut.len() / 2);
    let cases: Vec<(&str, Vec<u8>, Reason)> = vec![
        ("empty", Vec::new(), Reason::ComponentInvalid),
        ("text", b"hello".to_vec(), Reason::ComponentInvalid),
        ("core", b"\0asm\x01\0\0\0".to_vec(), Reason::ComponentInvalid),
        ("no-functions", b"\0asm\x0d\0\x01\0".to_vec(), Reason::ComponentInvalid),
        ("cut", cut, Reason::ComponentInvalid),
        ("badimport", component("badimport"), Reason::ImportUnsupported),
        ("resourceful", component("resourceful"), Reason::ComponentInvalid),
        ("large", vec![0; 17 << 20], Reason::ComponentInvalid),
    ];
    for (name, bytes, reason) in cases {
        let error = house.room.install(bytes, name, None).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{name}: {error}");
        assert!(error.to_string().len() > 20, "{name}: {error}");
    }
    let error = house.room.install(component("badimport"), "badimport", None).await.unwrap_err();
    assert!(error.to_string().contains("strongroom-test:badimport/vault"), "{error}");
    assert_eq!(std::fs::read_dir(house.path().join("tools")).unwrap().count(), 0);
    assert!(house.room.catalogue().tools().is_empty());
}

#[tokio::test]
async fn bytes_flipped_anywhere_never_panic_the_host() {
    let house = house().build().await;
    let whole = component("plain");
    let step = whole.len() / 60;
    for at in (0..whole.len()).step_by(step) {
        let mut bad = whole.clone();
        bad[at] ^= 0x55;
        // Most are refused; a flip in data or a name may still be a component. Neither may panic.
        let _ = house.room.borrow(bad, "plain", None).await;
    }
}

#[tokio::test]
async fn a_manifest_that_does_not_fit_is_refused_with_its_line() {
    let house = house().build().await;
    for (manifest, words) in [
        ("name = 'plain'\nversion = '1.0.0'\nlimit = 3\n", "limit"),
        ("name = 'Plain Tool'\nversion = '1.0.0'\n", "Plain Tool"),
        ("name = 'plain'\nversion = '1.0.0'\n[functions.nowhere]\neffect = 'read'\n", "nowhere"),
        ("name = 'plain'\nversion = '1.0.0'\n[functions.\"forecast.get\"]\neffect = 'delete'\n", "delete"),
        ("name = ", "plain.tool.toml"),
    ] {
        let error = house.room.install(component("plain"), "plain", Some(manifest)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ManifestInvalid, "{manifest}: {error}");
        assert!(error.to_string().contains(words), "{manifest}: {error}");
    }
    assert_eq!(std::fs::read_dir(house.path().join("tools")).unwrap().count(), 0);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_with_their_place() {
    let house = house().tool("echo").build().await;
    let deep = format!("{{\"value\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let huge = format!("{{\"value\":\"{}\"}}", "x".repeat(2 << 20));
    for (function, arguments, words) in [
        ("echo.echo-u8", "", ""),
        ("echo.echo-u8", "{", ""),
        ("echo.echo-u8", "[1]", ""),
        ("echo.echo-u8", "{}", "value"),
        ("echo.echo-u8", r#"{"value":256}"#, "/value"),
        ("echo.echo-u8", r#"{"value":-1}"#, "/value"),
        ("echo.echo-u8", r#"{"value":1.5}"#, "/value"),
        ("echo.echo-u8", r#"{"value":"1"}"#, "/value"),
        ("echo.echo-u8", r#"{"value":1,"tenant_id":"acme"}"#, "tenant_id"),
        ("echo.echo-u8", r#"{"value":1,"value":2}"#, "value"),
        ("echo.echo-char", r#"{"value":"ab"}"#, "/value"),
        ("echo.echo-bytes", r#"{"value":"not base64!"}"#, "/value"),
        ("echo.echo-enum", r#"{"value":"urgent"}"#, "/value"),
        ("echo.echo-flags", r#"{"value":["read","read"]}"#, "/value"),
        ("echo.echo-list", deep.as_str(), ""),
        ("echo.echo-string", huge.as_str(), "limit"),
    ] {
        let receipt = house.call(function, arguments).await;
        let message = receipt.message.clone().unwrap_or_default();
        assert_eq!(receipt.reason, Reason::ArgumentsInvalid, "{function}: {receipt:?}");
        assert!(
            message.contains(words),
            "{function} {}: {message}",
            arguments.chars().take(60).collect::<String>()
        );
        assert_eq!(receipt.fuel, 0);
    }
}

#[tokio::test]
async fn a_result_that_is_too_large_is_an_error_and_not_a_flood() {
    let house = house().tool("echo").build().await;
    let receipt = house.call("echo.fill", r#"{"bytes":30000000}"#).await;
    assert!(!receipt.is_ok(), "{:?}", receipt.reason);
    assert!(house.call("echo.echo-u8", r#"{"value":1}"#).await.is_ok());
}

#[test]
fn a_bad_tenant_file_shows_its_line_and_nothing_is_taken_over() {
    let plan =
        house().tenant("acme", "[tools]\nallow = [\"*\"]\n").tenant("globex", "[tools]\nalow = [\"*\"]\n");
    let home = Home::open(plan.path()).unwrap();
    let errors = Settings::load(home.dir()).unwrap_err();
    assert_eq!(errors.reason(), Reason::ConfigInvalid);
    let error = &errors.all()[0];
    assert_eq!((error.file(), error.line()), ("tenants/globex.toml", Some(2)));
    assert!(error.fix().contains("allow"), "{}", error.fix());
}
