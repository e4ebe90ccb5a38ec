//! How deep a policy may nest: Cedar's parser goes down into it without a bound, and a stack that ends would end the host.
//!
//! Takes: the text of a policy file. Gives: [`too_deep`]. May name: nothing.

use std::ops::Range;

/// Most brackets and `if`s within each other.
const MAX_NESTED: usize = 32;
/// Most operators of one policy: each may stand one level deeper than the one before.
const MAX_OPERATORS: usize = 400;

/// The first place of a policy that is nested too deep, and what is too much there. Strings and comments do not count.
pub(super) fn too_deep(text: &str) -> Option<(Range<usize>, String)> {
    let (mut brackets, mut ifs, mut operators) = (0_usize, 0_usize, 0_usize);
    let mut rest = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = rest.next() {
        let next = rest.peek().map(|(_, byte)| *byte);
        let mut end = at + 1;
        match byte {
            b'"' => {
                while let Some((_, byte)) = rest.next() {
                    match byte {
                        b'\\' => drop(rest.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'/' if next == Some(b'/') => while rest.next_if(|(_, byte)| *byte != b'\n').is_some() {},
            b'(' | b'[' | b'{' => brackets += 1,
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            b';' if brackets == 0 => (ifs, operators) = (0, 0),
            // Those of two characters count once.
            b'&' | b'|' | b'=' | b'<' | b'>' | b'!' | b'+' | b'-' | b'*' | b'.' => {
                operators += 1;
                rest.next_if(|(_, next)| *next == b'=' || (matches!(byte, b'&' | b'|') && *next == byte));
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                while let Some((last, _)) = rest.next_if(|(_, b)| b.is_ascii_alphanumeric() || *b == b'_') {
                    end = last + 1;
                }
                match text.get(at..end) {
                    Some("if") => ifs += 1,
                    Some("in" | "is" | "has" | "like") => operators += 1,
                    _ => {}
                }
            }
            _ => {}
        }
        let nested = brackets + ifs;
        if nested > MAX_NESTED {
            return Some((at..end, format!("more than {MAX_NESTED} brackets and `if`s within each other")));
        }
        if operators > MAX_OPERATORS {
            return Some((at..end, format!("more than {MAX_OPERATORS} operators in one policy")));
        }
    }
    None
}
