//! Whose key opens what: admins' keys are not tenants', and end when they should.

use super::office::{Office, admin_key, tenant};
use crate::http_api::client::request;
use serde_json::json;
use strongroom::id::KeyId;
use strongroom::reason::Reason;
use strongroom::storage::ledger::AdminRole;

const SELF: &str = "/admin/v1/self";

fn id(key: &str) -> KeyId {
    KeyId::new(key.split('_').nth(2).unwrap()).unwrap()
}

#[tokio::test]
async fn a_tenants_key_is_none_here_and_an_admins_key_is_none_there() {
    let office = Office::open().await;
    let acme = office.house.key("acme").await;
    let as_admin = acme.replace("sr_live_", "sr_admin_");
    for key in [acme.as_str(), &as_admin, "sr_admin_a_b", "sr_admin_", "", "x"] {
        let reply = office.get(key, SELF).await;
        reply.is_problem(401, "admin_unknown");
        assert!(reply.header("www-authenticate").unwrap().contains("invalid_token"));
        let told = office.told(&reply);
        assert_eq!((told.len(), told[0].reason_code), (1, Reason::AdminUnknown));
        assert_eq!((&told[0].tenant_id, &told[0].actor_id), (&None, &None));
    }
    office.raw(&request("GET", SELF, &[], "")).await.is_problem(401, "admin_unknown");
    let twice = format!("authorization: Bearer {0}\r\nauthorization: Bearer {0}", office.operator);
    office.raw(&request("GET", SELF, &[&twice], "")).await.is_problem(401, "admin_unknown");
    let as_tenants = office.operator.replace("sr_admin_", "sr_live_");
    for key in [office.operator.as_str(), &office.own, &as_tenants] {
        for path in ["/v1/tools", "/v1/usage", "/v1/audit"] {
            let header = format!("authorization: Bearer {key}");
            office.raw_call(&request("GET", path, &[&header], "")).await.is_problem(401, "tenant_unknown");
        }
    }
    assert_eq!(office.get(&office.own, SELF).await.json()["role"], "tenant-admin");
}

#[tokio::test]
async fn the_admin_api_is_on_its_own_listener_alone() {
    let office = Office::open().await;
    let admin = format!("authorization: Bearer {}", office.operator);
    for path in [SELF, "/admin/v1/tenants", "/admin/openapi.json"] {
        assert_eq!(office.get(&office.operator, path).await.status, 200);
        assert_eq!(office.raw_call(&request("GET", path, &[&admin], "")).await.status, 404, "{path}");
    }
    for path in ["/v1/tools", "/mcp", "/openapi.json", "/livez"] {
        assert_eq!(office.raw(&request("GET", path, &[&admin], "")).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_key_that_was_revoked_or_has_ended_opens_nothing() {
    let office = Office::open().await;
    let room = &office.house.room;
    let ended = admin_key(room, AdminRole::Operator, Some(1)).await;
    office.get(&ended, SELF).await.is_problem(401, "admin_unknown");
    let brief = admin_key(room, AdminRole::Auditor, None).await;
    assert_eq!(office.get(&brief, SELF).await.status, 200);
    room.revoke_admin_key(&id(&brief)).await.unwrap();
    office.get(&brief, SELF).await.is_problem(401, "admin_unknown");
    assert_eq!(room.revoke_admin_key(&id(&brief)).await.unwrap_err().reason(), Reason::TenantUnknown);

    let old = admin_key(room, AdminRole::TenantAdmin(tenant("globex")), None).await;
    let new = room.rotate_admin_key(&id(&old), 0).await.unwrap();
    office.get(&old, SELF).await.is_problem(401, "admin_unknown");
    let who = office.get(&new.text, SELF).await.json();
    assert_eq!((&who["role"], &who["tenant"]), (&json!("tenant-admin"), &json!("globex")));
    for word in ["admin-key.create", "admin-key.revoke", "admin-key.rotate"] {
        assert!(!office.acts(word).is_empty(), "{word}");
    }
    // Of a tenant that does not exist there are no admins.
    let key = strongroom::NewAdminKey {
        role: AdminRole::TenantAdmin(tenant("nobody")),
        actor: strongroom::id::ActorId::new("kim").unwrap(),
        expires_ms: None,
    };
    assert_eq!(room.create_admin_key(key).await.unwrap_err().reason(), Reason::TenantUnknown);
}

#[tokio::test]
async fn admins_of_a_tenant_are_shut_out_with_it() {
    let office = Office::open().await;
    let file = office.house.path().join("tenants/acme.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("suspended = true\n{text}")).unwrap();
    office.house.room.apply(office.house.read_settings()).await.unwrap();
    office.get(&office.own, "/admin/v1/tenants/acme").await.is_problem(403, "tenant_suspended");
    std::fs::remove_file(&file).unwrap();
    office.house.room.apply(office.house.read_settings()).await.unwrap();
    office.get(&office.own, "/admin/v1/tenants/acme").await.is_problem(403, "role_denied");
    office.house.room.delete_tenant(&tenant("acme")).await.unwrap();
    office.get(&office.own, SELF).await.is_problem(401, "admin_unknown");
}
