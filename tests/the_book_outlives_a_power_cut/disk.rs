//! A disk that forgets what was not synced.
//!
//! A file's content is durable from its sync on, a name (made, moved, taken away) from the sync of its folder. When the power
//! goes, any choice of what was not durable yet has happened all the same, in any order, and the last bytes written to a
//! file may be there in part, or as zeros.

use super::tape::{File, Op, Tape};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom_tests::Chance;

/// What a disk writes at once.
const SECTOR: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    Folder,
    File(File),
}

/// A change to the names of a folder.
#[derive(Debug, Clone)]
enum Change {
    Set(PathBuf, Node),
    Unset(PathBuf),
    Move(PathBuf, PathBuf, Node),
}

/// A file's content: what is durable, and what was written since.
#[derive(Debug, Clone, Default)]
struct Content {
    durable: Arc<[u8]>,
    since: Vec<Arc<[u8]>>,
}

/// The disk at some moment.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// Names that are durable.
    names: BTreeMap<PathBuf, Node>,
    /// Changes to the names of each folder that are not.
    changes: BTreeMap<PathBuf, Vec<Change>>,
    contents: BTreeMap<File, Content>,
    /// Names as the running system has them.
    seen: BTreeMap<PathBuf, Node>,
    pub acknowledged: u64,
}

impl Disk {
    /// As it was when a tape began.
    pub fn before(tape: &Tape) -> Self {
        let mut disk = Self::default();
        disk.names.extend(tape.folders.iter().map(|path| (path.clone(), Node::Folder)));
        for (path, (file, bytes)) in &tape.files {
            disk.names.insert(path.clone(), Node::File(*file));
            disk.contents.insert(*file, Content { durable: bytes.clone(), since: Vec::new() });
        }
        disk.seen = disk.names.clone();
        disk
    }

    pub fn take(&mut self, op: &Op) {
        match op {
            Op::Folder(path) => self.set(path, Node::Folder),
            Op::File(path, file) => {
                self.contents.insert(*file, Content::default());
                self.set(path, Node::File(*file));
            }
            Op::Write(file, bytes) => self.contents.get_mut(file).unwrap().since.push(bytes.clone()),
            Op::SyncFile(file) => {
                let content = self.contents.get_mut(file).unwrap();
                content.durable = content.since.pop().unwrap_or_else(|| content.durable.clone());
                content.since.clear();
            }
            Op::SyncFolder(path) => {
                for change in self.changes.remove(path).unwrap_or_default() {
                    change.apply(&mut self.names);
                }
            }
            Op::Rename(from, to) => {
                let node = self.seen[from];
                self.change(to, Change::Move(from.clone(), to.clone(), node));
            }
            Op::Remove(path) => self.change(path, Change::Unset(path.clone())),
            Op::Acknowledged(n) => self.acknowledged = self.acknowledged.max(*n),
        }
    }

    fn set(&mut self, path: &Path, node: Node) {
        self.change(path, Change::Set(path.to_owned(), node));
    }

    fn change(&mut self, path: &Path, change: Change) {
        change.apply(&mut self.seen);
        self.changes.entry(path.parent().unwrap().to_owned()).or_default().push(change);
    }

    /// Cuts the power, and puts what is left into a folder.
    pub fn cut(&self, chance: &mut Chance, into: &Path) {
        let mut names = self.names.clone();
        // Of each folder nothing, everything, a beginning, or anything.
        let luck = chance.below(4);
        for changes in self.changes.values() {
            let begin = usize::try_from(chance.below(changes.len() as u64 + 1)).unwrap();
            for (at, change) in changes.iter().enumerate() {
                let happened = match luck {
                    0 => false,
                    1 => true,
                    2 => at < begin,
                    _ => chance.percent(50),
                };
                if happened {
                    change.apply(&mut names);
                }
            }
        }
        // What stands in a folder that has no name is lost; a folder comes before what stands in it.
        for (path, node) in &names {
            let here = into.join(path);
            if here.parent().is_some_and(Path::is_dir) {
                match node {
                    Node::Folder if path.as_os_str().is_empty() => {}
                    Node::Folder => std::fs::create_dir(here).unwrap(),
                    Node::File(file) => std::fs::write(here, self.contents[file].cut(chance)).unwrap(),
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Set(path, node) => drop(names.insert(path.clone(), *node)),
            Self::Unset(path) => drop(names.remove(path)),
            Self::Move(from, to, node) => {
                // The name may be another file's by now.
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl Content {
    fn cut(&self, chance: &mut Chance) -> Vec<u8> {
        let n = usize::try_from(chance.below(self.since.len() as u64 + 1)).unwrap();
        let Some(new) = n.checked_sub(1).map(|at| &self.since[at]) else { return self.durable.to_vec() };
        let old = n.checked_sub(2).map_or(&self.durable, |at| &self.since[at]);
        if !new.starts_with(old) || chance.percent(30) {
            return new.to_vec();
        }
        // An append: of some length, and each of its sectors written or not.
        let some = old.len() + usize::try_from(chance.below((new.len() - old.len()) as u64 + 1)).unwrap();
        let end = if chance.percent(50) { new.len() } else { some };
        let mut bytes = new[..end].to_vec();
        if chance.percent(50) {
            for at in (old.len() / SECTOR * SECTOR..end).step_by(SECTOR) {
                if chance.percent(30) {
                    bytes[at.max(old.len())..(at + SECTOR).min(end)].fill(0);
                }
            }
        }
        bytes
    }
}
