//! `new`: a tool project that builds and passes its own test, with the SDK and the host's WIT in it.
//!
//! Takes: a name. Gives: a folder. May name: World.

use super::{Failure, Out};
use crate::World;
use cap_std::fs::Dir;
use include_dir::{Dir as Embedded, include_dir};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

static TEMPLATE: Embedded<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/tool");
static SDK: Embedded<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-sdk/src");
static WIT: Embedded<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit");
const SDK_FILES: [(&str, &str); 2] = [
    (
        "vendor/guest-sdk/Cargo.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk/Cargo.toml")),
    ),
    (
        "vendor/guest-sdk/README.md",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk/README.md")),
    ),
];

/// Longest name: a tool's name has at most 63 characters.
const LONGEST: usize = 63;

/// Words that WIT or Rust keep for themselves; the name becomes a package and a module.
const KEYWORDS: &[&str] = &[
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "bool",
    "borrow",
    "box",
    "break",
    "char",
    "const",
    "constructor",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "error-context",
    "export",
    "extern",
    "f32",
    "f64",
    "false",
    "final",
    "flags",
    "fn",
    "for",
    "from",
    "func",
    "future",
    "gen",
    "if",
    "impl",
    "import",
    "in",
    "include",
    "interface",
    "let",
    "list",
    "loop",
    "macro",
    "map",
    "match",
    "mod",
    "move",
    "mut",
    "option",
    "override",
    "own",
    "package",
    "priv",
    "pub",
    "record",
    "ref",
    "resource",
    "result",
    "return",
    "s16",
    "s32",
    "s64",
    "s8",
    "self",
    "static",
    "stream",
    "string",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "tuple",
    "type",
    "typeof",
    "u16",
    "u32",
    "u64",
    "u8",
    "union",
    "unsafe",
    "unsized",
    "use",
    "variant",
    "virtual",
    "where",
    "while",
    "with",
    "world",
    "yield",
];

/// Make a tool project: contract, manifest, implementation and test, ready to build offline
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tool's name: lower-case words joined by `-`, as `parcel-tracker`
    #[arg(value_name = "NAME")]
    name: String,
    /// Where the project goes [default: a folder of the tool's name]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, world: &World, out: &Out) -> Result<(), Failure> {
    let name = args.name.as_str();
    check(name)?;
    let path = args.path.clone().unwrap_or_else(|| PathBuf::from(name));
    let folder = world.new_folder(&path)?;
    let fault = |e: io::Error| Failure::file(&path, &e);
    if folder.entries().map_err(fault)?.next().is_some() {
        return Err(Failure::usage(format!("{}: the folder is not empty", path.display()))
            .help("name another one with --path; nothing was written"));
    }
    let module = name.replace('-', "_");
    for (file, text) in files(&TEMPLATE, "") {
        let file = match file.as_str() {
            "Cargo.toml.in" => "Cargo.toml",
            "gitignore.in" => ".gitignore",
            other => other,
        };
        // Only the template has places to fill in.
        let text = String::from_utf8_lossy(text).replace("{{name}}", name).replace("{{module}}", &module);
        write(&folder, file, text.as_bytes()).map_err(fault)?;
    }
    let vendored = files(&SDK, "vendor/guest-sdk/src/").into_iter().chain(files(&WIT, "vendor/wit/"));
    let schema = format!("{:#}\n", strongroom::config::manifest_schema());
    write(&folder, "vendor/tool.schema.json", schema.as_bytes()).map_err(fault)?;
    for (file, bytes) in vendored.chain(SDK_FILES.map(|(file, text)| (file.to_owned(), text.as_bytes()))) {
        write(&folder, &file, bytes).map_err(fault)?;
    }
    if out.is_json() {
        return out.json(json!({ "name": name, "path": path.display().to_string() }));
    }
    let place = path.display();
    out.line(format!("made the tool {name} in {place}"))?;
    out.note(format!(
        "next:\n  cd {place}\n  cargo test\n  rustup target add wasm32-wasip2\n  \
         cargo build --release --target wasm32-wasip2\n  \
         strongroom run target/wasm32-wasip2/release/{module}.wasm greet '{{\"name\": \"Ada\"}}'"
    ));
    Ok(())
}

/// A name that can be a tool, a WIT package and a Rust module.
fn check(name: &str) -> Result<(), Failure> {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if name.len() > LONGEST || !name.split('-').all(word) {
        return Err(Failure::usage(format!("{name:?} is not a name for a tool"))
            .help("use lower-case words of letters and digits, joined by `-`, as `parcel-tracker`"));
    }
    if KEYWORDS.contains(&name) {
        return Err(Failure::usage(format!("{name:?} is a word that WIT or Rust keep for themselves"))
            .help(format!("say more, as `{name}-tool`")));
    }
    Ok(())
}

/// All files of an embedded folder with their paths below it.
fn files<'a>(folder: &'a Embedded<'a>, prefix: &str) -> Vec<(String, &'a [u8])> {
    let mut found: Vec<_> =
        folder.files().map(|file| (format!("{prefix}{}", file.path().display()), file.contents())).collect();
    for below in folder.dirs() {
        found.extend(files(below, prefix));
    }
    found
}

fn write(folder: &Dir, file: &str, bytes: &[u8]) -> io::Result<()> {
    if let Some(parent) = Path::new(file).parent().filter(|parent| *parent != Path::new("")) {
        folder.create_dir_all(parent)?;
    }
    folder.write(file, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_also_a_package_and_a_module() {
        for good in ["greeter", "parcel-tracker", "a1", "utf8-tool"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a--b",
            "A",
            "1a",
            "a-1",
            "a_b",
            "ä",
            "a/b",
            "..",
            "use",
            "string",
            "error-context",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check(&"a".repeat(64)).is_err());
    }
}
