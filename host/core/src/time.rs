//! Times as the API writes them.

use coffer_clock::UnixMillis;

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(at: UnixMillis) -> String {
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + std::time::Duration::from_millis(at.0))
        .to_string()
}

/// The reverse, in UTC.
pub fn parse_rfc3339(text: &str) -> Option<UnixMillis> {
    let since = humantime::parse_rfc3339(text)
        .ok()?
        .duration_since(std::time::UNIX_EPOCH)
        .ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis)
}
