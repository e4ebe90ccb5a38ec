//! `token`: access tokens are revoked, and what is revoked is listed.
//!
//! Takes: orders of the operator. Gives: their effect. May name: the library, World.

use super::out::Table;
use super::{Failure, Out, host, kill, moment};
use crate::World;
use serde_json::json;
use strongroom::config::WebUrl;
use strongroom::id::ActorId;
use strongroom::storage::ledger::{Kill, KillMode, KillScope, TokenScope, Which};

/// Revoke access tokens of the issuers in strongroom.toml
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Revoke a token, those of one actor, or all of an issuer
    ///
    /// They open nothing any more, in every process on the home folder, also where they were verified before. Of an actor and of an
    /// issuer it is the tokens that were issued until now; those issued later are good. Calls that run go on: `strongroom kill actor`
    /// breaks them off.
    Revoke {
        #[command(flatten)]
        tokens: Tokens,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT")]
        why: String,
        /// Who orders it, for the audit log
        #[arg(long, value_name = "NAME", default_value = "local")]
        by: ActorId,
    },
    /// Take a revocation back
    Restore {
        #[command(flatten)]
        tokens: Tokens,
        /// Who orders it, for the audit log
        #[arg(long, value_name = "NAME", default_value = "local")]
        by: ActorId,
    },
    /// List what is revoked
    List,
}

/// Which tokens.
#[derive(Debug, clap::Args)]
pub(crate) struct Tokens {
    /// The issuer, as `url` in strongroom.toml
    #[arg(long, value_name = "URL", value_parser = |t: &str| WebUrl::try_from(t.to_owned()))]
    issuer: WebUrl,
    #[command(flatten)]
    which: Selection,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Selection {
    /// The token with this claim `jti`
    #[arg(long, value_name = "JTI")]
    id: Option<String>,
    /// The tokens of this actor, as the issuer names it
    #[arg(long, value_name = "SUB")]
    subject: Option<String>,
    /// All tokens of the issuer
    #[arg(long)]
    all: bool,
}

impl Tokens {
    fn scope(self) -> KillScope {
        let which = match (self.which.id, self.which.subject) {
            (Some(id), _) => Which::Id(id),
            (None, Some(subject)) => Which::Subject(subject),
            (None, None) => Which::All,
        };
        KillScope::Token(TokenScope { issuer: self.issuer.to_string(), which })
    }
}

pub(crate) async fn run(action: Action, world: &World, out: &Out) -> Result<(), Failure> {
    match action {
        Action::Revoke { tokens, why, by } => {
            let scope = tokens.scope();
            host::with(host::builder(world)?.local_actor(by), async |room| {
                let doubt = if room.knows(&scope) { "" } else { ", although there is no such issuer now" };
                room.kill(scope.clone(), &why).await?;
                out.note(format!("revoked: {scope}{doubt}"));
                let obeyed = room.others_obey(kill::PATIENCE).await?;
                out.note(kill::others(obeyed, KillMode::Freeze));
                Ok(())
            })
            .await
        }
        Action::Restore { tokens, by } => {
            let scope = tokens.scope();
            host::with(host::builder(world)?.local_actor(by), async |room| {
                match room.revive(scope.clone()).await? {
                    true => {
                        out.note(format!("good again: {scope}"));
                        Ok(())
                    }
                    false => Err(Failure::not_found(format!("{scope} was not revoked"))
                        .help("`strongroom token list` lists what is revoked")),
                }
            })
            .await
        }
        Action::List => {
            let kills = host::with(host::builder(world)?, async |room| Ok(room.kills())).await?;
            list(kills, out)
        }
    }
}

fn list(mut kills: Vec<Kill>, out: &Out) -> Result<(), Failure> {
    kills.retain(|kill| matches!(kill.scope, KillScope::Token(_)));
    if out.is_json() {
        return out.json(json!({ "revoked": kills }));
    }
    if kills.is_empty() {
        out.note("no token is revoked");
        return Ok(());
    }
    let mut table = Table::new(["tokens", "since", "by", "why"]);
    for kill in kills {
        table.row([kill.scope.to_string(), moment::utc(kill.at_unix_ms), kill.by, kill.why]);
    }
    out.line(table)
}
