//! The driver over plain sockets, and TLS as the host does it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use coffer_sdk::backend::{UserChange, UserRemoval, UserRequest};
use postgres_plugin::Postgres;
use postgres_plugin::settings::Certificates;
use postgres_plugin::transport::{Dial, Transport, Verification};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use serde_json::{Value, json};

/// A hanging server fails a test instead of stopping it.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Tcp;

pub enum Stream {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
    Broken,
}

impl Dial for Tcp {
    type Stream = Stream;

    fn dial(&mut self, host: &str, port: u16) -> io::Result<Stream> {
        let stream = TcpStream::connect((host, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Stream::Plain(stream))
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(out),
            Self::Tls(stream) => stream.read(out),
            Self::Broken => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Broken => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            Self::Broken => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Transport for Stream {
    fn start_tls(
        &mut self,
        name: &str,
        verification: Verification,
        certificates: &Certificates,
    ) -> io::Result<()> {
        let Self::Plain(stream) = std::mem::replace(self, Self::Broken) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let config = client_config(verification, certificates);
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let mut connection =
            rustls::ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut stream = stream;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        *self = Self::Tls(Box::new(rustls::StreamOwned::new(connection, stream)));
        Ok(())
    }
}

fn client_config(verification: Verification, certificates: &Certificates) -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(certificates.roots.as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if verification == Verification::Full {
        builder.with_root_certificates(roots)
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    };
    if certificates.certificate.is_empty() {
        return builder.with_no_client_auth();
    }
    let chain = CertificateDer::pem_slice_iter(certificates.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    builder
        .with_client_auth_cert(
            chain,
            PrivateKeyDer::from_pem_slice(certificates.key.as_bytes()).unwrap(),
        )
        .unwrap()
}

#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection with this configuration.
pub fn open(config: Value) -> coffer_sdk::Result<Postgres<Tcp>> {
    let _host = coffer_sdk::testing::Host::new();
    Postgres::open(config.as_object().unwrap(), Tcp)
}

/// A connection as the superuser.
#[allow(dead_code)]
pub fn superuser(url: &str) -> Postgres<Tcp> {
    use coffer_tests::postgres::{PASSWORD, SUPERUSER};
    open(json!({ "connection_url": url, "username": SUPERUSER, "password": PASSWORD })).unwrap()
}

fn owned(statements: &[&str]) -> Vec<String> {
    statements
        .iter()
        .map(|statement| (*statement).to_owned())
        .collect()
}

#[allow(dead_code)]
pub fn user(username: &str, statements: &[&str]) -> UserRequest {
    UserRequest {
        username: username.to_owned(),
        password: format!("{username}-Pa55"),
        expires: None,
        statements: owned(statements),
        rollback_statements: Vec::new(),
    }
}

#[allow(dead_code)]
pub fn removal(username: &str, statements: &[&str]) -> UserRemoval {
    UserRemoval {
        username: username.to_owned(),
        statements: owned(statements),
    }
}

#[allow(dead_code)]
pub fn change(username: &str, password: Option<&str>, expires: Option<u64>) -> UserChange {
    UserChange {
        username: username.to_owned(),
        password: password.map(str::to_owned),
        expires,
        statements: Vec::new(),
    }
}
