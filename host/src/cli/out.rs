//! Where output goes: data to stdout, messages to stderr, both free of anything that steers a terminal.
//!
//! Takes: text and JSON. Gives: [`Out`], [`Format`], [`Table`]. May name: nothing.

use super::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use serde_json::Value;
use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

/// The version of what `--format json` prints.
const SCHEMA_VERSION: u64 = 1;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs: one JSON document with a `schema_version`.
    Json,
    /// For code-scanning viewers: SARIF 2.1.0, of `audit-manifest` and `diff`.
    Sarif,
    /// For programs: one entry a line, of `audit export`.
    Jsonl,
    /// For security monitoring: one OCSF event a line, of `audit export`.
    Ocsf,
    /// For OpenTelemetry: log records in OTLP's JSON form, up to 100 a line, of `audit export`.
    Otlp,
    /// For spreadsheets: RFC 4180, of `usage`.
    Csv,
}

/// The two streams.
#[derive(Debug)]
pub(crate) struct Out {
    format: Format,
    terminal: bool,
    colours: bool,
}

impl Out {
    /// `terminal`: whether a person sees stderr as it is written.
    pub(crate) fn new(format: Format, terminal: bool, colours: bool) -> Self {
        Self { format, terminal, colours: colours && terminal }
    }

    /// Whether messages may have colours.
    pub(crate) fn colours(&self) -> bool {
        self.colours
    }

    /// Whether data is for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether data is for code-scanning viewers.
    pub(crate) fn is_sarif(&self) -> bool {
        self.format == Format::Sarif
    }

    /// Whether entries of the audit log are for other programs.
    pub(crate) fn is_export(&self) -> bool {
        matches!(self.format, Format::Jsonl | Format::Ocsf | Format::Otlp)
    }

    /// Whether data is for spreadsheets.
    pub(crate) fn is_csv(&self) -> bool {
        self.format == Format::Csv
    }

    /// Whether they are for security monitoring.
    pub(crate) fn is_ocsf(&self) -> bool {
        self.format == Format::Ocsf
    }

    /// Whether they are for OpenTelemetry.
    pub(crate) fn is_otlp(&self) -> bool {
        self.format == Format::Otlp
    }

    /// A line of data.
    pub(crate) fn line(&self, text: impl fmt::Display) -> Result<(), Failure> {
        self.raw(format!("{}\n", visible(&text.to_string())).as_bytes())
    }

    /// A JSON text as a line of data: what would steer a terminal is escaped, so that the value stays what it is.
    pub(crate) fn value(&self, json: &str) -> Result<(), Failure> {
        self.raw(format!("{}\n", escaped(json)).as_bytes())
    }

    /// A fault in a file as data, with its line.
    pub(crate) fn fault(&self, fault: &(dyn Diagnostic + Send + Sync)) -> Result<(), Failure> {
        // Its texts were made visible where the file was read.
        self.raw(format!("{}\n", self.rendered(fault).trim_end()).as_bytes())
    }

    /// Data as it is.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| Failure::output(&e))
    }

    /// An object as a JSON document; its `schema_version` comes first.
    pub(crate) fn json(&self, object: Value) -> Result<(), Failure> {
        let mut whole = serde_json::json!({ "schema_version": SCHEMA_VERSION });
        if let (Some(whole), Value::Object(members)) = (whole.as_object_mut(), object) {
            whole.extend(members);
        }
        self.raw(format!("{whole}\n").as_bytes())
    }

    /// A message.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        self.message(&visible(&text.to_string()));
    }

    /// That a message cannot be shown is no reason to stop.
    fn message(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Something that turns while people wait; nothing is shown to anybody else.
    pub(crate) fn spinner(&self, text: &str) -> ProgressBar {
        if !self.terminal {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{spinner} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let spinner = ProgressBar::new_spinner().with_style(style).with_message(visible(text));
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }

    /// How far something long has come, for people who wait; its length is told when it is known.
    pub(crate) fn progress(&self) -> ProgressBar {
        self.progress_of("entries")
    }

    /// The same for other things than entries.
    pub(crate) fn progress_of(&self, what: &str) -> ProgressBar {
        if !self.terminal {
            return ProgressBar::hidden();
        }
        let template = format!("{{bar:40}} {{human_pos}} of {{human_len}} {what}, {{eta}} left");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(0).with_style(style)
    }

    /// Changes what stands beside it.
    pub(crate) fn turn(&self, spinner: &ProgressBar, text: &str) {
        spinner.set_message(visible(text));
    }

    /// Why the command ends: `error[<code>]: <message>`, the line of a file at fault, and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        let Some(word) = failure.word() else { return };
        let shown =
            failure.diagnostic().filter(|fault| fault.source_code().is_some() || fault.related().is_some());
        match shown {
            // Its texts were made visible where the file was read, and its colours are ours.
            Some(fault) => self.message(&format!("error[{word}]\n{}", self.rendered(fault).trim_end())),
            None => {
                self.note(format!("error[{word}]: {failure}"));
                let help = failure.diagnostic().and_then(Diagnostic::help).map(|help| help.to_string());
                if let Some(help) = help.as_deref().or(failure.advice()) {
                    self.note(format!("  help: {help}"));
                }
            }
        }
    }

    fn rendered(&self, fault: &(dyn Diagnostic + Send + Sync)) -> String {
        let theme = if self.colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
        match handler.render_report(&mut text, &Uncoded(fault)) {
            Ok(()) => text,
            Err(_) => fault.to_string(),
        }
    }
}

/// A fault without its code, which stands in the line before.
#[derive(Debug)]
struct Uncoded<'a>(&'a (dyn Diagnostic + Send + Sync));

impl fmt::Display for Uncoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)
    }
}

impl std::error::Error for Uncoded<'_> {}

impl Diagnostic for Uncoded<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.0.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.0.related()
    }
}

/// Text with a `?` for what would steer a terminal or turn the reading direction: much of it is a stranger's.
fn visible(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '?' } else { c }).collect()
}

/// JSON with an escape for the same characters, which stand only in its strings.
fn escaped(json: &str) -> String {
    let escape = |c: char| if steers(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escape).collect()
}

fn steers(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Rows in columns as wide as they need; the last one is as long as it is.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With the names of the columns.
    pub(crate) fn new<const N: usize>(columns: [&str; N]) -> Self {
        Self { rows: vec![columns.iter().map(|c| (*c).to_owned()).collect()] }
    }

    /// One more row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// A line to print below the table, under its columns as far as it fits.
    pub(crate) fn below(&self, cells: &[String]) -> String {
        aligned(cells, &self.widths())
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column| self.rows.iter().filter_map(|r| r.get(column)).map(|c: &String| c.chars().count()).max();
        (0..columns).map(|column| width(column).unwrap_or(0)).collect()
    }
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let line: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    line.join("  ").trim_end().to_owned()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for (place, row) in self.rows.iter().enumerate() {
            let end = if place == 0 { "" } else { "\n" };
            write!(f, "{end}{}", aligned(row, &widths))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let mut table = Table::new(["name", "what"]);
        table.row(["a".into(), "first".into()]);
        table.row(["long name".into(), String::new()]);
        assert_eq!(table.to_string(), "name       what\na          first\nlong name");
        assert_eq!(table.below(&["b".into(), "later".into()]), "b          later");
    }

    #[test]
    fn strangers_do_not_steer_the_terminal() {
        assert_eq!(visible("a\u{1b}[31mb\r\u{202e}c\n\td"), "a?[31mb??c\n\td");
        let value = "a\u{200f}\u{9b}31m\u{202e}\u{5d0} \u{1f469}\u{200d}\u{1f4bb}";
        let shown = escaped(&serde_json::json!(value).to_string());
        assert!(shown.contains("a\\u200f\\u009b31m\\u202e\u{5d0}") && !shown.chars().any(steers), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }
}
