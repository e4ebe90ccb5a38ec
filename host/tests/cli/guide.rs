//! The guide for reviewers shows what the program really prints.

use crate::house::{House, component, told};

const GUIDE: &str = include_str!("../../../docs/reviewing-tools.md");

/// A command of the guide and what stands under it.
struct Session {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// The commands in the blocks that begin with ```` ```console ````.
fn sessions() -> Vec<Session> {
    let (mut found, mut inside): (Vec<Session>, bool) = (Vec::new(), false);
    for (place, line) in GUIDE.lines().enumerate() {
        match (line, line.strip_prefix("$ strongroom ")) {
            ("```console", _) => inside = true,
            ("```", _) => inside = false,
            (_, Some(command)) if inside => {
                let (line, command) = (place + 1, command.to_owned());
                found.push(Session { line, command, shown: Vec::new() });
            }
            _ if inside => found.last_mut().unwrap().shown.push(line.to_owned()),
            _ => {}
        }
    }
    found
}

/// Ids, digests and sizes are other ones in each run; the guide has the same ones always.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for word in text.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '`' | '@' | ','))
    {
        let bare =
            word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '`' | '@' | ','));
        let end = word.get(bare.len()..).unwrap_or_default();
        let hex = |prefix: &str| {
            bare.strip_prefix(prefix)
                .is_some_and(|rest| rest.len() > 30 && rest.chars().all(|c| c.is_ascii_hexdigit()))
        };
        let key = bare.len() == 16 && bare.chars().all(|c| c.is_ascii_hexdigit());
        match (hex("sha256:"), hex("call_"), key) {
            (true, ..) => plain.push_str("sha256:…"),
            (_, true, _) => plain.push_str("call_…"),
            (.., true) => plain.push_str("0123456789abcdef"),
            _ => plain.push_str(bare),
        }
        plain.push_str(end);
    }
    let plain = plain.trim_end();
    match plain.strip_suffix(" bytes").and_then(|sized| sized.rsplit_once(' ')) {
        Some((what, _)) => format!("{what} … bytes"),
        None => plain.to_owned(),
    }
}

/// Whether the lines are those; `...` stands for any number of lines.
fn fits(shown: &[String], real: &[String]) -> bool {
    match shown.split_first() {
        None => real.is_empty(),
        Some((elided, rest)) if elided == "..." => (0..=real.len()).any(|skip| fits(rest, &real[skip..])),
        Some((first, rest)) => real.first() == Some(first) && fits(rest, &real[1..]),
    }
}

#[test]
fn the_guide_for_reviewers_is_true() {
    let house = House::new();
    for name in ["orders", "fetch"] {
        std::fs::copy(component(name), house.path().join(format!("{name}.wasm"))).unwrap();
    }
    std::fs::copy(component("orders"), house.path().join("orders-0.2.0.wasm")).unwrap();
    let manifest =
        std::fs::read_to_string(format!("{}/../plugins/orders/tool.toml", env!("CARGO_MANIFEST_DIR")));
    let next = manifest.unwrap().replace("0.1.0", "0.2.0").replace("\"PATCH\"]", "\"PATCH\", \"DELETE\"]");
    house.file("orders-0.2.0.tool.toml", &next);
    let acme = "[tools]\nallow = [\"orders\"]\n[roles.clerk]\ntools = [\"orders\"]\n[roles.viewer]\ntools = [\"orders\"]\n\
                effects = [\"read\"]\n[grants.orders.http.orders]\norigin = \"https://orders.acme.example\"\n";
    house.file("tenants/acme.toml", acme);
    let made = house.run(["key", "create", "--tenant", "acme", "--actor", "agent", "--role", "viewer"]);
    let key = made.ok().stdout.trim().to_owned();

    let (mut edition, mut call) = (String::new(), String::new());
    let mut wrong = String::new();
    for Session { line, command, mut shown } in sessions() {
        let command = command.replace("sha256:…", &edition).replace("call_…", &call);
        let words: Vec<_> = command.split(' ').map(|word| word.trim_matches('\'')).collect();
        let told = told(house.command().env("STRONGROOM_KEY", &key).args(words));
        let code = if told.code == 0 { String::new() } else { format!("? {}\n", told.code) };
        let real = format!("{code}{}{}", told.stdout, told.stderr);
        for word in real.split(|c: char| c.is_whitespace() || c == '`') {
            match (word.strip_prefix("orders@"), word.starts_with("call_")) {
                (Some(digest), _) => edition = digest.to_owned(),
                (_, true) => call = word.to_owned(),
                _ => {}
            }
        }
        let real: Vec<String> = real.trim_end().lines().map(plain).collect();
        while shown.last().is_some_and(|line| line.is_empty()) {
            shown.pop();
        }
        if !fits(&shown, &real) {
            wrong.push_str(&format!("line {line}: $ strongroom {command}\n{}\n\n", real.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "docs/reviewing-tools.md is not what is printed:\n{wrong}");
}
