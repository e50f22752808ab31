//! Keys as numbers: what RSA and the curves compute with, each written in decimal, against the DER that keys come in.

use coffer_sdk::prelude::*;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode as _, Encode as _};
use num_bigint::BigUint;
use pkcs1::{RsaPrivateKey, RsaPublicKey as RsaPublicDer};
use pkcs8::PrivateKeyInfo;
use sec1::EcPrivateKey;
use serde_json::value::RawValue;
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::entry::{Precomputed, RsaKey, RsaPublicKey};
use crate::kind::Kind;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// Digits of a number: more than RSA with 4096 bits has.
const MOST_DIGITS: usize = 1300;

fn wrong(what: &str) -> Error {
    Error::invalid(format!("its {what} makes no sense"))
}

fn number(raw: &RawValue) -> Result<BigUint> {
    let digits = raw.get().as_bytes();
    if digits.len() > MOST_DIGITS {
        return Err(wrong("number"));
    }
    BigUint::parse_bytes(digits, 10).ok_or_else(|| wrong("number"))
}

fn decimal(number: &BigUint) -> Result<Box<RawValue>> {
    Ok(RawValue::from_string(number.to_string())?)
}

fn decimal_of(bytes: &[u8]) -> Result<Box<RawValue>> {
    decimal(&BigUint::from_bytes_be(bytes))
}

fn uint(bytes: &[u8]) -> Result<UintRef<'_>> {
    UintRef::new(bytes).map_err(|_| wrong("number"))
}

fn der(value: &impl der::Encode) -> Result<Zeroizing<Vec<u8>>> {
    value.to_der().map(Zeroizing::new).map_err(Error::internal)
}

fn spki(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Result<Vec<u8>> {
    let info = SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key: BitStringRef::from_bytes(key).map_err(|_| wrong("public key"))?,
    };
    info.to_der().map_err(Error::internal)
}

/// `SubjectPublicKeyInfo` of a bare public key.
pub(super) fn ed25519_spki(public: &[u8]) -> Result<Vec<u8>> {
    let algorithm = AlgorithmIdentifierRef {
        oid: ED25519,
        parameters: None,
    };
    spki(algorithm, public)
}

const RSA_ALGORITHM: AlgorithmIdentifierRef<'static> = AlgorithmIdentifierRef {
    oid: RSA,
    parameters: Some(AnyRef::NULL),
};

pub(super) struct RsaNumbers;

impl RsaNumbers {
    /// Of `SubjectPublicKeyInfo`.
    pub fn public_of(info: &[u8]) -> Result<RsaPublicKey> {
        let info = SubjectPublicKeyInfoRef::from_der(info).map_err(Error::internal)?;
        let key = info.subject_public_key.as_bytes().unwrap_or_default();
        let key = RsaPublicDer::from_der(key).map_err(Error::internal)?;
        Ok(RsaPublicKey {
            modulus: decimal_of(key.modulus.as_bytes())?,
            exponent: exponent(&key.public_exponent)?,
        })
    }

    /// Of what is in PKCS#8 (RFC 8017, A.1.2).
    pub fn private_of(inner: &[u8]) -> Result<RsaKey> {
        let key = RsaPrivateKey::from_der(inner).map_err(Error::internal)?;
        let decimal = |number: UintRef<'_>| decimal_of(number.as_bytes());
        Ok(RsaKey {
            modulus: decimal(key.modulus)?,
            exponent: exponent(&key.public_exponent)?,
            private_exponent: decimal(key.private_exponent)?,
            primes: vec![decimal(key.prime1)?, decimal(key.prime2)?],
            precomputed: Precomputed {
                dp: Some(decimal(key.exponent1)?),
                dq: Some(decimal(key.exponent2)?),
                qinv: Some(decimal(key.coefficient)?),
                crt: [],
            },
        })
    }

    pub fn pkcs8(key: &RsaKey) -> Result<Zeroizing<Vec<u8>>> {
        let [p, q] = key.primes.as_slice() else {
            return Err(wrong("number of primes"));
        };
        let (n, d, p, q) = (
            number(&key.modulus)?,
            number(&key.private_exponent)?,
            number(p)?,
            number(q)?,
        );
        let one = BigUint::from(1_u8);
        if p <= one || q <= one {
            return Err(wrong("prime"));
        }
        let (dp, dq) = (&d % (&p - &one), &d % (&q - &one));
        let qinv = q.modinv(&p).ok_or_else(|| wrong("pair of primes"))?;
        let bytes = |number: &BigUint| Zeroizing::new(number.to_bytes_be());
        let [n, d, p, q, dp, dq, qinv] = [n, d, p, q, dp, dq, qinv].map(|number| bytes(&number));
        let e = key.exponent.to_be_bytes();
        let inner = RsaPrivateKey {
            modulus: uint(&n)?,
            public_exponent: uint(&e)?,
            private_exponent: uint(&d)?,
            prime1: uint(&p)?,
            prime2: uint(&q)?,
            exponent1: uint(&dp)?,
            exponent2: uint(&dq)?,
            coefficient: uint(&qinv)?,
            other_prime_infos: None,
        };
        der(&PrivateKeyInfo::new(RSA_ALGORITHM, &der(&inner)?))
    }

    pub fn spki(key: &RsaPublicKey) -> Result<Vec<u8>> {
        let n = number(&key.modulus)?.to_bytes_be();
        let e = key.exponent.to_be_bytes();
        let inner = RsaPublicDer {
            modulus: uint(&n)?,
            public_exponent: uint(&e)?,
        };
        spki(RSA_ALGORITHM, &der(&inner)?)
    }
}

fn exponent(number: &UintRef<'_>) -> Result<u64> {
    u64::try_from(BigUint::from_bytes_be(number.as_bytes())).map_err(Error::internal)
}

pub(super) struct EcNumbers;

impl EcNumbers {
    /// The coordinates of the point in `SubjectPublicKeyInfo`.
    pub fn point_of(info: &[u8]) -> Result<(Box<RawValue>, Box<RawValue>)> {
        let info = SubjectPublicKeyInfoRef::from_der(info).map_err(Error::internal)?;
        let point = info.subject_public_key.as_bytes().unwrap_or_default();
        // 4: uncompressed (SEC 1, 2.3.3).
        let both = point.strip_prefix(&[4]).unwrap_or_default();
        let (x, y) = both.split_at(both.len() / 2);
        Ok((decimal_of(x)?, decimal_of(y)?))
    }

    /// Of what is in PKCS#8 (RFC 5915).
    pub fn secret_of(inner: &[u8]) -> Result<Box<RawValue>> {
        let key = EcPrivateKey::from_der(inner).map_err(Error::internal)?;
        decimal_of(key.private_key)
    }

    pub fn pkcs8(
        kind: Kind,
        x: &RawValue,
        y: &RawValue,
        d: &RawValue,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let len = kind.field_len();
        let padded = |raw: &RawValue| {
            let bytes = Zeroizing::new(number(raw)?.to_bytes_be());
            let zeros = len
                .checked_sub(bytes.len())
                .ok_or_else(|| wrong("number"))?;
            Ok::<_, Error>(Zeroizing::new([&vec![0; zeros], &bytes[..]].concat()))
        };
        let (x, y, d) = (padded(x)?, padded(y)?, padded(d)?);
        let point = [&[4], &x[..], &y[..]].concat();
        let inner = EcPrivateKey {
            private_key: &d,
            parameters: None,
            public_key: Some(&point),
        };
        let curve = ObjectIdentifier::new_unwrap(match kind {
            Kind::EcdsaP384 => "1.3.132.0.34",
            Kind::EcdsaP521 => "1.3.132.0.35",
            _ => "1.2.840.10045.3.1.7",
        });
        let algorithm = AlgorithmIdentifierRef {
            oid: EC,
            parameters: Some(AnyRef::from(&curve)),
        };
        der(&PrivateKeyInfo::new(algorithm, &der(&inner)?))
    }
}
