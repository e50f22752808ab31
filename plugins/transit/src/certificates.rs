//! Requests for certificates of a key, and the certificates that come back.

use coffer_sdk::keys::{Padding, Signing};
use coffer_sdk::prelude::*;
use der::asn1::{BitString, ObjectIdentifier};
use der::{Any, Decode as _, Encode as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::request::{CertReq, CertReqInfo, Version as RequestVersion};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::encoding;
use crate::kind::Kind;
use crate::policy::{NAME, Policy};
use crate::version::Version;

const VERSION: Field<i64> = Field::integer(
    "version",
    "The version of the key; the latest if it is not given.",
);
const TEMPLATE: Field<String> = Field::text(
    "csr",
    "A request in PEM whose subject and attributes are taken over. Without one there are none.",
);
const CHAIN: Field<String> = Field::text(
    "certificate_chain",
    "Certificates in PEM: the key's first, then those that vouch for it.",
)
.required();

pub(crate) const CSR: Path = Path::new(
    "keys/{name}/csr",
    "Makes a certificate signing request for a key (RFC 2986).",
)
.fields(&[NAME.decl(), VERSION.decl(), TEMPLATE.decl()])
.write(request_certificate);

pub(crate) const SET_CERTIFICATE: Path = Path::new(
    "keys/{name}/set-certificate",
    "Stores the certificates of a key beside it.",
)
.fields(&[NAME.decl(), VERSION.decl(), CHAIN.decl()])
.write(set_certificate);

/// What signs the request (RFC 4055, 5758, 8410).
fn signature_algorithm(kind: Kind) -> AlgorithmIdentifierOwned {
    let oid = ObjectIdentifier::new_unwrap(match kind {
        Kind::Ed25519 => "1.3.101.112",
        Kind::EcdsaP384 => "1.2.840.10045.4.3.3",
        Kind::EcdsaP521 => "1.2.840.10045.4.3.4",
        _ if kind.is_ecdsa() => "1.2.840.10045.4.3.2",
        _ => "1.2.840.113549.1.1.11",
    });
    let parameters = kind.is_rsa().then(Any::null);
    AlgorithmIdentifierOwned { oid, parameters }
}

/// The policy and the version that a request is about.
fn asked(request: &Request) -> Result<(Policy, u32)> {
    let name = request.require(NAME)?;
    let policy = Policy::usable(
        request,
        &format!("key with provided name '{name}' not found"),
    )?;
    if !policy.kind.signs() {
        return Err(Error::invalid(format!(
            "key type '{}' does not support signing",
            policy.kind.name()
        )));
    }
    if policy.derived {
        return Err(Error::invalid(
            "operation not supported for keys with derivation enabled",
        ));
    }
    let version = match request.get(VERSION)? {
        None => policy.latest_version,
        Some(asked) => policy
            .version(asked)
            .ok_or_else(|| Error::invalid("could not create the csr: no such key version"))?,
    };
    Ok((policy, version))
}

/// A request in PEM.
pub(crate) fn parse_request(pem: &str) -> Result<CertReq> {
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| Error::invalid("could not decode PEM CSR"))?;
    CertReq::from_der(&der)
        .map_err(|error| Error::invalid(format!("the CSR is no certificate request: {error}")))
}

fn request_certificate(request: &Request) -> Result<Response> {
    let (policy, version) = asked(request)?;
    let kind = policy.kind;
    let key = policy.open(version)?;
    if key.is_public() {
        return Err(Error::invalid(
            "could not create the csr: private key not imported for key version selected",
        ));
    }
    let public = key
        .public_key()
        .ok_or_else(|| Error::internal("a key that signs has no public half"))?;
    let template = request.get(TEMPLATE)?.filter(|pem| !pem.is_empty());
    let template = template.as_deref().map(parse_request).transpose()?;
    let (subject, attributes) = template
        .map(|template| (template.info.subject, template.info.attributes))
        .unwrap_or_default();
    let info = CertReqInfo {
        version: RequestVersion::V1,
        subject,
        public_key: SubjectPublicKeyInfoOwned::from_der(&public).map_err(Error::internal)?,
        attributes,
    };
    let how = Signing {
        padding: Padding::Pkcs1,
        ..Signing::message(kind.hash())
    };
    let signature = key.sign_with(&info.to_der().map_err(Error::internal)?, how)?;
    let made = CertReq {
        info,
        algorithm: signature_algorithm(kind),
        signature: BitString::from_bytes(&signature).map_err(Error::internal)?,
    };
    let der = made.to_der().map_err(Error::internal)?;
    Ok(Response::data(json!({
        "name": policy.name,
        "type": kind.name(),
        "csr": encoding::pem("CERTIFICATE REQUEST", &der)?,
    })))
}

/// Certificates in PEM, one at least, and each in DER besides.
pub(crate) fn parse_chain(pem: &str) -> Result<Vec<(Certificate, Vec<u8>)>> {
    if pem.trim().is_empty() {
        return Err(Error::invalid(
            "provided certificate chain did not contain any valid PEM encoded certificate",
        ));
    }
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|der| {
            let der = der.map_err(|_| {
                Error::invalid("could not decode a PEM block in the certificate chain")
            })?;
            let parsed = Certificate::from_der(&der).map_err(|error| {
                Error::invalid(format!(
                    "failed to parse a certificate in the chain: {error}"
                ))
            })?;
            Ok((parsed, der.to_vec()))
        })
        .collect::<Result<Vec<_>>>()?;
    if chain.is_empty() {
        return Err(Error::invalid(
            "could not decode a PEM block in the certificate chain",
        ));
    }
    Ok(chain)
}

/// Certificates in PEM, of those in DER, without a line break at the end.
pub(crate) fn chain<'d>(ders: impl Iterator<Item = &'d [u8]>) -> Result<String> {
    let pems = ders.map(|der| encoding::pem("CERTIFICATE", der));
    let chain = pems.collect::<Result<String>>()?;
    Ok(chain.trim_end().to_owned())
}

fn is_authority(certificate: &Certificate) -> bool {
    let constraints = certificate.tbs_certificate.get::<BasicConstraints>();
    matches!(constraints, Ok(Some((_, constraints))) if constraints.ca)
}

fn set_certificate(request: &Request) -> Result<Response> {
    let (policy, version) = asked(request)?;
    let chain = parse_chain(&request.get(CHAIN)?.unwrap_or_default())?;
    let Some(((leaf, _), rest)) = chain.split_first() else {
        return Err(Error::internal("a chain without certificates"));
    };
    if is_authority(leaf) {
        return Err(Error::invalid(
            "certificate in the first element is not a valid leaf certificate",
        ));
    }
    if rest
        .iter()
        .any(|(certificate, _)| !is_authority(certificate))
    {
        return Err(Error::invalid(
            "every certificate after the first must be a CA's: there is one leaf in a chain",
        ));
    }
    let key = policy.open(version)?;
    let ours = key.public_key().unwrap_or_default();
    let ours = SubjectPublicKeyInfoOwned::from_der(&ours).map_err(Error::internal)?;
    let theirs = &leaf.tbs_certificate.subject_public_key_info;
    if ours.algorithm.oid != theirs.algorithm.oid {
        return Err(Error::invalid(format!(
            "could not validate key match between leaf certificate key and key entry in transit: the certificate's public key \
             does not match the transit key type '{}'",
            policy.kind.name()
        )));
    }
    if ours.subject_public_key != theirs.subject_public_key {
        return Err(Error::invalid(
            "leaf certificate public key does not match the selected key version",
        ));
    }
    let mut record = Version::load(&policy.name, version)?;
    record.certificate_chain = self::chain(chain.iter().map(|(_, der)| der.as_slice()))?;
    record.store(&policy.name, version)?;
    Ok(Response::empty())
}
