//! A set-up in which everything works, and each single right that it consists of, taken away: exactly the calls that needed
//! it are denied, with `capability_denied` when the tool may be called and may not reach, and `policy_denied` when it may
//! not be called; every other call works as before.

use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{Bytes, House, house, wire};

/// The rights of the working set-up, each one taken away by changing its member.
#[derive(Clone)]
struct Rights {
    allow: Vec<&'static str>,
    role_tools: Vec<&'static str>,
    role_effects: Vec<&'static str>,
    scopes: Vec<&'static str>,
    origins: Vec<String>,
    methods: Vec<&'static str>,
    paths: Vec<&'static str>,
    data: Option<&'static str>,
    archive: Option<&'static str>,
    cart: Option<&'static str>,
    memory: Option<&'static str>,
    config: Vec<(&'static str, &'static str)>,
}

impl Rights {
    fn all(first: &str, second: &str) -> Self {
        Self {
            allow: vec!["prober", "echo"],
            role_tools: vec!["prober", "echo"],
            role_effects: vec!["read", "write"],
            scopes: vec!["prober", "echo"],
            origins: vec![first.to_owned(), second.to_owned()],
            methods: vec!["GET", "POST"],
            paths: vec!["/a", "/b"],
            data: Some("rw"),
            archive: Some("ro"),
            cart: Some("rw"),
            memory: Some("rw"),
            config: vec![("greeting", "hello"), ("region", "eu")],
        }
    }

    fn tenant(&self) -> String {
        let mode = |head: &str, mode: Option<&str>| {
            mode.map_or(String::new(), |mode| format!("[grants.prober.{head}\nmode = \"{mode}\"\n"))
        };
        let values: Vec<String> =
            self.config.iter().map(|(key, value)| format!("{key} = \"{value}\"")).collect();
        format!(
            "[tools]\nallow = {:?}\n[roles.agent]\ntools = {:?}\neffects = {:?}\n\
             [grants.prober.http.api]\norigins = {:?}\nmethods = {:?}\npaths = {:?}\nallow_private = true\n\
             [grants.prober.config]\nvalues = {{ {} }}\n",
            self.allow,
            self.role_tools,
            self.role_effects,
            self.origins,
            self.methods,
            self.paths,
            values.join(", ")
        ) + &mode("dir.data]\npath = \"shared\"", self.data)
            + &mode("dir.archive]\npath = \"shared\"", self.archive)
            + &mode("keyvalue.cart]", self.cart)
            + &mode("memory]", self.memory)
    }

    async fn house(&self) -> (House, String) {
        let plan = house().tenant("acme", &self.tenant()).tool("prober").tool("echo");
        std::fs::create_dir_all(plan.path().join("shared")).unwrap();
        std::fs::write(plan.path().join("shared/a.txt"), "there before").unwrap();
        let house = plan.build().await;
        let key = house.key_for("acme", Some("agent"), &self.scopes).await;
        (house, key)
    }
}

/// The calls, each with a name for the table of what is taken away.
fn calls(first: &str, second: &str) -> Vec<(&'static str, &'static str, String)> {
    let get = |origin: &str, path: &str| format!("{{\"url\":\"{origin}{path}\"}}");
    let post = format!("{{\"method\":\"POST\",\"url\":\"{first}/a\",\"headers\":[],\"body\":\"\"}}");
    vec![
        ("echo", "echo.echo-u8", r#"{"value":7}"#.into()),
        ("now", "prober.now", "{}".into()),
        ("read", "prober.read-file", r#"{"path":"/data/a.txt"}"#.into()),
        ("write", "prober.write-file", r#"{"path":"/data/b.txt","text":"b"}"#.into()),
        ("list", "prober.list-dir", r#"{"path":"/archive"}"#.into()),
        ("kv-get", "prober.kv-get", r#"{"bucket":"cart","key":"k"}"#.into()),
        ("kv-set", "prober.kv-set", r#"{"bucket":"cart","key":"k","value":"MQ=="}"#.into()),
        ("retrieve", "prober.mem-retrieve", r#"{"query":"tea","top-k":3}"#.into()),
        ("remember", "prober.mem-remember", r#"{"id":"m","text":"tea","tags":[]}"#.into()),
        ("greeting", "prober.config-get", r#"{"key":"greeting"}"#.into()),
        ("region", "prober.config-get", r#"{"key":"region"}"#.into()),
        ("get-a", "prober.http-get", get(first, "/a")),
        ("get-b", "prober.http-get", get(first, "/b")),
        ("get-second", "prober.http-get", get(second, "/a")),
        ("post", "prober.http", post),
    ]
}

/// The calls of the tool `prober` that are declared to read, and those that are not.
const READS: &[&str] =
    &["now", "read", "list", "kv-get", "retrieve", "greeting", "region", "get-a", "get-b", "get-second"];
const WRITES: &[&str] = &["write", "kv-set", "remember", "post"];

struct Taken {
    what: &'static str,
    away: fn(&mut Rights),
    reason: Reason,
    denied: Vec<&'static str>,
}

fn taken() -> Vec<Taken> {
    let prober: Vec<_> = READS.iter().chain(WRITES).copied().collect();
    let reads: Vec<_> = READS.iter().copied().chain(["echo"]).collect();
    let policy = |what, away, denied: &[&'static str]| Taken {
        what,
        away,
        reason: Reason::PolicyDenied,
        denied: denied.to_vec(),
    };
    let capability = |what, away, denied: &[&'static str]| Taken {
        what,
        away,
        reason: Reason::CapabilityDenied,
        denied: denied.to_vec(),
    };
    vec![
        policy("the tenant's leave to call prober", |r| r.allow.retain(|t| *t != "prober"), &prober),
        policy("the tenant's leave to call echo", |r| r.allow.retain(|t| *t != "echo"), &["echo"]),
        policy(
            "the tenant's leave to call one function",
            |r| {
                r.allow = vec![
                    "echo",
                    "prober.now",
                    "prober.read-file",
                    "prober.write-file",
                    "prober.list-dir",
                    "prober.kv-get",
                    "prober.kv-set",
                    "prober.mem-retrieve",
                    "prober.mem-remember",
                    "prober.http-get",
                    "prober.http",
                ];
            },
            &["greeting", "region"],
        ),
        policy("the role's tool prober", |r| r.role_tools.retain(|t| *t != "prober"), &prober),
        policy("the role's tool echo", |r| r.role_tools.retain(|t| *t != "echo"), &["echo"]),
        policy("the role's effect read", |r| r.role_effects = vec!["write"], &reads),
        policy("the role's effect write", |r| r.role_effects = vec!["read"], WRITES),
        policy("the key's scope prober", |r| r.scopes.retain(|t| *t != "prober"), &prober),
        policy("the key's scope echo", |r| r.scopes.retain(|t| *t != "echo"), &["echo"]),
        capability("the first origin", |r| drop(r.origins.remove(0)), &["get-a", "get-b", "post"]),
        capability("the second origin", |r| drop(r.origins.remove(1)), &["get-second"]),
        capability(
            "the method GET",
            |r| r.methods.retain(|m| *m != "GET"),
            &["get-a", "get-b", "get-second"],
        ),
        capability("the method POST", |r| r.methods.retain(|m| *m != "POST"), &["post"]),
        capability("the path /a", |r| r.paths.retain(|p| *p != "/a"), &["get-a", "get-second", "post"]),
        capability("the path /b", |r| r.paths.retain(|p| *p != "/b"), &["get-b"]),
        capability("the directory", |r| r.data = None, &["read", "write"]),
        capability("writing in the directory", |r| r.data = Some("ro"), &["write"]),
        capability("the archive", |r| r.archive = None, &["list"]),
        capability("the bucket", |r| r.cart = None, &["kv-get", "kv-set"]),
        capability("writing in the bucket", |r| r.cart = Some("ro"), &["kv-set"]),
        capability("the memory", |r| r.memory = None, &["retrieve", "remember"]),
        capability("writing in the memory", |r| r.memory = Some("ro"), &["remember"]),
        capability("the key greeting", |r| r.config.retain(|(key, _)| *key != "greeting"), &["greeting"]),
        capability("the key region", |r| r.config.retain(|(key, _)| *key != "region"), &["region"]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_right_by_itself() {
    let first = wire(|_| Bytes::whole("200 OK", "", b"first")).await;
    let second = wire(|_| Bytes::whole("200 OK", "", b"second")).await;
    let all = Rights::all(&first.origin(), &second.origin());
    let calls = calls(&first.origin(), &second.origin());
    let nothing = Taken { what: "nothing", away: |_| {}, reason: Reason::Ok, denied: Vec::new() };
    for Taken { what, away, reason, denied } in std::iter::once(nothing).chain(taken()) {
        let mut left = all.clone();
        away(&mut left);
        let (house, key) = left.house().await;
        let asked = first.heads().len() + second.heads().len();
        for (name, function, arguments) in &calls {
            let receipt = house.call_as(&key, function, arguments).await;
            let is_denied = denied.contains(name);
            let expected = if is_denied { reason } else { Reason::Ok };
            assert_eq!(receipt.reason, expected, "without {what}: {name}: {receipt:?}");
            if is_denied && reason == Reason::PolicyDenied {
                assert_eq!(
                    (receipt.outcome, receipt.imports.len()),
                    (Outcome::Denied, 0),
                    "{what}: {name} ran"
                );
            }
        }
        let http = ["get-a", "get-b", "get-second", "post"];
        let answered = first.heads().len() + second.heads().len() - asked;
        assert_eq!(answered, http.iter().filter(|name| !denied.contains(name)).count(), "without {what}");
        let written = house.path().join("shared/b.txt").exists();
        assert_eq!(written, !denied.contains(&"write"), "without {what}");
    }
}
