//! What must hold at the end: the ledger equals the book, and no credential is anywhere.
//!
//! Takes: a [`House`] after the story. Gives: [`Seen`] with every difference. May name: act, house, play, table.

use super::act::Seen;
use super::house::House;
use super::play::{Played, book};
use super::table::grouped;
use super::{DemoError, Who};
use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cap_std::fs::Dir;
use std::io;
use strongroom::audit::Phase;
use strongroom::identify::Credential;
use strongroom::reason::Outcome;
use strongroom::storage::ledger::Of;

/// The only file that holds credentials.
const THE_ONE: &str = "credentials.toml";

/// A tenant's budgets as the ledger has them, against the sums of the tenant's calls that ran, as the book has them.
pub(super) async fn balance(house: &House, by: Who) -> Result<Seen, DemoError> {
    let mut seen = Seen::done(Outcome::Executed);
    let credential = house.key(by).map_or(Credential::None, Credential::ApiKey);
    let refused = |receipt: Box<strongroom::settle::Receipt>| DemoError::Refused(receipt.reason);
    let caller = house.room.identify(credential).await.map_err(refused)?;
    seen.call = Some(caller.call_id());
    let budgets = house.room.budgets(&caller).await?;
    let tenant = caller.tenant().clone();
    house.room.list(caller).await.map_err(refused)?;

    let ran = |outcome| matches!(outcome, Outcome::Executed | Outcome::Failed | Outcome::Unknown);
    let (mut calls, mut fuel) = (0_u64, 0_u64);
    for entry in book(house)? {
        let is_call = entry.phase == Phase::Outcome && entry.action.starts_with("call ");
        if is_call && entry.tenant_id.as_ref() == Some(&tenant) && ran(entry.outcome) {
            calls += 1;
            fuel = fuel.saturating_add(entry.fuel);
        }
    }
    for usage in &budgets {
        let of = usage.budget.count.of;
        let sum = match of {
            Of::Calls => calls,
            Of::Fuel => fuel,
            Of::Egress | Of::Stored | Of::Spend => continue,
        };
        if (usage.spent, usage.reserved) != (sum, 0) {
            let (spent, reserved) = (usage.spent, usage.reserved);
            seen.differences
                .push(format!("the ledger has {spent} {of} spent and {reserved} reserved, the book {sum}"));
        }
    }
    seen.message =
        Some(format!("calls {}, fuel {}: in the ledger as in the book", grouped(calls), grouped(fuel)));
    Ok(seen)
}

/// Looks for every credential in what callers got and in every file of the host but the one that holds them.
pub(super) fn secrets(house: &House, played: &[Played]) -> Result<Seen, DemoError> {
    let mut seen = Seen { written: false, ..Seen::done(Outcome::Executed) };
    let search = search(house)?;
    for step in played {
        let text = serde_json::to_string(step).map_err(io::Error::from)?;
        if search.is_match(&text) {
            seen.differences.push(format!("step {} gave a credential away", step.step));
        }
    }
    let (mut files, mut found) = (0, Vec::new());
    look_through(&house.home, "", &search, &mut files, &mut found)?;
    // Proof that the search finds what it looks for.
    if !found.iter().any(|path| path == THE_ONE) {
        seen.differences.push(format!("{THE_ONE} was not found to hold credentials"));
    }
    found.retain(|path| path != THE_ONE);
    seen.differences.extend(found.iter().map(|path| format!("{path} holds a credential")));
    seen.message = Some(format!("{} answers and {files} files searched", played.len()));
    Ok(seen)
}

/// Finds every credential of the house: as it stands, and as hexadecimal digits or base64.
pub(super) fn search(house: &House) -> Result<AhoCorasick, DemoError> {
    let forms = house
        .secrets()
        .into_iter()
        .flat_map(|secret| [secret.to_owned(), hex::encode(secret), STANDARD_NO_PAD.encode(secret)]);
    Ok(AhoCorasick::new(forms).map_err(io::Error::other)?)
}

fn look_through(
    dir: &Dir,
    path: &str,
    search: &AhoCorasick,
    files: &mut usize,
    found: &mut Vec<String>,
) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        let name = format!("{path}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            look_through(&entry.open_dir()?, &format!("{name}/"), search, files, found)?;
        } else {
            *files += 1;
            if search.is_match(&dir.read(entry.file_name())?) {
                found.push(name);
            }
        }
    }
    Ok(())
}
