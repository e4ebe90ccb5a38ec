//! What a component was built from, as cargo-auditable wrote it down.
//!
//! Takes: bytes of a component. Gives: [`Dependencies`]. May name: nothing.
//!
//! `cargo auditable build` leaves a section `.dep-v0` in each core module: JSON, compressed with zlib. It is read to be
//! shown, at no other time, and nobody checks that it is true.

use super::error::quoted;
use super::sections::{DEPENDENCIES, Sections};
use auditable_serde::{DependencyKind, Package};
use serde::{Deserialize, Serialize};

/// Most bytes that the lists of a component may unpack to, together.
const MAX_UNPACKED: usize = 8 << 20;
/// Most lists, and most packages in all of them.
const MAX_LISTS: usize = 64;
const MAX_PACKAGES: usize = 10_000;

/// The lists of dependencies in a component, as one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dependencies {
    /// How many lists the component holds, also those that cannot be read: one for each core module at most.
    pub lists: usize,
    /// The packages of all lists, by name and version, none twice.
    pub packages: Vec<Dependency>,
    /// What could not be read or is left out, in sentences.
    pub notes: Vec<String>,
}

/// A package that a component was built from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Dependency {
    /// The name of the crate.
    pub name: String,
    /// Its version, as `1.2.3`.
    pub version: String,
    /// What it is there for.
    pub purpose: Purpose,
    /// Where it came from: `crates.io`, `git`, `local`, `registry`, or what the list calls it.
    pub source: String,
}

/// What a package is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// It is the tool itself, not a dependency.
    Root,
    /// Code of it may run.
    Runtime,
    /// It ran when the component was built.
    Build,
}

/// The packages alone. The graph between them is not used, so it is not checked either: that would take quadratic time.
#[derive(Deserialize)]
struct List {
    packages: Vec<Package>,
}

/// Reads the lists of dependencies of a component, whichever of its core modules they are in. A list that is damaged or
/// unpacks to more than 8 MiB leaves a note and nothing else.
#[must_use]
pub fn dependencies(bytes: &[u8]) -> Dependencies {
    let mut found = Dependencies::default();
    let sections = match Sections::of(bytes) {
        Ok(sections) => sections.dependencies,
        Err(error) => {
            found.notes.push(error.to_string());
            return found;
        }
    };
    found.lists = sections.len();
    if sections.len() > MAX_LISTS {
        found
            .notes
            .push(format!("it holds more than {MAX_LISTS} lists of dependencies; the others are not read"));
    }
    let mut left = MAX_UNPACKED;
    for section in sections.into_iter().take(MAX_LISTS) {
        match unpack(section, &mut left) {
            Ok(packages) => found.packages.extend(packages.into_iter().map(Dependency::of)),
            Err(problem) => {
                let note =
                    format!("a list of dependencies in a section `{DEPENDENCIES}` is not shown: {problem}");
                found.notes.push(note);
            }
        }
    }
    found.packages.sort();
    found.packages.dedup();
    if found.packages.len() > MAX_PACKAGES {
        found.packages.truncate(MAX_PACKAGES);
        found.notes.push(format!("it names more than {MAX_PACKAGES} packages; the others are not shown"));
    }
    found.notes.sort();
    found.notes.dedup();
    found
}

/// Unpacks one list, and takes its size from what all may take together.
fn unpack(section: &[u8], left: &mut usize) -> Result<Vec<Package>, String> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
    let json = decompress_to_vec_zlib_with_limit(section, *left).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => format!("it unpacks to more than {} MiB", MAX_UNPACKED >> 20),
        _ => "it is not compressed as it should be".to_owned(),
    })?;
    *left = left.saturating_sub(json.len());
    let list: List = serde_json::from_slice(&json).map_err(|error| quoted(&error.to_string()))?;
    Ok(list.packages)
}

impl Dependency {
    fn of(package: Package) -> Self {
        let purpose = match (package.root, package.kind) {
            (true, _) => Purpose::Root,
            (false, DependencyKind::Runtime) => Purpose::Runtime,
            (false, DependencyKind::Build) => Purpose::Build,
        };
        let [name, version, source] =
            [package.name, package.version.to_string(), package.source.into()].map(|text| quoted(&text));
        Self { name, version, purpose, source }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{of_wit, with_section};
    use super::*;
    use miniz_oxide::deflate::compress_to_vec_zlib;

    const WIT: &str = "package a:b; world w { export run: func(); }";
    const LIST: &str = r#"{"packages": [
        {"name": "orders", "version": "0.1.0", "source": "local", "root": true, "dependencies": [1, 2]},
        {"name": "serde", "version": "1.0.228", "source": "crates.io", "dependencies": [2]},
        {"name": "cc", "version": "1.2.0", "source": "registry", "kind": "build", "dependencies": [1]},
        {"name": "fork\u001b[2m", "version": "0.3.0-rc.1", "source": "hg"}
    ], "format": 1}"#;

    fn packed(json: &[u8]) -> Vec<u8> {
        compress_to_vec_zlib(json, 9)
    }

    fn shown(found: &Dependencies) -> Vec<String> {
        let line = |d: &Dependency| format!("{} {} {:?} {}", d.name, d.version, d.purpose, d.source);
        found.packages.iter().map(line).collect()
    }

    #[test]
    fn the_list_is_found_in_the_core_module_and_in_the_component() {
        let none = dependencies(&of_wit(WIT, &[]));
        assert_eq!(none, Dependencies::default());
        let inner = of_wit(WIT, &[(".dep-v0", &packed(LIST.as_bytes()))]);
        let outer = with_section(of_wit(WIT, &[]), ".dep-v0", &packed(LIST.as_bytes()));
        let both = with_section(inner.clone(), ".dep-v0", &packed(LIST.as_bytes()));
        for (bytes, lists) in [(inner, 1), (outer, 1), (both, 2)] {
            let found = dependencies(&bytes);
            assert_eq!((found.lists, &found.notes[..]), (lists, &[][..]));
            // The cycle between serde and cc is nobody's concern here; a control character never comes out.
            assert_eq!(
                shown(&found),
                [
                    "cc 1.2.0 Build registry",
                    "fork [2m 0.3.0-rc.1 Runtime hg",
                    "orders 0.1.0 Root local",
                    "serde 1.0.228 Runtime crates.io",
                ]
            );
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked_and_garbage_is_named() {
        let bomb = packed(&vec![b' '; MAX_UNPACKED + 1]);
        assert!(bomb.len() < 10_000, "it is small in the file");
        let half = packed(format!("{}{LIST}", " ".repeat(MAX_UNPACKED / 2)).as_bytes());
        let truncated = packed(LIST.as_bytes());
        for (sections, packages, problem) in [
            (vec![bomb], 0, "it unpacks to more than 8 MiB"),
            // Two that would be small enough alone are too much together.
            (vec![half.clone(), half], 4, "it unpacks to more than 8 MiB"),
            (vec![b"garbage".to_vec()], 0, "it is not compressed as it should be"),
            (vec![truncated[..truncated.len() - 9].to_vec()], 0, "it is not compressed as it should be"),
            (vec![Vec::new()], 0, "it is not compressed as it should be"),
            (vec![packed(b"{}")], 0, "missing field `packages`"),
            (vec![packed(b"\xff")], 0, "expected value"),
            (vec![packed(b"no JSON")], 0, "expected"),
        ] {
            let sections: Vec<_> = sections.iter().map(|data| (".dep-v0", &data[..])).collect();
            let found = dependencies(&of_wit(WIT, &sections));
            assert_eq!((found.lists, found.packages.len()), (sections.len(), packages));
            let [note] = &found.notes[..] else { panic!("{:?}", found.notes) };
            assert!(note.contains(problem), "{note}");
        }
    }

    #[test]
    fn there_is_an_end_to_lists_and_packages() {
        let list = |count: usize| {
            let one = |n| format!(r#"{{"name": "p{n}", "version": "1.0.0", "source": "git"}}"#);
            packed(
                format!(r#"{{"packages": [{}]}}"#, (0..count).map(one).collect::<Vec<_>>().join(","))
                    .as_bytes(),
            )
        };
        let many = dependencies(&of_wit(WIT, &[(".dep-v0", &list(MAX_PACKAGES + 1))]));
        assert_eq!((many.packages.len(), many.notes.len()), (MAX_PACKAGES, 1));
        let one = list(1);
        let lists = dependencies(&of_wit(WIT, &vec![(".dep-v0", &one[..]); MAX_LISTS + 1]));
        assert_eq!((lists.lists, lists.packages.len(), lists.notes.len()), (MAX_LISTS + 1, 1, 1));
        assert_eq!(dependencies(b"no component").notes.len(), 1);
    }
}
