//! The home folder for commands that only look: no host is opened, nothing is made, written or entered in the book.
//!
//! Takes: the [`World`]. Gives: a [`Snapshot`]. May name: explain, powers, World.

use super::Failure;
use crate::World;
use strongroom::explain::Snapshot;
use strongroom::powers::SystemEnvironment;

/// What the files of the home folder say now.
pub(crate) fn at_home(world: &World) -> Result<Snapshot, Failure> {
    let path = world.home_path()?;
    let folder = world.folder(&path).map_err(|failure| failure.help("name another folder with --home"))?;
    let real = world.real_path(&path)?;
    Snapshot::read(&folder, &real, &SystemEnvironment).map_err(|error| Failure::report(error.reason(), error))
}
