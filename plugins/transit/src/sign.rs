//! Signatures: how they are made is chosen here, for making and for verifying.

use coffer_sdk::keys::{Padding, Salt, Signing};
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::batch::{self, BATCH, Opened, Outcome, Text};
use crate::encoding;
use crate::encrypt::KEY_VERSION;
use crate::export;
use crate::hash::{self, INPUT, URL_ALGORITHM};
use crate::key::CONTEXT;
use crate::kind::Kind;
use crate::policy::{NAME, Policy};

pub(crate) const HASH_ALGORITHM: Field<String> = Field::text(
    "hash_algorithm",
    "The hash function: sha1, sha2-224, sha2-256, sha2-384, sha2-512, sha3-224, sha3-256, sha3-384, sha3-512; or none, for \
     input that PKCS#1 v1.5 signs as it stands. Not of ed25519.",
)
.default_json("\"sha2-256\"");
pub(crate) const OLD_ALGORITHM: Field<String> =
    Field::text("algorithm", "The same as hash_algorithm.").deprecated();
pub(crate) const PREHASHED: Field<bool> =
    Field::boolean("prehashed", "The input is a digest already.");
pub(crate) const SIGNATURE_ALGORITHM: Field<String> =
    Field::text("signature_algorithm", "How RSA pads: pss or pkcs1v15.").default_json("\"pss\"");
pub(crate) const MARSHALING: Field<String> = Field::text(
    "marshaling_algorithm",
    "How a signature is written: asn1, as in certificates; jws, as in JSON web tokens.",
)
.default_json("\"asn1\"");
pub(crate) const SALT_LENGTH: Field<String> = Field::text(
    "salt_length",
    "Of PSS: auto (the longest; when verifying, any), hash (the hash's length), or a number of bytes.",
)
.default_json("\"auto\"");

const FIELDS: &[coffer_sdk::Decl] = &[
    NAME.decl(),
    URL_ALGORITHM.decl(),
    INPUT.decl(),
    CONTEXT.decl(),
    HASH_ALGORITHM.decl(),
    OLD_ALGORITHM.decl(),
    KEY_VERSION.decl(),
    PREHASHED.decl(),
    SIGNATURE_ALGORITHM.decl(),
    MARSHALING.decl(),
    SALT_LENGTH.decl(),
    BATCH.decl(),
];

pub(crate) const PATH: Path = Path::new("sign/{name}", "Signs.")
    .fields(FIELDS)
    .write(sign);
pub(crate) const WITH_ALGORITHM: Path = Path::new("sign/{name}/{urlalgorithm}", "Signs.")
    .fields(FIELDS)
    .write(sign);

/// What a request says of how to sign.
pub(crate) struct How {
    pub signing: Signing,
    pub marshaling: Marshaling,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marshaling {
    Asn1,
    Jws,
}

impl How {
    pub fn of(request: &Request) -> Result<Self> {
        let name = hash::asked(request, &[URL_ALGORITHM, HASH_ALGORITHM, OLD_ALGORITHM])?;
        let hash = match name.as_str() {
            "none" => None,
            name => Some(
                hash::named(name)
                    .ok_or_else(|| Error::invalid(format!("invalid hash algorithm {name:?}")))?,
            ),
        };
        let marshaling = request.get(MARSHALING)?;
        let marshaling = match marshaling.as_deref().unwrap_or("asn1") {
            "asn1" => Marshaling::Asn1,
            "jws" => Marshaling::Jws,
            other => {
                return Err(Error::invalid(format!("invalid marshaling type {other:?}")));
            }
        };
        let salt = salt(request)?;
        let algorithm = request.get(SIGNATURE_ALGORITHM)?;
        let padding = match algorithm.as_deref().unwrap_or_default() {
            "" | "pss" => Padding::Pss(salt),
            "pkcs1v15" => Padding::Pkcs1,
            other => {
                return Err(Error::invalid(format!(
                    "unsupported rsa signature algorithm {other}"
                )));
            }
        };
        let prehashed = request.get(PREHASHED)?.unwrap_or_default();
        if hash.is_none() && !(prehashed && matches!(padding, Padding::Pkcs1)) {
            return Err(Error::invalid(
                "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15",
            ));
        }
        let signing = Signing {
            hash,
            prehashed,
            padding,
        };
        Ok(Self {
            signing,
            marshaling,
        })
    }
}

fn salt(request: &Request) -> Result<Salt> {
    let given = request.get(SALT_LENGTH)?.unwrap_or_default();
    match given.to_ascii_lowercase().as_str() {
        "" | "auto" => Ok(Salt::Longest),
        "hash" => Ok(Salt::Hash),
        number => match number.parse::<i64>() {
            // As Go's library numbers them.
            Ok(0) => Ok(Salt::Longest),
            Ok(-1) => Ok(Salt::Hash),
            Ok(len) => u32::try_from(len)
                .map(Salt::Bytes)
                .map_err(|_| Error::invalid(format!("salt length is invalid: {len}"))),
            Err(_) => Err(Error::invalid(format!(
                "salt length neither 'auto', 'hash', nor an int: {given}"
            ))),
        },
    }
}

/// One input.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    input: Text,
    context: Text,
    reference: Text,
}

#[derive(Default, Serialize)]
struct Signed {
    #[serde(skip_serializing_if = "String::is_empty")]
    signature: String,
    key_version: u32,
    /// Of a derived key, in base64.
    #[serde(rename = "publickey", skip_serializing_if = "String::is_empty")]
    public_key: String,
}

fn sign(request: &Request) -> Result<Response> {
    let how = How::of(request)?;
    let policy = Policy::named(request, "signing key not found")?;
    if !policy.kind.signs() {
        return Err(Error::invalid(format!(
            "key type {} does not support signing",
            policy.kind.name()
        )));
    }
    let batch = batch::items::<Item>(request)?;
    let asked = request.get(KEY_VERSION)?.unwrap_or_default();
    let mut keys = Opened::of(&policy, Policy::open);
    let mut signed = |item: &Item| {
        let input = item.input.as_deref();
        let input = hash::input_bytes(input.ok_or_else(|| Error::invalid("missing input"))?)?;
        let context = encoding::context(item.context.as_deref())?;
        policy.check_usable()?;
        let version = policy.version_to_make(asked, "signing")?;
        let key = keys.version(version)?;
        if key.is_public() {
            return Err(Error::invalid(
                "requested version for signing does not contain a private part",
            ));
        }
        policy.with_key(key, &context, |key| {
            let signature = key.sign_with(&input, how.signing)?;
            let public_key = if policy.derived {
                export::public_text(key)?
            } else {
                String::new()
            };
            Ok(Signed {
                signature: encoding::versioned(
                    version,
                    &marshal(policy.kind, how.marshaling, &signature)?,
                ),
                key_version: version,
                public_key,
            })
        })
    };
    let Some(items) = batch else {
        let item = Item {
            input: Some(request.get(INPUT)?.unwrap_or_default()),
            context: request.get(CONTEXT)?,
            reference: None,
        };
        let made = signed(&item)?;
        let mut data = json!({ "signature": made.signature, "key_version": made.key_version });
        if policy.derived
            && let Some(data) = data.as_object_mut()
        {
            data.insert("public_key".to_owned(), made.public_key.into());
        }
        return Ok(Response::data(data));
    };
    let items = items.into_iter();
    batch::results(items.map(|item| Outcome::filled(signed(&item), item.reference)))
}

fn marshal(kind: Kind, marshaling: Marshaling, signature: &[u8]) -> Result<String> {
    match marshaling {
        Marshaling::Asn1 => Ok(encoding::base64(signature)),
        Marshaling::Jws if kind.is_ecdsa() => {
            let fixed = keys::fixed_signature(signature, kind.field_len());
            let fixed = fixed.ok_or_else(|| Error::internal("a signature is no signature"))?;
            Ok(encoding::base64_url(&fixed))
        }
        Marshaling::Jws => Ok(encoding::base64_url(signature)),
    }
}

/// The signature as the host takes it.
pub(crate) fn unmarshal(kind: Kind, marshaling: Marshaling, text: &str) -> Result<Vec<u8>> {
    let bytes = match marshaling {
        Marshaling::Asn1 => encoding::bytes(text).ok(),
        Marshaling::Jws => encoding::url_bytes(text),
    };
    let bytes = bytes.ok_or_else(|| Error::invalid("invalid base64 signature value"))?;
    match marshaling {
        Marshaling::Asn1 if kind.is_ecdsa() => {
            keys::fixed_signature(&bytes, kind.field_len())
                .ok_or_else(|| Error::invalid("supplied signature is invalid"))?;
            Ok(bytes)
        }
        Marshaling::Jws if kind.is_ecdsa() => Ok(keys::der_signature(&bytes)),
        _ => Ok(bytes),
    }
}
