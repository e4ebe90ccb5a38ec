//! `audit export --tenant --to`: the log of one tenant alone.
//!
//! Takes: the audit log and the key of the home folder, signals. Gives: a folder, whole or not at all. May name: audit, id,
//! powers, reason, World.

use super::serve::Ends;
use super::verify::shown;
use super::{Failure, Out, host};
use crate::World;
use cap_std::fs::Dir;
use serde_json::json;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom::audit::{self, BookKey, Exported, Hold, KEY_FILE, NoExport, NoProof};
use strongroom::id::TenantId;
use strongroom::powers::{Entropy as _, SystemEntropy};
use strongroom::reason::Reason;

pub(super) fn run(tenant: &TenantId, to: &Path, world: &World, out: &Out) -> Result<(), Failure> {
    if out.is_export() {
        return Err(Failure::usage("with --to the tenant's log becomes a folder, and nothing is printed")
            .help("leave out --format, or --to"));
    }
    let home_path = world.home_path()?;
    let folder = home_path.join("audit");
    let log = world.folder(&folder).map_err(|f| f.help("nothing was written down in this home yet"))?;
    let home = world.folder(&home_path)?;
    if !home.exists(KEY_FILE) {
        let what = format!("{}: the host's key signs the tenant's log", home_path.join(KEY_FILE).display());
        return Err(Failure::not_found(what).help("export on the host, or restore its key from a copy"));
    }
    let key = BookKey::open(&home, &SystemEntropy).map_err(|e| Failure::failed(e.to_string()))?;
    // While this waits for a host that publishes, nothing is made yet and a signal ends the program as always.
    let _hold = Hold::on(&log).map_err(|e| Failure::file(&folder, &e))?;
    let place = Place::beside(to, world)?;
    let done = host::block_on(export(&place, log, key, tenant, out));
    if done.is_err() {
        place.forget(out);
    }
    done
}

async fn export(place: &Place, log: Dir, key: BookKey, tenant: &TenantId, out: &Out) -> Result<(), Failure> {
    let mut ends = Ends::listen()?;
    let bar = out.progress();
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, seen, theirs) = (stop.clone(), bar.clone(), tenant.clone());
    let into = place.dir.try_clone().map_err(|e| Failure::file(&place.to, &e))?;
    let mut work = pin!(tokio::task::spawn_blocking(move || {
        audit::export_tenant(&log, &key, &theirs, &into, |done, of| {
            shown(&seen, done, of);
            !stopped.load(Ordering::Relaxed)
        })
    }));
    let done = loop {
        tokio::select! {
            () = ends.next() => stop.store(true, Ordering::Relaxed),
            done = &mut work => break done,
        }
    };
    bar.finish_and_clear();
    let exported = done.map_err(|e| Failure::failed(e.to_string()))?.map_err(refused)?;
    place.settle()?;
    report(&exported, tenant, &place.to, out)
}

fn refused(error: NoExport) -> Failure {
    let text = error.to_string();
    match error {
        NoExport::NoHead(_) | NoExport::Proof(NoProof::Unpublished) => Failure::not_found(text),
        NoExport::File(_) | NoExport::Proof(NoProof::File(_)) => {
            Failure::reason(Reason::AuditUnavailable, text)
        }
        NoExport::Stopped => Failure::failed(text).help("nothing was left behind"),
        _ => Failure::failed(text),
    }
}

fn report(exported: &Exported, tenant: &TenantId, to: &Path, out: &Out) -> Result<(), Failure> {
    let Exported { entries, told } = exported;
    if out.is_json() {
        return out.json(json!({
            "tenant": tenant, "folder": to.display().to_string(), "entries": entries,
            "host": { "entry": told.entry, "time_us": told.time_us, "entries": told.size, "root": told.root },
        }));
    }
    out.line(format!("exported  {entries} entries of the tenant {tenant} to {}", to.display()))?;
    out.line(format!(
        "host      its entry {} tells this head, in its signed log of {} entries",
        told.entry, told.size
    ))?;
    out.note(format!(
        "verify it with `strongroom audit verify --log {} --public-key book.pub`, the key taken from the host",
        to.display()
    ));
    Ok(())
}

/// A folder beside the one that is wanted, which takes its place when it is whole.
struct Place {
    to: PathBuf,
    parent: Dir,
    name: String,
    temporary: String,
    dir: Dir,
}

impl Place {
    fn beside(to: &Path, world: &World) -> Result<Self, Failure> {
        let name = to.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Failure::usage(format!("{}: names no new folder", to.display())))?;
        let above = to.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
        let parent = world.folder(above)?;
        let fault = |e: io::Error| Failure::file(to, &e);
        match parent.symlink_metadata(name) {
            Ok(there) if there.is_dir() => {
                if parent.open_dir(name).and_then(|dir| dir.entries()).map_err(fault)?.next().is_some() {
                    return Err(taken(to));
                }
            }
            Ok(_) => return Err(taken(to)),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(fault(e)),
        }
        let mut random = [0; 6];
        SystemEntropy.fill(&mut random).map_err(fault)?;
        let temporary = format!(".{name}.{}.part", hex::encode(random));
        parent.create_dir(&temporary).map_err(fault)?;
        let dir = parent.open_dir(&temporary).map_err(fault)?;
        Ok(Self { to: to.to_owned(), parent, name: name.to_owned(), temporary, dir })
    }

    /// An empty folder is replaced; one that somebody has put something into meanwhile is not.
    fn settle(&self) -> Result<(), Failure> {
        self.parent.rename(&self.temporary, &self.parent, &self.name).map_err(|e| match e.kind() {
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                taken(&self.to)
            }
            _ => Failure::file(&self.to, &e),
        })
    }

    fn forget(&self, out: &Out) {
        match self.parent.remove_dir_all(&self.temporary) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                out.note(format!("{} could not be removed: {e}", self.temporary));
            }
            _ => {}
        }
    }
}

fn taken(to: &Path) -> Failure {
    Failure::usage(format!("{}: something is there", to.display()))
        .help("name a folder that is not there yet")
}
