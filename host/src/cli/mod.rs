//! The command line. One file per command; commands print what the library decided.
//!
//! Takes: the parsed arguments and the [`World`]. Gives: output, and the exit code through [`Failure`]. May name: the
//! library, World.

mod accept;
mod arguments;
mod audit;
mod book_keys;
mod budget;
mod call;
mod compile;
mod completions;
mod credential;
mod demo;
mod doctor;
mod drop;
mod explain;
mod export;
mod export_tenant;
mod failure;
mod grants;
mod host;
mod import;
mod imports;
mod inspect;
mod install;
mod key;
mod kill;
mod learn;
mod ledger;
mod ledger_copy;
mod look;
mod man;
mod moment;
mod new;
mod out;
mod policy;
mod prompt;
mod prove;
mod reconcile;
mod review;
mod run;
mod schema;
mod selection;
mod serve;
mod signature;
mod submit;
mod tail;
mod tenant;
mod token;
mod tools;
mod usage;
mod verify;
mod verify_tenant;
mod who_can;
mod why;
mod witness;

use crate::World;
use clap::{Parser, Subcommand};
pub(crate) use failure::Failure;
pub(crate) use out::{Format, Out};
use std::path::PathBuf;

/// Run untrusted WebAssembly tools for many tenants, with nothing granted that was not written down.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, arg_required_else_help = true, after_help = AFTER)]
pub(crate) struct Cli {
    /// The host's home folder: settings, tools, ledger and audit log [default: STRONGROOM_HOME, or else the user's
    /// data folder and `strongroom` in it]
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    pub(crate) home: Option<PathBuf>,
    /// How data is printed on stdout
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value = "text", help_heading = GLOBAL)]
    pub(crate) format: Format,
    /// Say more on stderr; twice for still more. STRONGROOM_LOG chooses in detail
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = GLOBAL)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    command: Command,
}

/// Where the options that every command has stand in its help.
const GLOBAL: &str = "Options of all commands";

const AFTER: &str = "\
Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 identity, 5 denied, 6 budget or rate,
7 tool trapped or timed out, 8 unavailable. Errors name their reason code: error[policy_denied].
API keys come by STRONGROOM_KEY or --key-file, access tokens by STRONGROOM_TOKEN or
--token-file, never by the command line.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Inspect(inspect::Args),
    Imports(imports::Args),
    AuditManifest(review::AuditArgs),
    Diff(review::DiffArgs),
    Install(install::Args),
    Accept(accept::AcceptArgs),
    Reject(accept::RejectArgs),
    Tools(tools::Args),
    Call(call::Args),
    Serve(serve::Args),
    #[command(subcommand)]
    Key(key::Action),
    #[command(subcommand)]
    Token(token::Action),
    #[command(subcommand)]
    Tenant(tenant::Action),
    Usage(usage::Args),
    #[command(subcommand)]
    Budget(budget::Action),
    #[command(subcommand)]
    Credential(credential::Action),
    Kill(kill::KillArgs),
    Freeze(kill::FreezeArgs),
    Revive(kill::Scope),
    Kills(kill::KillsArgs),
    #[command(subcommand)]
    Reconcile(reconcile::Action),
    #[command(subcommand)]
    Audit(audit::Action),
    #[command(subcommand)]
    Ledger(ledger::Action),
    #[command(subcommand)]
    Policy(policy::Action),
    WhoCan(who_can::Args),
    Explain(why::Args),
    Learn(learn::Args),
    #[command(subcommand)]
    Import(import::Action),
    Schema(schema::Args),
    New(new::Args),
    Demo(demo::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
    #[command(hide = true)]
    Compile(compile::Args),
}

/// Runs the command.
pub(crate) fn run(cli: Cli, world: &World, out: &Out) -> Result<(), Failure> {
    if out.is_sarif() && !matches!(cli.command, Command::AuditManifest(_) | Command::Diff(_)) {
        let failure =
            Failure::usage("SARIF is for findings about a component: `audit-manifest` and `diff` print it");
        return Err(failure.help("choose `--format text` or `--format json` here"));
    }
    if out.is_export() && !matches!(cli.command, Command::Audit(audit::Action::Export(_))) {
        let failure = Failure::usage("these lines are entries of the audit log: `audit export` prints them");
        return Err(failure.help("choose `--format text` or `--format json` here"));
    }
    if out.is_csv() && !matches!(cli.command, Command::Usage(_)) {
        let failure = Failure::usage("CSV is for rows of numbers: `usage` prints it");
        return Err(failure.help("choose `--format text` or `--format json` here"));
    }
    match cli.command {
        Command::Run(args) => host::block_on(run::run(args, world, out)),
        Command::Inspect(args) => inspect::run(&args, world, out),
        Command::Imports(args) => imports::run(&args, out),
        Command::AuditManifest(args) => review::audit(&args, world, out),
        Command::Diff(args) => review::diff(&args, world, out),
        Command::Install(args) => host::block_on(install::run(args, world, out)),
        Command::Accept(args) => host::block_on(accept::accept(args, world, out)),
        Command::Reject(args) => host::block_on(accept::reject(args, world, out)),
        Command::Tools(args) => host::block_on(tools::run(args, world, out)),
        Command::Call(args) => host::block_on(call::run(args, world, out)),
        Command::Serve(args) => host::block_on(serve::run(args, world, out)),
        Command::Key(action) => host::block_on(key::run(action, world, out)),
        Command::Token(action) => host::block_on(token::run(action, world, out)),
        Command::Tenant(action) => host::block_on(tenant::run(action, world, out)),
        Command::Usage(args) => usage::run(&args, world, out),
        Command::Budget(action) => host::block_on(budget::run(action, world, out)),
        Command::Credential(action) => host::block_on(credential::run(action, world, out)),
        Command::Kill(args) => host::block_on(kill::kill(args, world, out)),
        Command::Freeze(args) => host::block_on(kill::freeze(args, world, out)),
        Command::Revive(scope) => host::block_on(kill::revive(scope, world, out)),
        Command::Kills(_) => host::block_on(kill::list(world, out)),
        Command::Reconcile(action) => host::block_on(reconcile::run(action, world, out)),
        Command::Audit(action) => audit::run(action, world, out),
        Command::Ledger(action) => ledger::run(&action, world, out),
        Command::Policy(action) => policy::run(action, world, out),
        Command::Import(action) => import::run(&action, world, out),
        Command::Schema(args) => schema::run(&args, out),
        Command::WhoCan(args) => who_can::run(&args, world, out),
        Command::Explain(args) => why::run(&args, world, out),
        Command::Learn(args) => learn::run(args, world, out),
        Command::New(args) => new::run(&args, world, out),
        Command::Demo(args) => host::block_on(demo::run(args, world, out)),
        Command::Doctor(_) => host::block_on(doctor::run(world, out)),
        Command::Completions(args) => completions::run(&args, out),
        Command::Man(args) => man::run(&args, world, out),
        Command::Compile(_) => compile::run(world, out),
    }
}
