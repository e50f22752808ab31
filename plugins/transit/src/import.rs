//! Keys from elsewhere ("bring your own key"): wrapped for this mount, so that nobody between the two holders sees them.

use coffer_sdk::keys::{Hash, Key};
use coffer_sdk::prelude::*;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

use crate::encoding;
use crate::export;
use crate::key::{self, ALLOW_BACKUP, AUTO_ROTATE, CONTEXT, DERIVED, EXPORTABLE, HMAC_SIZES, TYPE};
use crate::kind::Kind;
use crate::policy::{NAME, Policy};
use crate::version;

const CIPHERTEXT: Field<String> = Field::text(
    "ciphertext",
    "The key, in base64: an AES-256 key encrypted to the wrapping key with RSA-OAEP, and behind it the key itself, wrapped \
     with that one by AES-KWP (RFC 5649).",
);
const PUBLIC_KEY: Field<String> = Field::text(
    "public_key",
    "Its public half alone, in PEM, instead of the ciphertext.",
);
const HASH_FUNCTION: Field<String> = Field::text(
    "hash_function",
    "The hash of OAEP: SHA1, SHA224, SHA256, SHA384 or SHA512.",
)
.default_json("\"SHA256\"");
const ALLOW_ROTATION: Field<bool> =
    Field::boolean("allow_rotation", "Let the key be given new versions here.");
const VERSION: Field<i64> = Field::integer(
    "version",
    "The version that is there as a public half, and now gets its private one.",
);
/// Refused: an imported key cannot have it.
const CONVERGENT: &str = "convergent_encryption";

pub(crate) const IMPORT: Path = Path::new("keys/{name}/import", "Takes in a key from elsewhere.")
    .fields(&[
        NAME.decl(),
        TYPE.decl(),
        CIPHERTEXT.decl(),
        PUBLIC_KEY.decl(),
        HASH_FUNCTION.decl(),
        ALLOW_ROTATION.decl(),
        DERIVED.decl(),
        EXPORTABLE.decl(),
        ALLOW_BACKUP.decl(),
        AUTO_ROTATE.decl(),
        CONTEXT.decl(),
    ])
    .write(import);

pub(crate) const IMPORT_VERSION: Path = Path::new(
    "keys/{name}/import_version",
    "Takes in a new version of an imported key.",
)
.fields(&[
    NAME.decl(),
    CIPHERTEXT.decl(),
    PUBLIC_KEY.decl(),
    HASH_FUNCTION.decl(),
    VERSION.decl(),
])
.write(import_version);

pub(crate) const WRAPPING_KEY: Path = Path::new(
    "wrapping_key",
    "The public half of the key that keys are wrapped with for this mount.",
)
.read(|_| {
    let public_key = export::public_text(&wrapping_key()?)?;
    Ok(Response::data(json!({ "public_key": public_key })))
});

/// What the host calls the wrapping key.
const WRAPPING: &str = "wrapping-key";
/// Where a key is looked at before it is known what becomes of it.
const SCRATCH: &str = "scratch";

/// The mount's own, made when it is first asked for.
fn wrapping_key() -> Result<Key> {
    if let Some(key) = keys::open(WRAPPING)? {
        return Ok(key);
    }
    keys::generate(WRAPPING, keys::RSA_4096)?;
    keys::open(WRAPPING)?
        .ok_or_else(|| Error::internal("the wrapping key was made and is not there"))
}

/// A hash function by the name that it has where keys are wrapped.
pub(crate) fn hash_named(name: &str) -> Result<Hash> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "SHA1" => Hash::Sha1,
        "SHA224" => Hash::Sha2B224,
        "" | "SHA256" => Hash::Sha2B256,
        "SHA384" => Hash::Sha2B384,
        "SHA512" => Hash::Sha2B512,
        _ => return Err(Error::invalid(format!("unknown hash function: {name}"))),
    })
}

/// `SubjectPublicKeyInfo` in DER, of a public key in PEM.
pub(crate) fn public_der(pem: &str) -> Result<Vec<u8>> {
    SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
        .map(|der| der.to_vec())
        .map_err(|_| Error::invalid("error parsing public key: not in PEM format"))
}

/// What a request brings.
enum Brought {
    Wrapped { ciphertext: Vec<u8>, hash: Hash },
    Public(Vec<u8>),
}

impl Brought {
    fn of(request: &Request, kind: Kind) -> Result<Self> {
        let ciphertext = request.get(CIPHERTEXT)?;
        let public_key = request.get(PUBLIC_KEY)?;
        match (ciphertext, public_key) {
            (Some(_), Some(_)) => Err(Error::invalid(
                "only one of the following fields, ciphertext and public_key, can be set",
            )),
            (Some(ciphertext), None) => {
                let hash = hash_named(&request.get(HASH_FUNCTION)?.unwrap_or_default())?;
                let ciphertext = encoding::bytes(&ciphertext)?;
                // One block of the wrapping key, and something behind it.
                if ciphertext.len() <= 512 {
                    return Err(Error::invalid("provided ciphertext is too short"));
                }
                Ok(Self::Wrapped { ciphertext, hash })
            }
            (None, _) if !kind.signs() => Err(Error::invalid(
                "provided type does not support public_key import",
            )),
            (None, pem) => Ok(Self::Public(public_der(&pem.unwrap_or_default())?)),
        }
    }

    fn is_private(&self) -> bool {
        matches!(self, Self::Wrapped { .. })
    }

    /// Puts it where the host calls it so.
    fn keep(&self, held: &str, kind: Kind) -> Result<()> {
        match self {
            Self::Wrapped { ciphertext, hash } => {
                wrapping_key()?.unwrap(ciphertext, *hash, held, kind.name())
            }
            Self::Public(der) => keys::import_public(held, kind.name(), der),
        }
    }
}

/// The size of a key for HMAC, in bytes, which must be one that keys made here can have, too.
fn hmac_size(held: &str) -> Result<u32> {
    let size = version::open(held)?.bits() / 8;
    if HMAC_SIZES.contains(&size) {
        return Ok(size);
    }
    Err(Error::invalid(format!(
        "invalid key size {size} bytes for key type hmac"
    )))
}

fn add(policy: &mut Policy, brought: &Brought) -> Result<()> {
    let kind = policy.kind;
    let mut size = policy.key_size;
    policy.add_version(|held| {
        brought.keep(held, kind)?;
        if kind == Kind::Hmac {
            size = hmac_size(held)?;
        }
        Ok(())
    })?;
    policy.key_size = size;
    Ok(())
}

fn import(request: &Request) -> Result<Response> {
    if request.body().contains_key(CONVERGENT) {
        return Err(Error::invalid(
            "import cannot be used on keys with convergent encryption enabled",
        ));
    }
    let asked = request.get(TYPE)?.map(|name| name.to_ascii_lowercase());
    let kind = Kind::asked(asked.as_deref())?;
    let mut policy = key::asked(request, kind)?;
    policy.allow_rotation = request.get(ALLOW_ROTATION)?.unwrap_or_default();
    policy.imported = true;
    if policy.auto_rotate_period > 0 && !policy.allow_rotation {
        return Err(Error::invalid(
            "allow_rotation must be set to true if auto-rotation is enabled",
        ));
    }
    let brought = Brought::of(request, kind)?;
    if policy.derived && !brought.is_private() {
        return Err(Error::invalid(
            "unable to import only public key for derived Ed25519 key",
        ));
    }
    if Policy::load(&policy.name)?.is_some() {
        return Err(Error::invalid(
            "the import path cannot be used with an existing key; use import-version to rotate an existing imported key",
        ));
    }
    add(&mut policy, &brought)?;
    policy.store()?;
    Ok(Response::empty())
}

fn import_version(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let missing =
        format!("no key found with name {name}; to import a new key, use the import/ endpoint");
    let mut policy = Policy::usable(request, &missing)?;
    if !policy.imported {
        return Err(Error::invalid(
            "the import_version endpoint can only be used with an imported key",
        ));
    }
    let brought = Brought::of(request, policy.kind)?;
    let mismatch = || Error::invalid("cannot import key, key pair does not match");
    match request.get(VERSION)? {
        Some(asked) => {
            let version = policy
                .version(asked)
                .ok_or_else(|| Error::invalid("no such key version"))?;
            if !policy.open(version)?.is_public() {
                return Err(Error::invalid(
                    "private key imported, key version cannot be updated",
                ));
            }
            if !brought.is_private() {
                return Err(Error::invalid(
                    "cannot add a public key to a key version that already has a public key set",
                ));
            }
            if !complete(&policy, version, &brought)? {
                return Err(mismatch());
            }
        }
        None => {
            let latest = policy.latest_version;
            let completed = brought.is_private()
                && policy.open(latest)?.is_public()
                && complete(&policy, latest, &brought)?;
            if !completed {
                add(&mut policy, &brought)?;
                policy.store()?;
            }
        }
    }
    Ok(Response::empty())
}

/// Puts a whole key where its public half is. False, and nothing done, if it is another's.
fn complete(policy: &Policy, version: u32, brought: &Brought) -> Result<bool> {
    let public = policy.open(version)?.public_key();
    brought.keep(SCRATCH, policy.kind)?;
    let same = version::open(SCRATCH)?.public_key() == public;
    keys::delete(SCRATCH)?;
    if same {
        let held = version::held(&policy.name, version);
        keys::delete(&held)?;
        brought.keep(&held, policy.kind)?;
    }
    Ok(same)
}

/// Takes in a key that comes of two others, as if it were from elsewhere.
pub(crate) fn adopt(name: &str, kind: Kind, make: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let mut policy = match Policy::load(name)? {
        Some(there) if there.imported && there.kind == kind && !there.derived => {
            there.check_usable()?;
            there
        }
        Some(_) => {
            return Err(Error::invalid(format!(
                "there is a key {name} already, which was not derived so"
            )));
        }
        None => Policy::new(name, kind),
    };
    policy.imported = true;
    policy.add_version(make)?;
    policy.store()
}
