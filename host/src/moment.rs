//! Times as people read them.
//!
//! Takes: milliseconds since 1970. Gives: `2026-01-31T08:15:00Z`, and when a month began. May name: nothing.

/// A time in UTC, to the second, by the proleptic Gregorian calendar.
#[must_use]
pub fn utc(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let rest = seconds % 86_400;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// When the month of this time began in UTC, in milliseconds since 1970.
pub(crate) fn month_start(unix_ms: u64) -> u64 {
    let days = unix_ms / 86_400_000;
    (days - (date(days).2 - 1)) * 86_400_000
}

/// Year, month and day of so many days since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March end with their leap day; 400 of them have always the same number of days.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let day = day - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds * 1000), text);
        }
    }
}
