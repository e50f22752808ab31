//! From a configuration to a session: TLS as it says, and the login.

use std::io::{Read, Write};

use coffer_sdk::ErrorKind;
use coffer_sdk::network::{Stream, TlsOptions, Verification};
use zeroize::Zeroizing;

use crate::auth::{self, CACHING_SHA2, NATIVE};
use crate::error::{Error, nonsense};
use crate::limits;
use crate::protocol::{Greeting, Response, Wire, capability, ok_status, refusal, tag};
use crate::session::Session;
use crate::settings::{Encryption, Settings};

/// A session.
///
/// # Errors
/// Lost, with the reason; denied, if the host does not let us connect there.
pub fn connect(settings: &Settings) -> Result<Session<Stream>, Error> {
    let session = match attempt(settings, settings.encryption, &settings.tls) {
        // What nobody may read along is encrypted even if nothing else need be. Whoever could pass for the server without
        // TLS can here, and no more than that.
        Err(Error::Exposed(_)) => {
            let tls = TlsOptions {
                verification: Verification::None,
                ..settings.tls.clone()
            };
            attempt(settings, Encryption::Required, &tls)
        }
        other => other,
    };
    session.map_err(|error| match error {
        Error::Denied(_) | Error::Invalid(_) => error,
        other => Error::lost(format!(
            "cannot connect to MySQL at {}:{}: {other}",
            settings.host, settings.port
        )),
    })
}

fn attempt(
    settings: &Settings,
    encryption: Encryption,
    tls: &TlsOptions,
) -> Result<Session<Stream>, Error> {
    let stream = Stream::connect(&settings.host, settings.port).map_err(from_host)?;
    let mut wire = Wire::new(stream);
    let greeting = Greeting::parse(&wire.receive()?)?;
    let mut capabilities = settings.capabilities() & greeting.capabilities;
    let offered = greeting.capabilities & capability::SSL != 0;
    let encrypted = match encryption {
        Encryption::No => false,
        Encryption::Preferred => offered,
        Encryption::Required if offered => true,
        Encryption::Required => {
            return Err(Error::lost(
                "the server does not speak TLS, and the configuration asks for it",
            ));
        }
    };
    if encrypted {
        capabilities |= capability::SSL;
        let request = Response {
            capabilities,
            user: "",
            database: "",
            answer: &[],
            plugin: "",
        };
        wire.send(&request.head())?;
        wire.stream().start_tls(tls).map_err(from_host)?;
    }
    let status = log_in(&mut wire, settings, &greeting, capabilities, encrypted)?;
    let mut session = Session::new(wire, status);
    session.query(&settings.first_statement())?;
    Ok(session)
}

fn from_host(error: coffer_sdk::Error) -> Error {
    match error.kind {
        ErrorKind::PermissionDenied => Error::Denied(error.message),
        ErrorKind::InvalidRequest => Error::Invalid(error.message),
        _ => Error::Lost(error.message),
    }
}

/// Answers the server's challenges until it lets us in. Returns its status.
///
/// # Errors
/// What the server refused, or why we do not answer.
pub fn log_in<S: Read + Write>(
    wire: &mut Wire<S>,
    settings: &Settings,
    greeting: &Greeting,
    capabilities: u32,
    encrypted: bool,
) -> Result<u16, Error> {
    // One that we do not know the server may still exchange for one that we do.
    let mut plugin = match greeting.plugin.as_str() {
        CACHING_SHA2 => CACHING_SHA2,
        _ => NATIVE,
    }
    .to_owned();
    let answer = answer(&plugin, settings, &greeting.seed)?;
    let response = Response {
        capabilities,
        user: &settings.user,
        database: &settings.database,
        answer: &answer,
        plugin: &plugin,
    };
    wire.send(&response.encode()?)?;
    for _ in 0..limits::LOGIN {
        let packet = wire.receive()?;
        match packet.split_first() {
            Some((&tag::OK, _)) => return ok_status(&packet),
            Some((&tag::ERR, _)) => return Err(refusal(&packet)),
            Some((&tag::EOF, switch)) => {
                let (name, seed) = split_nul(switch);
                plugin = String::from_utf8_lossy(name).into_owned();
                wire.send(&self::answer(&plugin, settings, seed)?)?;
            }
            Some((&tag::MORE, [3])) if plugin == CACHING_SHA2 => {}
            Some((&tag::MORE, [4])) if plugin == CACHING_SHA2 => {
                wire.send(&itself(settings, greeting, encrypted)?)?;
            }
            _ => return Err(nonsense("a packet that has no place in a login")),
        }
    }
    Err(nonsense("a login without an end"))
}

fn answer(plugin: &str, settings: &Settings, seed: &[u8]) -> Result<Vec<u8>, Error> {
    auth::answer(plugin, &settings.password, seed).ok_or_else(|| {
        let name: String = plugin.chars().take(64).collect();
        Error::lost(format!(
            "the server wants the user to log in with {name:?}; {NATIVE} and {CACHING_SHA2} are supported"
        ))
    })
}

/// A server that has not seen the user since it started wants the password itself. The other way to say it, encrypted with a
/// key that the server sends, would be no better than TLS with whomever, and for servers without it.
fn itself(
    settings: &Settings,
    greeting: &Greeting,
    encrypted: bool,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    if encrypted {
        let mut answer = Zeroizing::new(settings.password.as_bytes().to_vec());
        answer.push(0);
        return Ok(answer);
    }
    let why = format!(
        "the server wants the password itself ({CACHING_SHA2}), which is not sent over a connection that is not encrypted"
    );
    Err(match greeting.capabilities & capability::SSL {
        0 => Error::lost(format!("{why}: let the server speak TLS")),
        _ => Error::Exposed(why),
    })
}

/// A name, and the seed behind it, which may end with a NUL that is not part of it.
fn split_nul(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0);
    let (name, seed) = bytes.split_at(end.unwrap_or(bytes.len()));
    let seed = seed.get(1..).unwrap_or_default();
    (name, seed.strip_suffix(&[0]).unwrap_or(seed))
}
