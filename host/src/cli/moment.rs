//! Times and spans as people write them.
//!
//! Takes: milliseconds since 1970, texts as `30d` and `2026-01-31T08:15:00Z`. Gives: the other of the two. May name: moment.

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

/// A time, as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// So many milliseconds ago.
    Ago(u64),
    /// At so many microseconds since 1970.
    At(u64),
}

impl When {
    /// In microseconds since 1970, when it is so late now.
    pub(crate) fn unix_us(self, now_us: u64) -> u64 {
        match self {
            Self::Ago(ms) => now_us.saturating_sub(ms.saturating_mul(1000)),
            Self::At(us) => us,
        }
    }
}

/// A time from a span, which is that long ago, or from `2026-01-31T08:15:00Z`.
pub(crate) fn when(text: &str) -> Result<When, String> {
    let found = span(text).map(When::Ago).ok().or_else(|| instant(text).map(When::At));
    found.ok_or_else(|| {
        "write how long ago, as `90s`, `15m`, `1h`, `7d` or `8w`, or a time in UTC, as `2026-01-31T08:15:00Z`"
            .to_owned()
    })
}

/// A time that is to come, as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coming {
    /// In so many milliseconds.
    In(u64),
    /// At so many milliseconds since 1970.
    At(u64),
}

impl Coming {
    /// In milliseconds since 1970, when it is so late now.
    pub(crate) fn unix_ms(self, now_ms: u64) -> u64 {
        match self {
            Self::In(ms) => now_ms.saturating_add(ms),
            Self::At(ms) => ms,
        }
    }
}

/// A time from a span from now, or from `2026-01-31T08:15:00Z`.
pub(crate) fn coming(text: &str) -> Result<Coming, String> {
    let found = span(text).map(Coming::In).ok().or_else(|| instant(text).map(|us| Coming::At(us / 1000)));
    found.ok_or_else(|| {
        "write how long from now, as `90s`, `15m`, `2h`, `7d` or `8w`, or a time in UTC, as `2026-01-31T08:15:00Z`".to_owned()
    })
}

/// Microseconds since 1970 from a UTC time of RFC 3339, with up to six digits after the second.
fn instant(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let us: u64 = match fraction {
        None => 0,
        Some(digits) if (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{digits:0<6}").parse().ok()?
        }
        Some(_) => return None,
    };
    let (date, time) = whole.split_once('T')?;
    let numbers = |text: &str, by| text.split(by).map(|n| n.parse().ok()).collect::<Option<Vec<u64>>>();
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute, second]) =
        (<[u64; 3]>::try_from(date).ok()?, <[u64; 3]>::try_from(time).ok()?);
    if !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || day > 31
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    // Years that begin in March end with their leap day.
    let (year, march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * march + 2) / 5 + day;
    let seconds = days.checked_sub(719_469)? * 86_400 + hour * 3600 + minute * 60 + second;
    // What is not on the calendar, or written otherwise, comes back as something else.
    (utc(seconds * 1000).strip_suffix('Z') == Some(whole)).then_some(seconds * 1_000_000 + us)
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

    #[test]
    fn a_time_is_a_span_ago_or_one_of_the_calendar() {
        for seconds in [0, 951_782_400, 951_868_799, 1_735_689_599, 4_107_542_400, 253_402_300_799] {
            assert_eq!(when(&utc(seconds * 1000)), Ok(When::At(seconds * 1_000_000)));
        }
        assert_eq!(when("1970-01-01T00:00:01.25Z"), Ok(When::At(1_250_000)));
        assert_eq!((when("1h"), When::Ago(1).unix_us(5000)), (Ok(When::Ago(3_600_000)), 4000));
        assert_eq!(When::Ago(u64::MAX).unix_us(5), 0);
        assert_eq!(coming("2h").map(|end| end.unix_ms(5)), Ok(7_200_005));
        assert_eq!(coming("1970-01-01T00:00:01.25Z").map(|end| end.unix_ms(5)), Ok(1250));
        assert!(coming("tomorrow").is_err());
        let bad = "yesterday 2026-02-29T00:00:00Z 2026-13-01T00:00:00Z 2026-01-31 2026-01-31T08:15:00 2026-01-31T08:15:00+01:00 \
            2026-01-31T24:00:00Z 2026-01-31T08:15:60Z 2026-01-31T08:15:00.Z 2026-01-31T08:15:00.1234567Z 2026-1-31T08:15:00Z \
            1969-12-31T23:59:59Z 2026-01-00T00:00:00Z 2026-01-31T18446744073709551615:00:00Z 2026-01-31T08:18446744073709551615:00Z";
        for bad in bad.split_whitespace() {
            assert!(when(bad).is_err(), "{bad}");
        }
    }
}
