//! One version of a key in a backup.

use coffer_sdk::keys::Key;
use coffer_sdk::prelude::*;
use pkcs8::PrivateKeyInfo;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::numbers::{self, EcNumbers, RsaNumbers};
use crate::certificates;
use crate::encoding;
use crate::export;
use crate::import;
use crate::kind::Kind;
use crate::policy::Policy;
use crate::version::{self, Version, held, held_mac};

/// Numbers are longer than any that Rust or JavaScript has.
pub(super) type Number = Option<Box<RawValue>>;

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Entry {
    /// In base64: a symmetric key, or the seed and the public half of Ed25519.
    #[serde(default)]
    key: Option<Zeroizing<String>>,
    #[serde(default)]
    hmac_key: Option<Zeroizing<String>>,
    #[serde(default)]
    time: String,
    #[serde(default)]
    ec_x: Number,
    #[serde(default)]
    ec_y: Number,
    #[serde(default)]
    ec_d: Number,
    #[serde(default)]
    rsa_key: Option<RsaKey>,
    #[serde(default)]
    rsa_public_key: Option<RsaPublicKey>,
    #[serde(default)]
    public_key: String,
    #[serde(default)]
    pub convergent_version: i64,
    /// Seconds since 1970.
    #[serde(default)]
    creation_time: u64,
    /// DER in base64.
    #[serde(default)]
    certificate_chain: Option<Vec<String>>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct RsaPublicKey {
    #[serde(rename = "N")]
    pub modulus: Box<RawValue>,
    #[serde(rename = "E")]
    pub exponent: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct RsaKey {
    #[serde(rename = "N")]
    pub modulus: Box<RawValue>,
    #[serde(rename = "E")]
    pub exponent: u64,
    #[serde(rename = "D")]
    pub private_exponent: Box<RawValue>,
    #[serde(rename = "Primes")]
    pub primes: Vec<Box<RawValue>>,
    /// Computed anew.
    #[serde(rename = "Precomputed", default, skip_deserializing)]
    pub precomputed: Precomputed,
}

#[derive(Clone, Default, Serialize)]
pub(super) struct Precomputed {
    #[serde(rename = "Dp")]
    pub dp: Number,
    #[serde(rename = "Dq")]
    pub dq: Number,
    #[serde(rename = "Qinv")]
    pub qinv: Number,
    #[serde(rename = "CRTValues")]
    pub crt: [(); 0],
}

fn missing(what: &str) -> Error {
    Error::invalid(format!("it has no {what}"))
}

fn decoded(text: &Option<Zeroizing<String>>, what: &str) -> Result<Zeroizing<Vec<u8>>> {
    let text = text.as_ref().ok_or_else(|| missing(what))?;
    encoding::bytes(text).map(Zeroizing::new)
}

impl Entry {
    /// In the place of a version that there is not. Go's time has to be one.
    pub fn none() -> Self {
        Self {
            time: "0001-01-01T00:00:00Z".to_owned(),
            ..Self::default()
        }
    }

    /// A version as it is here.
    pub fn of(policy: &Policy, version: u32) -> Result<Self> {
        let record = Version::load(&policy.name, version)?;
        // Also what is too old to be used.
        let key = version::open(&held(&policy.name, version))?;
        let mac = match policy.kind {
            Kind::Hmac => key.export(),
            _ => version::open(&held_mac(&policy.name, version))?.export(),
        };
        let mac = Zeroizing::new(mac?);
        let mut entry = Self {
            hmac_key: Some(Zeroizing::new(encoding::base64(&mac))),
            time: clock::rfc3339(record.created),
            creation_time: record.created / 1000,
            convergent_version: if policy.convergent_encryption {
                super::CONVERGENT
            } else {
                0
            },
            ..Self::default()
        };
        if policy.kind.signs() {
            entry.public_key = export::public_text(&key)?;
        }
        if !record.certificate_chain.is_empty() {
            let chain = certificates::parse_chain(&record.certificate_chain)?;
            entry.certificate_chain =
                Some(chain.iter().map(|(_, der)| encoding::base64(der)).collect());
        }
        entry.put_key(policy.kind, &key)?;
        Ok(entry)
    }

    fn put_key(&mut self, kind: Kind, key: &Key) -> Result<()> {
        let public = key.public_key();
        if kind.is_rsa() {
            let public = public.as_deref().unwrap_or_default();
            self.rsa_public_key = Some(RsaNumbers::public_of(public)?);
            // There it is with the private key, where there is one.
            self.public_key = String::new();
        }
        if kind.is_ecdsa() {
            let (x, y) = EcNumbers::point_of(public.as_deref().unwrap_or_default())?;
            (self.ec_x, self.ec_y) = (Some(x), Some(y));
        }
        if key.is_public() {
            return Ok(());
        }
        let exported = Zeroizing::new(key.export()?);
        if !kind.signs() {
            self.key = Some(Zeroizing::new(encoding::base64(&exported)));
            return Ok(());
        }
        let info = PrivateKeyInfo::try_from(exported.as_slice()).map_err(Error::internal)?;
        match kind {
            Kind::Ed25519 => {
                let seed = info.private_key.get(2..).unwrap_or_default();
                let public = encoding::bytes(&self.public_key)?;
                let both = Zeroizing::new([seed, &public].concat());
                self.key = Some(Zeroizing::new(encoding::base64(&both)));
            }
            _ if kind.is_rsa() => self.rsa_key = Some(RsaNumbers::private_of(info.private_key)?),
            _ => self.ec_d = Some(EcNumbers::secret_of(info.private_key)?),
        }
        Ok(())
    }

    /// Makes it a version here.
    pub fn restore(&self, policy: &Policy, version: u32) -> Result<()> {
        let kind = policy.kind;
        let name = held(&policy.name, version);
        match self.material(kind)? {
            Material::Whole(bytes) => keys::import(&name, kind.name(), &bytes)?,
            Material::Public(der) => keys::import_public(&name, kind.name(), &der)?,
        }
        if kind != Kind::Hmac {
            let mac = decoded(&self.hmac_key, "key for HMAC")?;
            keys::import(&held_mac(&policy.name, version), keys::HMAC, &mac)?;
        }
        let created = clock::parse_rfc3339(&self.time)
            .filter(|time| *time > 0)
            .unwrap_or_else(|| self.creation_time.saturating_mul(1000));
        let mut record = Version::new(created);
        let ders = self.certificate_chain.iter().flatten();
        let ders = ders
            .map(|der| encoding::bytes(der))
            .collect::<Result<Vec<_>>>()?;
        record.certificate_chain = certificates::chain(ders.iter().map(Vec::as_slice))?;
        record.store(&policy.name, version)
    }

    fn material(&self, kind: Kind) -> Result<Material> {
        if !kind.signs() {
            return decoded(&self.key, "key").map(Material::Whole);
        }
        if kind == Kind::Ed25519 {
            return match &self.key {
                Some(_) => {
                    let both = decoded(&self.key, "key")?;
                    let seed = both.get(..32).ok_or_else(|| missing("whole key"))?;
                    Ok(Material::Whole(Zeroizing::new(seed.to_vec())))
                }
                None => {
                    let public = encoding::bytes(&self.public_key)?;
                    numbers::ed25519_spki(&public).map(Material::Public)
                }
            };
        }
        if kind.is_rsa() {
            return match (&self.rsa_key, &self.rsa_public_key) {
                (Some(key), _) => RsaNumbers::pkcs8(key).map(Material::Whole),
                (None, Some(key)) => RsaNumbers::spki(key).map(Material::Public),
                (None, None) => Err(missing("RSA key")),
            };
        }
        match (&self.ec_x, &self.ec_y, &self.ec_d) {
            (Some(x), Some(y), Some(d)) => EcNumbers::pkcs8(kind, x, y, d).map(Material::Whole),
            _ => import::public_der(&self.public_key).map(Material::Public),
        }
    }
}

enum Material {
    /// As the host takes a key.
    Whole(Zeroizing<Vec<u8>>),
    /// `SubjectPublicKeyInfo` in DER.
    Public(Vec<u8>),
}
