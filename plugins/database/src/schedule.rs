//! When a static role is rotated: every so often, or by a cron schedule in UTC.

use chrono::DateTime;
use coffer_sdk::{Error, Result};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use serde::{Deserialize, Serialize};

/// When. Times in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Schedule {
    /// So long after the last time.
    Period(u64),
    Cron {
        /// Minute, hour, day of the month, month, day of the week.
        pattern: String,
        /// A rotation that could not be done in this time waits for the next turn; 0: it does not.
        window: u64,
    },
}

impl Schedule {
    /// The first time after `last`; both in milliseconds. `u64::MAX` if there is none.
    pub(crate) fn next(&self, last: u64) -> Result<u64> {
        let pattern = match self {
            Self::Period(seconds) => return Ok(last.saturating_add(seconds.saturating_mul(1000))),
            Self::Cron { pattern, .. } => pattern,
        };
        let cron = parse(pattern)?;
        let after = i64::try_from(last)
            .ok()
            .and_then(DateTime::from_timestamp_millis);
        let next =
            after.and_then(|after| cron.find_next_occurrence(&after.naive_utc(), false).ok());
        Ok(next
            .and_then(|next| u64::try_from(next.and_utc().timestamp_millis()).ok())
            .unwrap_or(u64::MAX))
    }

    /// Whether a rotation that should have been at `planned` comes too late at `now`.
    pub(crate) fn is_missed(&self, planned: u64, now: u64) -> bool {
        match self {
            Self::Cron { window, .. } if *window > 0 => {
                now > planned.saturating_add(window.saturating_mul(1000))
            }
            _ => false,
        }
    }
}

fn parse(pattern: &str) -> Result<Cron> {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .build()
        .parse(pattern)
        .map_err(|error| Error::invalid(format!("could not parse rotation_schedule: {error}")))
}

/// A schedule that has a next time.
pub(crate) fn check(pattern: &str, now: u64) -> Result<()> {
    let schedule = Schedule::Cron {
        pattern: pattern.to_owned(),
        window: 0,
    };
    match schedule.next(now)? {
        u64::MAX => Err(Error::invalid(
            "could not parse rotation_schedule: it never comes",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use coffer_sdk::clock::{parse_rfc3339, rfc3339};

    #[test]
    fn times() {
        #[rustfmt::skip]
        let table = [
            ("*/30 * * * *", "2024-01-01T00:00:00Z", "2024-01-01T00:30:00"),
            ("0 0 * * SAT",  "2024-01-01T00:00:00Z", "2024-01-06T00:00:00"),
            ("15 3 1 * *",   "2024-01-31T23:59:59Z", "2024-02-01T03:15:00"),
            ("0 0 29 2 *",   "2024-03-01T00:00:00Z", "2028-02-29T00:00:00"),
            ("0 0 1 * MON",  "2024-01-02T00:00:00Z", "2024-01-08T00:00:00"),
        ];
        for (pattern, last, expected) in table {
            let schedule = Schedule::Cron {
                pattern: pattern.to_owned(),
                window: 0,
            };
            let next = rfc3339(schedule.next(parse_rfc3339(last).unwrap()).unwrap());
            assert!(next.starts_with(expected), "{pattern}: {next}");
        }
        assert_eq!(Schedule::Period(60).next(1000).unwrap(), 61_000);
        for bad in [
            "",
            "nonsense",
            "* * * *",
            "0 * * * * *",
            "61 * * * *",
            "0 0 30 2 *",
        ] {
            assert!(check(bad, 0).is_err(), "{bad}");
        }
    }

    #[test]
    fn windows() {
        let schedule = Schedule::Cron {
            pattern: "0 0 * * *".to_owned(),
            window: 3600,
        };
        assert!(!schedule.is_missed(0, 3_600_000));
        assert!(schedule.is_missed(0, 3_600_001));
        assert!(!Schedule::Period(5).is_missed(0, u64::MAX));
    }
}
