//! Durations as Vault's clients write them: Go's notation, with days. Host and plugins read them alike.

/// Go's durations are nanoseconds in 64 bits: about 292 years, in seconds. No sum of two of them overflows anything.
const MAX_SECONDS: u64 = i64::MAX as u64 / NANOS;
const NANOS: u64 = 1_000_000_000;

/// Seconds, from text such as `90`, `1h30m`, `1.5h` or `7d`; None if it is no duration, or a negative one.
///
/// A part of a second counts as a whole one: cut off, half a second would be 0, which means "the default".
pub fn parse_duration(text: &str) -> Option<u64> {
    u64::try_from(parse_signed_duration(text)?).ok()
}

/// The same, with a sign.
pub fn parse_signed_duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(magnitude) => (-1, magnitude),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let seconds = if text.is_empty() {
        0
    } else if !magnitude.is_empty() && magnitude.bytes().all(|byte| byte.is_ascii_digit()) {
        magnitude.parse().ok()?
    } else {
        nanos(magnitude)?.div_ceil(NANOS)
    };
    Some(sign * i64::try_from(in_bounds(seconds)?).ok()?)
}

/// The seconds, if Go's durations hold as many.
pub fn in_bounds(seconds: u64) -> Option<u64> {
    (seconds <= MAX_SECONDS).then_some(seconds)
}

fn nanos(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    loop {
        let (number, tail) = rest.split_at(rest.find(|c| !is_numeric(c))?);
        let (unit, after) = tail.split_at(tail.find(is_numeric).unwrap_or(tail.len()));
        total = total.checked_add(part(number, unit)?)?;
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
}

fn is_numeric(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn part(number: &str, unit: &str) -> Option<u64> {
    let mut scale = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS,
        "m" => 60 * NANOS,
        "h" => 3600 * NANOS,
        "d" => 24 * 3600 * NANOS,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut value = whole.checked_mul(scale)?;
    for digit in fraction.chars() {
        scale /= 10;
        value = value.checked_add(u64::from(digit.to_digit(10)?) * scale)?;
    }
    Some(value)
}

/// Seconds in the notation of Go's durations: `1h30m0s`.
pub fn format_duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (h, m) {
        (0, 0) => format!("{sign}{s}s"),
        (0, _) => format!("{sign}{m}m{s}s"),
        _ => format!("{sign}{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let table = [
            ("", Some(0)),
            ("0", Some(0)),
            ("90", Some(90)),
            (" 90 ", Some(90)),
            ("-90", Some(-90)),
            ("+5s", Some(5)),
            ("1h30m", Some(5400)),
            ("1.5h", Some(5400)),
            (".5m", Some(30)),
            ("7d", Some(604_800)),
            ("1d12h", Some(129_600)),
            ("1500ms", Some(2)),
            ("999ms", Some(1)),
            ("-1h", Some(-3600)),
            ("9223372036", Some(9_223_372_036)),
            ("9223372037", None),
            ("99999999999999999999", None),
            ("300000h300000h", Some(2_160_000_000)),
            ("2562048h", None),
            ("h", None),
            ("-", None),
            ("--1", None),
            (".s", None),
            ("1.2.3s", None),
            ("1h30", None),
            ("1 h", None),
            ("5 years", None),
            ("1M", None),
            ("1é", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_signed_duration(text), expected, "{text:?}");
        }
        assert_eq!(parse_duration("-1s"), None);
    }

    #[test]
    fn what_is_written_is_read() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (5405, "1h30m5s"),
            (-3600, "-1h0m0s"),
        ] {
            assert_eq!(format_duration(seconds), text);
            assert_eq!(parse_signed_duration(text), Some(seconds));
        }
    }
}
