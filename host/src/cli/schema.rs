//! `schema`: the form of a file as JSON Schema.
//!
//! Takes: which file. Gives: its schema. May name: config.

use super::{Failure, Out};
use strongroom::config::manifest_schema;

/// Print the form of a file as JSON Schema 2020-12, for editors and pipelines
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which file
    #[arg(value_enum, value_name = "FILE")]
    file: File,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum File {
    /// A tool's manifest, `tool.toml`
    Manifest,
}

pub(crate) fn run(args: &Args, out: &Out) -> Result<(), Failure> {
    let schema = match args.file {
        File::Manifest => manifest_schema(),
    };
    out.raw(format!("{schema:#}\n").as_bytes())
}
