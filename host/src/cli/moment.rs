//! Times and spans as people write them.
//!
//! Takes: milliseconds since 1970, texts as `30d`. Gives: `2026-01-31T08:15:00Z`, milliseconds. May name: moment.

pub(crate) use strongroom::moment::utc;

/// A span of time from `90s`, `15m`, `12h`, `30d` or `8w`, in milliseconds.
pub(crate) fn span(text: &str) -> Result<u64, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    let read = || {
        let (unit, seconds) = units.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
        let number = text.strip_suffix(unit)?;
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number: u64 = digits.then(|| number.parse().ok()).flatten()?;
        number.checked_mul(seconds)?.checked_mul(1000).filter(|ms| *ms > 0)
    };
    read().ok_or_else(|| "write a whole number and s, m, h, d or w, as `30d`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        assert_eq!((span("30d"), span("90s")), (Ok(2_592_000_000), Ok(90_000)));
        for bad in ["", "d", "30", "-1d", "1.5h", "30 d", "0d", "99999999999999999999d", "3µ"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
