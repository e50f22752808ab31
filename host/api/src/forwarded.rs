//! Who a client is behind proxies that are trusted: `X-Forwarded-For`, under the rules of Vault's listener.
//! <https://developer.hashicorp.com/vault/docs/configuration/listener/tcp#x_forwarded_for_authorized_addrs>

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

const HEADER: &str = "x-forwarded-for";

/// Which proxies are believed, and what becomes of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedFor {
    /// The proxies.
    pub authorized: Vec<IpNet>,
    /// How many addresses, from the last on, are of proxies of one's own.
    pub hop_skips: usize,
    /// Whether a connection from elsewhere is refused; else its own address counts.
    pub reject_not_authorized: bool,
    /// Whether a request without the header is refused; else its connection's address counts.
    pub reject_not_present: bool,
}

impl ForwardedFor {
    /// The client's address.
    ///
    /// # Errors
    /// With what to tell the client that is refused.
    pub(crate) fn client(
        &self,
        remote: SocketAddr,
        headers: &HeaderMap,
    ) -> Result<SocketAddr, String> {
        let mut chain = Vec::new();
        for value in headers.get_all(HEADER) {
            let text = value.to_str().map_err(|_| malformed())?;
            chain.extend(text.split(',').map(str::trim));
        }
        if chain.is_empty() {
            return match self.reject_not_present {
                true => Err(
                    "missing x-forwarded-for header and configured to reject when not present"
                        .to_owned(),
                ),
                false => Ok(remote),
            };
        }
        let proxy = remote.ip().to_canonical();
        if !self.authorized.iter().any(|net| net.contains(&proxy)) {
            return match self.reject_not_authorized {
                true => Err(
                    "client address not authorized for x-forwarded-for and configured to reject connection"
                        .to_owned(),
                ),
                false => Ok(remote),
            };
        }
        let at = chain.len().checked_sub(self.hop_skips.saturating_add(1)).ok_or_else(|| {
            format!(
                "malformed x-forwarded-for configuration or request, hops to skip ({}) would skip before earliest chain link (chain length {})",
                self.hop_skips,
                chain.len()
            )
        })?;
        let link = chain.get(at).copied().unwrap_or_default();
        let ip = address(link).ok_or_else(malformed)?;
        Ok(SocketAddr::new(ip, remote.port()))
    }
}

/// An address, with a port or without.
fn address(link: &str) -> Option<IpAddr> {
    let bare = link
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip = bare.unwrap_or(link).parse().ok();
    ip.or_else(|| link.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn malformed() -> String {
    "malformed x-forwarded-for header: it holds no address".to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(rules: &ForwardedFor, remote: &str, values: &[&str]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        let client = rules.client(format!("{remote}:7").parse().unwrap(), &headers)?;
        Ok(client.ip().to_string())
    }

    #[test]
    fn only_those_who_are_trusted_are_believed() {
        let rules = ForwardedFor {
            authorized: vec!["10.0.0.0/8".parse().unwrap()],
            hop_skips: 0,
            reject_not_authorized: true,
            reject_not_present: true,
        };
        let ok = |ip: &str| Ok(ip.to_owned());
        assert_eq!(asked(&rules, "10.1.1.1", &["1.2.3.4"]), ok("1.2.3.4"));
        // The last one is what the proxy itself has seen; the others anybody may have written.
        assert_eq!(
            asked(&rules, "10.1.1.1", &["9.9.9.9, 1.2.3.4"]),
            ok("1.2.3.4")
        );
        assert_eq!(
            asked(&rules, "10.1.1.1", &["9.9.9.9", "1.2.3.4:80"]),
            ok("1.2.3.4")
        );
        assert_eq!(asked(&rules, "10.1.1.1", &["[::1]"]), ok("::1"));
        assert_eq!(
            asked(&rules, "[::ffff:10.1.1.1]", &["1.2.3.4"]),
            ok("1.2.3.4")
        );
        for (remote, values) in [
            ("11.1.1.1", &["1.2.3.4"][..]),
            ("10.1.1.1", &[]),
            ("10.1.1.1", &[""]),
            ("10.1.1.1", &["unknown"]),
            ("10.1.1.1", &["1.2.3.4,"]),
        ] {
            assert!(
                asked(&rules, remote, values).is_err(),
                "{remote} {values:?}"
            );
        }
        let skipping = ForwardedFor {
            hop_skips: 1,
            ..rules.clone()
        };
        assert_eq!(
            asked(&skipping, "10.1.1.1", &["1.2.3.4, 10.2.2.2"]),
            ok("1.2.3.4")
        );
        assert!(asked(&skipping, "10.1.1.1", &["1.2.3.4"]).is_err());
        let skipping = ForwardedFor {
            hop_skips: usize::MAX,
            ..skipping
        };
        assert!(asked(&skipping, "10.1.1.1", &["1.2.3.4"]).is_err());
        let lenient = ForwardedFor {
            reject_not_authorized: false,
            reject_not_present: false,
            ..rules
        };
        assert_eq!(asked(&lenient, "11.1.1.1", &["1.2.3.4"]), ok("11.1.1.1"));
        assert_eq!(asked(&lenient, "10.1.1.1", &[]), ok("10.1.1.1"));
    }
}
