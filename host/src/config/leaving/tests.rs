//! What goes with a tenant, and that all else stays as it was.
//! May name: id.

use super::*;
use cap_std::fs::{OpenOptions, OpenOptionsExt as _};
use proptest::prelude::*;

fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn left(text: &str) -> (String, Vec<String>) {
    let (left, gone) = without(text, &acme()).unwrap();
    (left.to_string(), gone)
}

const ACME: &str = "[acme-api] # the old one\ntenant = \"acme\"\norigins = [\n  \"https://a.example\",\n  # both\n]\nvalue = \"\"\"\n[globex-api]\nsecret\"\"\"\n";
const GLOBEX: &str = "[ globex-api ]\r\ntenant = 'globex'  # theirs\r\nvalue = '''\n# not a comment\n\n[acme-api]\n'''\norigins=['https://g.example']\n";

#[test]
fn entries_go_with_the_comments_that_touch_them_and_nothing_else_does() {
    let top = "# credentials of this host\n\n";
    for (text, expected) in [
        (format!("{top}{ACME}{GLOBEX}"), format!("{top}{GLOBEX}")),
        (format!("{top}{GLOBEX}{ACME}"), format!("{top}{GLOBEX}")),
        (format!("{top}# for acme\n{ACME}\n# theirs\n{GLOBEX}"), format!("{top}# theirs\n{GLOBEX}")),
        (format!("{top}{ACME}# was: secret\n\n{GLOBEX}# end\n"), format!("{top}{GLOBEX}# end\n")),
        (format!("{top}{GLOBEX}\n{ACME}\n\n# the end\n"), format!("{top}{GLOBEX}\n# the end\n")),
        (format!("{GLOBEX}\n{ACME}"), format!("{GLOBEX}\n")),
        (format!("{ACME}\n\n{GLOBEX}"), GLOBEX.to_owned()),
        (ACME.to_owned(), String::new()),
        (GLOBEX.to_owned(), GLOBEX.to_owned()),
        (String::new(), String::new()),
        (ACME.trim_end().to_owned(), String::new()),
    ] {
        let (left, gone) = left(&text);
        assert_eq!(left, expected, "{text}");
        assert_eq!(gone.len(), usize::from(text.contains("\"acme\"")), "{text}");
    }
}

#[test]
fn every_way_of_writing_an_entry_is_known() {
    for text in [
        "a = { tenant = \"acme\", value = \"x\" }\n",
        "a.tenant = \"acme\"\na.value = \"x\"\n",
        "a.\"tenant\" = \"acme\"\n\"a\".value = \"x\"\n",
        "[a]\ntenant = \"acme\"\n[a.more]\nvalue = 1\n[[a.list]]\nx = 1\n[[a.list]]\nx = 2\n",
        "[a.more]\nvalue = 1\n[a]\ntenant = \"acme\"\n",
    ] {
        let others = "b = { tenant = \"globex\" }\n";
        let (left, gone) = left(&format!("{others}{text}[c]\ntenant = \"globex\"\n"));
        assert_eq!(left, format!("{others}[c]\ntenant = \"globex\"\n"), "{text}");
        assert_eq!(gone, ["a"]);
    }
    assert!(without("[a\n", &acme()).is_err());
}

#[test]
fn the_file_is_replaced_for_its_owner_alone_and_a_link_is_left_alone() {
    use cap_std::fs::PermissionsExt as _;
    use std::io::Write as _;
    const NEW: &str = "credentials.toml.new";
    let (_guard, folder) = crate::storage::tests_folder();
    let home = folder.dir();
    assert!(take_out(home, &acme()).unwrap().is_empty());
    let mut options = OpenOptions::new();
    let mut file = home.open_with(FILE, options.write(true).create_new(true).mode(0o600)).unwrap();
    file.write_all(format!("{ACME}{GLOBEX}").as_bytes()).unwrap();
    home.write(NEW, "left behind").unwrap();
    assert_eq!(handles_of(home, &acme()).unwrap(), ["acme-api"]);
    assert_eq!(take_out(home, &acme()).unwrap(), ["acme-api"]);
    assert_eq!(home.read_to_string(FILE).unwrap(), GLOBEX);
    assert_eq!(home.metadata(FILE).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(take_out(home, &acme()).unwrap().is_empty() && !home.exists(NEW));
    home.rename(FILE, home, "elsewhere").unwrap();
    home.symlink("elsewhere", FILE).unwrap();
    let globex = TenantId::new("globex").unwrap();
    assert!(take_out(home, &globex).unwrap_err().to_string().contains("by hand"));
    assert_eq!(home.read_to_string("elsewhere").unwrap(), GLOBEX);
}

proptest! {
    /// Whatever stands around the entries: all of it is there afterwards, in its order, but for what goes with them.
    #[test]
    fn others_stay_byte_for_byte(blocks in prop::collection::vec((any::<bool>(), 0u8..4, 0usize..3), 0..8)) {
        let (mut text, mut kept) = (String::new(), String::new());
        for (number, (ours, shape, gaps)) in blocks.iter().enumerate() {
            let tenant = if *ours { "acme" } else { "globex" };
            let entry = match shape {
                0 => format!("[e{number}]\ntenant = \"{tenant}\"\nvalue = \"[x]\\n# y\"\n"),
                1 => format!("[e{number}]\nvalue = '''\n\n# z\n[e9]\n'''\ntenant = '{tenant}' # here\n"),
                2 => format!("# of {tenant}\n[e{number}]\ntenant = \"{tenant}\"\n"),
                _ => format!("  [ 'e{number}' ]  \n\n  tenant=\"{tenant}\"\n[e{number}.sub]\nx=[1,\n 2]\n"),
            };
            let gap = "\n".repeat(*gaps);
            text = format!("{text}{entry}{gap}");
            if !ours {
                kept.push_str(&entry);
            }
        }
        let (left, gone) = left(&text);
        prop_assert_eq!(gone.len(), blocks.iter().filter(|(ours, ..)| *ours).count());
        let solid = |text: &str| text.lines().filter(|l| !l.trim().is_empty()).collect::<Vec<_>>().join("\n");
        prop_assert_eq!(solid(&left), solid(&kept));
    }
}
