//! Connection URLs as they may be shown: without the secrets that stand in them.
//!
//! What cannot be read for certain is not shown at all.

const HIDDEN: &str = "xxxxx";
/// Put in place by the backend: no secret.
const TEMPLATE: &str = "{{password}}";

/// A connection URL that may be shown.
pub(crate) struct Redacted {
    pub text: String,
    /// Whether a password stands in it.
    pub has_password: bool,
}

impl Redacted {
    /// Of a `scheme://` URL, or of libpq's list of `key=value`.
    pub(crate) fn of(url: &str) -> Self {
        if url.trim().is_empty() {
            return Self {
                text: url.to_owned(),
                has_password: false,
            };
        }
        let redacted = match url.split_once("://") {
            Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                of_url(scheme, rest)
            }
            _ => of_list(url),
        };
        redacted.unwrap_or(Self {
            text: HIDDEN.to_owned(),
            has_password: true,
        })
    }
}

fn is_secret(key: &str) -> bool {
    ["password", "sslpassword", "sslkey"]
        .iter()
        .any(|secret| key.eq_ignore_ascii_case(secret))
}

/// The value as it may be shown, and whether it is a password.
fn hide<'v>(key: &str, value: &'v str, plain: &str) -> (&'v str, bool) {
    if !is_secret(key) || plain.is_empty() || plain == TEMPLATE {
        return (value, false);
    }
    (HIDDEN, key.eq_ignore_ascii_case("password"))
}

fn of_url(scheme: &str, rest: &str) -> Option<Redacted> {
    let (before, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };
    // Then a `/` or a `?` in a password has ended what was taken for the login.
    if path.contains('@') || (login.is_none() && query.is_some_and(|query| query.contains('@'))) {
        return None;
    }
    let mut text = format!("{scheme}://");
    let mut has_password = false;
    if let Some(login) = login {
        match login.split_once(':') {
            Some((user, password)) => {
                let (password, hidden) = hide("password", password, password);
                has_password |= hidden;
                text.extend([user, ":", password]);
            }
            None => text.push_str(login),
        }
        text.push('@');
    }
    text.extend([hosts, path]);
    for (i, pair) in query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .enumerate()
    {
        text.push(if i == 0 { '?' } else { '&' });
        let Some((key, value)) = pair.split_once('=') else {
            if pair.is_empty() {
                continue;
            }
            return None;
        };
        if key.contains('%') {
            return None;
        }
        let (value, hidden) = hide(key, value, value);
        has_password |= hidden;
        text.extend([key, "=", value]);
    }
    Some(Redacted { text, has_password })
}

/// As libpq reads it: space is allowed around `=`; a value ends at a space, or is quoted; a backslash takes the next
/// character as it is.
fn of_list(list: &str) -> Option<Redacted> {
    let mut text = String::new();
    let mut has_password = false;
    let mut rest = list;
    loop {
        let at = rest
            .find(|c: char| !c.is_ascii_whitespace())?
            .min(rest.len());
        let (space, pair) = rest.split_at(at);
        text.push_str(space);
        let (key, after) = pair.split_once('=')?;
        if key.trim_end().contains(|c: char| c.is_ascii_whitespace()) {
            return None;
        }
        let value = after.trim_ascii_start();
        let (between, _) = after.split_at(after.len() - value.len());
        let (plain, end) = read_value(value)?;
        let (value, after) = value.split_at_checked(end)?;
        let (value, hidden) = hide(key.trim_end(), value, &plain);
        has_password |= hidden;
        text.extend([key, "=", between, value]);
        rest = after;
        if rest.trim_ascii_start().is_empty() {
            text.push_str(rest);
            return Some(Redacted { text, has_password });
        }
    }
}

/// The value that the text starts with, and where it ends.
fn read_value(text: &str) -> Option<(String, usize)> {
    let quoted = text.starts_with('\'');
    let mut plain = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => {
                let end = at + 1;
                // Whatever sticks to the quote, nobody meant.
                let clean = text
                    .get(end..)?
                    .chars()
                    .next()
                    .is_none_or(|c| c.is_ascii_whitespace());
                return clean.then_some((plain, end));
            }
            c if !quoted && c.is_ascii_whitespace() => return Some((plain, at)),
            c => plain.push(c),
        }
    }
    (!quoted).then_some((plain, text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_their_secrets() {
        #[rustfmt::skip]
        let table = [
            ("postgresql://{{username}}:{{password}}@db/app", None),
            ("postgresql://u:p@db:1,db2/app?x=y", Some("postgresql://u:xxxxx@db:1,db2/app?x=y")),
            ("postgresql://u:p@p@db", Some("postgresql://u:xxxxx@db")),
            ("postgresql://u:p:q@db", Some("postgresql://u:xxxxx@db")),
            ("postgresql://u@db/app", None),
            ("postgresql://db/app?user=u&password=p&x=y", Some("postgresql://db/app?user=u&password=xxxxx&x=y")),
            ("postgresql://u:p@db?password=q&password=r", Some("postgresql://u:xxxxx@db?password=xxxxx&password=xxxxx")),
            ("postgresql://db?PASSWORD=q", Some("postgresql://db?PASSWORD=xxxxx")),
            ("postgresql://u:1/p@db/app", Some("xxxxx")),
            ("postgresql://u:1?p@db/app", Some("xxxxx")),
            ("postgresql://db?pass%77ord=q", Some("xxxxx")),
            ("postgresql://db?q", Some("xxxxx")),
            ("host=db user=u password=p dbname=app", Some("host=db user=u password=xxxxx dbname=app")),
            ("password='p q' host=db", Some("password=xxxxx host=db")),
            (r"password = 'p\' q'  host = db ", Some("password = xxxxx  host = db ")),
            (r"password=p\ q host=db", Some("password=xxxxx host=db")),
            ("host=db\tpassword\t=\tp\tdbname=app", Some("host=db\tpassword\t=\txxxxx\tdbname=app")),
            ("password=p host=db password=q", Some("password=xxxxx host=db password=xxxxx")),
            ("host=db password='{{password}}'", None),
            ("host=db password={{password}}", None),
            ("host=db password='p", Some("xxxxx")),
            ("host=db password='p'q", Some("xxxxx")),
            ("host=db secret", Some("xxxxx")),
            ("u:p@tcp(db)", Some("xxxxx")),
        ];
        for (url, expected) in table {
            let redacted = Redacted::of(url);
            assert_eq!(redacted.text, expected.unwrap_or(url), "{url}");
            assert_eq!(redacted.has_password, expected.is_some(), "{url}");
        }
        // Secret, but not the password that a rotation would change.
        let redacted = Redacted::of("host=db sslpassword=p sslkey='k'");
        assert_eq!(redacted.text, "host=db sslpassword=xxxxx sslkey=xxxxx");
        assert!(!redacted.has_password);
        assert!(Redacted::of("").text.is_empty());
    }
}
