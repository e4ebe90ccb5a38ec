//! Text in columns, for people.
//!
//! Takes: cells. Gives: aligned lines, grouped numbers, colours where they are wanted. May name: nothing.

use std::fmt::Write as _;

/// A colour of the terminal.
#[derive(Debug, Clone, Copy)]
pub(super) enum Colour {
    Green,
    Red,
    Dim,
    Bold,
}

/// Colours a text, or leaves it as it is.
pub(super) fn paint(colours: bool, colour: Colour, text: &str) -> String {
    let code = match colour {
        Colour::Green => 32,
        Colour::Red => 31,
        Colour::Dim => 2,
        Colour::Bold => 1,
    };
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Lines of cells, aligned below their heads; the columns in `right` to the right.
pub(super) fn table<const N: usize>(
    colours: bool,
    head: [&str; N],
    right: &[usize],
    rows: &[([String; N], Colour)],
) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for (cells, _) in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N]| {
        let cells = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = paint(colours, Colour::Bold, &line(&head.map(str::to_owned))) + "\n";
    for (cells, colour) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", paint(colours, *colour, &line(cells)));
    }
    text
}

/// A tool's own words without what would steer a terminal.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// `12,345,678`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |a: &str, b: &str| ([a.to_owned(), b.to_owned()], Colour::Red);
        let rows = [row("1", "µs"), row("1,000", "")];
        assert_eq!(table(false, ["n", "unit"], &[0], &rows), "    n  unit\n    1  µs\n1,000\n");
        assert!(table(true, ["n", "unit"], &[0], &rows).contains("\x1b[31m    1  µs\x1b[0m\n"));
    }
}
