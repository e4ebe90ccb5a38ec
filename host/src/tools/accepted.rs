//! What an operator has accepted of each tool, kept beside it: `tools/<name>.accepted`.
//!
//! Takes: the tools folder. Gives: [`Accepted`]. May name: config, id, review.
//!
//! The record outlives the process and the file that it was made of, so that a version that asks for more is noticed
//! also when it was copied over the old one while no host was running.

use super::install::{Candidate, InstallError};
use super::shelf::replace;
use crate::id::{Digest, ToolName};
use crate::review::{Powers, Version};
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use std::io;

/// The version of a record's form.
const FORM: u32 = 1;

/// The version that was accepted last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accepted {
    form: u32,
    /// The version as its manifest says it.
    pub(super) version: String,
    pub(super) edition: Digest,
    pub(super) powers: Powers,
}

impl Accepted {
    pub(super) fn of(candidate: &Candidate) -> Self {
        let Candidate { info, manifest, edition } = candidate;
        let powers = Powers::of(Version { info, manifest });
        Self { form: FORM, version: manifest.version.clone(), edition: *edition, powers }
    }

    /// The record of a tool; `None` when nothing of it was ever accepted.
    ///
    /// # Errors
    /// [`InstallError::Record`] when there is one that cannot be read: nothing counts as accepted then.
    pub(super) fn read(tools: &Dir, tool: &ToolName) -> Result<Option<Self>, InstallError> {
        let fault = |problem: String| InstallError::Record { tool: tool.clone(), problem };
        let bytes = match tools.read(file(tool)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(error.to_string())),
        };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))?;
        match record.form {
            FORM => Ok(Some(record)),
            other => Err(fault(format!("its form {other} is not known to this host"))),
        }
    }

    pub(super) fn write(&self, tools: &Dir, tool: &ToolName) -> io::Result<()> {
        replace(tools, &file(tool), &serde_json::to_vec_pretty(self)?)
    }
}

fn file(tool: &ToolName) -> String {
    format!("{tool}.accepted")
}
