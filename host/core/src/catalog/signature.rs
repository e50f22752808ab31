//! Who signed a component. Checked when it is registered, offline, against public keys that are known here; never at a
//! start: what is stored was checked, and is found by its digest.
//!
//! Two formats are understood. A plain one: Ed25519 (RFC 8032) or ECDSA P-256 (over SHA-256, in ASN.1) over the component's
//! bytes, as `coffer plugin sign` and `cosign sign-blob --key` write them. And cosign's for images: the same over a "simple
//! signing" payload that names an OCI manifest, which names the component.
//! See <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>.

use coffer_runtime::digest;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether components must be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// One that is not signed is refused.
    Require,
    /// One that is not signed is registered with a warning.
    #[default]
    Warn,
    /// Signatures are not looked at.
    Off,
}

/// The server's say on signatures.
#[derive(Clone, Debug, Default)]
pub struct SignaturePolicy {
    /// Whether they are needed.
    pub policy: Policy,
    /// Public keys in PEM. If there are any, no other key counts, whoever registers.
    pub keys: Vec<String>,
}

/// A signature as it comes with a component.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// In base64.
    pub signature: String,
    /// cosign's payload, in base64; None if the component itself is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The OCI manifest that the payload names, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
}

/// The prefixes of a SubjectPublicKeyInfo (RFC 5280, RFC 8410) before the key itself.
const ED25519_INFO: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
const P256_INFO: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

enum Key {
    Ed25519(Vec<u8>),
    P256(Vec<u8>),
}

impl Key {
    fn parse(pem: &str) -> Result<(Self, String), String> {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "the key is no public key in PEM (\"BEGIN PUBLIC KEY\")".to_owned())?;
        let key = match (
            info.strip_prefix(ED25519_INFO),
            info.strip_prefix(P256_INFO),
        ) {
            (Some(key), _) if key.len() == 32 => Self::Ed25519(key.to_vec()),
            (_, Some(key)) if key.len() == 65 => Self::P256(key.to_vec()),
            _ => return Err("the key is neither Ed25519 nor ECDSA P-256".to_owned()),
        };
        Ok((key, digest(&info)))
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::P256(key) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(message, signature)
            }
        }
        .is_ok()
    }
}

/// SHA-256 of a public key in PEM, as SubjectPublicKeyInfo, in hexadecimal.
///
/// # Errors
/// If it is no key that could sign a component.
pub fn fingerprint(pem: &str) -> Result<String, String> {
    Key::parse(pem).map(|(_, fingerprint)| fingerprint)
}

/// The fingerprint of the key that made one of these signatures over the component; None if none did.
///
/// # Errors
/// If a key or a signature is malformed.
pub fn signer(
    component: &[u8],
    signatures: &[Signature],
    keys: &[String],
) -> Result<Option<String>, String> {
    let keys = keys
        .iter()
        .map(|pem| Key::parse(pem))
        .collect::<Result<Vec<_>, _>>()?;
    for signature in signatures {
        let bytes = base64(&signature.signature, "signature")?;
        let message = match &signature.payload {
            None => component.to_vec(),
            Some(payload) => {
                let payload = base64(payload, "payload")?;
                let manifest = signature.manifest.as_deref().unwrap_or_default();
                leads_to(&payload, &base64(manifest, "manifest")?, component)?;
                payload
            }
        };
        for (key, fingerprint) in &keys {
            if key.verify(&message, &bytes) {
                return Ok(Some(fingerprint.clone()));
            }
        }
    }
    Ok(None)
}

/// Whether a payload names the manifest, and that the component.
fn leads_to(payload: &[u8], manifest: &[u8], component: &[u8]) -> Result<(), String> {
    let no_json = |what: &str| format!("the signature's {what} is not JSON");
    let payload: Value = serde_json::from_slice(payload).map_err(|_| no_json("payload"))?;
    let named = payload
        .pointer("/critical/image/docker-manifest-digest")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if named != format!("sha256:{}", digest(manifest)) {
        return Err(format!(
            "the signature is for another manifest: it names {named:?}"
        ));
    }
    let manifest: Value = serde_json::from_slice(manifest).map_err(|_| no_json("manifest"))?;
    let wanted = format!("sha256:{}", digest(component));
    let layers = manifest.get("layers").and_then(Value::as_array);
    let found = layers.is_some_and(|layers| {
        layers
            .iter()
            .any(|layer| layer.get("digest").and_then(Value::as_str) == Some(&wanted))
    });
    if !found {
        return Err("the signature is for another component".to_owned());
    }
    Ok(())
}

fn base64(text: &str, what: &str) -> Result<Vec<u8>, String> {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD
        .decode(text.trim())
        .map_err(|_| format!("the {what} is not base64"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ::base64::Engine as _;
    use ::base64::prelude::BASE64_STANDARD;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use serde_json::json;

    fn pem(prefix: &[u8], key: &[u8]) -> String {
        let text = BASE64_STANDARD.encode([prefix, key].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    fn plain(signature: &[u8]) -> Signature {
        Signature {
            signature: BASE64_STANDARD.encode(signature),
            payload: None,
            manifest: None,
        }
    }

    #[test]
    fn a_component_was_signed_by_a_known_key_or_by_none() {
        let random = ring::rand::SystemRandom::new();
        let ed =
            Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref())
                .unwrap();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let ec =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random)
                .unwrap();
        let ed_key = pem(ED25519_INFO, ed.public_key().as_ref());
        let ec_key = pem(P256_INFO, ec.public_key().as_ref());
        let component = b"a component";
        let by_ed = plain(ed.sign(component).as_ref());
        let by_ec = plain(ec.sign(&random, component).unwrap().as_ref());
        let both = [ec_key.clone(), ed_key.clone()];
        let signed =
            |signatures: &[Signature], keys: &[String]| signer(component, signatures, keys);
        assert_eq!(
            signed(std::slice::from_ref(&by_ed), &both),
            Ok(Some(fingerprint(&ed_key).unwrap()))
        );
        assert_eq!(
            signed(std::slice::from_ref(&by_ec), &both),
            Ok(Some(fingerprint(&ec_key).unwrap()))
        );
        assert_eq!(
            signed(
                &[by_ec.clone(), by_ed.clone()],
                std::slice::from_ref(&ed_key)
            ),
            Ok(Some(fingerprint(&ed_key).unwrap()))
        );
        assert_eq!(
            signed(std::slice::from_ref(&by_ec), std::slice::from_ref(&ed_key)),
            Ok(None)
        );
        assert_eq!(signed(&[], &both), Ok(None));
        assert_eq!(signer(b"another", &[by_ed, by_ec], &both), Ok(None));

        // cosign's: the payload names the manifest, the manifest names the component.
        let manifest =
            json!({"layers": [{"digest": format!("sha256:{}", digest(component))}]}).to_string();
        let payload = |manifest: &str| {
            let named = format!("sha256:{}", digest(manifest.as_bytes()));
            json!({"critical": {"image": {"docker-manifest-digest": named}}}).to_string()
        };
        let image = |payload: &str, manifest: &str| Signature {
            payload: Some(BASE64_STANDARD.encode(payload)),
            manifest: Some(BASE64_STANDARD.encode(manifest)),
            ..plain(ec.sign(&random, payload.as_bytes()).unwrap().as_ref())
        };
        let good = image(&payload(&manifest), &manifest);
        assert_eq!(
            signed(&[good], &both),
            Ok(Some(fingerprint(&ec_key).unwrap()))
        );
        let other = json!({"layers": [{"digest": "sha256:00"}]}).to_string();
        for (signature, expected) in [
            (image(&payload(&other), &other), "for another component"),
            (image(&payload(&other), &manifest), "for another manifest"),
            (image("no", &manifest), "payload is not JSON"),
        ] {
            let error = signed(&[signature], &both).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_is_no_key() {
        for (text, expected) in [
            ("", "no public key in PEM"),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "no public key in PEM",
            ),
            (&pem(b"\x30", &[0; 44]), "neither Ed25519 nor ECDSA P-256"),
        ] {
            let error = fingerprint(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
