//! A home folder as a whole: what may be missing, what must fit together. May name: id.

use super::*;
use crate::config::tests::printed;
use cap_std::ambient_authority;
use tempfile::TempDir;

#[expect(clippy::disallowed_methods, reason = "a test's own temporary folder")]
fn home(files: &[(&str, &str)]) -> (TempDir, Dir) {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    dir.create_dir("tenants").unwrap();
    dir.create_dir("policies").unwrap();
    for (name, text) in files {
        dir.write(name, text).unwrap();
        chmod(&dir, name, 0o600);
    }
    (folder, dir)
}

#[cfg(unix)]
fn chmod(dir: &Dir, name: &str, mode: u32) {
    use cap_std::fs::{Permissions, PermissionsExt};
    dir.set_permissions(name, Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn chmod(_dir: &Dir, _name: &str, _mode: u32) {}

const ACME: &str =
    "[grants.orders.http.api]\norigin = \"https://a.example.com\"\ncredential = \"acme-orders\"\n";
const CREDENTIALS: &str =
    "[acme-orders]\ntenant = \"acme\"\norigins = [\"https://*.example.com\"]\nvalue = \"Bearer x\"\n";

#[test]
fn an_empty_home_is_a_single_tenant_that_may_call_every_tool() {
    let (_folder, dir) = home(&[("tenants/README.md", "x"), ("tenants/.#acme.toml", "x")]);
    let settings = Settings::load(&dir).unwrap();
    assert!(
        !settings.single_tenant && settings.tenants.is_empty(),
        "whoever has the folder means to have tenants"
    );
    dir.remove_dir_all("tenants").unwrap();
    let settings = Settings::load(&dir).unwrap();
    assert!(settings.single_tenant);
    let tenant = settings.tenants.get("default").unwrap();
    assert_eq!(tenant.tools.allow, [super::super::names::ToolPattern::Any]);
    assert!(tenant.grants.is_empty() && settings.credentials.iter().next().is_none());
}

#[test]
fn tenants_come_from_the_names_of_their_files() {
    let (_folder, dir) = home(&[
        ("tenants/acme.toml", ACME),
        ("tenants/globex.toml", "suspended = true\n"),
        ("credentials.toml", CREDENTIALS),
        ("strongroom.toml", "listen = \"127.0.0.1:1\"\n"),
    ]);
    let settings = Settings::load(&dir).unwrap();
    assert!(!settings.single_tenant && settings.tenants.len() == 2);
    assert_eq!(settings.tenants["acme"].file(), "tenants/acme.toml");
    assert_ne!(settings.tenants["acme"].digest, settings.tenants["globex"].digest);
    assert!(settings.tenants["globex"].suspended);
    assert_eq!(settings.host.listen.port(), 1);
}

#[test]
fn every_fault_of_every_file_is_shown() {
    let (_folder, dir) = home(&[
        ("strongroom.toml", "[engine]\nmax_memry = \"1GiB\"\n"),
        ("credentials.toml", CREDENTIALS),
        (
            "tenants/acme.toml",
            "[limits]\nmemory = \"128MiB\"\n\n[grants.orders.http.api]\norigin = \"https://example.com\"\ncredential = \"acme-orders\"\n\n[grants.orders.http.mail]\norigins = [\"https://mail.example.com\", \"https://*.example.org\"]\ncredential = \"acme-orders\"\n\n[grants.files.http.x]\norigin = \"https://a.example.com\"\ncredential = \"acme-ordres\"\n",
        ),
        ("tenants/globex.toml", ACME),
        ("tenants/Initech.toml", ""),
        ("tenants/umbrella.toml", "allow = [\n"),
    ]);
    let faults = Settings::load(&dir).unwrap_err();
    assert_eq!(faults.all().len(), 8);
    insta::assert_snapshot!(format!("{faults}\n\n{}", printed(&faults)));
}

#[cfg(unix)]
#[test]
fn credentials_that_others_can_read_are_refused() {
    let (_folder, dir) = home(&[("credentials.toml", CREDENTIALS), ("tenants/acme.toml", ACME)]);
    for mode in [0o600, 0o400] {
        chmod(&dir, "credentials.toml", mode);
        assert!(Settings::load(&dir).is_ok());
    }
    let mut shown = String::new();
    for mode in [0o644, 0o660, 0o602] {
        chmod(&dir, "credentials.toml", mode);
        // One fault: what the grants name is not known then.
        let faults = Settings::load(&dir).unwrap_err();
        assert_eq!(faults.all().len(), 1);
        shown += &printed(&faults.all()[0]);
    }
    insta::assert_snapshot!(shown);
}

#[cfg(unix)]
#[test]
fn what_is_not_a_plain_file_in_the_home_is_refused() {
    let (_folder, dir) = home(&[]);
    dir.create_dir("tenants/a.toml").unwrap();
    dir.symlink("../../etc/hostname", "tenants/b.toml").unwrap();
    dir.symlink("nowhere.toml", "tenants/c.toml").unwrap();
    dir.write("tenants/d.toml", [0xff, 0xfe]).unwrap();
    dir.write("tenants/e.toml", vec![b'#'; MAX_FILE_BYTES + 1]).unwrap();
    dir.write("tenants/f.toml", vec![b'#'; MAX_FILE_BYTES]).unwrap();
    let faults = Settings::load(&dir).unwrap_err();
    let files: Vec<&str> = faults.all().iter().map(ConfigError::file).collect();
    assert_eq!(
        files,
        ["tenants/a.toml", "tenants/b.toml", "tenants/c.toml", "tenants/d.toml", "tenants/e.toml"]
    );
}

#[test]
fn policies_belong_to_the_tenant_whose_name_their_file_has() {
    let permit = "permit(principal in Strongroom::Role::\"agent\", action, resource);";
    let files = [
        ("tenants/acme.toml", "[roles.agent]\ntools = [\"*\"]\n"),
        ("tenants/globex.toml", ""),
        ("policies/acme.cedar", permit),
        ("policies/README.md", "x"),
        ("policies/.#globex.cedar", "x"),
    ];
    let (_folder, dir) = home(&files);
    let settings = Settings::load(&dir).unwrap();
    let policies = settings.tenants["acme"].policies.as_ref().unwrap();
    assert_eq!((policies.file(), policies.ids().count()), ("policies/acme.cedar", 1));
    assert!(settings.tenants["globex"].policies.is_none());
    // The digest that stands in the audit log changes with either file, and only then.
    let digest = |dir: &Dir| Settings::load(dir).unwrap().tenants["acme"].digest;
    let first = digest(&dir);
    dir.write("policies/acme.cedar", format!("{permit}\n")).unwrap();
    let second = digest(&dir);
    dir.write("tenants/acme.toml", "# x\n[roles.agent]\ntools = [\"*\"]\n").unwrap();
    let third = digest(&dir);
    assert!(first != second && second != third && first != third);
    dir.remove_file("policies/acme.cedar").unwrap();
    assert_eq!(digest(&dir), crate::id::Digest::of(b"# x\n[roles.agent]\ntools = [\"*\"]\n"));
}

#[test]
fn faults_of_policies_are_shown_with_the_others() {
    let permit = "permit(principal, action, resource)";
    let (_folder, dir) = home(&[
        ("tenants/acme.toml", "[roles.agent]\ntools = [\"*\"]\n"),
        ("tenants/globex.toml", ""),
        ("tenants/initech.toml", "alow = 1\n"),
        (
            "policies/acme.cedar",
            "permit(principal in Strongroom::Role::\"agent\", action, resource);\n\
             forbid(principal in Strongroom::Role::\"agnet\", action, resource);\n\
             forbid(principal, action, resource) when { principal.tenant == Strongroom::Tenant::\"globex\" };\n",
        ),
        ("policies/globex.cedar", "forbid(principal in Strongroom::Role::\"agent\", action, resource);\n"),
        ("policies/initech.cedar", &format!("{permit}\n")),
        ("policies/umbrella.cedar", &format!("{permit};\n")),
        ("policies/Bad Name.cedar", &format!("{permit};\n")),
    ]);
    let faults = Settings::load(&dir).unwrap_err();
    insta::assert_snapshot!(format!("{faults}\n\n{}", printed(&faults)));
    // Without any tenant's file there is nobody whose policies these could be, not even `default`.
    let (_folder, dir) = home(&[("policies/default.cedar", &format!("{permit};\n"))]);
    let faults = Settings::load(&dir).unwrap_err();
    assert_eq!(faults.reason(), crate::reason::Reason::ConfigInvalid);
    assert!(faults.to_string().contains("tenant that has no file"), "{faults}");
}
