//! `policy`: the schema of the tenants' policies, and whether policy files keep to it. Nothing is asked or run.
//!
//! Takes: policy files of the home folder, or any. Gives: their policies and every fault with its line; exit code 1 when
//! there are any. May name: authorize, config, id, powers, World.

use super::{Failure, Out};
use crate::World;
use serde_json::json;
use std::path::Path;
use strongroom::authorize::cedar::{Policies, SCHEMA};
use strongroom::config::{ConfigError, ConfigErrors, MAX_FILE_BYTES, Settings};
use strongroom::id::TenantId;
use strongroom::powers::SystemEnvironment;

/// Work with the tenants' policies (Cedar), which narrow further who may call what
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Print the schema: what policies can speak of
    Schema,
    /// Check policies without a running host
    ///
    /// Exit code 0 when nothing is wrong, 1 when a policy file has a fault, 2 when it cannot be checked, because another
    /// file of the home folder has one.
    Check {
        /// Tenants, or files that end in `.cedar`; of a file by itself the roles are not checked, which only its tenant
        /// knows [default: the policies of all tenants]
        #[arg(value_name = "TENANT|FILE")]
        what: Vec<String>,
    },
}

/// What was read, and what is wrong with the rest.
#[derive(Default)]
struct Checked {
    good: Vec<Policies>,
    faults: Vec<ConfigErrors>,
}

pub(crate) fn run(action: Action, world: &World, out: &Out) -> Result<(), Failure> {
    match action {
        Action::Schema if out.is_json() => out.json(json!({ "schema": SCHEMA })),
        Action::Schema => out.raw(SCHEMA.as_bytes()),
        Action::Check { what } => check(&what, world, out),
    }
}

fn check(what: &[String], world: &World, out: &Out) -> Result<(), Failure> {
    let (files, tenants): (Vec<_>, Vec<_>) = what.iter().partition(|what| what.ends_with(".cedar"));
    let mut checked = Checked::default();
    if files.is_empty() || !tenants.is_empty() {
        of_tenants(&tenants, world, &mut checked)?;
    }
    for file in files {
        let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
        let text = String::from_utf8(world.file(Path::new(file), limit)?)
            .map_err(|_| Failure::usage(format!("{file}: is not UTF-8 text")))?;
        match Policies::parse(file, &text) {
            Ok(policies) => checked.good.push(policies),
            Err(faults) => checked.faults.push(faults),
        }
    }
    let faults: Vec<&ConfigError> = checked.faults.iter().flat_map(ConfigErrors::all).collect();
    if out.is_json() {
        let good = |policies: &Policies| json!({ "file": policies.file(), "policies": policies.ids().collect::<Vec<_>>() });
        let fault = |fault: &&ConfigError| {
            json!({
                "file": fault.file(),
                "line": fault.line(),
                "column": fault.column(),
                "message": fault.what(),
                "help": fault.fix(),
            })
        };
        out.json(json!({
            "checked": checked.good.iter().map(good).collect::<Vec<_>>(),
            "findings": faults.iter().map(fault).collect::<Vec<_>>(),
        }))?;
    } else {
        for policies in &checked.good {
            match policies.ids().count() {
                0 => out.line(format!("ok  {}  no policies: every call is denied", policies.file()))?,
                1 => out.line(format!("ok  {}  1 policy", policies.file()))?,
                many => out.line(format!("ok  {}  {many} policies", policies.file()))?,
            }
        }
        for fault in &faults {
            out.fault(*fault)?;
        }
        if checked.good.is_empty() && faults.is_empty() {
            out.note("no tenant has policies: there is no policies/<tenant>.cedar");
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::told()) }
}

/// The policies of these tenants, of all when none is named, checked against the tenants' files.
fn of_tenants(tenants: &[&String], world: &World, checked: &mut Checked) -> Result<(), Failure> {
    let wanted = |file: &str| {
        let tenant = file.strip_prefix("policies/").and_then(|file| file.strip_suffix(".cedar"));
        tenants.is_empty() || tenants.iter().any(|wanted| Some(wanted.as_str()) == tenant)
    };
    match Settings::load_with(&world.folder(&world.home_path()?)?, &SystemEnvironment) {
        Ok(settings) => {
            for tenant in tenants {
                let id = TenantId::new(tenant).map_err(|e| Failure::usage(e.to_string()))?;
                if settings.tenants.get(&id).is_none_or(|tenant| tenant.policies.is_none()) {
                    return Err(Failure::not_found(format!("there is no policies/{id}.cedar")));
                }
            }
            let all = settings.tenants.values().filter_map(|tenant| tenant.policies.clone());
            checked.good.extend(all.filter(|policies| wanted(policies.file())));
            Ok(())
        }
        Err(faults) => {
            let (policies, others): (Vec<_>, Vec<_>) =
                faults.into_iter().partition(|fault| fault.file().starts_with("policies/"));
            checked.faults.extend(policies.into_iter().filter(|f| wanted(f.file())).map(ConfigErrors::from));
            match others.into_iter().next() {
                // Roles are checked against the tenants' files, so these must be right first.
                Some(other) if checked.faults.is_empty() => Err(Failure::report(other.reason(), other)),
                _ => Ok(()),
            }
        }
    }
}
