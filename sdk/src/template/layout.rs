//! Times as Go writes them: a layout is the time 2006-01-02 15:04:05 (a Monday, `MST`) as it would be written.

use crate::clock::rfc3339;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// Milliseconds since 1970, in UTC.
pub(super) fn format(layout: &str, millis: u64) -> String {
    let time = Time::of(millis);
    let mut out = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        let element = ELEMENTS.iter().find_map(|(element, write)| {
            let after = rest.strip_prefix(element)?;
            // `Jan` and `Mon` may be the beginning of another word.
            let word = element.ends_with(char::is_lowercase) && element.len() == 3;
            let goes_on = word && after.starts_with(|c: char| c.is_ascii_lowercase());
            (!goes_on).then_some((write, after))
        });
        if let Some((write, after)) = element {
            out.push_str(&write(&time));
            rest = after;
        } else if let Some((text, after)) = fraction(rest, millis) {
            out.push_str(&text);
            rest = after;
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

struct Time {
    year: usize,
    month: usize,
    day: usize,
    hour: usize,
    minute: usize,
    second: usize,
    weekday: &'static str,
}

impl Time {
    fn of(millis: u64) -> Self {
        let text = rfc3339(millis);
        let mut numbers = text
            .split(|c: char| !c.is_ascii_digit())
            .map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let days = usize::try_from(millis / 86_400_000).unwrap_or(0);
        Self {
            year: next(),
            month: next(),
            day: next(),
            hour: next(),
            minute: next(),
            second: next(),
            weekday: DAYS.get(days % 7).copied().unwrap_or_default(),
        }
    }

    fn month(&self) -> &'static str {
        let at = self.month.saturating_sub(1);
        MONTHS.get(at).copied().unwrap_or_default()
    }

    fn hour12(&self) -> usize {
        (self.hour + 11) % 12 + 1
    }

    fn half(&self) -> &'static str {
        if self.hour < 12 { "AM" } else { "PM" }
    }
}

fn short(name: &str) -> String {
    name.chars().take(3).collect()
}

type Write = fn(&Time) -> String;

/// What begins with another one stands before it.
const ELEMENTS: [(&str, Write); 28] = [
    ("January", |t| t.month().to_owned()),
    ("Jan", |t| short(t.month())),
    ("Monday", |t| t.weekday.to_owned()),
    ("Mon", |t| short(t.weekday)),
    ("MST", |_| "UTC".to_owned()),
    ("01", |t| format!("{:02}", t.month)),
    ("02", |t| format!("{:02}", t.day)),
    ("03", |t| format!("{:02}", t.hour12())),
    ("04", |t| format!("{:02}", t.minute)),
    ("05", |t| format!("{:02}", t.second)),
    ("06", |t| format!("{:02}", t.year % 100)),
    ("2006", |t| format!("{:04}", t.year)),
    ("_2006", |t| format!("_{:04}", t.year)),
    ("_2", |t| format!("{:2}", t.day)),
    ("15", |t| format!("{:02}", t.hour)),
    ("1", |t| t.month.to_string()),
    ("2", |t| t.day.to_string()),
    ("3", |t| t.hour12().to_string()),
    ("4", |t| t.minute.to_string()),
    ("5", |t| t.second.to_string()),
    ("PM", |t| t.half().to_owned()),
    ("pm", |t| t.half().to_lowercase()),
    ("-07:00", |_| "+00:00".to_owned()),
    ("-0700", |_| "+0000".to_owned()),
    ("-07", |_| "+00".to_owned()),
    ("Z07:00", |_| "Z".to_owned()),
    ("Z0700", |_| "Z".to_owned()),
    ("Z07", |_| "Z".to_owned()),
];

/// `.000` writes so many digits of a second; `.999` no more than it needs.
fn fraction(layout: &str, millis: u64) -> Option<(String, &str)> {
    let point = layout.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digits = layout.get(1..)?;
    let digit = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let after = digits.trim_start_matches(digit);
    if after.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let len = digits.len() - after.len();
    let all = format!("{:03}000000", millis % 1000);
    let written: String = all.chars().take(len).collect();
    let written = match digit {
        '9' => written.trim_end_matches('0'),
        _ => &written,
    };
    let text = match written {
        "" => String::new(),
        digits => format!("{point}{digits}"),
    };
    Some((text, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        // 2024-03-05 14:07:09.120, a Tuesday.
        const AT: u64 = 1_709_647_629_120;
        #[rustfmt::skip]
        let table = [
            ("2006-01-02T15:04:05Z", "2024-03-05T14:07:09Z"),
            ("2006-01-02T15:04:05Z07:00", "2024-03-05T14:07:09Z"),
            ("20060102150405", "20240305140709"),
            ("Mon Jan _2 15:04:05 MST 2006", "Tue Mar  5 14:07:09 UTC 2024"),
            ("Monday, 02-Jan-06 15:04:05 -0700", "Tuesday, 05-Mar-24 14:07:09 +0000"),
            ("January 2, 3:4:5pm, 1/2/06", "March 5, 2:7:9pm, 3/5/24"),
            ("03PM -07:00 -07", "02PM +00:00 +00"),
            ("05.000 05.999999 05,0 05.00x", "09.120 09.12 09,1 09.12x"),
            ("v_2006_x Month Janus", "v_2024_x Month Janus"),
            ("", ""),
        ];
        for (layout, expected) in table {
            assert_eq!(format(layout, AT), expected, "{layout}");
        }
        assert_eq!(format("Mon 03PM", 0), "Thu 12AM");
    }
}
