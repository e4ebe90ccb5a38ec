//! `audit keys`: which keys sign the book, and a new one.
//!
//! Takes: the home folder. Gives: public keys. May name: audit, World.

use super::out::Table;
use super::{Failure, Out, host};
use crate::World;
use serde_json::json;
use std::sync::Arc;
use strongroom::audit::{self, Known, PUBLIC_FILE, RotateError};
use strongroom::id::ActorId;
use strongroom::powers::{SystemClock, SystemEntropy};
use strongroom::reason::Reason;

/// List the keys that sign the audit log, and make a new one
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List the public keys, oldest first; the last one signs, the others have signed before
    List,
    /// Make a new key sign from now on; the log announces it under the old key
    ///
    /// Refused while a server or another command has the log open. Everybody who verifies the log elsewhere needs the new
    /// `book.pub`; the old key in it still verifies what it has signed.
    Rotate,
}

pub(crate) fn run(action: &Action, world: &World, out: &Out) -> Result<(), Failure> {
    let path = world.home_path()?.join(PUBLIC_FILE);
    let bytes = world.file(&path, super::verify::LONGEST);
    let bytes = bytes.map_err(|failure| failure.help("a host makes its key at its first start"))?;
    let known = String::from_utf8(bytes).ok().and_then(|text| Known::parse(&text));
    let known = known.ok_or_else(|| Failure::failed(format!("{}: holds no public keys", path.display())))?;
    match action {
        Action::List => list(&known, out),
        Action::Rotate => host::block_on(rotate(world, out)),
    }
}

fn list(known: &Known, out: &Out) -> Result<(), Failure> {
    let newest = known.keys().last();
    let signs = |key: &String| Some(key) == newest;
    if out.is_json() {
        let keys: Vec<_> = known.keys().iter().map(|k| json!({ "key": k, "signs": signs(k) })).collect();
        return out.json(json!({ "log": known.origin(), "keys": keys }));
    }
    let mut table = Table::new(["state", "public key"]);
    for key in known.keys() {
        let state = if signs(key) { "signs" } else { "has signed" };
        table.row([state.to_owned(), key.clone()]);
    }
    out.line(table)
}

async fn rotate(world: &World, out: &Out) -> Result<(), Failure> {
    let home = world.home()?;
    let folder = world.home_path()?.join("audit");
    let log = world.folder(&folder).map_err(|failure| failure.help("there is no audit log yet"))?;
    let who = ActorId::new("local").ok();
    let made = audit::rotate(home.dir(), log, who, Arc::new(SystemClock), &SystemEntropy).await;
    let key = made.map_err(|error| match error {
        RotateError::Busy | RotateError::Book(_) => {
            Failure::reason(Reason::AuditUnavailable, error.to_string())
        }
        RotateError::Key(_) => Failure::failed(error.to_string()),
    })?;
    out.note("give book.pub anew to everybody who verifies this log elsewhere");
    match out.is_json() {
        true => out.json(json!({ "log": key.known().origin(), "key": key.public() })),
        false => out.line(key.public()),
    }
}
