//! A new version of a tool that asks for more than was accepted is not served before an operator has accepted exactly
//! that version: not after an install, not after a file was copied in, not after a restart, not after a crash.

use std::fs;
use std::path::Path;
use strongroom::OperateError;
use strongroom::config::Manifest;
use strongroom::id::{Digest, ToolName};
use strongroom::reason::Reason;
use strongroom::review::Weight;
use strongroom::tools::{Held, InstallError};
use strongroom_tests::{House, component, house};

/// The same component three times: nothing, something more, and less than nothing more.
const FIRST: &str = "name = \"echo\"\nversion = \"0.1.0\"\n";
const MORE: &str = "name = \"echo\"\nversion = \"0.2.0\"\n[needs.keyvalue.cart]\nmode = \"rw\"\n";
const LESS: &str = "name = \"echo\"\nversion = \"0.3.0\"\n[limits]\nfuel = 500_000_000\n";
const TENANT: &str = "[tools]\nallow = [\"*\"]\n";

fn echo() -> ToolName {
    ToolName::new("echo").unwrap()
}

/// The version that serves, if one does.
fn serves(house: &House) -> Option<String> {
    house.room.catalogue().tool(&echo()).map(|tool| tool.manifest.version.clone())
}

async fn install(house: &House, manifest: &str) -> Result<String, OperateError> {
    let tool = house.room.install(component("echo"), "echo", Some(manifest)).await?;
    Ok(tool.manifest.version.clone())
}

/// Installs what has to be held.
async fn held(house: &House, manifest: &str) -> Held {
    match install(house, manifest).await {
        Err(OperateError::Install(InstallError::Held(held))) => *held,
        other => panic!("{other:?}"),
    }
}

/// Copies files over the tool's own, as somebody would by hand.
fn copy_in(home: &Path, manifest: &str) {
    fs::create_dir_all(home.join("tools")).unwrap();
    fs::write(home.join("tools/echo.tool.toml"), manifest).unwrap();
    fs::write(home.join("tools/echo.wasm"), component("echo")).unwrap();
}

fn book(house: &House) -> String {
    house.book()
}

#[tokio::test]
async fn what_asks_for_more_waits_and_the_version_before_serves() {
    let house = house().tenant("acme", TENANT).build().await;
    assert_eq!(install(&house, FIRST).await.unwrap(), "0.1.0");
    let waits = held(&house, MORE).await;
    assert_eq!((waits.version.as_str(), waits.accepted.as_deref()), ("0.2.0", Some("0.1.0")));
    let [asks] = &waits.differences[..] else { panic!("{waits:?}") };
    assert_eq!((asks.weight, asks.item.as_str()), (Weight::AsksForMore, "needs.keyvalue.cart"));
    assert_eq!(serves(&house).unwrap(), "0.1.0");
    let house = house.restart().await;
    assert_eq!(serves(&house).unwrap(), "0.1.0");
    let key = house.key("acme").await;
    assert!(house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await.is_ok());

    let listed = house.room.held().unwrap();
    assert_eq!((listed.len(), listed[0].edition), (1, waits.edition));
    let other = house.room.accept(&echo(), Digest::of(b"another")).await.unwrap_err();
    assert_eq!((other.reason(), serves(&house).unwrap()), (Reason::UpgradeHeld, "0.1.0".into()));
    house.room.accept(&echo(), waits.edition).await.unwrap();
    assert!(house.room.held().unwrap().is_empty());
    let house = house.restart().await;
    assert_eq!(serves(&house).unwrap(), "0.2.0");

    // Less goes in at once, and what was given up has to be accepted anew.
    assert_eq!(install(&house, LESS).await.unwrap(), "0.3.0");
    held(&house, MORE).await;
    held(&house, FIRST).await;
    assert_eq!(house.room.held().unwrap()[0].version, "0.1.0", "the newest one waits");
    house.room.reject(&echo()).await.unwrap();
    assert!(house.room.held().unwrap().is_empty());
    assert_eq!(house.room.reject(&echo()).await.unwrap_err().reason(), Reason::ToolUnknown);
    let accepted = house.room.install_accepted(component("echo"), "echo", Some(MORE)).await.unwrap();
    assert_eq!(accepted.manifest.version, "0.2.0");
    let book = book(&house);
    for act in [
        "install echo",
        "upgrade_held",
        "accept echo@sha256:",
        "reject echo@sha256:",
        "install --accept echo",
    ] {
        assert!(book.contains(act), "{act}");
    }
}

#[tokio::test]
async fn files_that_are_copied_in_keep_to_the_same_rule() {
    let plan = house();
    copy_in(plan.path(), FIRST);
    let house = plan.build().await;
    assert_eq!(serves(&house).unwrap(), "0.1.0", "the first version of a tool is accepted by being there");
    assert!(book(&house).contains("accept echo: found in the tools folder"));

    copy_in(house.path(), MORE);
    house.room.refresh_tools().await.unwrap();
    assert_eq!(serves(&house).unwrap(), "0.1.0", "it goes on serving");
    let waits = house.room.held().unwrap().remove(0);
    assert_eq!(waits.version, "0.2.0");
    assert_eq!(book(&house).matches("hold echo@sha256:").count(), 1);
    let house = house.restart().await;
    assert_eq!(
        serves(&house),
        None,
        "the file of the version before is gone, and the new one is not accepted"
    );
    let house = house.start_again().await;
    assert_eq!(book(&house).matches("hold echo@sha256:").count(), 1, "it is told once");
    house.room.accept(&echo(), waits.edition).await.unwrap();
    assert_eq!(serves(&house).unwrap(), "0.2.0");

    copy_in(house.path(), LESS);
    house.room.refresh_tools().await.unwrap();
    assert_eq!(serves(&house).unwrap(), "0.3.0", "what asks for nothing more is taken up");
    copy_in(house.path(), MORE);
    house.room.refresh_tools().await.unwrap();
    house.room.reject(&echo()).await.unwrap();
    assert!(!house.path().join("tools/echo.wasm").exists(), "what was rejected does not come back");
}

#[tokio::test]
async fn what_is_accepted_is_what_was_reviewed() {
    let house = house().build().await;
    install(&house, FIRST).await.unwrap();
    let waits = held(&house, MORE).await;
    let file = house.path().join("tools/held/echo.tool.toml");
    fs::write(&file, MORE.replace("cart", "ledger")).unwrap();
    let changed = house.room.accept(&echo(), waits.edition).await.unwrap_err();
    assert!(matches!(changed, OperateError::Install(InstallError::Changed(_))), "{changed:?}");
    assert!(house.room.held().unwrap().is_empty(), "nobody is shown what cannot be accepted");
    fs::remove_file(&file).unwrap();
    assert!(house.room.accept(&echo(), waits.edition).await.is_err());
    house.room.reject(&echo()).await.unwrap();
    assert_eq!(serves(&house).unwrap(), "0.1.0");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_no_record_of_anything() {
    let house = house().build().await;
    install(&house, FIRST).await.unwrap();
    for broken in ["", "{}", "{\"form\": 2}"] {
        fs::write(house.path().join("tools/echo.accepted"), broken).unwrap();
        let refused = install(&house, FIRST).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::UpgradeHeld, "{refused}");
    }
    let house = house.restart().await;
    assert_eq!(serves(&house), None);
    house.room.install_accepted(component("echo"), "echo", Some(FIRST)).await.unwrap();
    let house = house.restart().await;
    assert_eq!(serves(&house).unwrap(), "0.1.0");
}

/// An install writes the version aside, then manifest, component and record into place, then takes away what it wrote
/// aside. Whatever a killed process leaves, the next start has the old version or the new one, and no mixture.
#[tokio::test]
async fn an_install_that_was_broken_off_is_brought_to_its_end() {
    let mut edition = None;
    for killed_after in 0..5 {
        let house = house().build().await;
        install(&house, FIRST).await.unwrap();
        let tools = house.path().join("tools");
        let record = fs::read(tools.join("echo.accepted")).unwrap();
        let new = house.room.install_accepted(component("echo"), "echo", Some(MORE)).await.unwrap();
        let edition = *edition.get_or_insert(new.edition);
        let coming = tools.join("coming");
        assert_eq!(fs::read_dir(&coming).unwrap().count(), 0, "nothing stays behind");
        fs::write(coming.join("echo.wasm"), component("echo")).unwrap();
        fs::write(coming.join("echo.tool.toml"), MORE).unwrap();
        // Step by step: nothing, what is aside, the manifest, the component, the record.
        if killed_after > 0 {
            fs::write(coming.join("echo.edition"), edition.to_string()).unwrap();
        }
        if killed_after < 2 {
            fs::write(tools.join("echo.tool.toml"), FIRST).unwrap();
        }
        if killed_after < 4 {
            fs::write(tools.join("echo.accepted"), &record).unwrap();
        }
        let house = house.start_again().await;
        let expected = if killed_after == 0 { "0.1.0" } else { "0.2.0" };
        assert_eq!(serves(&house).unwrap(), expected, "killed after step {killed_after}");
        assert!(house.room.held().unwrap().is_empty());
        assert!(!coming.join("echo.edition").exists());
        let manifest = fs::read_to_string(tools.join("echo.tool.toml")).unwrap();
        assert_eq!(Manifest::parse("tool.toml", &manifest).unwrap().version, expected);
    }
}
