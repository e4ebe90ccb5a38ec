//! The table of imports as a page for people: `docs/imports.md`.
//!
//! Takes: the table. Gives: [`markdown`]. May name: imports::table, imports::right, imports::way.

use super::right::Right;
use super::table::{Class, TABLE};
use super::way::Way;
use std::fmt::Write as _;

const HEAD: &str = "\
# The imports that a tool may use

This page is made from the host's own table (`strongroom imports --markdown`). A component that imports anything else is
refused when it is installed. Every call of an import passes one gate: the gate looks for the right, charges the price,
records the call in the audit log, and only then lets it through. A refused call is recorded too. That an effect is about to
happen is durable in the log before it happens; each effect says below how that is kept.

Prices are in fuel, the unit in which a tool's own instructions are counted: one unit is about one simple instruction. A
call costs its base price and its price per byte that crosses the border, either way; every new line of the call's record
costs 2,000 units more.

A right is always two things: a need in the tool's manifest (`[needs.http.api]`) and the tenant's grant for it
(`[grants.<tool>.http.api]`).
";

const CLASSES: &[(Class, &str)] = &[
    (Class::Local, "touches only what the call itself holds"),
    (Class::Observe, "reads something of the tenant's or of the outside world"),
    (Class::Effect, "changes something of the tenant's or of the outside world"),
    (Class::Time, "reads the clock or waits for it"),
    (Class::Entropy, "draws random bytes"),
];

const WAYS: &[(Way, &str)] = &[
    (
        Way::AtOnce,
        "before the call goes on, once for the import and the target; a descriptor that was opened for writing is its target",
    ),
    (
        Way::AtCommit,
        "before anything of it is kept, when the tool's call has ended well; one entry for all of them",
    ),
    (
        Way::Handle,
        "a stream on a file when the file was opened for writing, the body of a request when it is sent; standard output leads nowhere",
    ),
    (Way::Opens, "when the file was opened for writing; on another descriptor it is an error"),
    (Way::Never, "nobody has the right"),
];

const RIGHTS: &[(Right, &str)] = &[
    (Right::Free, "works in every call, whatever is granted"),
    (
        Right::Handle,
        "what the handle was made with: a stream on a file has the file's right, one on standard output needs none",
    ),
    (
        Right::Http,
        "a grant that covers the request's origin, method and path; without it there is no answer to work on either",
    ),
    (Right::Dir, "the directory, `ro` or `rw`"),
    (Right::DirWrite, "the directory, `rw`, in a function whose effect is `write`"),
    (Right::KeyValue, "the bucket, `ro` or `rw`"),
    (Right::KeyValueWrite, "the bucket, `rw`, in a function whose effect is `write`"),
    (Right::Memory, "the tenant's memory, `ro` or `rw`"),
    (Right::MemoryWrite, "the tenant's memory, `rw`, in a function whose effect is `write`"),
    (Right::Cache, "the tool's cache for the tenant, also in a function whose effect is `read`"),
    (Right::Ask, "asking the caller for this kind of thing, also in a function whose effect is `read`"),
    (Right::Config, "the configuration key"),
    (
        Right::Nobody,
        "linked so that components load: the call is refused, or nothing ever gives the handle that it works on",
    ),
];

/// The page: what the words mean, then every import, in the order of the table.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n| class | the import |\n|---|---|\n");
    for (class, meaning) in CLASSES {
        row(&mut page, &[class.as_str(), meaning]);
    }
    page.push_str("\n| right | what a call must have been granted |\n|---|---|\n");
    for (right, meaning) in RIGHTS {
        row(&mut page, &[right.as_str(), meaning]);
    }
    page.push_str("\n| effect | when the audit log has it |\n|---|---|\n");
    for (way, meaning) in WAYS {
        row(&mut page, &[way.as_str(), meaning]);
    }
    let mut interface = "";
    for import in TABLE {
        if import.interface != interface {
            interface = import.interface;
            let _ = write!(
                page,
                "\n## {interface}\n\n| import | class | price | per byte | right |\n|---|---|---|---|---|\n"
            );
        }
        let (price, per_byte) = (import.price.to_string(), import.per_byte.to_string());
        let name = format!("`{}`", import.function);
        let class = match import.way {
            Some(way) => format!("{}, {}", import.class.as_str(), way.as_str()),
            None => import.class.as_str().to_owned(),
        };
        row(&mut page, &[&name, &class, &price, &per_byte, import.right.as_str()]);
    }
    page
}

fn row(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_and_every_right_of_the_table_is_explained() {
        for import in TABLE {
            assert!(CLASSES.iter().any(|(class, _)| *class == import.class), "{import:?}");
            assert!(RIGHTS.iter().any(|(right, _)| *right == import.right), "{import:?}");
            assert!(import.way.is_none_or(|way| WAYS.iter().any(|(known, _)| *known == way)), "{import:?}");
        }
    }

    #[test]
    fn what_changes_something_outside_asks_for_a_right_to_write() {
        for import in TABLE.iter().filter(|import| import.class == Class::Effect) {
            let writes = matches!(
                import.right,
                Right::DirWrite
                    | Right::KeyValueWrite
                    | Right::MemoryWrite
                    | Right::Http
                    | Right::Handle
                    | Right::Nobody
            );
            assert!(writes, "{import:?}");
        }
    }
}
