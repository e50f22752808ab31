//! From a configuration to a session: hosts in turn, TLS as `sslmode` says, and the login.

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;
use std::io::{self, Read, Write};

use coffer_sdk::ErrorKind;
use coffer_sdk::network::{Stream, TlsOptions, Verification};

use crate::error::{Error, ServerError, code};
use crate::session::Session;
use crate::settings::{Host, Settings, SslMode};
use crate::wire::{Wire, nonsense};

/// A session with the first host that will do, `first` being tried before the others.
///
/// Returns which one it was.
///
/// # Errors
/// What every host said.
pub fn connect(settings: &Settings, first: usize) -> Result<(Session<Stream>, usize), Error> {
    let count = settings.hosts.len();
    let mut reasons: Vec<String> = Vec::new();
    for turn in 0..count {
        let at = (first + turn) % count;
        let Some(host) = settings.hosts.get(at) else {
            continue;
        };
        match to_host(settings, host) {
            Ok(session) => return Ok((session, at)),
            Err(error @ (Error::Denied(_) | Error::Invalid(_))) if count == 1 => return Err(error),
            Err(error) => reasons.push(format!("{}:{}: {error}", host.name, host.port)),
        }
    }
    Err(Error::lost(format!(
        "cannot connect to PostgreSQL at {}",
        reasons.join("; ")
    )))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encryption {
    No,
    Yes,
}

fn to_host(settings: &Settings, host: &Host) -> Result<Session<Stream>, Error> {
    use Encryption::{No, Yes};
    let attempts: &[Encryption] = match settings.ssl {
        SslMode::Disable => &[No],
        SslMode::Allow => &[No, Yes],
        SslMode::Prefer => &[Yes, No],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Yes],
    };
    let mut last = Error::lost("no attempt was made");
    for encryption in attempts {
        match attempt(settings, host, *encryption) {
            Ok(session) => return Ok(session),
            Err(Attempt::Other(error)) => last = error,
            Err(Attempt::Final(error)) => return Err(error),
        }
    }
    Err(last)
}

/// Whether the other way, with or without encryption, may do better.
enum Attempt {
    Other(Error),
    Final(Error),
}

fn attempt(
    settings: &Settings,
    host: &Host,
    encryption: Encryption,
) -> Result<Session<Stream>, Attempt> {
    let address = host.address.as_deref().unwrap_or(&host.name);
    let stream = Stream::connect(address, host.port).map_err(|error| {
        Attempt::Final(match error.kind {
            ErrorKind::PermissionDenied => Error::Denied(error.message),
            _ => Error::lost(error.message),
        })
    })?;
    let mut login = Login {
        wire: Wire::new(stream),
        settings,
        encrypted: encryption == Encryption::Yes,
    };
    if login.encrypted {
        login.encrypted = login.start_tls(host).map_err(Attempt::Other)?;
    }
    match login.log_in() {
        Ok(()) => {}
        Err(error) if error.code() == code::NOT_AUTHORIZED => return Err(Attempt::Other(error)),
        Err(error) => return Err(Attempt::Final(error)),
    }
    let mut session = Session::new(login.wire);
    if settings.writable {
        require_writable(&mut session).map_err(Attempt::Final)?;
    }
    Ok(session)
}

fn require_writable(session: &mut Session<Stream>) -> Result<(), Error> {
    let answers = session.run(&["SHOW transaction_read_only"])?;
    let rows = answers.into_iter().next().unwrap_or_default().rows()?;
    match rows.first().and_then(|row| row.first()) {
        Some(Some(value)) if value == "off" => Ok(()),
        _ => Err(Error::lost("the server is read-only")),
    }
}

struct Login<'a> {
    wire: Wire<Stream>,
    settings: &'a Settings,
    encrypted: bool,
}

impl<'a> Login<'a> {
    /// Whether the stream is encrypted now.
    fn start_tls(&mut self, host: &Host) -> Result<bool, Error> {
        let broken = |error: io::Error| Error::lost(error.to_string());
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        let stream = self.wire.stream();
        stream
            .write_all(&request)
            .and_then(|()| stream.flush())
            .map_err(broken)?;
        // One byte and not one more: TLS does not start if something came with it.
        let mut answer = [0];
        stream.read_exact(&mut answer).map_err(broken)?;
        match answer {
            [b'S'] => {}
            [b'N'] if self.settings.ssl == SslMode::Prefer => return Ok(false),
            [b'N'] => {
                return Err(Error::lost(
                    "the server does not speak TLS; sslmode asks for it",
                ));
            }
            _ => return Err(nonsense("neither yes nor no to TLS")),
        }
        let verification = match self.settings.ssl {
            SslMode::VerifyCa => Verification::Chain,
            SslMode::VerifyFull => Verification::Full,
            _ => Verification::None,
        };
        let certificates = &self.settings.certificates;
        let options = TlsOptions {
            server_name: host.name.clone(),
            verification,
            root_certificates: certificates.roots.clone(),
            client_certificate: certificates.certificate.clone(),
            client_key: certificates.key.to_string(),
        };
        stream
            .start_tls(&options)
            .map_err(|error| Error::lost(error.message))?;
        Ok(true)
    }

    fn log_in(&mut self) -> Result<(), Error> {
        let Settings {
            user,
            database,
            parameters,
            ..
        } = self.settings;
        let ours = [
            ("user", user.as_str()),
            ("database", database.as_str()),
            ("client_encoding", "UTF8"),
        ];
        let theirs = parameters
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        self.wire
            .put(|out| frontend::startup_message(ours.into_iter().chain(theirs), out))?;
        self.wire.send()?;
        self.authenticate()?;
        loop {
            match self.receive()? {
                Message::ReadyForQuery(_) => return Ok(()),
                Message::BackendKeyData(_)
                | Message::ParameterStatus(_)
                | Message::NoticeResponse(_) => {}
                _ => return Err(nonsense("a message that has no place in a login")),
            }
        }
    }

    fn authenticate(&mut self) -> Result<(), Error> {
        match self.receive()? {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => {
                if !self.encrypted && self.settings.ssl != SslMode::Disable {
                    return Err(Error::lost(
                        "the server wants the password in clear text over a connection that is not encrypted; use \
                         sslmode=require, or sslmode=disable if the network can be trusted",
                    ));
                }
                let password = self.password()?;
                self.wire
                    .put(|out| frontend::password_message(password, out))?;
            }
            Message::AuthenticationMd5Password(body) => {
                let answer = md5_hash(self.settings.user.as_bytes(), self.password()?, body.salt());
                self.wire
                    .put(|out| frontend::password_message(answer.as_bytes(), out))?;
            }
            Message::AuthenticationSasl(body) => return self.scram(&body),
            Message::AuthenticationGss
            | Message::AuthenticationSspi
            | Message::AuthenticationKerberosV5 => {
                return Err(Error::lost(
                    "the server wants Kerberos; only passwords and client certificates are supported",
                ));
            }
            _ => return Err(nonsense("a message that has no place in a login")),
        }
        self.wire.send()?;
        self.expect_ok()
    }

    /// Both sides prove that they know the password: a server that cannot is refused.
    fn scram(&mut self, body: &AuthenticationSaslBody) -> Result<(), Error> {
        let known = body
            .mechanisms()
            .any(|name| Ok(name == SCRAM_SHA_256))
            .map_err(nonsense)?;
        if !known {
            return Err(Error::lost(
                "the server offers no way to log in that is supported (SCRAM-SHA-256)",
            ));
        }
        let mut scram = ScramSha256::new(self.password()?, ChannelBinding::unsupported());
        self.wire
            .put(|out| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out))?;
        self.wire.send()?;
        let Message::AuthenticationSaslContinue(body) = self.receive()? else {
            return Err(nonsense("SCRAM that stops half-way"));
        };
        scram.update(body.data()).map_err(nonsense)?;
        self.wire
            .put(|out| frontend::sasl_response(scram.message(), out))?;
        self.wire.send()?;
        let Message::AuthenticationSaslFinal(body) = self.receive()? else {
            return Err(nonsense("SCRAM that stops half-way"));
        };
        scram.finish(body.data()).map_err(nonsense)?;
        self.expect_ok()
    }

    fn expect_ok(&mut self) -> Result<(), Error> {
        match self.receive()? {
            Message::AuthenticationOk => Ok(()),
            _ => Err(nonsense("a message that has no place in a login")),
        }
    }

    fn password(&self) -> Result<&'a [u8], Error> {
        let settings: &'a Settings = self.settings;
        match settings.password.as_bytes() {
            [] => Err(Error::lost(
                "the server wants a password, and none is configured",
            )),
            password => Ok(password),
        }
    }

    fn receive(&mut self) -> Result<Message, Error> {
        loop {
            match self.wire.receive()? {
                Message::ErrorResponse(body) => return Err(ServerError::parse(&body).into()),
                Message::NoticeResponse(_) => {}
                other => return Ok(other),
            }
        }
    }
}
