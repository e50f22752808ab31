//! How long leases and tokens live: the rules that Vault calls `CalculateTTL`.

use coffer_clock::UnixMillis;
use coffer_duration::format_duration;

/// What goes into the computation; 0 means "not set" everywhere. All in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct TtlInput {
    /// Asked for by the caller.
    pub increment: u64,
    /// The role's.
    pub ttl: u64,
    /// The role's ceiling.
    pub max_ttl: u64,
    /// Renewable for ever, so much at a time.
    pub period: u64,
    /// A ceiling that a period does not lift.
    pub explicit_max_ttl: u64,
    /// The mount's default.
    pub mount_default: u64,
    /// The mount's ceiling.
    pub mount_max: u64,
    /// When the lease was issued; None for one that is being issued.
    pub issued: Option<UnixMillis>,
}

/// What was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// From now on, in seconds. 0 means that its time is over.
    pub seconds: u64,
    /// What was cut short, for the response.
    pub warnings: Vec<String>,
}

impl TtlInput {
    /// The time to live that these allow at `now`.
    pub fn calculate(&self, now: UnixMillis) -> Ttl {
        let issued = self.issued.unwrap_or(now);
        let age = now.0.saturating_sub(issued.0) / 1000;
        let mut warnings = Vec::new();
        let (wanted, mut ceiling) = if self.period > 0 {
            let mut period = self.period;
            if period > self.mount_max {
                warnings.push(format!(
                    "period of {:?} exceeded the effective max_ttl of {:?}; period value is capped accordingly",
                    go(period),
                    go(self.mount_max)
                ));
                period = self.mount_max;
            }
            (period, u64::MAX)
        } else {
            let wanted = first_set([self.increment, self.ttl, self.mount_default]);
            let max = [self.max_ttl]
                .into_iter()
                .filter(|s| *s > 0)
                .fold(self.mount_max, u64::min);
            (wanted, max)
        };
        if self.explicit_max_ttl > 0 {
            ceiling = ceiling.min(self.explicit_max_ttl);
        }
        let left = ceiling.saturating_sub(age);
        if wanted > left {
            if self.period == 0 {
                warnings.push(format!(
                    "TTL of {:?} exceeded the effective max_ttl of {:?}; TTL value is capped accordingly",
                    go(wanted),
                    go(ceiling)
                ));
            }
            return Ttl {
                seconds: left,
                warnings,
            };
        }
        Ttl {
            seconds: wanted,
            warnings,
        }
    }
}

fn first_set<const N: usize>(values: [u64; N]) -> u64 {
    values.into_iter().find(|v| *v > 0).unwrap_or(0)
}

/// In Go's notation, which Vault's clients and people know.
fn go(seconds: u64) -> String {
    format_duration(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    #[test]
    fn the_rules() {
        let mount = TtlInput {
            mount_default: 10 * HOUR,
            mount_max: 100 * HOUR,
            ..TtlInput::default()
        };
        let issued = Some(UnixMillis(0));
        #[rustfmt::skip]
        let table = [
            ("mount default",            mount, 0, 10 * HOUR),
            ("role ttl",                 TtlInput { ttl: HOUR, ..mount }, 0, HOUR),
            ("increment wins",           TtlInput { increment: 2 * HOUR, ttl: HOUR, ..mount }, 0, 2 * HOUR),
            ("role max caps",            TtlInput { increment: 9 * HOUR, max_ttl: 3 * HOUR, ..mount }, 0, 3 * HOUR),
            ("mount max caps role max",  TtlInput { increment: 900 * HOUR, max_ttl: 300 * HOUR, ..mount }, 0, 100 * HOUR),
            ("explicit max caps",        TtlInput { explicit_max_ttl: HOUR, ..mount }, 0, HOUR),
            ("age counts",               TtlInput { increment: 9 * HOUR, max_ttl: 3 * HOUR, issued, ..mount }, 2 * HOUR, HOUR),
            ("its time is over",         TtlInput { increment: 9 * HOUR, max_ttl: 3 * HOUR, issued, ..mount }, 4 * HOUR, 0),
            ("period has no age",        TtlInput { period: HOUR, max_ttl: 1, issued, ..mount }, 500 * HOUR, HOUR),
            ("period and explicit max",  TtlInput { period: 5 * HOUR, explicit_max_ttl: 6 * HOUR, issued, ..mount }, 4 * HOUR, 2 * HOUR),
            ("period over mount max",    TtlInput { period: 500 * HOUR, ..mount }, 0, 100 * HOUR),
        ];
        for (name, input, now, expected) in table {
            assert_eq!(
                input.calculate(UnixMillis(now * 1000)).seconds,
                expected,
                "{name}"
            );
        }
    }
}
