//! The grant and the manifest as texts, read back before they are given away.
//!
//! Takes: what was found. Gives: [`Imported`]. May name: id.

use super::{Found, Imported, InvalidPolicy};
use crate::config::{ByteSize, Manifest, Tenant};
use crate::id::{TenantId, ToolName};

/// All methods that a policy which names none allows.
const METHODS: &str = r#"["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]"#;

impl Found {
    pub(super) fn written(self, tool: &ToolName, tenant: &TenantId) -> Result<Imported, InvalidPolicy> {
        let (mut grants, mut needs) = (Vec::new(), Vec::new());
        for (need, origin) in &self.origins {
            grants.push(format!("[grants.{tool}.http.{need}]\norigin = {}\n", quoted(&origin.to_string())));
            needs.push(format!("[needs.http.{need}]\nmethods = {METHODS}\npaths = [\"/**\"]\n"));
        }
        for (need, (path, mode)) in &self.dirs {
            grants.push(format!(
                "[grants.{tool}.dir.{need}]\npath = {}\nmode = \"{mode}\"\n",
                quoted(path.as_str())
            ));
            needs.push(format!("[needs.dir.{need}]\nmode = \"{mode}\"\n"));
        }
        if let Some(memory) = self.memory {
            needs.push(format!("[limits]\nmemory = \"{}\"\n", ByteSize(memory)));
        }
        let mut manifest = vec![format!("name = \"{tool}\"\nversion = \"0.0.0\"\n")];
        manifest.append(&mut needs);
        let (grant, manifest) = (grants.join("\n"), manifest.join("\n"));
        Tenant::parse(tenant.clone(), "the grant", &grant)?;
        Manifest::parse("the manifest", &manifest)?;
        Ok(Imported { grant, manifest, left_out: self.left_out, notes: self.notes })
    }
}

/// A string as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
