//! The tool on a temporary directory.

use super::*;
use strongroom_sdk::fake::Host;
use tempfile::TempDir;

fn folder() -> (TempDir, Host) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("notes")).unwrap();
    fs::write(folder.path().join("notes/today.md"), "buy tea\nCall Ada\n").unwrap();
    fs::write(folder.path().join("readme.txt"), "täglich tea\n").unwrap();
    fs::write(folder.path().join("image.bin"), [0xff, 0xfe, 0]).unwrap();
    let host = Host::new().dir("workspace", folder.path());
    (folder, host)
}

fn read(path: &str) -> Result<Content, Error> {
    Files::read(path.into(), None, None)
}

fn write(path: &str, text: &str, mode: WriteMode) -> Result<u64, Error> {
    Files::write(path.into(), text.into(), mode)
}

#[test]
fn lists_sorted_entries() {
    let _folder = folder();
    let entries = Files::list(None).unwrap().entries;
    let seen: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.kind, entry.size)).collect();
    let expected =
        [("image.bin", Kind::File, 3), ("notes", Kind::Directory, 0), ("readme.txt", Kind::File, 13)];
    assert_eq!(seen, expected);
    assert_eq!(Files::list(Some("readme.txt".into())).unwrap_err(), Error::NotADirectory);
    assert_eq!(Files::list(Some("nothing".into())).unwrap_err(), Error::NotFound);
}

#[test]
fn reads_on_from_where_a_piece_ended() {
    let _folder = folder();
    let first = Files::read("readme.txt".into(), Some(0), Some(4)).unwrap();
    assert_eq!((first.text.as_str(), first.next_offset), ("täg", Some(4)));
    let last = Files::read("readme.txt".into(), Some(9), Some(4)).unwrap();
    assert_eq!((last.text.as_str(), last.next_offset), ("tea\n", None));
    write("cut.txt", "abcäd", WriteMode::Create).unwrap();
    let cut = Files::read("cut.txt".into(), None, Some(4)).unwrap();
    assert_eq!((cut.text.as_str(), cut.next_offset), ("abc", Some(3)));
    assert_eq!(Files::read("readme.txt".into(), Some(2), None).unwrap_err(), Error::NotText);
    assert_eq!(Files::read("readme.txt".into(), Some(99), None).unwrap().text, "");
}

#[test]
fn what_is_no_text_file_is_refused() {
    let _folder = folder();
    assert_eq!(read("image.bin").unwrap_err(), Error::NotText);
    assert_eq!(read("notes").unwrap_err(), Error::NotAFile);
    assert_eq!(read("nothing").unwrap_err(), Error::NotFound);
}

#[test]
fn searches_below_a_directory() {
    let _folder = folder();
    let findings = Files::search("(?i)TEA$".into(), None).unwrap();
    let seen: Vec<_> = findings.matches.iter().map(|found| (found.path.as_str(), found.line)).collect();
    assert_eq!((seen, findings.files), (vec![("notes/today.md", 1), ("readme.txt", 1)], 2));
    let below = Files::search("Ada".into(), Some("./notes/".into())).unwrap();
    assert_eq!(below.matches[0].path, "notes/today.md");
    assert!(matches!(Files::search("(".into(), None), Err(Error::InvalidPattern(_))));
    assert!(matches!(Files::search("(?:a{1000}){1000}".into(), None), Err(Error::InvalidPattern(_))));
}

#[test]
fn a_search_ends_at_its_limits() {
    let (folder, _host) = folder();
    fs::write(folder.path().join("many.txt"), "x\n".repeat(500)).unwrap();
    let findings = Files::search("x".into(), None).unwrap();
    assert_eq!((findings.matches.len(), findings.truncated), (200, true));
}

#[test]
fn writes_as_the_mode_says() {
    let _folder = folder();
    assert_eq!(write("new/dir/a.txt", "one", WriteMode::Create).unwrap(), 3);
    assert_eq!(write("new/dir/a.txt", "x", WriteMode::Create).unwrap_err(), Error::AlreadyExists);
    assert_eq!(write("new/dir/a.txt", " two", WriteMode::Append).unwrap(), 7);
    assert_eq!(read("new/dir/a.txt").unwrap().text, "one two");
    assert_eq!(write("new/dir/a.txt", "3", WriteMode::Replace).unwrap(), 1);
    assert_eq!(write("notes", "x", WriteMode::Replace).unwrap_err(), Error::NotAFile);
    assert_eq!(write("big", &"x".repeat(MOST_WRITTEN + 1), WriteMode::Create).unwrap_err(), Error::TooLarge);
}

#[test]
fn paths_that_lead_out_are_refused() {
    let _folder = folder();
    for path in ["..", "notes/../../x", "/etc/passwd", "a\0b", "a\nb", &"x".repeat(1025)] {
        assert_eq!(read(path).unwrap_err(), Error::InvalidPath, "{path:?}");
        assert_eq!(write(path, "", WriteMode::Replace).unwrap_err(), Error::InvalidPath, "{path:?}");
    }
}

#[test]
fn without_a_grant_nothing_is_permitted() {
    let _host = Host::new();
    assert_eq!(Files::list(None).unwrap_err(), Error::NotPermitted);
    assert_eq!(read("readme.txt").unwrap_err(), Error::NotPermitted);
    assert_eq!(write("a.txt", "", WriteMode::Create).unwrap_err(), Error::NotPermitted);
}
