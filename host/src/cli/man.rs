//! `man`: manual pages, one for each command.
//!
//! Takes: a folder. Gives: `strongroom.1`, `strongroom-run.1` and so on in it, or the first one on stdout.
//! May name: World.

use super::{Cli, Failure, Out};
use crate::World;
use clap::CommandFactory as _;
use clap_mangen::Man;
use std::path::PathBuf;

/// Print the manual page, or write the pages of all commands into a folder
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the pages go, as `~/.local/share/man/man1`
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(path) = &args.folder else { return out.raw(&page(command)?) };
    let folder = world.new_folder(path)?;
    let mut waiting = vec![("strongroom".to_owned(), command)];
    let mut count = 0;
    while let Some((name, command)) = waiting.pop() {
        let below = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
        waiting.extend(below.map(|c| (format!("{name}-{}", c.get_name()), c.clone())));
        let file = format!("{name}.1");
        folder.write(&file, page(command)?).map_err(|e| Failure::file(&path.join(&file), &e))?;
        count += 1;
    }
    out.note(format!("{count} pages in {}", path.display()));
    Ok(())
}

fn page(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|e| Failure::output(&e))?;
    Ok(page)
}
