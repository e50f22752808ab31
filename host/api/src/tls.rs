//! TLS of a listener.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::ServeError;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// The cipher suites of TLS 1.2 that there are, by their names in IANA's registry. Those of TLS 1.3 are always all in use.
pub fn cipher_suites() -> Vec<String> {
    let suites = ring::default_provider().cipher_suites;
    let tls12 = suites.iter().filter(|suite| suite.tls13().is_none());
    tls12.map(name).collect()
}

fn name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite())
}

/// A listener's TLS: where its certificate and key are, in PEM, and whom it speaks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The oldest version that is spoken.
    pub oldest: TlsVersion,
    /// The newest.
    pub newest: TlsVersion,
    /// The cipher suites of TLS 1.2, of [`cipher_suites`]; None for all.
    pub cipher_suites: Option<Vec<String>>,
    /// The roots of the certificates that clients show. None asks for none.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without one is refused. One that shows another is refused anyway.
    pub require_client_certificate: bool,
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
        let provider = Arc::new(self.provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions())
            .map_err(|error| ServeError::Tls(format!("tls_cipher_suites: {error}")))?;
        let builder = match self.client_verifier(provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
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

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        [(TlsVersion::Tls13, &TLS13), (TlsVersion::Tls12, &TLS12)]
            .into_iter()
            .filter(|(version, _)| (self.oldest..=self.newest).contains(version))
            .map(|(_, version)| version)
            .collect()
    }

    fn provider(&self) -> CryptoProvider {
        let mut provider = ring::default_provider();
        if let Some(wanted) = &self.cipher_suites {
            let keeps = |suite: &SupportedCipherSuite| {
                suite.tls13().is_some() || wanted.contains(&name(suite))
            };
            provider.cipher_suites.retain(keeps);
        }
        provider
    }

    /// What looks at the certificates that clients show.
    fn client_verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, ServeError> {
        let Some(file) = &self.client_ca else {
            return Ok(None);
        };
        let failed = |error: &dyn std::fmt::Display| {
            ServeError::Tls(format!("tls_client_ca_file {}: {error}", file.display()))
        };
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))? {
            let root = root.map_err(|error| failed(&error))?;
            roots.add(root).map_err(|error| failed(&error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = match self.require_client_certificate {
            true => verifier,
            false => verifier.allow_unauthenticated(),
        };
        verifier.build().map(Some).map_err(|error| failed(&error))
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
