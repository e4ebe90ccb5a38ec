//! Lengths of time with their unit, as `"60s"`.
//!
//! Takes: text from files. Gives: [`KeptFor`]. May name: nothing.

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The shortest and the longest, in seconds.
const LEAST: u32 = 1;
const MOST: u32 = 3600;

/// How long an answer is kept: 1 second to 1 hour. Written as `"60s"`, `"5m"` or `"1h"`; a bare number is refused, because it
/// says neither seconds nor milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct KeptFor(u32);

/// Why a text is no such length of time: what is wrong, and after the semicolon what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no time to keep an answer for; write a whole number and its unit, from \"1s\" to \"1h\" (s, m or h)"
)]
pub struct InvalidTime(String);

impl KeptFor {
    /// The length of time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

impl FromStr for KeptFor {
    type Err = InvalidTime;
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let invalid = || InvalidTime(text.chars().take(40).collect());
        let (number, seconds) = [('s', 1), ('m', 60), ('h', 3600)]
            .into_iter()
            .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|number| (number, seconds)))
            .ok_or_else(invalid)?;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let number: u32 = number.parse().map_err(|_| invalid())?;
        let seconds = number.checked_mul(seconds).filter(|s| (LEAST..=MOST).contains(s));
        seconds.map(Self).ok_or_else(invalid)
    }
}

impl<'de> Deserialize<'de> for KeptFor {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = KeptFor;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time with its unit, as \"60s\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<KeptFor, E> {
                text.parse().map_err(E::custom)
            }
        }
        d.deserialize_str(Text)
    }
}

impl From<KeptFor> for String {
    fn from(time: KeptFor) -> String {
        time.to_string()
    }
}

impl fmt::Display for KeptFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |seconds: &u32| self.0.is_multiple_of(*seconds);
        let (unit, seconds) = [("h", 3600), ("m", 60)].into_iter().find(|(_, s)| fits(s)).unwrap_or(("s", 1));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_a_range() {
        for (text, seconds) in [("1s", 1), ("60s", 60), ("90s", 90), ("5m", 300), ("60m", 3600), ("1h", 3600)]
        {
            assert_eq!(text.parse(), Ok(KeptFor(seconds)), "{text}");
        }
        for text in
            ["", "60", "s", "0s", "3601s", "61m", "2h", "1.5m", "-1s", "+1s", "1 s", "1d", "99999999999s"]
        {
            assert!(text.parse::<KeptFor>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_reads_back_from_what_it_prints() {
        for seconds in LEAST..=MOST {
            assert_eq!(KeptFor(seconds).to_string().parse(), Ok(KeptFor(seconds)));
        }
    }
}
