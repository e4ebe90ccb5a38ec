//! A client's certificate says who calls when the authorities of its own trust domain vouch for it and the operator says whom its SPIFFE
//! id means; otherwise it opens nothing, and no header stands in for it.

pub(crate) mod authority;
pub(crate) mod client;

use authority::{Authority, Pair, between};
use client::{Answer, Server, write};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use strongroom::id::{ActorId, TenantId};
use strongroom::storage::ledger::KillScope;

pub(crate) const SETTINGS: &str = r#"
[tls]
cert = "tls/cert.pem"
key = "tls/key.pem"
[[tls.trust_domains]]
name = "prod.example"
bundle = "tls/prod.pem"
[[tls.trust_domains.callers]]
path = "/agents/support"
tenant = "acme"
actor = "support"
[[tls.trust_domains.callers]]
path = "/gateway"
companion = true
[[tls.trust_domains.callers]]
path = "/narrow/*"
tenant = "acme"
scopes = ["other"]
[[tls.trust_domains.callers]]
path = "/ns/{tenant}/sa/{actor}"
[tls.trust_domains.callers.tenants]
acme-prod = "acme"
globex-prod = "globex"
gone = "gone"
[[tls.trust_domains]]
name = "test.example"
bundle = "tls/test.pem"
[[tls.trust_domains.callers]]
path = "/*"
tenant = "globex"
"#;
pub(crate) const SUPPORT: &str = "spiffe://prod.example/agents/support";

/// A server with these settings, and the authorities of both trust domains.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) prod: Authority,
    test: Authority,
}

impl Scene {
    pub(crate) async fn new(settings: &str) -> Self {
        let (prod, test) = (Authority::new("prod"), Authority::new("test"));
        let files = [("tls/prod.pem", prod.pem.as_str()), ("tls/test.pem", &test.pem)];
        let server = Server::start(settings, &files).await;
        Self { server, prod, test }
    }

    async fn call(&self, shows: &Pair) -> std::io::Result<Answer> {
        self.server.connect(Some(shows)).await?.call("").await
    }

    /// The connection is not made, and nothing is in the log.
    async fn is_refused(&self, name: &str, shows: &Pair) {
        let before = self.server.house.book();
        let answer = self.call(shows).await;
        assert!(answer.is_err(), "{name}: {}", answer.unwrap().head);
        assert_eq!(self.server.house.book(), before, "{name}");
    }
}

#[tokio::test]
async fn an_id_means_whom_the_operator_says() {
    let scene = Scene::new(SETTINGS).await;
    let below = scene.prod.below("prod, today");
    for (from, id, tenant, actor) in [
        (&scene.prod, SUPPORT, "acme", "support"),
        (&below, SUPPORT, "acme", "support"),
        (&scene.prod, "spiffe://prod.example/ns/acme-prod/sa/kim", "acme", "kim"),
        (&scene.prod, "spiffe://prod.example/ns/globex-prod/sa/kim", "globex", "kim"),
        (&scene.test, "spiffe://test.example/a/b", "globex", "spiffe://test.example/a/b"),
    ] {
        let shows = from.issue(&[id], |_| {});
        let mut client = scene.server.connect(Some(&shows)).await.unwrap();
        for _ in 0..2 {
            let answer = client.call("").await.unwrap();
            assert_eq!((answer.status, answer.reason()), (200, "ok"), "{id}: {}", answer.body);
            let entry = scene.server.last();
            assert_eq!(
                (entry["tenant_id"].as_str(), entry["actor_id"].as_str()),
                (Some(tenant), Some(actor))
            );
            let answer = client.call_mcp("").await.unwrap();
            assert_eq!(answer.status, 200, "{id}: {}", answer.body);
            assert!(answer.body["result"]["isError"] != true, "{id}: {}", answer.body);
            assert_eq!(scene.server.last()["tenant_id"], tenant);
        }
    }
    // DNS names beside the one URI change nothing.
    let both = scene.prod.issue(&[SUPPORT], |params| {
        params.subject_alt_names.push(SanType::DnsName("globex.example".try_into().unwrap()));
    });
    assert_eq!(scene.call(&both).await.unwrap().reason(), "ok");
    let narrow = scene.prod.issue(&["spiffe://prod.example/narrow/a"], |_| {});
    assert_eq!(scene.call(&narrow).await.unwrap().reason(), "policy_denied");
}

#[tokio::test]
async fn an_id_without_a_rule_is_refused_and_in_the_log() {
    let scene = Scene::new(SETTINGS).await;
    let long = format!("spiffe://test.example/{}", "a".repeat(200));
    for (from, id) in [
        (&scene.prod, "spiffe://prod.example/agents"),
        (&scene.prod, "spiffe://prod.example/agents/support/more"),
        (&scene.prod, "spiffe://prod.example/agents/Support"),
        (&scene.prod, "spiffe://prod.example/narrow"),
        // The segment's value is never a tenant by itself, and a tenant must be there.
        (&scene.prod, "spiffe://prod.example/ns/acme/sa/kim"),
        (&scene.prod, "spiffe://prod.example/ns/gone/sa/kim"),
        // No actor has such a long name.
        (&scene.test, &long),
    ] {
        let shows = from.issue(&[id], |_| {});
        let mut client = scene.server.connect(Some(&shows)).await.unwrap();
        for answer in [client.call("").await.unwrap(), client.call_mcp("").await.unwrap()] {
            assert_eq!((answer.status, answer.reason()), (401, "tenant_unknown"), "{id}");
            assert!(!answer.body.to_string().contains("spiffe"), "{}", answer.body);
            let entry = scene.server.last();
            assert!(entry["note"].as_str().unwrap().contains("the client's certificate"), "{entry}");
            assert!(entry["tenant_id"].is_null(), "{entry}");
        }
    }
}

#[tokio::test]
async fn certificates_that_prove_nothing_make_no_connection() {
    let scene = Scene::new(SETTINGS).await;
    let (prod, test, stranger) = (&scene.prod, &scene.test, Authority::new("prod"));
    let none = |_: &mut rcgen::CertificateParams| {};
    let long = format!("spiffe://prod.example/{}", "a".repeat(2_048));
    let table: Vec<(&str, Pair)> = vec![
        ("no alternative name", prod.issue(&[], none)),
        ("two ids", prod.issue(&[SUPPORT, "spiffe://prod.example/b"], none)),
        ("the same id twice", prod.issue(&[SUPPORT, SUPPORT], none)),
        ("an id and another URI", prod.issue(&[SUPPORT, "https://prod.example/"], none)),
        ("another trust domain's authority", test.issue(&[SUPPORT], none)),
        ("an unknown authority of the same name", stranger.issue(&[SUPPORT], none)),
        ("an unknown trust domain", prod.issue(&["spiffe://other.example/agents/support"], none)),
        (
            "a name alone",
            prod.issue(&[], |params| {
                params.subject_alt_names.push(SanType::DnsName("prod.example".try_into().unwrap()));
            }),
        ),
        (
            "an authority",
            prod.issue(&[SUPPORT], |params| {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
            }),
        ),
        (
            "a key that signs certificates",
            prod.issue(&[SUPPORT], |params| {
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
            }),
        ),
        (
            "a key that signs revocation lists",
            prod.issue(&[SUPPORT], |params| {
                params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
            }),
        ),
        ("no key usage", prod.issue(&[SUPPORT], |params| params.key_usages.clear())),
        (
            "another key usage",
            prod.issue(&[SUPPORT], |params| {
                params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
            }),
        ),
        (
            "for servers alone",
            prod.issue(&[SUPPORT], |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
        ),
        ("ended", prod.issue(&[SUPPORT], between((2026, 1, 1), (2026, 9, 20)))),
        ("not begun", prod.issue(&[SUPPORT], between((2026, 9, 23), (2027, 1, 1)))),
        ("a domain alone", prod.issue(&["spiffe://prod.example"], none)),
        ("an empty path", prod.issue(&["spiffe://prod.example/"], none)),
        ("a slash at its end", prod.issue(&["spiffe://prod.example/agents/support/"], none)),
        ("dots", prod.issue(&["spiffe://prod.example/x/../agents/support"], none)),
        ("encoded", prod.issue(&["spiffe://prod.example/agents/suppor%74"], none)),
        ("a query", prod.issue(&["spiffe://prod.example/agents/support?x"], none)),
        ("a port", prod.issue(&["spiffe://prod.example:443/agents/support"], none)),
        ("capitals", prod.issue(&["spiffe://PROD.example/agents/support"], none)),
        ("another scheme", prod.issue(&["https://prod.example/agents/support"], none)),
        ("a long id", prod.issue(&[&long], none)),
    ];
    for (name, shows) in &table {
        scene.is_refused(name, shows).await;
    }
    let good = prod.issue(&[SUPPORT], none);
    assert_eq!(scene.call(&good).await.unwrap().reason(), "ok");
}

#[tokio::test]
async fn no_header_stands_in_for_a_certificate() {
    let scene = Scene::new(SETTINGS).await;
    let mut client = scene.server.connect(None).await.unwrap();
    for lines in [
        format!("x-forwarded-client-cert: By=spiffe://prod.example/x;URI={SUPPORT}\r\n"),
        format!("client-cert: :{SUPPORT}:\r\n"),
        format!("x-ssl-client-san: URI:{SUPPORT}\r\nx-client-verify: SUCCESS\r\n"),
        "x-strongroom-tenant: acme\r\n".to_owned(),
    ] {
        for answer in [client.call(&lines).await.unwrap(), client.call_mcp(&lines).await.unwrap()] {
            assert_eq!((answer.status, answer.reason()), (401, "tenant_missing"), "{lines}");
        }
    }
    // Nor does one change whom a certificate means.
    let shows = scene.prod.issue(&[SUPPORT], |_| {});
    let mut client = scene.server.connect(Some(&shows)).await.unwrap();
    let lines = "x-forwarded-client-cert: URI=spiffe://prod.example/ns/globex-prod/sa/kim\r\n";
    assert_eq!(client.call(lines).await.unwrap().reason(), "ok");
    assert_eq!(scene.server.last()["tenant_id"], "acme");
}

#[tokio::test]
async fn of_two_credentials_both_are_of_one_tenant() {
    let scene = Scene::new(SETTINGS).await;
    let (acme, globex) = (scene.server.house.key("acme").await, scene.server.house.key("globex").await);
    let shows = scene.prod.issue(&[SUPPORT], |_| {});
    let nobody = scene.prod.issue(&["spiffe://prod.example/nobody"], |_| {});
    let mut client = scene.server.connect(Some(&shows)).await.unwrap();
    for (key, reason, status) in [
        (acme.as_str(), "ok", 200),
        (&globex, "tenant_mismatch", 403),
        ("sr_live_a_b", "tenant_unknown", 401),
    ] {
        let lines = format!("authorization: Bearer {key}\r\n");
        for answer in [client.call(&lines).await.unwrap(), client.call_mcp(&lines).await.unwrap()] {
            assert_eq!(
                (answer.status, answer.reason()),
                (status, if answer.reason().is_empty() { "" } else { reason })
            );
            assert_eq!(scene.server.last()["reason_code"], reason);
        }
    }
    // The key acts, when it is of the same tenant.
    let lines = format!("authorization: Bearer {acme}\r\n");
    assert_eq!(client.call(&lines).await.unwrap().reason(), "ok");
    assert_ne!(scene.server.last()["actor_id"], "support");
    for lines in ["authorization: Basic YTpi\r\n", "authorization: Bearer a\r\nauthorization: Bearer b\r\n"] {
        assert_eq!(client.call(lines).await.unwrap().reason(), "tenant_unknown", "{lines}");
    }
    // A certificate that means nobody spoils a good key.
    let mut client = scene.server.connect(Some(&nobody)).await.unwrap();
    assert_eq!(client.call(&lines).await.unwrap().reason(), "tenant_unknown");
    // One that carries the requests of others opens nothing by itself, and spoils nothing.
    let gateway = scene.prod.issue(&["spiffe://prod.example/gateway"], |_| {});
    let mut client = scene.server.connect(Some(&gateway)).await.unwrap();
    assert_eq!(client.call("").await.unwrap().reason(), "tenant_missing");
    for (key, tenant) in [(&acme, "acme"), (&globex, "globex")] {
        assert_eq!(client.call(&format!("authorization: Bearer {key}\r\n")).await.unwrap().reason(), "ok");
        assert_eq!(scene.server.last()["tenant_id"], tenant);
    }
    // And without any certificate, keys are what they were.
    let mut client = scene.server.connect(None).await.unwrap();
    assert_eq!(client.call(&lines).await.unwrap().reason(), "ok");
}

#[tokio::test]
async fn a_host_that_requires_certificates_makes_no_connection_without_one() {
    let settings = SETTINGS.replacen("[[tls", "clients = \"required\"\n[[tls", 1);
    let scene = Scene::new(&settings).await;
    let key = scene.server.house.key("acme").await;
    let lines = format!("authorization: Bearer {key}\r\n");
    let answer = async { scene.server.connect(None).await?.call(&lines).await };
    assert!(answer.await.is_err());
    let shows = scene.prod.issue(&[SUPPORT], |_| {});
    assert_eq!(scene.call(&shows).await.unwrap().reason(), "ok");
}

#[tokio::test]
async fn a_certificate_that_ends_while_its_connection_is_open_counts_no_more() {
    let scene = Scene::new(SETTINGS).await;
    let shows = scene.prod.issue(&[SUPPORT], between((2026, 1, 1), (2026, 9, 22)));
    let mut client = scene.server.connect(Some(&shows)).await.unwrap();
    assert_eq!(client.call("").await.unwrap().reason(), "ok");
    scene.server.clock.pass(86_400_000);
    for answer in [client.call("").await.unwrap(), client.call_mcp("").await.unwrap()] {
        assert_eq!((answer.status, answer.reason()), (401, "certificate_invalid"));
    }
    assert!(scene.server.last()["note"].as_str().unwrap().contains("expired"), "{}", scene.server.last());
    // Beside a key it spoils that too.
    let lines = format!("authorization: Bearer {}\r\n", scene.server.house.key("acme").await);
    assert_eq!(client.call(&lines).await.unwrap().reason(), "certificate_invalid");
}

#[tokio::test]
async fn bundles_and_rules_that_change_count_on_open_connections() {
    let scene = Scene::new(SETTINGS).await;
    let (home, next) = (scene.server.house.path(), Authority::new("next"));
    let shows = scene.prod.issue(&[SUPPORT], |_| {});
    let new = next.issue(&[SUPPORT], |_| {});
    let mut client = scene.server.connect(Some(&shows)).await.unwrap();
    assert_eq!(client.call("").await.unwrap().reason(), "ok");
    scene.is_refused("too early", &new).await;
    // Both for a while, as authorities are replaced.
    write(home, "tls/prod.pem", &format!("{}{}", scene.prod.pem, next.pem));
    scene.server.clock.pass(1_000);
    let mut other = scene.server.connect(Some(&new)).await.unwrap();
    assert_eq!(other.call("").await.unwrap().reason(), "ok");
    assert_eq!(client.call("").await.unwrap().reason(), "ok");
    // What cannot be read changes nothing.
    write(home, "tls/prod.pem", "nothing");
    scene.server.clock.pass(1_000);
    assert_eq!(client.call("").await.unwrap().reason(), "ok");
    write(home, "tls/prod.pem", &next.pem);
    scene.server.clock.pass(1_000);
    assert_eq!(client.call("").await.unwrap().reason(), "certificate_invalid");
    assert_eq!(other.call("").await.unwrap().reason(), "ok");
    // The operator takes the rule away.
    write(home, "strongroom.toml", &SETTINGS.replace("/agents/support", "/agents/other"));
    let home = strongroom::powers::Home::open(home).unwrap();
    scene.server.house.room.reload(&home).await.unwrap();
    assert_eq!(other.call("").await.unwrap().reason(), "tenant_unknown");
}

#[tokio::test]
async fn an_identity_is_stopped_as_any_other_actor() {
    let scene = Scene::new(SETTINGS).await;
    let shows = scene.prod.issue(&[SUPPORT], |_| {});
    let mut client = scene.server.connect(Some(&shows)).await.unwrap();
    assert_eq!(client.call("").await.unwrap().reason(), "ok");
    let scope = KillScope::Actor(TenantId::new("acme").unwrap(), ActorId::new("support").unwrap());
    scene.server.house.room.kill(scope, "stolen").await.unwrap();
    assert_eq!(client.call("").await.unwrap().reason(), "killed");
}
