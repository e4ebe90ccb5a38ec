//! With `[hosts]`, a request must come by one of the host's names, and by its own tenant's; a name alone opens nothing.

use crate::certificates_say_who_calls::authority::Authority;
use crate::certificates_say_who_calls::client::{Client, Server, TENANT, write};
use crate::tokens_are_verified::issuer::Issuer;
use serde_json::json;
use strongroom_tests::house;

const HOSTS: &str = "[hosts]\n\"acme.example\" = \"acme\"\n\"globex.example\" = \"globex\"\n";
const TLS: &str = r#"
[tls]
cert = "tls/cert.pem"
key = "tls/key.pem"
[[tls.trust_domains]]
name = "prod.example"
bundle = "tls/prod.pem"
[[tls.trust_domains.callers]]
path = "/acme"
tenant = "acme"
"#;

async fn served(top: &str) -> (Server, Authority, String, String) {
    let prod = Authority::new("prod");
    let settings = format!("{top}{HOSTS}{TLS}");
    let server = Server::start(&settings, &[("tls/prod.pem", &prod.pem)]).await;
    let (acme, globex) = (server.house.key("acme").await, server.house.key("globex").await);
    (server, prod, acme, globex)
}

/// The status, and the reason that is in the answer, or of a message of the protocol in the log.
async fn both(client: &mut Client, server: &Server, lines: &str) -> [(u16, String); 2] {
    let http = client.call(lines).await.unwrap();
    let mcp = client.call_mcp(lines).await.unwrap();
    let told = server.last()["reason_code"].as_str().unwrap().to_owned();
    [(http.status, http.reason().to_owned()), (mcp.status, told)]
}

#[tokio::test]
async fn a_name_refuses_the_callers_of_other_tenants_and_lets_nobody_in() {
    let (server, prod, acme, globex) = served("public_url = \"https://tools.example\"\n").await;
    for (name, key, status, reason) in [
        ("acme.example", Some(&acme), 200, "ok"),
        ("globex.example", Some(&globex), 200, "ok"),
        ("acme.example", Some(&globex), 403, "tenant_mismatch"),
        ("globex.example", Some(&acme), 403, "tenant_mismatch"),
        ("acme.example", None, 401, "tenant_missing"),
        // The host of `public_url` is everybody's.
        ("tools.example", Some(&acme), 200, "ok"),
        ("tools.example", Some(&globex), 200, "ok"),
        ("tools.example", None, 401, "tenant_missing"),
        // Others are nobody's, whatever is shown.
        ("other.example", Some(&acme), 421, "misdirected"),
        ("other.example", None, 421, "misdirected"),
    ] {
        let mut client = server.connect_to(name, None).await.unwrap();
        for host in [name.to_owned(), format!("{name}:8443"), name.to_uppercase()] {
            let key = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
            for told in both(&mut client, &server, &format!("host: {host}\r\n{key}")).await {
                assert_eq!(told, (status, reason.to_owned()), "{host} {status}");
            }
            let entry = server.last();
            if reason == "tenant_mismatch" {
                let own = if key.contains(&acme) { "acme" } else { "globex" };
                assert_eq!(entry["tenant_id"], own, "the refusal stands in the caller's own log");
                assert!(entry["note"].as_str().unwrap().contains("host name"), "{entry}");
            }
            if reason == "misdirected" {
                assert!(entry["tenant_id"].is_null() && entry["note"].is_string(), "{entry}");
            }
        }
    }
    // Certificates are narrowed too.
    let shows = prod.issue(&["spiffe://prod.example/acme"], |_| {});
    for (name, reason) in [("acme.example", "ok"), ("globex.example", "tenant_mismatch")] {
        let mut client = server.connect_to(name, Some(&shows)).await.unwrap();
        assert_eq!(client.call(&format!("host: {name}\r\n")).await.unwrap().reason(), reason);
    }
}

#[tokio::test]
async fn a_request_names_the_host_that_its_connection_was_made_for() {
    let (server, _, acme, _) = served("").await;
    let key = format!("authorization: Bearer {acme}\r\n");
    let mut client = server.connect_to("globex.example", None).await.unwrap();
    for told in both(&mut client, &server, &format!("host: acme.example\r\n{key}")).await {
        assert_eq!(told, (421, "misdirected".to_owned()));
    }
    let mut client = server.connect_to("acme.example", None).await.unwrap();
    for bad in [
        "host: \r\n",
        "host: acme.example\r\nhost: acme.example\r\n",
        "host: acme.example\r\nhost: globex.example\r\n",
        "host: globex.example@acme.example\r\n",
        "host: acme.example.\r\n",
        "host: 127.0.0.1\r\n",
        "host: acme.example/\r\n",
        "x-forwarded-host: acme.example\r\nhost: tools.example\r\n",
    ] {
        let answer = client.call(&format!("{bad}{key}")).await.unwrap();
        assert_eq!((answer.status, answer.reason()), (421, "misdirected"), "{bad}");
    }
    // A request line may name the host once more, and then names the same one.
    for (line, status) in [("https://acme.example", 200), ("https://globex.example", 421)] {
        let request = format!("GET {line}/v1/tools HTTP/1.1\r\nhost: acme.example\r\n{key}\r\n");
        assert_eq!(client.send(&request).await.unwrap().status, status, "{line}");
    }
    // Whoever watches the host asks by its address.
    for path in ["/livez", "/readyz"] {
        assert_eq!(client.get(path, "host: 10.1.2.3\r\n").await.unwrap().status, 200);
    }
    // And without the table, names are not looked at.
    let home = server.house.path();
    write(home, "strongroom.toml", TLS);
    server.house.room.reload(&strongroom::powers::Home::open(home).unwrap()).await.unwrap();
    assert_eq!(client.call(&format!("host: other.example\r\n{key}")).await.unwrap().reason(), "ok");
}

#[tokio::test]
async fn each_name_is_a_resource_of_its_own() {
    let issuer = Issuer::start().await;
    let top = "public_url = \"https://tools.example/base\"\n";
    let issuers = format!("[[issuers]]\nurl = \"{}\"\ntenant = \"acme\"\n", issuer.url());
    let plan = house().tool("echo").tenant("acme", TENANT).tenant("globex", TENANT);
    let server =
        Server::start_with(plan, &format!("{top}{issuers}{HOSTS}{}", &TLS[..TLS.find("[[").unwrap()]), &[])
            .await;
    let now = 1_790_000_000_u64;
    let token = |audience: &str| {
        let claims = json!({ "iss": issuer.url(), "aud": audience, "sub": "kim", "exp": now + 600 });
        issuer.keys.token("RS256", &json!({ "alg": "RS256", "kid": "rsa" }).to_string(), &claims.to_string())
    };
    for name in ["acme.example", "globex.example", "tools.example"] {
        let mut client = server.connect_to(name, None).await.unwrap();
        let host = format!("host: {name}\r\n");
        for (path, resource) in
            [("", format!("https://{name}/base")), ("/mcp", format!("https://{name}/base/mcp"))]
        {
            let answer =
                client.get(&format!("/.well-known/oauth-protected-resource{path}"), &host).await.unwrap();
            assert_eq!((answer.status, answer.body["resource"].as_str()), (200, Some(&*resource)));
            // Who asks for a token for it gets one that is good here, if it is of the name's tenant.
            let lines = format!("{host}authorization: Bearer {}\r\n", token(&resource));
            let reason = if name == "globex.example" { "tenant_mismatch" } else { "ok" };
            assert_eq!(client.call(&lines).await.unwrap().reason(), reason, "{resource}");
        }
        let answer = client.call(&host).await.unwrap();
        let metadata = format!("https://{name}/.well-known/oauth-protected-resource/base\"");
        assert!(answer.head.contains(&metadata), "{}", answer.head);
    }
    let lines =
        format!("host: acme.example\r\nauthorization: Bearer {}\r\n", token("https://other.example/base"));
    let mut client = server.connect_to("acme.example", None).await.unwrap();
    assert_eq!(client.call(&lines).await.unwrap().reason(), "token_invalid");
}
