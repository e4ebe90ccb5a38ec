//! What else can stand in a granted directory, or can go out: FIFOs, sockets, devices, very many files, no space left. Each
//! ends with an error that says so, in bounded time and memory.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use strongroom::reason::Reason;
use strongroom::settle::Receipt;
use strongroom_tests::{House, house};

const RULES: &str = "[tools]\nallow = [\"*\"]\n[limits]\ndeadline_ms = 10000\n\
    [grants.every.dir.data]\npath = \"shared/data\"\nmode = \"rw\"\n";

async fn set_up() -> (House, String) {
    let plan = house().tenant("acme", RULES).tool("every");
    std::fs::create_dir_all(plan.path().join("shared/data/d")).unwrap();
    let house = plan.build().await;
    let key = house.key("acme").await;
    (house, key)
}

async fn call(house: &House, key: &str, function: &str, arguments: serde_json::Value) -> Receipt {
    house.call_as(key, &format!("every.{function}"), &arguments.to_string()).await
}

/// Whether the program did it; some things only an administrator may make.
fn made(program: &str, arguments: &[&str], path: &Path) -> bool {
    Command::new(program).arg(path).args(arguments).status().is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_is_not_opened_and_holds_nobody_up() {
    let (house, key) = set_up().await;
    let data = house.path().join("shared/data");
    assert!(made("mkfifo", &[], &data.join("fifo")));
    let _listening = std::os::unix::net::UnixListener::bind(data.join("socket")).unwrap();
    symlink("fifo", data.join("link")).unwrap();
    symlink("../fifo", data.join("d/link")).unwrap();
    let mut special = vec!["fifo", "socket", "link", "d/link", "d/../fifo"];
    if made("mknod", &["c", "1", "5"], &data.join("zero")) && std::fs::File::open(data.join("zero")).is_ok() {
        special.push("zero");
    }
    let began = Instant::now();
    for path in special {
        for op in ["read", "write", "truncate", "create"] {
            let arguments = serde_json::json!({ "op": op, "root": "/data", "path": path, "other": "x" });
            let receipt = call(&house, &key, "at", arguments).await;
            // A file is never created through a link, whatever is behind it.
            let by_link = op == "create" && path.ends_with("link");
            let expected = if by_link { Reason::ToolError } else { Reason::CapabilityDenied };
            assert_eq!(receipt.reason, expected, "{op} {path}: {receipt:?}");
            if !by_link {
                assert!(
                    receipt.message.unwrap().contains("only regular files and directories"),
                    "{op} {path}"
                );
            }
        }
        let arguments = serde_json::json!({ "op": "stat", "root": "/data", "path": path, "other": "" });
        assert_eq!(call(&house, &key, "at", arguments).await.reason, Reason::Ok, "it can be looked at");
    }
    assert!(began.elapsed() < Duration::from_secs(60), "nobody waited for the other end of a FIFO");
    let listed = call(&house, &key, "count", serde_json::json!({ "root": "/data", "path": "." })).await;
    assert_eq!(listed.reason, Reason::Ok, "{listed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_are_paid_for_by_the_entry_and_bounded() {
    let (house, key) = set_up().await;
    let data = house.path().join("shared/data");
    for (folder, files) in [("many", 5_000), ("too-many", 66_000)] {
        std::fs::create_dir(data.join(folder)).unwrap();
        for file in 0..files {
            std::fs::File::create(data.join(folder).join(file.to_string())).unwrap();
        }
    }
    let none = call(&house, &key, "count", serde_json::json!({ "root": "/data", "path": "d" })).await;
    let many = call(&house, &key, "count", serde_json::json!({ "root": "/data", "path": "many" })).await;
    assert_eq!((none.value.as_deref(), many.value.as_deref()), (Some("0"), Some("5000")), "{many:?}");
    assert!(
        many.fuel > none.fuel + 5_000 * 1_000,
        "each entry has its price: {} and {}",
        many.fuel,
        none.fuel
    );

    let much = call(&house, &key, "count", serde_json::json!({ "root": "/data", "path": "too-many" })).await;
    assert_eq!(much.reason, Reason::ToolError, "{much:?}");
    assert!(much.value.unwrap().contains("insufficient-memory"));
    let held = serde_json::json!({ "root": "/data", "path": "many", "times": 400 });
    let held = call(&house, &key, "hold-listings", held).await;
    assert_eq!(held.value.as_deref(), Some("13"), "65,536 entries at a time and no more: {held:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_that_the_fuel_does_not_pay_for_is_not_read() {
    let rules = RULES.replace("deadline_ms", "fuel = 1_000_000\ndeadline_ms");
    let plan = house().tenant("acme", &rules).tool("every");
    let many = plan.path().join("shared/data/many");
    std::fs::create_dir_all(&many).unwrap();
    for file in 0..5_000 {
        std::fs::File::create(many.join(file.to_string())).unwrap();
    }
    let house = plan.build().await;
    let key = house.key("acme").await;
    let receipt = call(&house, &key, "count", serde_json::json!({ "root": "/data", "path": "many" })).await;
    assert_eq!(receipt.reason, Reason::FuelExhausted, "{receipt:?}");
}

/// Set for the test below, which runs a second time in a world of its own.
const INSIDE: &str = "STRONGROOM_TEST_SMALL_DISK";

#[test]
fn a_full_disk_is_an_error_of_the_tool_and_nothing_else() {
    let program = std::env::current_exe().unwrap();
    let this = "folders_hold_what_they_hold::on_a_small_disk";
    let test = format!("'{}' --exact {this} --ignored --nocapture", program.display());
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().display();
    // A file system of one megabyte, which a person may mount in name spaces of his own; and where the machine forbids
    // even that, a limit on the size of files, which the system tells in the same place.
    let mounted = format!("mount -t tmpfs -o size=1m none '{small}' && exec {test}");
    let limited = format!("trap '' XFSZ; ulimit -f 4096; exec {test}");
    let may_mount = Command::new("unshare")
        .args(["-Urm", "sh", "-c", &format!("mount -t tmpfs none '{small}'")])
        .output()
        .is_ok_and(|output| output.status.success());
    let mut command = match may_mount {
        true => {
            let mut command = Command::new("unshare");
            command.args(["-Urm", "sh", "-c", &mounted]);
            command
        }
        false => {
            let mut command = Command::new("bash");
            command.args(["-c", &limited]);
            command
        }
    };
    let output = command.env(INSIDE, folder.path()).output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs on a disk of one megabyte, which the test above makes"]
async fn on_a_small_disk() {
    let Some(small) = std::env::var_os(INSIDE) else { return };
    let rules = RULES.replace("shared/data", &Path::new(&small).join("granted").display().to_string());
    let plan = house().tenant("acme", &rules).tool("every").tool("echo");
    std::fs::create_dir_all(Path::new(&small).join("granted")).unwrap();
    let house = plan.build().await;
    let key = house.key("acme").await;
    let fill = serde_json::json!({ "root": "/data", "path": "big", "pieces": 100 });
    let receipt = call(&house, &key, "fill", fill).await;
    assert_eq!(receipt.reason, Reason::ToolError, "{receipt:?}");
    let told = receipt.value.unwrap();
    assert!(told.contains("insufficient-space") || told.contains("file-too-large"), "{told}");
    let unlink = serde_json::json!({ "op": "unlink", "root": "/data", "path": "big", "other": "" });
    assert_eq!(call(&house, &key, "at", unlink).await.reason, Reason::Ok, "what is there can be removed");
    let again = serde_json::json!({ "root": "/data", "path": "small", "pieces": 1 });
    assert_eq!(call(&house, &key, "fill", again).await.reason, Reason::Ok, "and then there is room");
    let other = house.call_as(&key, "echo.echo-u8", r#"{"value":7}"#).await;
    assert_eq!(other.reason, Reason::Ok, "{other:?}");
}
