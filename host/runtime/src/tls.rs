//! TLS towards databases: done by the host, so that no guest carries a stack of its own.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::bindings::plugin::coffer::plugin::network::{TlsOptions, Verification};

/// What a guest asked for, as rustls wants it.
pub(crate) fn config(options: &TlsOptions) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let named = named_roots(&options.root_certificates)?;
    let chain = match options.verification {
        Verification::None => None,
        Verification::Chain | Verification::Full => {
            let roots = Arc::new(store(&named)?);
            let chain = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
            let chain = chain
                .build()
                .map_err(|error| format!("the root certificates cannot be used: {error}"))?;
            Some(chain)
        }
    };
    let verifier = Arc::new(Verifier {
        provider: provider.clone(),
        chain,
        named,
        checks_name: options.verification == Verification::Full,
    });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    if options.client_certificate.is_empty() {
        return Ok(builder.with_no_client_auth());
    }
    let chain = certificates(&options.client_certificate, "client certificate")?;
    let key = PrivateKeyDer::from_pem_slice(options.client_key.as_bytes())
        .map_err(|_| "the client key is no PEM private key".to_owned())?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| format!("the client certificate cannot be used: {error}"))
}

/// The name that the server is asked for.
pub(crate) fn server_name(options: &TlsOptions) -> Result<ServerName<'static>, String> {
    ServerName::try_from(options.server_name.clone()).map_err(|_| {
        format!(
            "{:?} is neither a host name nor an address",
            options.server_name
        )
    })
}

/// The root certificates that the operator named.
fn named_roots(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if pem.trim().is_empty() {
        return Ok(Vec::new());
    }
    certificates(pem, "root certificate")
}

/// Those, or the public ones if there are none.
fn store(named: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if named.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in named {
        roots
            .add(certificate.clone())
            .map_err(|error| format!("a root certificate cannot be used: {error}"))?;
    }
    Ok(roots)
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| format!("the {what} is no PEM certificate"))?;
    if certificates.is_empty() {
        return Err(format!("the {what} holds no PEM certificate"));
    }
    Ok(certificates)
}

/// PostgreSQL's `sslmode=require` (any certificate), `verify-ca` (the chain, whatever the name) and `verify-full`.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    chain: Option<Arc<WebPkiServerVerifier>>,
    named: Vec<CertificateDer<'static>>,
    checks_name: bool,
}

/// Whether the only thing wrong with a server's certificate is that it is one of an authority.
fn is_authority(error: &CertificateError) -> bool {
    let CertificateError::Other(other) = error else {
        return false;
    };
    matches!(
        other.0.downcast_ref(),
        Some(webpki::Error::CaUsedAsEndEntity)
    )
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            // `openssl req -x509` makes servers certificates that are authorities; the operator has named this very one.
            Err(Error::InvalidCertificate(error))
                if is_authority(&error) && self.named.contains(end_entity) =>
            {
                if self.checks_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
