//! Records what the book does to its files, from what it tells of it: every change, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};

/// A file, whatever its name is at the moment.
pub type File = usize;

/// A change, or an acknowledgment between changes. Paths are below the home folder.
#[derive(Clone)]
pub enum Op {
    /// A folder was made.
    Folder(PathBuf),
    /// A file was made under this name.
    File(PathBuf, File),
    /// A file has this content now.
    Write(File, Arc<[u8]>),
    /// A file's content is durable.
    SyncFile(File),
    /// The names in a folder are durable.
    SyncFolder(PathBuf),
    /// A name was moved.
    Rename(PathBuf, PathBuf),
    /// A name, of a file or of an empty folder, was taken away.
    Remove(PathBuf),
    /// So many entries were acknowledged.
    Acknowledged(u64),
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "folder {}", path.display()),
            Self::File(path, file) => write!(f, "file {file} made as {}", path.display()),
            Self::Write(file, bytes) => write!(f, "file {file} written, {} bytes", bytes.len()),
            Self::SyncFile(file) => write!(f, "file {file} synced"),
            Self::SyncFolder(path) => write!(f, "folder {} synced", path.display()),
            Self::Rename(from, to) => write!(f, "{} renamed to {}", from.display(), to.display()),
            Self::Remove(path) => write!(f, "{} removed", path.display()),
            Self::Acknowledged(n) => write!(f, "{n} entries acknowledged"),
        }
    }
}

/// What was recorded since a moment at which everything was durable.
#[derive(Clone, Default)]
pub struct Tape {
    pub root: PathBuf,
    /// What was there.
    pub folders: BTreeSet<PathBuf>,
    pub files: BTreeMap<PathBuf, (File, Arc<[u8]>)>,
    pub ops: Vec<Op>,
    /// What is there now.
    names: BTreeMap<PathBuf, File>,
    made: BTreeSet<PathBuf>,
    contents: Vec<Arc<[u8]>>,
}

impl Tape {
    /// Begins with what is in a folder.
    pub fn of(root: &Path) -> Self {
        let mut tape = Self { root: root.canonicalize().unwrap(), ..Self::default() };
        tape.look(&tape.root.clone());
        tape.made = tape.folders.clone();
        tape
    }

    fn look(&mut self, folder: &Path) {
        self.folders.insert(self.below(folder));
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.look(&path);
            } else {
                let bytes: Arc<[u8]> = std::fs::read(&path).unwrap().into();
                let (file, name) = (self.contents.len(), self.below(&path));
                self.contents.push(bytes.clone());
                self.names.insert(name.clone(), file);
                self.files.insert(name, (file, bytes));
            }
        }
    }

    fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap().to_owned()
    }

    /// Takes a change down that has just been made. `of` is the folder or file that it was made in.
    fn take(&mut self, done: &str, of: &Path, name: &str, to: &str) {
        let path = self.below(&of.join(name));
        match done {
            "folders" => {
                for part in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
                    if self.made.insert(part.to_owned()) {
                        self.ops.push(Op::Folder(part.to_owned()));
                    }
                }
            }
            "open" => {
                if !self.names.contains_key(&path) {
                    let file = self.contents.len();
                    self.contents.push(Arc::default());
                    self.names.insert(path.clone(), file);
                    self.ops.push(Op::File(path.clone(), file));
                }
                self.written(&path);
            }
            "write" => self.written(&path),
            "sync" if of.is_dir() => self.ops.push(Op::SyncFolder(path)),
            "sync" => self.ops.extend(self.names.get(&path).map(|file| Op::SyncFile(*file))),
            "rename" => {
                let to = self.below(&of.join(to));
                let file = self.names.remove(&path).expect("a file that was opened");
                self.names.insert(to.clone(), file);
                self.ops.push(Op::Rename(path, to));
            }
            "remove" => {
                assert!(self.names.remove(&path).is_some() || self.made.remove(&path), "{path:?}");
                self.ops.push(Op::Remove(path));
            }
            other => panic!("the book tells of {other}"),
        }
    }

    fn written(&mut self, path: &Path) {
        // The publisher may take away a file of the journal while its writer puts the end to it: nobody reads it any more.
        let Some(file) = self.names.get(path).copied() else { return };
        let Ok(bytes) = std::fs::read(self.root.join(path)) else { return };
        if *bytes != *self.contents[file] {
            self.contents[file] = bytes.into();
            self.ops.push(Op::Write(file, self.contents[file].clone()));
        }
    }

    /// Whether everything that is there was told: what the book does behind our back, no test sees.
    pub fn is_whole(&self) {
        let now = Self::of(&self.root);
        assert_eq!(now.folders, self.made, "folders that were made and not told");
        let told: Vec<_> = self.names.iter().map(|(path, file)| (path, &self.contents[*file])).collect();
        let there: Vec<_> = now.files.iter().map(|(path, (_, bytes))| (path, bytes)).collect();
        assert_eq!(told, there, "files that were changed and not told");
    }
}

/// Listens to the book. One tape runs at a time; what other tests of this process do in other folders is not its business.
#[derive(Clone)]
pub struct Recorder(Arc<Mutex<Option<Tape>>>);

impl Recorder {
    /// Begins to listen, for as long as the process lives.
    pub fn start() -> Self {
        let recorder = Self(Arc::default());
        tracing::subscriber::set_global_default(recorder.clone()).expect("nobody else listens");
        recorder
    }

    fn with<T>(&self, work: impl FnOnce(&mut Option<Tape>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a tape in.
    pub fn record(&self, root: &Path) {
        self.with(|tape| *tape = Some(Tape::of(root)));
    }

    /// Notes something that the book does not tell.
    pub fn note(&self, op: Op) {
        self.with(|tape| tape.as_mut().unwrap().ops.push(op));
    }

    /// Takes the tape out.
    pub fn stop(&self) -> Tape {
        self.with(Option::take).unwrap()
    }
}

#[derive(Default)]
struct Told {
    done: String,
    fd: i64,
    name: String,
    to: String,
}

impl Visit for Told {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_i64(&mut self, _: &Field, value: i64) {
        self.fd = value;
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "done" => value.clone_into(&mut self.done),
            "name" => value.clone_into(&mut self.name),
            "to" => value.clone_into(&mut self.to),
            _ => {}
        }
    }
}

impl tracing::Subscriber for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "strongroom::disk"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut told = Told::default();
        event.record(&mut told);
        // The file is still open: its path is what the system says.
        let of = std::fs::read_link(format!("/proc/self/fd/{}", told.fd)).unwrap();
        self.with(|tape| {
            if let Some(tape) = tape.as_mut().filter(|tape| of.starts_with(&tape.root)) {
                tape.take(&told.done, &of, &told.name, &told.to);
            }
        });
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
