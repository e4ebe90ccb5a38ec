//! What a reader sees of an HTML page.
//!
//! Takes: HTML, well-formed or not. Gives: title and text, in one pass. May name: entity.

use crate::entity::decode;

/// Elements of which nothing is read.
const SILENT: [&str; 8] = ["script", "style", "noscript", "template", "svg", "iframe", "object", "textarea"];
/// Elements that stand in a paragraph of their own.
const BLOCKS: [&str; 23] = [
    "p",
    "div",
    "section",
    "article",
    "header",
    "footer",
    "main",
    "nav",
    "aside",
    "ul",
    "ol",
    "dl",
    "table",
    "form",
    "blockquote",
    "figure",
    "pre",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
];
/// Elements that begin a line.
const LINES: [&str; 7] = ["br", "li", "tr", "dt", "dd", "hr", "option"];

/// The page's title, and its text.
pub(crate) fn readable(html: &str) -> (Option<String>, String) {
    let mut page = Page::default();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        page.text(before);
        rest = page.markup(after);
    }
    page.text(rest);
    let title = page.title.filter(|title| !title.is_empty());
    (title, page.out.trim_end().to_owned())
}

#[derive(Default)]
struct Page {
    title: Option<String>,
    out: String,
    /// A space is due before the next word.
    space: bool,
    /// Depth of `pre`: there, spaces and line ends count.
    verbatim: usize,
}

impl Page {
    /// Reads what follows a `<`; gives what follows the markup.
    fn markup<'a>(&mut self, after: &'a str) -> &'a str {
        if let Some(comment) = after.strip_prefix("!--") {
            return comment.split_once("-->").map_or("", |(_, behind)| behind);
        }
        if after.starts_with(['!', '?']) {
            return after.split_once('>').map_or("", |(_, behind)| behind);
        }
        let (closing, named) = after.strip_prefix('/').map_or((false, after), |named| (true, named));
        if !named.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.text("<");
            return after;
        }
        let end = named.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(named.len());
        let (name, attributes) = named.split_at(end);
        let name = name.to_ascii_lowercase();
        let behind = behind_tag(attributes);
        if closing {
            self.close(&name);
            return behind;
        }
        if name == "title" && self.title.is_none() {
            let (title, behind) = element(behind, &name);
            self.title = Some(decode(title).split_whitespace().collect::<Vec<_>>().join(" "));
            return behind;
        }
        if SILENT.contains(&name.as_str()) {
            return element(behind, &name).1;
        }
        self.open(&name);
        behind
    }

    fn open(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            self.break_lines(2);
        } else if LINES.contains(&name) {
            self.break_lines(1);
        } else if matches!(name, "td" | "th") {
            self.space = true;
        }
        match name {
            "li" => self.out.push_str("- "),
            "pre" => self.verbatim += 1,
            _ => {
                let level = name.strip_prefix('h').and_then(|level| level.parse::<usize>().ok());
                if let Some(level @ 1..=6) = level {
                    self.out.push_str(&"#".repeat(level));
                    self.out.push(' ');
                }
            }
        }
    }

    fn close(&mut self, name: &str) {
        if name == "pre" {
            self.verbatim = self.verbatim.saturating_sub(1);
        }
        if BLOCKS.contains(&name) {
            self.break_lines(2);
        }
    }

    /// Sees to it that the text ends with this many line ends, or is empty.
    fn break_lines(&mut self, wanted: usize) {
        self.space = false;
        self.out.truncate(self.out.trim_end_matches(' ').len());
        let there = self.out.bytes().rev().take_while(|byte| *byte == b'\n').count();
        if !self.out.is_empty() {
            (there..wanted).for_each(|_| self.out.push('\n'));
        }
    }

    fn text(&mut self, text: &str) {
        let text = decode(text);
        if self.verbatim > 0 {
            self.out.push_str(&text);
            return;
        }
        for (index, word) in text.split(|c: char| c.is_whitespace()).enumerate() {
            self.space |= index > 0;
            if word.is_empty() {
                continue;
            }
            if self.space && !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
                self.out.push(' ');
            }
            self.space = false;
            self.out.push_str(word);
        }
    }
}

/// What follows the `>` of a tag; one inside quotes does not end it.
fn behind_tag(attributes: &str) -> &str {
    let mut quote = None;
    for (place, c) in attributes.char_indices() {
        match (quote, c) {
            (None, '>') => return attributes.get(place + 1..).unwrap_or(""),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    ""
}

/// What an element holds, up to its end tag, and what follows that; the rest of the page if there is no end tag.
fn element<'a>(inside: &'a str, name: &str) -> (&'a str, &'a str) {
    for (place, _) in inside.match_indices("</") {
        let (before, tag) = inside.split_at(place);
        let named = tag.get(2..).unwrap_or("");
        if named.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return (before, behind_tag(named));
        }
    }
    (inside, "")
}
