//! A secret typed at a terminal, which shows nothing of it.
//!
//! Takes: the terminal of the standard input. Gives: the typed line. May name: nothing.

use super::Failure;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{self, Write as _};
use zeroize::Zeroizing;

/// Longest line, in bytes.
const LINE: usize = 64 * 1024;

/// The terminal as it was, put back however the prompt ends.
struct Before(Termios);

impl Drop for Before {
    fn drop(&mut self) {
        // There is nobody to tell when the terminal has gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
        let _ = writeln!(io::stderr().lock());
    }
}

/// Asks for a line. What is typed is not shown; Ctrl-C gives up, Ctrl-U starts again.
pub(crate) fn hidden(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let fault = |error: io::Error| Failure::failed(format!("the terminal cannot be used: {error}"));
    let before = tcgetattr(io::stdin()).map_err(|e| fault(e.into()))?;
    let mut silent = before.clone();
    // Without ISIG Ctrl-C is a byte like others, so that it cannot leave the terminal silent.
    silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    silent.special_codes[SpecialCodeIndex::VMIN] = 1;
    silent.special_codes[SpecialCodeIndex::VTIME] = 0;
    let back = Before(before);
    tcsetattr(io::stdin(), OptionalActions::Flush, &silent).map_err(|e| fault(e.into()))?;
    write!(io::stderr().lock(), "{prompt}: ").map_err(fault)?;
    let line = typed(io::stdin().lock())?;
    drop(back);
    String::from_utf8(line.to_vec())
        .map(Zeroizing::new)
        .map_err(|_| Failure::usage("what was typed is no text"))
}

fn typed(keys: impl io::BufRead) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE));
    for key in keys.bytes() {
        match key.map_err(|e| Failure::failed(format!("the terminal cannot be read: {e}")))? {
            b'\r' | b'\n' | 4 => break,
            3 => return Err(Failure::failed("given up; nothing was changed")),
            8 | 0x7f => {
                // A character may be several bytes; those after its first one begin with the bits 10.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            0x15 => line.clear(),
            _ if line.len() == LINE => return Err(Failure::usage("the secret is longer than 64 KiB")),
            byte => line.push(byte),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_edit_the_line() {
        let line = |keys: &[u8]| typed(keys).map(|line| String::from_utf8(line.to_vec()).unwrap()).ok();
        assert_eq!(line(b"secret\rmore").as_deref(), Some("secret"));
        assert_eq!(line("ab\u{e4}\u{7f}\u{8}c\n".as_bytes()).as_deref(), Some("ac"));
        assert_eq!(line(b"wrong\x15right\x04").as_deref(), Some("right"));
        assert_eq!(line(b"secret\x03"), None);
        assert_eq!(line(b"\x7f\x7fx").as_deref(), Some("x"));
    }
}
