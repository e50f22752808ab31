//! Where a browser may be sent back to.

/// Whether a URL is one that is allowed: it is the same, or both are on the machine of whoever logs in and differ only in their
/// ports, since programs there listen where they can (RFC 8252, 7.3).
pub(crate) fn is_allowed(uri: &str, allowed: &str) -> bool {
    match (Loopback::of(uri), Loopback::of(allowed)) {
        (Some(uri), Some(allowed)) => uri == allowed,
        (None, None) => uri == allowed,
        _ => false,
    }
}

/// A URL on one's own machine, but for the port.
#[derive(PartialEq)]
struct Loopback<'u> {
    scheme: &'u str,
    host: &'u str,
    /// From the path on.
    rest: &'u str,
}

impl<'u> Loopback<'u> {
    /// None also of what two readers could read differently.
    fn of(uri: &'u str) -> Option<Self> {
        let (scheme, after) = uri.split_once("://")?;
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, rest) = after.split_at_checked(end)?;
        let host = ["localhost", "127.0.0.1", "[::1]"]
            .into_iter()
            .find(|host| authority.starts_with(host))?;
        let port = authority.strip_prefix(host)?;
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(Self {
            scheme,
            host,
            rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn only_ports_on_the_own_machine_differ() {
        let here = "http://localhost:8250/oidc/callback";
        for (uri, allowed, is) in [
            (here, here, true),
            ("http://localhost:1/oidc/callback", here, true),
            ("http://localhost/oidc/callback", here, true),
            ("http://127.0.0.1:9/x", "http://127.0.0.1/x", true),
            ("http://[::1]:9/x", "http://[::1]:8/x", true),
            ("https://localhost:8250/oidc/callback", here, false),
            ("http://127.0.0.1:8250/oidc/callback", here, false),
            ("http://localhost:8250/oidc/callback/", here, false),
            ("http://localhost:8250/oidc/callback?x=1", here, false),
            ("http://localhost:8250/other", here, false),
            ("http://localhost:8250@evil.test/oidc/callback", here, false),
            ("http://localhost@evil.test/oidc/callback", here, false),
            ("http://localhost.evil.test/oidc/callback", here, false),
            ("http://localhost:80:81/oidc/callback", here, false),
            ("http://localhost:/oidc/callback", here, false),
            ("http://localhost\\@evil.test/oidc/callback", here, false),
            ("http://evil.test/oidc/callback", here, false),
            ("https://a.test/cb", "https://a.test/cb", true),
            ("https://a.test:444/cb", "https://a.test/cb", false),
            ("https://A.test/cb", "https://a.test/cb", false),
            ("https://a.test/cb/../x", "https://a.test/cb", false),
            ("", here, false),
            ("javascript:alert(1)", here, false),
        ] {
            assert_eq!(is_allowed(uri, allowed), is, "{uri} for {allowed}");
        }
    }
}
