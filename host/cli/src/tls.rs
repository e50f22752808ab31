//! What a client trusts, and what it shows of itself.

use std::path::Path;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::args::Globals;
use crate::environment;
use crate::error::CliError;

/// The TLS settings of the flags and the environment. Without a CA of its own, what the operating system trusts.
///
/// # Errors
/// If a file cannot be read or does not hold what it should.
pub fn config(globals: &Globals) -> Result<TlsConfig, CliError> {
    let or = |flag: &Option<String>, name: &str| flag.clone().or_else(|| environment::get(name));
    let roots = match (
        or(&globals.ca_cert, "CACERT"),
        or(&globals.ca_path, "CAPATH"),
    ) {
        (Some(file), _) => RootCerts::new_with_certs(&certificates(Path::new(&file))?),
        (None, Some(folder)) => {
            RootCerts::new_with_certs(&folder_of_certificates(Path::new(&folder))?)
        }
        (None, None) => RootCerts::PlatformVerifier,
    };
    let client = match (
        or(&globals.client_cert, "CLIENT_CERT"),
        or(&globals.client_key, "CLIENT_KEY"),
    ) {
        (Some(cert), Some(key)) => {
            let chain = certificates(Path::new(&cert))?;
            let pem = zeroize::Zeroizing::new(read(Path::new(&key))?);
            let key = PrivateKey::from_pem(&pem).map_err(|error| {
                CliError::Usage(format!("{key}: no private key in it: {error}"))
            })?;
            Some(ClientCert::new_with_certs(&chain, key))
        }
        (None, None) => None,
        _ => {
            return Err(CliError::usage(
                "Both client cert and client key must be provided",
            ));
        }
    };
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .client_cert(client)
        .disable_verification(globals.tls_skip_verify || environment::is_true("SKIP_VERIFY")?)
        .build())
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path)
        .map_err(|error| CliError::Usage(format!("Error reading {}: {error}", path.display())))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, CliError> {
    let pem = read(path)?;
    let found: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(CliError::Usage(format!(
            "{}: no PEM certificate in it",
            path.display()
        )));
    }
    Ok(found)
}

fn folder_of_certificates(path: &Path) -> Result<Vec<Certificate<'static>>, CliError> {
    let failed = |error: std::io::Error| {
        CliError::Usage(format!("Error reading {}: {error}", path.display()))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.is_file() {
            found.extend(certificates(&file)?);
        }
    }
    Ok(found)
}
