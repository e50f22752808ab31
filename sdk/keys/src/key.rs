//! One key.

use std::fmt;

use ring::aead::LessSafeKey;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    KeyPair as _, UnparsedPublicKey, VerificationAlgorithm,
};
use ring::{hkdf, hmac};
use zeroize::Zeroizing;

use crate::{Algorithm, KeyError, aead, der};

/// Fills bytes with randomness.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

/// The shortest and the longest key for HMAC, in bytes.
const HMAC: std::ops::RangeInclusive<usize> = 16..=4096;

/// A key. Its bytes are wiped when it is dropped, and not shown.
pub struct Key {
    algorithm: Algorithm,
    /// Raw bytes; an Ed25519 key's seed; PKCS#8 of an ECDSA key.
    material: Zeroizing<Vec<u8>>,
    ready: Ready,
}

/// What computes.
#[allow(
    clippy::large_enum_variant,
    reason = "there are few of them, each behind a pointer"
)]
enum Ready {
    Aead(LessSafeKey),
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Hmac(hmac::Key),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.algorithm)
    }
}

impl Key {
    /// A new one. ECDSA draws from the system; every other algorithm from `random`.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn generate(algorithm: Algorithm, random: Random<'_>) -> Result<Self, KeyError> {
        let material = match algorithm.len() {
            Some(len) => {
                let mut bytes = Zeroizing::new(vec![0; len]);
                random(&mut bytes);
                bytes
            }
            None => {
                let signing = ecdsa_signing(algorithm)?;
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new())
                    .map_err(|_| KeyError::Failed("making a key"))?;
                Zeroizing::new(pkcs8.as_ref().to_vec())
            }
        };
        Self::of(algorithm, material)
    }

    /// From bytes: raw ones of a symmetric key, PKCS#8 in DER (RFC 5958) of any other; of an Ed25519 key also its seed.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] if they are something else.
    pub fn import(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let material = match algorithm {
            Algorithm::Ed25519 if bytes.len() != 32 => ed25519_seed(bytes)?,
            _ => bytes.to_vec(),
        };
        Self::of(algorithm, Zeroizing::new(material))
    }

    fn of(algorithm: Algorithm, material: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        let ready = match aead::key(algorithm, &material) {
            Some(key) => Ready::Aead(key?),
            None => match algorithm {
                Algorithm::Hmac if HMAC.contains(&material.len()) => {
                    Ready::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &material))
                }
                Algorithm::Hmac => {
                    let (least, most) = (HMAC.start(), HMAC.end());
                    let why = format!("it has {} bytes, not {least} to {most}", material.len());
                    return Err(KeyError::NoKey(algorithm, why));
                }
                Algorithm::Ed25519 => Ready::Ed25519(
                    Ed25519KeyPair::from_seed_unchecked(&material)
                        .map_err(|why| KeyError::NoKey(algorithm, why.to_string()))?,
                ),
                _ => Ready::Ecdsa(
                    EcdsaKeyPair::from_pkcs8(
                        ecdsa_signing(algorithm)?,
                        &material,
                        &SystemRandom::new(),
                    )
                    .map_err(|why| KeyError::NoKey(algorithm, why.to_string()))?,
                ),
            },
        };
        Ok(Self {
            algorithm,
            material,
            ready,
        })
    }

    /// As [`import`](Self::import) takes it. Whoever has this has the key.
    pub fn export(&self) -> Zeroizing<Vec<u8>> {
        match self.algorithm {
            Algorithm::Ed25519 => {
                Zeroizing::new([&der::ED25519_PRIVATE[..], &self.material].concat())
            }
            _ => self.material.clone(),
        }
    }

    /// As it is kept: the algorithm's name, NUL, and the key.
    pub fn to_stored(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.algorithm.name().as_bytes(), b"\0", &self.material].concat())
    }

    /// As it was kept.
    ///
    /// # Errors
    /// If that is no key.
    pub fn from_stored(stored: &[u8]) -> Result<Self, KeyError> {
        let end = stored.iter().position(|byte| *byte == 0);
        let (name, material) = end
            .and_then(|end| Some((stored.get(..end)?, stored.get(end + 1..)?)))
            .ok_or(KeyError::Failed("reading a stored key"))?;
        let algorithm = String::from_utf8_lossy(name).parse()?;
        Self::of(algorithm, Zeroizing::new(material.to_vec()))
    }

    /// What it computes with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `SubjectPublicKeyInfo` in DER (RFC 5280); None of a symmetric key.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        let (before, point): (&[u8], &[u8]) = match &self.ready {
            Ready::Ed25519(pair) => (&der::ED25519_PUBLIC, pair.public_key().as_ref()),
            Ready::Ecdsa(pair) => match self.algorithm {
                Algorithm::EcdsaP256 => (&der::P256_PUBLIC, pair.public_key().as_ref()),
                _ => (&der::P384_PUBLIC, pair.public_key().as_ref()),
            },
            Ready::Aead(_) | Ready::Hmac(_) => return None,
        };
        Some([before, point].concat())
    }

    /// Another key for the same algorithm, the same for the same context: HKDF with SHA-256 (RFC 5869), no salt, and the
    /// context as its info; an Ed25519 key derives from its seed and its public key together.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] for ECDSA.
    pub fn derive(&self, context: &[u8]) -> Result<Self, KeyError> {
        let unsupported = KeyError::Unsupported(self.algorithm, "derive others");
        let len = self.algorithm.len().ok_or(unsupported)?;
        let mut from = self.material.clone();
        if let Ready::Ed25519(pair) = &self.ready {
            from = Zeroizing::new([&from[..], pair.public_key().as_ref()].concat());
        }
        let failed = |_| KeyError::Failed("deriving a key");
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&from);
        let mut material = Zeroizing::new(vec![0; len]);
        secret
            .expand(&[context], Len(len))
            .and_then(|okm| okm.fill(&mut material))
            .map_err(failed)?;
        Self::of(self.algorithm, material)
    }

    /// Nonce, ciphertext and tag. Without a nonce a random one is taken; a nonce must never come twice for two texts.
    ///
    /// # Errors
    /// If the algorithm does not encrypt, or the nonce has another length.
    pub fn encrypt(
        &self,
        plaintext: &[u8],
        associated: &[u8],
        nonce: Option<&[u8]>,
        random: Random<'_>,
    ) -> Result<Vec<u8>, KeyError> {
        let Ready::Aead(key) = &self.ready else {
            return Err(KeyError::Unsupported(self.algorithm, "encrypt"));
        };
        aead::encrypt(key, self.algorithm, plaintext, associated, nonce, random)
    }

    /// What was encrypted.
    ///
    /// # Errors
    /// [`KeyError::Sealed`] if this is not what the key made of it, [`KeyError::Unsupported`] if it does not encrypt.
    pub fn decrypt(
        &self,
        ciphertext: &[u8],
        associated: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let Ready::Aead(key) = &self.ready else {
            return Err(KeyError::Unsupported(self.algorithm, "decrypt"));
        };
        aead::decrypt(key, ciphertext, associated)
    }

    /// A signature: 64 bytes of Ed25519, ASN.1 in DER of ECDSA.
    ///
    /// # Errors
    /// If the algorithm does not sign.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.ready {
            Ready::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Ready::Ecdsa(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Failed("signing")),
            Ready::Aead(_) | Ready::Hmac(_) => Err(KeyError::Unsupported(self.algorithm, "sign")),
        }
    }

    /// Whether the key has made this signature of this message.
    ///
    /// # Errors
    /// If the algorithm does not sign.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<bool, KeyError> {
        let (algorithm, public): (&dyn VerificationAlgorithm, &[u8]) = match &self.ready {
            Ready::Ed25519(pair) => (&ED25519, pair.public_key().as_ref()),
            Ready::Ecdsa(pair) => match self.algorithm {
                Algorithm::EcdsaP256 => (&ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref()),
                _ => (&ECDSA_P384_SHA384_ASN1, pair.public_key().as_ref()),
            },
            Ready::Aead(_) | Ready::Hmac(_) => {
                return Err(KeyError::Unsupported(self.algorithm, "verify"));
            }
        };
        let verified = UnparsedPublicKey::new(algorithm, public).verify(message, signature);
        Ok(verified.is_ok())
    }

    /// HMAC with SHA-256: 32 bytes.
    ///
    /// # Errors
    /// If the key is not for HMAC.
    pub fn mac(&self, data: &[u8]) -> Result<Vec<u8>, KeyError> {
        let Ready::Hmac(key) = &self.ready else {
            return Err(KeyError::Unsupported(self.algorithm, "authenticate"));
        };
        Ok(hmac::sign(key, data).as_ref().to_vec())
    }
}

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

fn ecdsa_signing(algorithm: Algorithm) -> Result<&'static EcdsaSigningAlgorithm, KeyError> {
    match algorithm {
        Algorithm::EcdsaP256 => Ok(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::EcdsaP384 => Ok(&ECDSA_P384_SHA384_ASN1_SIGNING),
        _ => Err(KeyError::Unsupported(algorithm, "sign with ECDSA")),
    }
}

/// The seed in PKCS#8, which may also have the public key: then it must be the seed's.
fn ed25519_seed(pkcs8: &[u8]) -> Result<Vec<u8>, KeyError> {
    let wrong = |why: String| KeyError::NoKey(Algorithm::Ed25519, why);
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|why| wrong(why.to_string()))?;
    let at = pkcs8
        .windows(der::ED25519_SEED.len())
        .position(|found| found == der::ED25519_SEED)
        .map(|at| at + der::ED25519_SEED.len());
    at.and_then(|at| pkcs8.get(at..at + 32))
        .map(<[u8]>::to_vec)
        .ok_or_else(|| wrong("it has no seed".to_owned()))
}
