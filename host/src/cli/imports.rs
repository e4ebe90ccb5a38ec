//! `imports`: every import that exists for a tool, from the table that the gate itself uses.
//!
//! Takes: nothing. Gives: the table. May name: imports.

use super::out::Table;
use super::{Failure, Out};
use serde_json::json;
use strongroom::imports::page;
use strongroom::imports::table::TABLE;

/// List every import that a tool may use: class, price in fuel, and the right that it asks for
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the page of the documentation, docs/imports.md
    #[arg(long)]
    markdown: bool,
}

pub(crate) fn run(args: &Args, out: &Out) -> Result<(), Failure> {
    if args.markdown && out.is_json() {
        return Err(Failure::usage("`--markdown` and `--format json` are two ways to print one thing"));
    }
    if args.markdown {
        return out.raw(page::markdown().as_bytes());
    }
    if out.is_json() {
        return out.json(json!({ "imports": TABLE }));
    }
    let mut table = Table::new(["import", "class", "price", "per byte", "right"]);
    for import in TABLE {
        let (price, per_byte) = (import.price.to_string(), import.per_byte.to_string());
        let class = import.class.as_str().to_owned();
        table.row([import.name(), class, price, per_byte, import.right.as_str().to_owned()]);
    }
    out.line(table)
}
