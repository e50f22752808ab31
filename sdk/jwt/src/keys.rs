//! The public keys of an issuer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coffer_sdk::{Error, Result};
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode as _, Encode as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};
use x509_cert::Certificate;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::Algorithm;
use crate::algorithm::KeyKind;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
/// Keys in a set that are looked at.
const MOST_KEYS: usize = 200;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PublicKey {
    #[serde(default)]
    id: Option<String>,
    kind: KeyKind,
    /// `SubjectPublicKeyInfo` in DER, in base64.
    der: String,
}

/// Public keys, each with the name that its issuer gave it, if any.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

/// A key as an issuer publishes it (RFC 7517; RFC 7518, 6; RFC 8037).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Keys in PEM: public ones, or certificates, of which only the key counts.
    ///
    /// # Errors
    /// Invalid if one cannot be read, or is of no algorithm that tokens are signed with.
    pub fn from_pems<'p>(pems: impl IntoIterator<Item = &'p str>) -> Result<Self> {
        let wrong =
            || Error::invalid("error parsing public key: no PEM of a public key or a certificate");
        let keys = pems.into_iter().map(|pem| {
            let der = match SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()) {
                Ok(der) => der.to_vec(),
                Err(_) => {
                    let der =
                        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong())?;
                    let certificate = Certificate::from_der(&der).map_err(|_| wrong())?;
                    let info = certificate.tbs_certificate.subject_public_key_info;
                    info.to_der().map_err(|_| wrong())?
                }
            };
            PublicKey::of(None, &der)
        });
        Ok(Self {
            keys: keys.collect::<Result<_>>()?,
        })
    }

    /// A set as it is published. Keys that are for something else, or that nobody here knows, are left out.
    ///
    /// # Errors
    /// Unavailable if that is no set.
    pub fn from_jwks(json: &[u8]) -> Result<Self> {
        let set: Jwks = serde_json::from_slice(json).map_err(|_| {
            Error::unavailable("what the issuer publishes is no set of keys (RFC 7517)")
        })?;
        let keys = set.keys.into_iter().take(MOST_KEYS).filter_map(|key| {
            let key: Jwk = serde_json::from_value(key).ok()?;
            let signs = key.usage.as_deref().is_none_or(|usage| usage == "sig");
            PublicKey::published(key).filter(|_| signs)
        });
        Ok(Self {
            keys: keys.collect(),
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a token that names this key can be verified at all: with the key of that name, or with one that has none.
    pub fn has(&self, id: Option<&str>) -> bool {
        match id {
            None => !self.is_empty(),
            Some(id) => self
                .keys
                .iter()
                .any(|key| key.id.as_deref().is_none_or(|have| have == id)),
        }
    }

    /// The keys that may have signed: those of that name, or without any; all if no name is said. And of this algorithm: a key
    /// is never tried for another.
    pub(crate) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = Vec<u8>> {
        let fits = move |key: &&PublicKey| {
            let named = match (id, key.id.as_deref()) {
                (Some(asked), Some(have)) => asked == have,
                _ => true,
            };
            named && key.kind == algorithm.key_kind()
        };
        self.keys
            .iter()
            .filter(fits)
            .filter_map(|key| URL_SAFE_NO_PAD.decode(&key.der).ok())
    }
}

impl PublicKey {
    fn of(id: Option<String>, der: &[u8]) -> Result<Self> {
        let unknown =
            || Error::invalid("the public key is for no algorithm that tokens are signed with");
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| unknown())?;
        let curve = || info.algorithm.parameters_oid().ok();
        let kind = match info.algorithm.oid {
            RSA => KeyKind::Rsa,
            ED25519 => KeyKind::Ed25519,
            EC if curve() == Some(P256) => KeyKind::P256,
            EC if curve() == Some(P384) => KeyKind::P384,
            EC if curve() == Some(P521) => KeyKind::P521,
            _ => return Err(unknown()),
        };
        Ok(Self {
            id,
            kind,
            der: URL_SAFE_NO_PAD.encode(der),
        })
    }

    fn published(key: Jwk) -> Option<Self> {
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let curve = key.crv.as_deref().unwrap_or_default();
        let spki = match (key.kty.as_str(), curve) {
            ("RSA", _) => {
                let (n, e) = (bytes(&key.n)?, bytes(&key.e)?);
                let inner = pkcs1::RsaPublicKey {
                    modulus: UintRef::new(&n).ok()?,
                    public_exponent: UintRef::new(&e).ok()?,
                };
                spki(RSA, Some(AnyRef::NULL), &inner.to_der().ok()?)?
            }
            ("EC", "P-256" | "P-384" | "P-521") => {
                let (oid, len) = match curve {
                    "P-256" => (P256, 32),
                    "P-384" => (P384, 48),
                    _ => (P521, 66),
                };
                let (x, y) = (bytes(&key.x)?, bytes(&key.y)?);
                if x.len() != len || y.len() != len {
                    return None;
                }
                // Uncompressed (SEC 1, 2.3.3).
                let point = [&[4], &x[..], &y[..]].concat();
                spki(EC, Some(AnyRef::from(&oid)), &point)?
            }
            ("OKP", "Ed25519") => spki(ED25519, None, &bytes(&key.x)?)?,
            _ => return None,
        };
        Self::of(key.kid, &spki).ok()
    }
}

fn spki(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Option<Vec<u8>> {
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid, parameters },
        subject_public_key: BitStringRef::from_bytes(key).ok()?,
    };
    info.to_der().ok()
}
