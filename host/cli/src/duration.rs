//! Durations as people type them (`90`, `90s`, `1h30m`, `7d`) and as tables show them (`1h30m`).

use std::str::FromStr;

/// A lease time from a flag, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl(pub i64);

impl Ttl {
    /// As the API takes it: `system` (the server's own default) for anything negative.
    pub fn to_api(self) -> String {
        if self.0 < 0 {
            "system".to_owned()
        } else {
            format!("{}s", self.0)
        }
    }

    /// A time to live of its own, where there is nothing that a negative one could stand for.
    ///
    /// # Errors
    /// If it is negative, or no duration.
    pub fn not_negative(text: &str) -> Result<Self, String> {
        if text.starts_with('-') {
            return Err("it cannot be negative".to_owned());
        }
        seconds(text).map(Self)
    }
}

impl FromStr for Ttl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "system" {
            return Ok(Self(-1));
        }
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        seconds(digits).map(|seconds| Self(sign * seconds))
    }
}

/// Seconds of a duration: a bare number counts seconds, otherwise units follow the numbers.
///
/// # Errors
/// If it is neither.
pub fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a duration; write for instance 90s, 30m, 12h or 7d");
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| wrong());
    }
    let duration = humantime::parse_duration(text).map_err(|_| wrong())?;
    i64::try_from(duration.as_secs()).map_err(|_| wrong())
}

/// `5400` as `1h30m`.
pub fn human(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = match (hours, minutes, rest) {
        (0, 0, rest) => format!("{rest}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, rest) => format!("{minutes}m{rest}s"),
        (hours, 0, 0) => format!("{hours}h"),
        (hours, minutes, 0) => format!("{hours}h{minutes}m"),
        (hours, minutes, rest) => format!("{hours}h{minutes}m{rest}s"),
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        let cases = [
            ("90", Some("90s")),
            ("90s", Some("90s")),
            ("1h30m", Some("5400s")),
            ("7d", Some("604800s")),
            ("0", Some("0s")),
            ("-1", Some("system")),
            ("-1h", Some("system")),
            ("system", Some("system")),
            ("", None),
            ("-", None),
            ("soon", None),
            ("1x", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                text.parse::<Ttl>().ok().map(Ttl::to_api).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn shown() {
        let cases = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m59s"),
            (3600, "1h"),
            (3605, "1h0m5s"),
            (5400, "1h30m"),
            (2_764_800, "768h"),
            (-60, "-1m"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(human(seconds), expected);
        }
    }
}
