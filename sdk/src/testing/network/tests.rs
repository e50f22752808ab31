#![allow(clippy::unwrap_used)]
use std::net::{SocketAddr, TcpListener};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::*;
use crate::ErrorKind;
use crate::network::{Stream, Verification};

/// Gives back what it reads; with this configuration over TLS, after one byte in the clear.
fn echo(tls: Option<Arc<ServerConfig>>) -> SocketAddr {
    fn copy(stream: &mut (impl Read + Write)) {
        let mut bytes = [0; 1024];
        while let Ok(len @ 1..) = stream.read(&mut bytes) {
            stream.write_all(&bytes[..len]).ok();
            stream.flush().ok();
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Some(config) = &tls else {
                copy(&mut stream);
                continue;
            };
            if stream.read_exact(&mut [0]).is_ok() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                copy(&mut StreamOwned::new(connection, stream));
            }
        }
    });
    address
}

fn allowed(address: SocketAddr) -> Host {
    Host::new()
        .allow("LOCALHOST", address.port())
        .allow("127.0.0.1", address.port())
}

fn exchange(stream: &mut Stream, text: &str) -> io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn nothing_is_granted_at_first() {
    let address = echo(None);
    let host = Host::new();
    let refused = Stream::connect("127.0.0.1", address.port()).err().unwrap();
    assert_eq!(refused.kind, ErrorKind::PermissionDenied);
    assert!(refused.message.contains("Host::allow(\"127.0.0.1\", "));
    let _host = host.allow("[::1]", address.port());
    assert!(Stream::connect("127.0.0.1", address.port()).is_err());
}

#[test]
fn what_is_granted_is_real() {
    let address = echo(None);
    let host = allowed(address);
    let mut stream = Stream::connect("localhost", address.port()).unwrap();
    assert_eq!(exchange(&mut stream, "hello").unwrap(), "hello");
    assert_eq!(exchange(&mut stream, "again").unwrap(), "again");
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let _host = host.allow("127.0.0.1", free.port());
    let error = Stream::connect("127.0.0.1", free.port()).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unavailable);
}

#[test]
fn faults_hit_the_call_that_they_are_for() {
    let address = echo(None);
    let host = allowed(address);
    let connect = || Stream::connect("127.0.0.1", address.port());
    host.fail_network(Fault::Connect(2));
    let mut first = connect().unwrap();
    assert_eq!(connect().err().unwrap().kind, ErrorKind::Unavailable);
    host.fail_network(Fault::Write(2));
    host.fail_network(Fault::Read(2));
    exchange(&mut first, "a").unwrap();
    let error = exchange(&mut first, "b").unwrap_err().to_string();
    assert!(error.starts_with("writing to"), "{error}");
    let mut second = connect().unwrap();
    let error = exchange(&mut second, "c").unwrap_err().to_string();
    assert!(error.starts_with("reading from"), "{error}");
    let error = exchange(&mut second, "d").unwrap_err().to_string();
    assert!(error.contains("is broken"), "{error}");
    host.fail_network(Fault::End(1));
    let error = exchange(&mut connect().unwrap(), "e").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    exchange(&mut connect().unwrap(), "f").unwrap();
}

/// An authority, and a server's certificate by it; the server asks for its client's.
fn authority() -> (TlsOptions, Arc<ServerConfig>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(params, ca_key);
    let signed = || {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        provider.clone(),
    );
    let (certificate, key) = signed();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let (client_certificate, client_key) = signed();
    let options = TlsOptions {
        server_name: "localhost".to_owned(),
        verification: Verification::Full,
        root_certificates: ca.pem(),
        client_certificate,
        client_key,
    };
    (options, Arc::new(config))
}

#[test]
fn encryption() {
    let (full, server) = authority();
    let (another, _) = authority();
    let address = echo(Some(server));
    let host = allowed(address);
    let works = |options: &TlsOptions| {
        let mut stream = Stream::connect("127.0.0.1", address.port()).unwrap();
        stream.write_all(b"T").unwrap();
        stream.start_tls(options)?;
        let secret = exchange(&mut stream, "secret").map_err(Error::internal)?;
        let twice = stream.start_tls(options).unwrap_err();
        assert_eq!(twice.kind, ErrorKind::InvalidRequest);
        Ok::<_, Error>(secret)
    };
    let other_name = TlsOptions {
        server_name: "127.0.0.1".to_owned(),
        ..full.clone()
    };
    let other_root = TlsOptions {
        root_certificates: another.root_certificates,
        ..full.clone()
    };
    let with = |verification, options: &TlsOptions| TlsOptions {
        verification,
        ..options.clone()
    };
    assert_eq!(works(&full).unwrap(), "secret");
    assert_eq!(
        works(&with(Verification::Chain, &other_name)).unwrap(),
        "secret"
    );
    assert_eq!(
        works(&with(Verification::None, &other_root)).unwrap(),
        "secret"
    );
    for options in [
        &other_name,
        &other_root,
        &with(Verification::Chain, &other_root),
    ] {
        assert_eq!(works(options).unwrap_err().kind, ErrorKind::Unavailable);
    }
    let anonymous = TlsOptions {
        client_certificate: String::new(),
        ..full.clone()
    };
    assert!(
        works(&anonymous).is_err(),
        "the server asks for a certificate"
    );
    for nonsense in [
        TlsOptions {
            server_name: "not a name".to_owned(),
            ..full.clone()
        },
        TlsOptions {
            root_certificates: "rubbish".to_owned(),
            ..full.clone()
        },
        TlsOptions {
            root_certificates: String::new(),
            ..full.clone()
        },
        TlsOptions {
            client_key: "rubbish".to_owned(),
            ..full.clone()
        },
    ] {
        assert_eq!(
            works(&nonsense).unwrap_err().kind,
            ErrorKind::InvalidRequest
        );
    }
    host.fail_network(Fault::StartTls(1));
    let error = works(&full).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("the test lets it fail"));
}

/// What somebody on the way puts in front of the encrypted answers.
#[test]
fn what_came_in_the_clear_is_not_taken_for_encrypted() {
    let (options, _) = authority();
    let address = echo(None);
    let _host = allowed(address);
    let mut stream = Stream::connect("127.0.0.1", address.port()).unwrap();
    stream.write_all(b"SX").unwrap();
    // Both are there by now: what is echoed comes in one piece.
    stream.read_exact(&mut [0]).unwrap();
    let error = stream.start_tls(&options).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("in the clear"), "{}", error.message);
}
