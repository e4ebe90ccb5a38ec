//! `import`: the rules of another host in our terms, for a person to review.
//!
//! Takes: a policy file. Gives: a grant and a manifest, and what is not in them. May name: config, id, World.

use super::{Failure, Out};
use crate::World;
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use strongroom::config::{MAX_FILE_BYTES, import_wassette};
use strongroom::id::{TenantId, ToolName};

/// Say another host's rules in our terms; nothing is written, and nothing is allowed that they did not allow
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// wassette's policy.yaml as a grant and a manifest. Exits with 1 when something of it has no equal and is left out
    Wassette(Wassette),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Wassette {
    /// The policy
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// The tool that it is for, as it is or will be installed
    #[arg(long, value_name = "TOOL")]
    tool: ToolName,
    /// The tenant that grants
    #[arg(long, value_name = "TENANT", default_value = "default")]
    tenant: TenantId,
}

pub(crate) fn run(action: &Action, world: &World, out: &Out) -> Result<(), Failure> {
    let Action::Wassette(Wassette { policy, tool, tenant }) = action;
    let bytes = world.file(policy, u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX))?;
    let shown = policy.display();
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{shown}: not UTF-8 text")))?;
    let imported = import_wassette(&text, tool, tenant).map_err(|e| {
        Failure::usage(format!("{shown}: {e}"))
            .help("nothing was taken over; a policy is taken over only when all of it is understood")
    })?;
    if out.is_json() {
        out.json(json!({
            "tool": tool, "tenant": tenant, "grant": imported.grant, "manifest": imported.manifest,
            "left_out": imported.left_out, "notes": imported.notes,
        }))?;
    } else {
        let mut page = format!("# For tenants/{tenant}.toml, whose `tools.allow` must name \"{tool}\":\n\n");
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "{}\n# For {tool}.tool.toml, beside a component that carries no manifest:\n\n",
            imported.grant
        );
        page.push_str(&imported.manifest);
        for (title, texts) in [("Left out", &imported.left_out), ("Look at this", &imported.notes)] {
            if !texts.is_empty() {
                let _ = writeln!(page, "\n# {title}:");
                for text in texts {
                    let _ = writeln!(page, "# - {text}");
                }
            }
        }
        out.line(page.trim_end())?;
    }
    if imported.left_out.is_empty() { Ok(()) } else { Err(Failure::told()) }
}
