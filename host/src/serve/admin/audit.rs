//! The audit log: entries page by page, the newest signed head, and whether the log is what was signed.
//!
//! Takes: requests. Gives: entries, a checkpoint, a verdict. May name: admin, audit, reason, room, serve.

use super::json::{Answer, Refused, answer};
use crate::admin::{Leave, OfHost, OfTenant, Over, Read};
use crate::audit::Entry;
use crate::reason::Reason;
use crate::room::Page;
use crate::serve::paging::Paging;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde_json::{Value, json};

type Question = Result<Query<Paging>, QueryRejection>;

async fn asked<O: Over>(
    leave: Leave<Read, O>,
    asked: Question,
) -> Result<(Leave<Read, O>, Option<String>, usize), Refused> {
    match asked {
        Ok(Query(paging)) => {
            let most = paging.most();
            Ok((leave, paging.from, most))
        }
        Err(fault) => Err(leave.refuse(Reason::ArgumentsInvalid, fault.body_text()).await.into()),
    }
}

pub(super) async fn entries(leave: Leave<Read, OfHost>, question: Question) -> Answer {
    let (leave, from, most) = asked(leave, question).await?;
    let (call, page) = leave.entries(from.as_deref(), most).await?;
    Ok(answer(call, shown(&page, |entry| json!(entry))))
}

pub(super) async fn entries_of_tenant(leave: Leave<Read, OfTenant>, question: Question) -> Answer {
    let (leave, from, most) = asked(leave, question).await?;
    let (call, page) = leave.entries(from.as_deref(), most).await?;
    Ok(answer(call, shown(&page, without_place)))
}

/// The place in the host's log would tell a tenant how busy the others are.
fn without_place(entry: &Entry) -> Value {
    let mut shown = json!(entry);
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("seq");
    }
    shown
}

fn shown(Page { entries, next, end }: &Page, entry: impl Fn(&Entry) -> Value) -> Value {
    json!({ "entries": entries.iter().map(entry).collect::<Vec<_>>(), "next": next, "end": end })
}

pub(super) async fn checkpoint(leave: Leave<Read, OfHost>) -> Answer {
    let (call, checkpoint) = leave.checkpoint().await?;
    Ok(answer(call, json!({ "checkpoint": checkpoint })))
}

pub(super) async fn verify(leave: Leave<Read, OfHost>) -> Answer {
    let (call, verdict) = leave.verified().await?;
    Ok(answer(
        call,
        match verdict {
            Ok(verified) => json!({
                "verified": true, "entries": verified.entries, "published": verified.published,
                "dropped": verified.dropped, "heads": verified.heads, "root": verified.root,
            }),
            Err(bad) => {
                json!({ "verified": false, "fault": bad.to_string(), "file": bad.file(), "seq": bad.seq() })
            }
        },
    ))
}
