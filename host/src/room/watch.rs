//! Watching the home folder, so that an edit is in force without a signal.
//!
//! Takes: the home folder. Gives: [`Noticed`]. May name: config, powers, room, tools.
//!
//! The system's notices make it quick; a glance at names, sizes and times every few seconds makes it sure, also where
//! there are no notices (network file systems, links that lead elsewhere, no watches left).

use super::{OperateError, Reload, Strongroom};
use crate::config::is_secret_file;
use crate::powers::Home;
use crate::tools::Change;
use cap_std::fs::{Dir, MetadataExt as _};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the files must be quiet before they are read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How many quiet periods are waited for at most, when the files never rest.
const PATIENCE: u32 = 10;
/// How often the files are glanced at although no notice came.
const GLANCE: Duration = Duration::from_secs(10);
/// The same where no notices come at all.
const POLL: Duration = Duration::from_secs(2);
/// The folders of settings; policies may stand beside tenants.
const FOLDERS: [&str; 2] = ["tenants", "policies"];
/// The folder of tools.
const TOOLS: &str = "tools";

/// What was noticed and what came of it.
#[derive(Debug)]
pub enum Noticed {
    /// Files of settings changed: they were taken over, or they are at fault and the old ones stay in force.
    Settings(Result<Reload, OperateError>),
    /// The tools folder changed, or cannot be read.
    Tools(io::Result<Vec<Change>>),
    /// The system gives no notices; the files are looked at every two seconds instead.
    Unwatched(String),
}

impl Strongroom {
    /// Takes up what changes in the home folder, settings and tools, until it is dropped. A change is read when the
    /// files have been quiet for 200 ms. `tell` hears of everything that came of it, and of one fault only once.
    pub async fn follow(&self, home: &Home, mut tell: impl FnMut(Noticed)) {
        let heard = Arc::new(Heard::default());
        match Watch::new(home, &heard) {
            Ok(watch) => self.attend(home, &heard, Some(watch), GLANCE, tell).await,
            Err(error) => {
                tell(Noticed::Unwatched(error.to_string()));
                self.attend(home, &heard, None, POLL, tell).await;
            }
        }
    }

    async fn attend(
        &self,
        home: &Home,
        heard: &Heard,
        mut watch: Option<Watch<'_>>,
        glance: Duration,
        mut tell: impl FnMut(Noticed),
    ) {
        // What is there now was read a moment ago, but who knows what happened in between.
        heard.all();
        let mut seen = Stamps::default();
        loop {
            let noticed = tokio::time::timeout(glance, heard.bell.notified()).await.is_ok();
            for _ in 0..PATIENCE {
                if !noticed || tokio::time::timeout(QUIET, heard.bell.notified()).await.is_err() {
                    break;
                }
            }
            if let Some(watch) = &mut watch {
                watch.renew();
            }
            // Taken before the files are read: what changes while they are read is seen at the next glance.
            let now = Stamps::of(home.dir());
            let settings = heard.settings.swap(false, Ordering::Relaxed) || now.settings != seen.settings;
            let tools = heard.tools.swap(false, Ordering::Relaxed) || now.tools != seen.tools;
            if settings && let Some(done) = self.notice(home).await {
                tell(Noticed::Settings(done));
            }
            if tools {
                match self.refresh_tools().await {
                    Ok(changes) if changes.is_empty() => {}
                    done => tell(Noticed::Tools(done)),
                }
            }
            seen = now;
        }
    }
}

/// What the system has told since the last look.
#[derive(Debug, Default)]
struct Heard {
    settings: AtomicBool,
    tools: AtomicBool,
    bell: Notify,
}

impl Heard {
    fn all(&self) {
        self.settings.store(true, Ordering::Relaxed);
        self.tools.store(true, Ordering::Relaxed);
        self.bell.notify_one();
    }

    fn hear(&self, home: &Path, event: notify::Result<notify::Event>) {
        let Ok(event) = event else { return self.all() };
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            // Somebody reads; most of all we ourselves.
            EventKind::Access(_) => return,
            _ => {}
        }
        if event.need_rescan() {
            return self.all();
        }
        for path in &event.paths {
            match about(home, path) {
                Some(About::Settings) => self.settings.store(true, Ordering::Relaxed),
                Some(About::Tools) => self.tools.store(true, Ordering::Relaxed),
                Some(About::Everything) => self.all(),
                None => continue,
            }
            self.bell.notify_one();
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum About {
    Settings,
    Tools,
    Everything,
}

/// What a path in the home folder is about. The ledger is written there all the time and is nobody's setting.
fn about(home: &Path, path: &Path) -> Option<About> {
    let inside = path.strip_prefix(home).ok()?;
    let Some(first) = inside.components().next() else { return Some(About::Everything) };
    match first.as_os_str().to_str()? {
        TOOLS => Some(About::Tools),
        name if FOLDERS.contains(&name) || is_settings(name) => Some(About::Settings),
        // How volumes of settings are replaced as a whole.
        "..data" => Some(About::Everything),
        _ => None,
    }
}

fn is_settings(name: &str) -> bool {
    let named = matches!(name, "strongroom.toml" | "prices.toml");
    named || name.starts_with("credentials.") || is_secret_file(name)
}

/// The system's notices of the home folder and of the folders in it that are there.
struct Watch<'a> {
    watcher: RecommendedWatcher,
    home: &'a Path,
}

impl<'a> Watch<'a> {
    fn new(home: &'a Home, heard: &Arc<Heard>) -> notify::Result<Self> {
        let (heard, path) = (heard.clone(), home.path().to_owned());
        let mut watcher = notify::recommended_watcher(move |event| heard.hear(&path, event))?;
        watcher.watch(home.path(), RecursiveMode::NonRecursive)?;
        Ok(Self { watcher, home: home.path() })
    }

    /// Watches the folders that are there now: one may be new, and one by an old name may be another.
    fn renew(&mut self) {
        for folder in FOLDERS.iter().chain([&TOOLS]) {
            let path = self.home.join(folder);
            // Neither is an error: that it was not watched, or that it is not there; a glance sees what a watch misses.
            let _ = self.watcher.unwatch(&path);
            if let Err(error) = self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                tracing::debug!(folder, "not watched: {error}");
            }
        }
    }
}

/// How the files look from outside, by name: size, times and file number.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stamps {
    settings: BTreeMap<String, [i64; 6]>,
    tools: BTreeMap<String, [i64; 6]>,
}

impl Stamps {
    fn of(home: &Dir) -> Self {
        let mut all = Self::default();
        stamp(home, ".", is_settings, &mut all.settings);
        for folder in FOLDERS {
            stamp(home, folder, |name| !name.starts_with('.'), &mut all.settings);
        }
        stamp(home, TOOLS, |name| name.ends_with(".wasm") || name.ends_with(".tool.toml"), &mut all.tools);
        all
    }
}

/// A folder that cannot be read looks empty here; whoever reads it for good says what is wrong.
fn stamp(home: &Dir, folder: &str, wanted: impl Fn(&str) -> bool, into: &mut BTreeMap<String, [i64; 6]>) {
    let Ok(entries) = home.read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| wanted(name)) else { continue };
        let path = format!("{folder}/{name}");
        // Where a link leads counts, not the link.
        let stamp = home.metadata(&path).map_or([0; 6], |file| {
            let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
            let (size, inode) = (number(file.len()), number(file.ino()));
            [size, inode, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()]
        });
        into.insert(path, stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolate::engine::Allocation;
    use notify::event::{CreateKind, DataChange, ModifyKind};

    #[test]
    fn only_files_that_matter_are_about_something() {
        let home = Path::new("/h");
        for (path, expected) in [
            ("/h/strongroom.toml", Some(About::Settings)),
            ("/h/credentials.toml", Some(About::Settings)),
            ("/h/prices.toml", Some(About::Settings)),
            ("/h/alerts.secret", Some(About::Settings)),
            ("/h/webhook.lock", None),
            ("/h/tenants", Some(About::Settings)),
            ("/h/tenants/acme.toml", Some(About::Settings)),
            ("/h/policies/acme.cedar", Some(About::Settings)),
            ("/h/tools/orders.wasm", Some(About::Tools)),
            ("/h/..data", Some(About::Everything)),
            ("/h", Some(About::Everything)),
            ("/h/ledger.db-wal", None),
            ("/h/audit", None),
            ("/h/host.key", None),
            ("/elsewhere/tenants", None),
        ] {
            assert_eq!(about(home, Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn reading_is_not_heard_and_writing_is() {
        let home = Path::new("/h");
        let event = |kind| Ok(notify::Event::new(kind).add_path("/h/tenants/acme.toml".into()));
        let heard = Heard::default();
        for kind in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read)] {
            heard.hear(home, event(EventKind::Access(kind)));
        }
        assert!(!heard.settings.load(Ordering::Relaxed));
        for kind in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
        ] {
            heard.hear(home, event(kind));
            assert!(heard.settings.swap(false, Ordering::Relaxed), "{kind:?}");
            assert!(!heard.tools.load(Ordering::Relaxed));
        }
        heard.hear(home, Err(notify::Error::generic("lost")));
        assert!(heard.settings.load(Ordering::Relaxed) && heard.tools.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn where_no_notices_come_a_glance_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let room = Strongroom::builder(Home::open(folder.path()).unwrap()).allocation(Allocation::OnDemand);
        let room = room.build().await.unwrap();
        home.dir().create_dir("tenants").unwrap();
        let (tell, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let (heard, glance) = (Heard::default(), Duration::from_millis(20));
        let attend = room.attend(&home, &heard, None, glance, |noticed| tell.send(noticed).unwrap());
        let edit = async {
            // The first edit may be met by the first look, the others only by a glance.
            for fuel in 1..4 {
                home.dir().write("tenants/acme.toml", format!("[limits]\nfuel = {fuel}\n")).unwrap();
                loop {
                    match hears.recv().await.unwrap() {
                        Noticed::Settings(Ok(done)) if done.changed => break,
                        // A file that was just being written.
                        Noticed::Settings(Ok(_) | Err(OperateError::Config(_))) => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
        };
        tokio::select! {
            () = attend => {}
            () = edit => {}
        }
        let fuel = room.settings().tenants.values().map(|tenant| tenant.limits.fuel).collect::<Vec<_>>();
        assert_eq!(fuel, [Some(3)]);
    }

    #[test]
    fn a_glance_sees_each_change_without_a_notice() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let dir = home.dir();
        let mut before = Stamps::of(dir);
        let mut changed = |what: &str, settings: bool, tools: bool| {
            let now = Stamps::of(dir);
            assert_eq!(
                (now.settings != before.settings, now.tools != before.tools),
                (settings, tools),
                "{what}"
            );
            before = now;
        };
        dir.write("ledger.db", "x").unwrap();
        changed("a file that does not matter", false, false);
        dir.create_dir("tenants").unwrap();
        dir.write("tenants/.acme.toml.swp", "").unwrap();
        changed("an editor's own file", false, false);
        dir.write("tenants/acme.toml", "suspended = true").unwrap();
        changed("a new file in a new folder", true, false);
        dir.write("tenants/new", "suspended = fals").unwrap();
        changed("the editor's copy", true, false);
        dir.rename("tenants/new", dir, "tenants/acme.toml").unwrap();
        changed("as long as before, by another name", true, false);
        dir.write("credentials.toml", "").unwrap();
        changed("credentials", true, false);
        dir.create_dir("tools").unwrap();
        dir.write("tools/a.wasm", "").unwrap();
        changed("a tool", false, true);
        dir.write("tools/a.tool.toml", "").unwrap();
        changed("its manifest", false, true);
        dir.remove_file("tools/a.wasm").unwrap();
        changed("a tool that is gone", false, true);
        dir.remove_file("tenants/acme.toml").unwrap();
        changed("a tenant that is gone", true, false);
    }
}
