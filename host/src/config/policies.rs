//! The tenants' policy files, `policies/<id>.cedar`, and what they say against the tenants' files.
//!
//! Takes: the home folder and the tenants. Gives: tenants with their policies. May name: authorize, id.

use super::error::{ConfigError, ConfigErrors, FileKind};
use super::load::{Settings, files, read};
use super::tenant::Tenant;
use super::{Document, RoleName};
use crate::authorize::cedar::{Policies, place_of_entity};
use cap_std::fs::Dir;
use std::sync::Arc;

const FOLDER: &str = "policies";
const END: &str = ".cedar";

/// Reads every policy file. `tenants` are the names of the tenants' files, also of those that have a fault.
///
/// # Errors
/// When the folder cannot be read; what is wrong with a file goes to the other faults.
pub(super) fn load(
    home: &Dir,
    tenants: &[String],
    settings: &mut Settings,
    faults: &mut Vec<ConfigError>,
) -> Result<(), ConfigError> {
    for name in files(home, FileKind::Policies, FOLDER, END)? {
        let file = format!("{FOLDER}/{name}");
        let id = name.strip_suffix(END).unwrap_or(&name);
        if !tenants.iter().any(|tenant| tenant.strip_suffix(".toml") == Some(id)) {
            let what = "these are the policies of a tenant that has no file";
            let fix = format!("write tenants/{id}.toml, or name the file after a tenant");
            faults.push(ConfigError::of_file(FileKind::Policies, &file, what, fix));
            continue;
        }
        let (policies, text) = match of_file(home, &file) {
            Ok(read) => read,
            Err(errors) => {
                faults.extend(errors);
                continue;
            }
        };
        // A tenant whose own file has a fault is not here; that fault is told already.
        let Some(tenant) = settings.tenants.remove(id) else { continue };
        check(&tenant, &policies, &text, faults);
        settings
            .tenants
            .insert(tenant.id.clone(), Arc::new(Arc::unwrap_or_clone(tenant).with_policies(policies)));
    }
    Ok(())
}

fn of_file(home: &Dir, file: &str) -> Result<(Policies, Document), ConfigErrors> {
    let text = read(home, FileKind::Policies, file)?.ok_or_else(|| {
        ConfigError::of_file(FileKind::Policies, file, "the file has just disappeared", "load again")
    })?;
    Ok((Policies::parse(file, &text)?, Document::new(FileKind::Policies, file, &text)?))
}

/// Tools come and go, but a role or a tenant that is not there is a policy that never applies: a slip of the pen that
/// would leave open what should be forbidden.
fn check(tenant: &Tenant, policies: &Policies, text: &Document, faults: &mut Vec<ConfigError>) {
    let mut fault = |kind: &str, id: &str, what: String, fix: String| {
        faults.push(text.fault(place_of_entity(text.text(), kind, id), what, "named here", fix));
    };
    let known: Vec<&RoleName> = tenant.roles.iter().flatten().map(|(name, _)| name).collect();
    for role in policies.roles().filter(|role| !known.iter().any(|known| known.as_str() == *role)) {
        let roles: Vec<String> = known.iter().map(ToString::to_string).collect();
        let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
        let what = format!("{} has no role \"{role}\"", tenant.file());
        fault(
            "Role",
            role,
            what,
            format!("add [roles.{role}] there, or correct the name; its roles: {roles}"),
        );
    }
    for other in policies.tenants().filter(|other| *other != tenant.id.as_str()) {
        let what = format!("these policies are the tenant {}'s alone", tenant.id);
        fault("Tenant", other, what, format!("write Strongroom::Tenant::\"{}\", or leave it out", tenant.id));
    }
}
