//! One key.

use std::fmt;

use ring::hkdf;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::aead::Cipher;
use crate::algorithm::Family;
use crate::evp::{Kind, Pkey, longest_salt};
use crate::{Algorithm, Hash, KeyError, Nonce, Padding, Salt, Signing, der};

/// Fills bytes with randomness.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

/// The shortest and the longest key for HMAC, in bytes.
const HMAC: std::ops::RangeInclusive<usize> = 16..=4096;
/// What stands between an algorithm's name and the key in storage: for a whole key, and for a public half.
const WHOLE: u8 = 0;
const PUBLIC: u8 = 1;
/// The hash of RSA-OAEP where none is chosen.
const OAEP: Hash = Hash::Sha2_256;

/// A key. Its bytes are wiped when it is dropped, and not shown.
pub struct Key {
    algorithm: Algorithm,
    /// Raw bytes; an Ed25519 key's seed; PKCS#8 of an RSA or ECDSA key. Of a public half: `SubjectPublicKeyInfo`.
    material: Zeroizing<Vec<u8>>,
    ready: Ready,
    /// Makes nonces of texts; only derived keys have it.
    convergent: Option<Zeroizing<Vec<u8>>>,
}

/// What computes.
enum Ready {
    Aead(Cipher),
    Ed25519(Box<Ed25519KeyPair>),
    Ed25519Public([u8; 32]),
    Pair(Pkey),
    Public(Pkey),
    Hmac,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.algorithm)
    }
}

impl Key {
    /// A new one; `len` bytes long if it is one for HMAC. RSA and ECDSA draw from the system, every other algorithm from
    /// `random`.
    ///
    /// # Errors
    /// If the system has no randomness, or HMAC has no keys of this length.
    pub fn generate(
        algorithm: Algorithm,
        len: Option<usize>,
        random: Random<'_>,
    ) -> Result<Self, KeyError> {
        let failed = KeyError::Failed("making a key");
        let len = match algorithm.family() {
            Family::Aead(len) => len,
            Family::Ed25519 => 32,
            Family::Hmac => len.unwrap_or(32),
            Family::Ec(curve) => return Self::of_pair(algorithm, Pkey::ec(curve).ok_or(failed)?),
            Family::Rsa(bits) => return Self::of_pair(algorithm, Pkey::rsa(bits).ok_or(failed)?),
        };
        check_hmac(algorithm, len)?;
        let mut bytes = Zeroizing::new(vec![0; len]);
        random(&mut bytes);
        Self::of(algorithm, bytes)
    }

    fn of_pair(algorithm: Algorithm, pair: Pkey) -> Result<Self, KeyError> {
        Ok(Self {
            algorithm,
            material: pair
                .to_pkcs8()
                .ok_or(KeyError::Failed("writing a key down"))?,
            ready: Ready::Pair(pair),
            convergent: None,
        })
    }

    /// From bytes: raw ones of a symmetric key, PKCS#8 in DER (RFC 5958) of any other; of an Ed25519 key also its seed.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] if they are something else.
    pub fn import(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        match algorithm.family() {
            Family::Ed25519 if bytes.len() != 32 => Self::of(algorithm, ed25519_seed(bytes)?),
            // Written down as we write keys down, whatever it came with.
            Family::Ec(_) | Family::Rsa(_) => Self::of_pair(algorithm, pair(algorithm, bytes)?),
            _ => Self::of(algorithm, Zeroizing::new(bytes.to_vec())),
        }
    }

    /// The public half of a key: `SubjectPublicKeyInfo` in DER (RFC 5280). It verifies, and RSA's encrypts.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] if that is something else.
    pub fn import_public(algorithm: Algorithm, spki: &[u8]) -> Result<Self, KeyError> {
        let ready = match algorithm.family() {
            Family::Ed25519 => spki
                .strip_prefix(&der::ED25519_PUBLIC)
                .and_then(|key| key.try_into().ok())
                .map(Ready::Ed25519Public),
            Family::Ec(_) | Family::Rsa(_) => {
                let key = Pkey::from_spki(spki);
                key.map(|key| check_kind(algorithm, key).map(Ready::Public))
                    .transpose()?
            }
            Family::Aead(_) | Family::Hmac => {
                return Err(KeyError::Unsupported(algorithm, "have a public half"));
            }
        };
        let wrong = || KeyError::NoKey(algorithm, "no public key in DER is there".to_owned());
        Ok(Self {
            algorithm,
            material: Zeroizing::new(spki.to_vec()),
            ready: ready.ok_or_else(wrong)?,
            convergent: None,
        })
    }

    fn of(algorithm: Algorithm, material: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        let ready = match algorithm.family() {
            Family::Aead(_) => Ready::Aead(Cipher::new(algorithm, &material)?),
            Family::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&material);
                let pair = pair.map_err(|why| KeyError::NoKey(algorithm, why.to_string()))?;
                Ready::Ed25519(Box::new(pair))
            }
            Family::Hmac => {
                check_hmac(algorithm, material.len())?;
                Ready::Hmac
            }
            Family::Ec(_) | Family::Rsa(_) => Ready::Pair(pair(algorithm, &material)?),
        };
        Ok(Self {
            algorithm,
            material,
            ready,
            convergent: None,
        })
    }

    /// As [`import`](Self::import) takes it. Whoever has this has the key.
    ///
    /// # Errors
    /// [`KeyError::PublicOnly`].
    pub fn export(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.ready {
            Ready::Ed25519Public(_) | Ready::Public(_) => Err(KeyError::PublicOnly),
            Ready::Ed25519(_) => {
                let pkcs8 = [&der::ED25519_PRIVATE[..], &self.material].concat();
                Ok(Zeroizing::new(pkcs8))
            }
            _ => Ok(self.material.clone()),
        }
    }

    /// As it is kept: the algorithm's name, what is there of the key, and the key.
    pub fn to_stored(&self) -> Zeroizing<Vec<u8>> {
        let part = if self.is_public() { PUBLIC } else { WHOLE };
        Zeroizing::new([self.algorithm.name().as_bytes(), &[part], &self.material].concat())
    }

    /// As it was kept.
    ///
    /// # Errors
    /// If that is no key.
    pub fn from_stored(stored: &[u8]) -> Result<Self, KeyError> {
        let end = stored.iter().position(|byte| *byte <= PUBLIC);
        let (name, part, material) = end
            .and_then(|end| Some((stored.get(..end)?, stored.get(end)?, stored.get(end + 1..)?)))
            .ok_or(KeyError::Failed("reading a stored key"))?;
        let algorithm = String::from_utf8_lossy(name).parse()?;
        if *part == PUBLIC {
            Self::import_public(algorithm, material)
        } else {
            Self::of(algorithm, Zeroizing::new(material.to_vec()))
        }
    }

    /// What it computes with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How many bits it has: its bytes', if it is symmetric, else the modulus's or the curve's.
    pub fn bits(&self) -> u32 {
        let bits = match self.algorithm.family() {
            Family::Aead(len) => 8 * len,
            Family::Ed25519 => 256,
            Family::Ec(curve) => curve.bits(),
            Family::Rsa(bits) => usize::from(bits),
            Family::Hmac => 8 * self.material.len(),
        };
        u32::try_from(bits).unwrap_or(u32::MAX)
    }

    /// Whether only the public half is there.
    pub fn is_public(&self) -> bool {
        matches!(self.ready, Ready::Ed25519Public(_) | Ready::Public(_))
    }

    /// `SubjectPublicKeyInfo` in DER (RFC 5280); None of a symmetric key.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        match &self.ready {
            Ready::Ed25519(pair) => {
                Some([&der::ED25519_PUBLIC, pair.public_key().as_ref()].concat())
            }
            Ready::Pair(pair) => pair.to_spki(),
            Ready::Ed25519Public(_) | Ready::Public(_) => Some(self.material.to_vec()),
            Ready::Aead(_) | Ready::Hmac => None,
        }
    }

    /// Another key for the same algorithm, the same for the same context: HKDF with SHA-256 (RFC 5869), no salt, and the
    /// context as its info; an Ed25519 key derives from its seed and its public key together.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] for RSA and ECDSA.
    pub fn derive(&self, context: &[u8]) -> Result<Self, KeyError> {
        /// Of what makes nonces, in bytes.
        const CONVERGENT: usize = 32;
        let (len, behind, from) = match &self.ready {
            Ready::Aead(_) => (self.material.len(), CONVERGENT, self.material.clone()),
            Ready::Hmac => (32, 0, self.material.clone()),
            Ready::Ed25519(pair) => {
                let whole = [&self.material[..], pair.public_key().as_ref()].concat();
                (self.material.len(), 0, Zeroizing::new(whole))
            }
            _ => return Err(KeyError::Unsupported(self.algorithm, "derive others")),
        };
        let mut material = derived(&from, context, len + behind)?;
        let convergent = Zeroizing::new(material.split_off(len));
        Ok(Self {
            convergent: (behind > 0).then_some(convergent),
            ..Self::of(self.algorithm, material)?
        })
    }

    /// Nonce, ciphertext and tag. RSA encrypts with OAEP over SHA-256, and knows neither nonce nor associated data.
    ///
    /// # Errors
    /// If the algorithm does not encrypt, or the nonce has another length, or RSA cannot take so much.
    pub fn encrypt(
        &self,
        plaintext: &[u8],
        associated: &[u8],
        nonce: Nonce<'_>,
        random: Random<'_>,
    ) -> Result<Vec<u8>, KeyError> {
        match &self.ready {
            Ready::Aead(cipher) => cipher.encrypt(
                self.algorithm,
                plaintext,
                associated,
                nonce,
                self.convergent.as_ref().map(|key| key.as_slice()),
                random,
            ),
            _ => {
                self.check_bare(associated)?;
                self.encrypt_oaep(plaintext, OAEP)
            }
        }
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
        match &self.ready {
            Ready::Aead(cipher) => cipher.decrypt(ciphertext, associated),
            _ => {
                self.check_bare(associated)?;
                self.decrypt_oaep(ciphertext, OAEP)
            }
        }
    }

    fn check_bare(&self, associated: &[u8]) -> Result<(), KeyError> {
        if associated.is_empty() {
            return Ok(());
        }
        Err(KeyError::Unsupported(
            self.algorithm,
            "take associated data",
        ))
    }

    pub(crate) fn block_len(&self) -> Result<usize, KeyError> {
        Ok(self.rsa()?.size())
    }

    fn rsa(&self) -> Result<&Pkey, KeyError> {
        match (&self.ready, self.algorithm.family()) {
            (Ready::Pair(key) | Ready::Public(key), Family::Rsa(_)) => Ok(key),
            _ => Err(KeyError::Unsupported(self.algorithm, "encrypt")),
        }
    }

    pub(crate) fn encrypt_oaep(&self, plaintext: &[u8], hash: Hash) -> Result<Vec<u8>, KeyError> {
        let key = self.rsa()?;
        let most = key.size().saturating_sub(2 * hash.output_len() + 2);
        if plaintext.len() > most {
            let got = plaintext.len();
            return Err(KeyError::TooLong { most, got });
        }
        key.encrypt(plaintext, hash)
            .ok_or(KeyError::Failed("encrypting"))
    }

    pub(crate) fn decrypt_oaep(
        &self,
        ciphertext: &[u8],
        hash: Hash,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let key = self.rsa()?;
        if self.is_public() {
            return Err(KeyError::PublicOnly);
        }
        key.decrypt(ciphertext, hash).ok_or(KeyError::Sealed)
    }

    /// A signature: 64 bytes of Ed25519, ASN.1 in DER of ECDSA, a block of RSA.
    ///
    /// # Errors
    /// If the algorithm does not sign, or not so.
    pub fn sign(&self, input: &[u8], how: Signing) -> Result<Vec<u8>, KeyError> {
        let input = how.input(self.algorithm, input)?;
        match &self.ready {
            Ready::Ed25519(pair) => Ok(pair.sign(&input).as_ref().to_vec()),
            Ready::Pair(pair) => {
                self.check_padding(pair, &input, how)?;
                pair.sign(&input, how.hash, how.padding)
                    .ok_or(KeyError::Failed("signing"))
            }
            Ready::Ed25519Public(_) | Ready::Public(_) => Err(KeyError::PublicOnly),
            Ready::Aead(_) | Ready::Hmac => Err(KeyError::Unsupported(self.algorithm, "sign")),
        }
    }

    /// Whether the key has made this signature of this input.
    ///
    /// # Errors
    /// If the algorithm does not sign, or not so.
    pub fn verify(&self, input: &[u8], signature: &[u8], how: Signing) -> Result<bool, KeyError> {
        let input = how.input(self.algorithm, input)?;
        let ed25519 = |public: &[u8]| {
            let key = UnparsedPublicKey::new(&ED25519, public);
            Ok(key.verify(&input, signature).is_ok())
        };
        match &self.ready {
            Ready::Ed25519(pair) => ed25519(pair.public_key().as_ref()),
            Ready::Ed25519Public(public) => ed25519(public),
            Ready::Pair(key) | Ready::Public(key) => {
                self.check_padding(key, &input, how)?;
                Ok(key.verify(&input, signature, how.hash, how.padding))
            }
            Ready::Aead(_) | Ready::Hmac => Err(KeyError::Unsupported(self.algorithm, "verify")),
        }
    }

    /// Whether RSA can pad so.
    fn check_padding(&self, key: &Pkey, input: &[u8], how: Signing) -> Result<(), KeyError> {
        match (self.algorithm.family(), how.padding, how.hash) {
            (Family::Rsa(_), Padding::Pss(_), None) => Err(KeyError::Unsupported(
                self.algorithm,
                "use PSS without a hash",
            )),
            (Family::Rsa(_), Padding::Pss(Salt::Bytes(len)), Some(hash)) => {
                let most = longest_salt(key.size(), hash);
                let fits = usize::try_from(len).is_ok_and(|len| len <= most);
                if fits {
                    Ok(())
                } else {
                    Err(KeyError::Salt(len, most))
                }
            }
            (Family::Rsa(_), Padding::Pkcs1, None) => {
                // RFC 8017, 9.2: so much is padding.
                let (most, got) = (key.size().saturating_sub(11), input.len());
                let fits = got <= most;
                if fits {
                    Ok(())
                } else {
                    Err(KeyError::TooLong { most, got })
                }
            }
            _ => Ok(()),
        }
    }

    /// HMAC with this hash.
    ///
    /// # Errors
    /// If the key is not for HMAC.
    pub fn mac(&self, data: &[u8], hash: Hash) -> Result<Vec<u8>, KeyError> {
        if self.algorithm != Algorithm::Hmac {
            return Err(KeyError::Unsupported(self.algorithm, "authenticate"));
        }
        hash.mac(&self.material, data)
    }

    /// The key that this one and another's public half on the same curve have in common: of the secret that ECDH gives, HKDF
    /// with SHA-256 (no salt, no info) makes a key for `algorithm`.
    ///
    /// # Errors
    /// If this is no key on a curve, the other no public half on the same, or the algorithm not one that encrypts.
    pub fn agree(&self, peer: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let Family::Aead(len) = algorithm.family() else {
            return Err(KeyError::Unsupported(algorithm, "come of an agreement"));
        };
        let (Ready::Pair(pair), Family::Ec(_)) = (&self.ready, self.algorithm.family()) else {
            return Err(match self.ready {
                Ready::Public(_) => KeyError::PublicOnly,
                _ => KeyError::Unsupported(self.algorithm, "agree on others"),
            });
        };
        let peer = Self::import_public(self.algorithm, peer)?;
        let Ready::Public(peer) = &peer.ready else {
            return Err(KeyError::Failed("agreeing on a key"));
        };
        let shared = pair.agree(peer);
        let shared = shared.ok_or(KeyError::Failed("agreeing on a key"))?;
        Self::of(algorithm, derived(&shared, &[], len)?)
    }
}

/// HKDF with SHA-256, without salt.
fn derived(from: &[u8], info: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut out = Zeroizing::new(vec![0; len]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(from)
        .expand(&[info], Len(len))
        .and_then(|okm| okm.fill(&mut out))
        .map_err(|_| KeyError::Failed("deriving a key"))?;
    Ok(out)
}

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

fn check_hmac(algorithm: Algorithm, len: usize) -> Result<(), KeyError> {
    if algorithm != Algorithm::Hmac || HMAC.contains(&len) {
        return Ok(());
    }
    let (least, most) = (HMAC.start(), HMAC.end());
    let why = format!("it has {len} bytes, not {least} to {most}");
    Err(KeyError::NoKey(algorithm, why))
}

fn pair(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Pkey, KeyError> {
    let wrong = || KeyError::NoKey(algorithm, "no private key in PKCS#8 is there".to_owned());
    check_kind(algorithm, Pkey::from_pkcs8(pkcs8).ok_or_else(wrong)?)
}

/// Whether a key is of this algorithm's kind and size.
fn check_kind(algorithm: Algorithm, key: Pkey) -> Result<Pkey, KeyError> {
    match (algorithm.family(), key.kind()) {
        (Family::Rsa(wanted), Kind::Rsa(bits)) if wanted == bits => Ok(key),
        (Family::Ec(wanted), Kind::Ec(curve)) if wanted == curve => Ok(key),
        (_, Kind::Rsa(bits)) => {
            let why = format!("it is an RSA key of {bits} bits");
            Err(KeyError::NoKey(algorithm, why))
        }
        (_, Kind::Ec(curve)) => {
            let why = format!("it is a key on {curve:?}");
            Err(KeyError::NoKey(algorithm, why))
        }
        (_, Kind::Other) => Err(KeyError::NoKey(algorithm, "it is of another kind".into())),
    }
}

/// The seed in PKCS#8, which may also have the public key: then it must be the seed's.
fn ed25519_seed(pkcs8: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let wrong = |why: String| KeyError::NoKey(Algorithm::Ed25519, why);
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|why| wrong(why.to_string()))?;
    let at = pkcs8
        .windows(der::ED25519_SEED.len())
        .position(|found| found == der::ED25519_SEED)
        .map(|at| at + der::ED25519_SEED.len());
    at.and_then(|at| pkcs8.get(at..at + 32))
        .map(|seed| Zeroizing::new(seed.to_vec()))
        .ok_or_else(|| wrong("it has no seed".to_owned()))
}
