//! `user:password@tcp(host:port)/database?key=value`, as Go's driver reads it.

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::PORT;
use crate::error::Error;

/// Its parts. There may be templates in user, password and database.
pub struct DataSource {
    pub user: String,
    pub password: Zeroizing<String>,
    pub host: String,
    pub port: u16,
    pub database: String,
    pub parameters: Vec<(String, String)>,
}

fn invalid(why: &str) -> Error {
    Error::Invalid(format!("connection_url: {why}"))
}

/// Takes it apart.
pub fn parse(text: &str) -> Result<DataSource, Error> {
    // The last ones: user and password may have them too.
    let (server, database) = text.rsplit_once('/').ok_or_else(|| {
        invalid("the slash that separates the database's name is missing; user:password@tcp(host:port)/database is expected")
    })?;
    let (login, address) = server.rsplit_once('@').unwrap_or(("", server));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = self::address(address)?;
    let (database, query) = database.split_once('?').unwrap_or((database, ""));
    let mut parameters = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| invalid("a parameter without `=`"))?;
        parameters.push((key.to_owned(), decode(&value.replace('+', " "))?));
    }
    Ok(DataSource {
        user: user.to_owned(),
        password: Zeroizing::new(password.to_owned()),
        host,
        port,
        database: decode(database)?,
        parameters,
    })
}

/// `tcp(host:port)`. The host must see in the configuration where we connect to, so nothing is left to defaults but the port.
fn address(text: &str) -> Result<(String, u16), Error> {
    if text.starts_with("unix") {
        return Err(invalid("a Unix socket cannot be reached from a plugin"));
    }
    let server = text
        .strip_prefix("tcp(")
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(|| invalid("no server is given; tcp(host:port) is expected"))?;
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once(']')
                .ok_or_else(|| invalid("`[` without `]`"))?;
            (host, port.strip_prefix(':').unwrap_or(port))
        }
        None => server.split_once(':').unwrap_or((server, "")),
    };
    if host.is_empty() {
        return Err(invalid("no server is given; tcp(host:port) is expected"));
    }
    let port = match port {
        "" => PORT,
        port => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| invalid("a port is no number from 1 to 65535"))?,
    };
    Ok((host.to_owned(), port))
}

fn decode(text: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded
        .map_err(|_| invalid("it is not UTF-8"))?
        .into_owned())
}
