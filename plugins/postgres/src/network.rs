//! The driver over the host's streams.

use std::io;

use coffer_sdk::ErrorKind;
use coffer_sdk::network::{self, Stream, TlsOptions};

use crate::settings::Certificates;
use crate::transport::{Dial, Transport, Verification};

/// Asks the host to connect.
pub struct Network;

fn io_error(error: coffer_sdk::Error) -> io::Error {
    let kind = match error.kind {
        ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.message)
}

impl Dial for Network {
    type Stream = Stream;

    fn dial(&mut self, host: &str, port: u16) -> io::Result<Stream> {
        Stream::connect(host, port).map_err(io_error)
    }
}

impl Transport for Stream {
    fn start_tls(
        &mut self,
        name: &str,
        verification: Verification,
        certificates: &Certificates,
    ) -> io::Result<()> {
        let options = TlsOptions {
            server_name: name.to_owned(),
            verification: match verification {
                Verification::None => network::Verification::None,
                Verification::Chain => network::Verification::Chain,
                Verification::Full => network::Verification::Full,
            },
            root_certificates: certificates.roots.clone(),
            client_certificate: certificates.certificate.clone(),
            client_key: certificates.key.to_string(),
        };
        Stream::start_tls(self, &options).map_err(io_error)
    }
}
