//! `call`: one governed call of an installed tool.
//!
//! Takes: a function, arguments, a key or a token. Gives: the result on stdout. May name: the library, World.

use super::arguments::{self, Key};
use super::{Failure, Out, explain, host};
use crate::World;
use strongroom::Strongroom;
use strongroom::admit::CallRequest;
use strongroom::config::Effect;
use strongroom::id::{FunctionName, IdempotencyKey, RunId};
use strongroom::identify::Credential;
use strongroom::imports::Progress;
use strongroom::reason::Reason;
use strongroom::settle::Receipt;

/// Call a function of an installed tool
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The function, as `orders.get`
    #[arg(value_name = "TOOL.FUNCTION")]
    function: String,
    /// The arguments: a JSON object, `@file`, or `-` for stdin
    #[arg(value_name = "JSON", default_value = "{}")]
    arguments: String,
    /// Your own name for this call of a function that writes: the same again gives the same answer and no second
    /// effect. Made up and shown on stderr when left out
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Your own name for a row of calls that belong together, for budgets that are per run
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,
    #[command(flatten)]
    key: Key,
    /// Show on stderr what the call did
    #[arg(long)]
    explain: bool,
}

pub(crate) async fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    let key = args.key.read(world)?;
    let arguments = arguments::json(&args.arguments, world)?;
    let chosen = args.idempotency_key.as_deref().map(idempotency_key).transpose()?;
    let receipt = host::with(host::builder(world)?, async |room| {
        let idempotency_key = match chosen {
            None if writes(room, &args.function) => {
                let made = host::fresh_key()?;
                out.note(format!("idempotency key: {made}"));
                Some(idempotency_key(&made)?)
            }
            chosen => chosen,
        };
        let request = CallRequest {
            function: args.function,
            arguments,
            idempotency_key,
            run: args.run,
            ..CallRequest::default()
        };
        Ok(watched(room, arguments::credential(key.as_ref()), request, out).await)
    });
    let receipt = receipt.await?;
    let without_key = key.is_none();
    show(&receipt, args.explain, out).map_err(|failure| match receipt.reason {
        Reason::TenantMissing if without_key => {
            failure.help(
                "put the tenant's API key into STRONGROOM_KEY, or name its file with --key-file; an access token into \
                 STRONGROOM_TOKEN, or --token-file",
            )
        }
        Reason::ToolUnknown => failure.help("`strongroom tools` lists what is installed"),
        _ => failure,
    })
}

/// Makes the call; people see on the way how far the tool says it is.
pub(crate) async fn watched(
    room: &Strongroom,
    credential: Credential<'_>,
    request: CallRequest,
    out: &Out,
) -> Receipt {
    let spinner = out.spinner(&request.function);
    let (progress, mut reports) = tokio::sync::mpsc::channel::<Progress>(16);
    let request = CallRequest { progress: Some(progress), ..request };
    let mut call = std::pin::pin!(room.call(credential, request));
    let receipt = loop {
        tokio::select! {
            receipt = &mut call => break receipt,
            Some(Progress { done, total, message }) = reports.recv() => {
                let total = total.map(|total| format!(" of {total}")).unwrap_or_default();
                out.turn(&spinner, &format!("{done}{total}  {message}"));
            }
        }
    };
    spinner.finish_and_clear();
    receipt
}

/// Prints the result, or gives the failure that the receipt is.
pub(crate) fn show(receipt: &Receipt, explained: bool, out: &Out) -> Result<(), Failure> {
    if explained {
        out.note(explain::text(receipt));
    } else if receipt.is_replayed() {
        out.note("this is the earlier answer to the same call; nothing ran");
    } else if let Some(cached) = receipt.cached {
        let seconds = cached.age_ms / 1000;
        out.note(format!(
            "this is the answer that {} was given {seconds} s ago; nothing ran",
            cached.call_id
        ));
    }
    if out.is_json() {
        out.json(explain::json(receipt))?;
    } else if let (true, Some(value)) = (receipt.is_ok(), &receipt.value) {
        out.value(value)?;
    }
    if receipt.is_ok() { Ok(()) } else { Err(Failure::of(receipt)) }
}

pub(crate) fn idempotency_key(text: &str) -> Result<IdempotencyKey, Failure> {
    IdempotencyKey::new(text).map_err(|e| Failure::usage(e.to_string()))
}

fn writes(room: &Strongroom, function: &str) -> bool {
    let found = FunctionName::new(function).ok().and_then(|name| room.catalogue().function(&name));
    found.is_some_and(|(_, function)| function.effect == Effect::Write)
}
