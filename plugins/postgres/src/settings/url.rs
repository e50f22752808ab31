//! `user:password@host:port,host:port/database?key=value`, as libpq reads it.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::Pairs;
use crate::error::Error;

/// What stands behind `postgresql://`.
pub fn pairs(text: &str) -> Result<Pairs, Error> {
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, database) = text.split_once('/').unwrap_or((text, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut pairs = Pairs::new();
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    if !user.is_empty() {
        pairs.push(("user".to_owned(), decode(user, "the user")?));
    }
    if let Some(password) = password {
        pairs.push(("password".to_owned(), decode(password, "the password")?));
    }
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = split_port(host)?;
        names.push(decode(name, "a host")?.to_string());
        ports.push(port);
    }
    pairs.push(("host".to_owned(), Zeroizing::new(names.join(","))));
    pairs.push(("port".to_owned(), Zeroizing::new(ports.join(","))));
    if !database.is_empty() {
        pairs.push(("dbname".to_owned(), decode(database, "the database")?));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Error::Invalid(
                "connection_url: a parameter without `=`".to_owned(),
            ));
        };
        let key = decode(key, "a parameter's name")?;
        let value = decode(value, "a parameter")?;
        // The names that JDBC and others use.
        match key.as_str() {
            "ssl" if *value == "true" => {
                pairs.push(("sslmode".to_owned(), Zeroizing::new("require".to_owned())))
            }
            "ssl" => {}
            name => pairs.push((name.to_owned(), value)),
        }
    }
    Ok(pairs)
}

fn split_port(host: &str) -> Result<(&str, &str), Error> {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return Err(Error::Invalid("connection_url: `[` without `]`".to_owned()));
        };
        return Ok((address, port.strip_prefix(':').unwrap_or(port)));
    }
    Ok(host.split_once(':').unwrap_or((host, "")))
}

fn decode(text: &str, what: &str) -> Result<Zeroizing<String>, Error> {
    let invalid = |why: &str| Error::Invalid(format!("connection_url: {what} {why}"));
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let bad = bytes
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'%' && !(hex(at + 1) && hex(at + 2)));
    if bad {
        return Err(invalid("has a `%` that encodes nothing"));
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| invalid("is not UTF-8"))?
        .into_owned();
    if decoded.contains('\0') {
        return Err(invalid("has a NUL in it"));
    }
    Ok(Zeroizing::new(decoded))
}
