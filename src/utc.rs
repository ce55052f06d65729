//! The date and time of day in UTC: for `Date` fields and the log.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, as the time since the first one of 1970. It displays as RFC 3339,
/// `2026-11-22T13:53:18.123Z`; and its alternate form, `{:#}`, as RFC 9110, section 5.6.7:
/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub struct Utc(Duration);

impl From<SystemTime> for Utc {
    /// A clock that is set before 1970 is taken to stand at its first moment.
    fn from(time: SystemTime) -> Utc {
        Utc(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl Utc {
    fn http_date(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// 1970-01-01 was the first of these.
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (year, month, day) = date(self.days());
        let (weekday, month) = (DAYS[self.days() as usize % 7], MONTHS[month as usize - 1]);
        let (hour, minute, second) = self.time_of_day();
        write!(f, "{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
    }

    fn days(&self) -> u64 {
        self.0.as_secs() / 86_400
    }

    fn time_of_day(&self) -> (u64, u64, u64) {
        let second = self.0.as_secs();
        (second / 3600 % 24, second / 60 % 60, second % 60)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.http_date(f);
        }
        let ((year, month, day), (hour, minute, second)) = (date(self.days()), self.time_of_day());
        let milli = self.0.subsec_millis();
        write!(f, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// Year, month and day. A year is counted from March here, so that a leap day is its last one;
/// 719,468 days lie between 0000-03-01 and 1970-01-01, and 146,097 in 400 years.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on have 153 days, as have the five from August on.
    let months = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_since_1970_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777, "1994-11-06T08:49:37.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Utc::from(time).to_string(), text);
        }
    }
}
