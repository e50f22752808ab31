//! TLS of a listener.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::ServeError;

/// Where a listener's certificate and key are, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whether clients without TLS 1.3 are refused.
    pub only_tls13: bool,
}

impl TlsFiles {
    fn load(&self) -> Result<Arc<ServerConfig>, ServeError> {
        let certificate_failed = |error: &dyn std::fmt::Display| {
            let path = self.certificate.display();
            ServeError::Tls(format!("tls_cert_file {path}: {error}"))
        };
        let key_failed = |error: &dyn std::fmt::Display| {
            ServeError::Tls(format!("tls_key_file {}: {error}", self.key.display()))
        };
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(|error| certificate_failed(&error))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| key_failed(&error))?;
        let versions: &[_] = if self.only_tls13 {
            &[&TLS13]
        } else {
            &[&TLS13, &TLS12]
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .map_err(|error| certificate_failed(&error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    key_failed(&"it is not the key of the certificate in tls_cert_file")
                }
                error => certificate_failed(&error),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A listener's certificate and key, which can be read again while it serves.
#[derive(Clone)]
pub(crate) struct Tls {
    files: TlsFiles,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl Tls {
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, ServeError> {
        Ok(Self {
            current: Arc::new(ArcSwap::new(files.load()?)),
            files: files.clone(),
        })
    }

    /// For the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    fn reload(&self) -> Result<(), ServeError> {
        self.current.store(self.files.load()?);
        Ok(())
    }
}

/// The certificates of all listeners.
#[derive(Clone)]
pub struct Certificates(pub(crate) Vec<Tls>);

impl Certificates {
    /// Reads the files again. Those of a listener that cannot be used leave it as it was, and the log says why.
    pub fn reload(&self) {
        for tls in &self.0 {
            let file = tls.files.certificate.display();
            match tls.reload() {
                Ok(()) => tracing::info!(%file, "certificate read again"),
                Err(error) => tracing::error!(%error, "the certificate in use stays"),
            }
        }
    }
}
