//! Encrypting, decrypting, and both in one.

use coffer_sdk::ErrorKind;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::batch::{self, Asked, BATCH, Opened, Outcome, PARTIAL_FAILURE, Text};
use crate::encoding;
use crate::key::{CONTEXT, CONVERGENT, TYPE};
use crate::kind::Kind;
use crate::policy::{NAME, Policy};
use crate::settings;

pub(crate) const PLAINTEXT: Field<String> =
    Field::text("plaintext", "What is to be encrypted, in base64.");
const CIPHERTEXT: Field<String> = Field::text("ciphertext", "What is to be decrypted.");
pub(crate) const ASSOCIATED_DATA: Field<String> = Field::text(
    "associated_data",
    "What must be there again for decrypting, in base64; it is not part of the ciphertext.",
);
pub(crate) const KEY_VERSION: Field<i64> = Field::integer(
    "key_version",
    "The version to use, not older than the key's min_encryption_version; 0 is the latest.",
);

const NO_KEY: &str = "encryption key not found";

pub(crate) const ENCRYPT: Path = Path::new(
    "encrypt/{name}",
    "Encrypts. A key that is not there is made, if the token may create here.",
)
.fields(&[
    NAME.decl(),
    PLAINTEXT.decl(),
    CONTEXT.decl(),
    ASSOCIATED_DATA.decl(),
    KEY_VERSION.decl(),
    TYPE.decl(),
    CONVERGENT.decl(),
    BATCH.decl(),
    PARTIAL_FAILURE.decl(),
])
.exists(|request| Ok(Policy::load(&request.require(NAME)?)?.is_some()))
.write(encrypt);

pub(crate) const DECRYPT: Path = Path::new("decrypt/{name}", "Decrypts.")
    .fields(&[
        NAME.decl(),
        CIPHERTEXT.decl(),
        CONTEXT.decl(),
        ASSOCIATED_DATA.decl(),
        BATCH.decl(),
        PARTIAL_FAILURE.decl(),
    ])
    .write(decrypt);

pub(crate) const REWRAP: Path = Path::new(
    "rewrap/{name}",
    "Encrypts with a newer version what an older one has encrypted, without showing it.",
)
.fields(&[
    NAME.decl(),
    CIPHERTEXT.decl(),
    CONTEXT.decl(),
    KEY_VERSION.decl(),
    BATCH.decl(),
])
.write(rewrap);

/// One input, of any of the three.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    plaintext: Text,
    ciphertext: Text,
    context: Text,
    associated_data: Text,
    key_version: Asked,
    reference: Text,
}

impl Item {
    /// What stands in the request itself.
    fn of(request: &Request) -> Result<Self> {
        Ok(Self {
            plaintext: request.get(PLAINTEXT)?,
            ciphertext: request.get(CIPHERTEXT)?,
            context: request.get(CONTEXT)?,
            associated_data: request.get(ASSOCIATED_DATA)?,
            key_version: Asked(request.get(KEY_VERSION)?.unwrap_or_default()),
            reference: None,
        })
    }

    fn associated(&self) -> Result<Vec<u8>> {
        let text = self.associated_data.as_deref().unwrap_or_default();
        encoding::bytes(text).map_err(|error| {
            let why = error.message;
            Error::invalid(format!("unable to decode associated_data: {why}"))
        })
    }

    fn has_context(&self) -> bool {
        self.context.as_ref().is_some_and(|text| !text.is_empty())
    }
}

#[derive(Serialize)]
pub(crate) struct Encrypted {
    pub ciphertext: String,
    pub key_version: u32,
}

#[derive(Default, Serialize)]
struct Decrypted {
    plaintext: Zeroizing<String>,
}

fn encrypt(request: &Request) -> Result<Response> {
    let batch = batch::items::<Item>(request)?;
    let is_batch = batch.is_some();
    let items = match batch {
        Some(items) => items,
        None => vec![Item::of(request)?],
    };
    if let Some(at) = items.iter().position(|item| item.plaintext.is_none()) {
        return Err(Error::invalid(if is_batch {
            format!("failed to parse batch input: '[{at}].plaintext' missing plaintext to encrypt")
        } else {
            "missing plaintext to encrypt".to_owned()
        }));
    }
    let contexts = items.iter().filter(|item| item.has_context()).count();
    if contexts != 0 && contexts != items.len() {
        return Err(Error::invalid(
            "context should be set either in all the request blocks or in none",
        ));
    }
    let policy = match Policy::load(&request.require(NAME)?)? {
        Some(policy) => policy,
        None => made_for_it(request, contexts != 0)?,
    };
    let mut keys = Opened::of(&policy, Policy::open);
    let mut encrypted = |at: usize, item: &Item| {
        let refused = item
            .associated_data
            .as_ref()
            .is_some_and(|data| !data.is_empty());
        if refused && !policy.kind.is_aead() {
            return Err(Error::invalid(format!(
                "'[{at}].associated_data' provided for non-AEAD cipher suite {}",
                policy.kind.name()
            )));
        }
        let plaintext = Zeroizing::new(encoding::bytes(
            item.plaintext.as_deref().unwrap_or_default(),
        )?);
        seal(&policy, &mut keys, &plaintext, item)
    };
    if !is_batch {
        let item = items.first().ok_or_else(|| Error::internal("no input"))?;
        return Response::json(&encrypted(0, item)?);
    }
    let items = items.into_iter().enumerate();
    let outcomes = items.map(|(at, item)| Outcome::new(encrypted(at, &item), item.reference));
    batch::judged(request, outcomes)
}

/// A key that comes to be because something is encrypted with it.
fn made_for_it(request: &Request, derived: bool) -> Result<Policy> {
    let convergent = request.get(CONVERGENT)?.unwrap_or_default();
    if convergent && !derived {
        return Err(Error::invalid(
            "convergent encryption requires derivation to be enabled, so context is required",
        ));
    }
    let kind = Kind::asked(request.get(TYPE)?.as_deref())?;
    if !kind.is_aead() {
        return Err(Error::invalid(format!(
            "key type {} not supported for this operation",
            kind.name()
        )));
    }
    if settings::upsert_is_disabled()? {
        return Err(Error::invalid(NO_KEY));
    }
    let mut policy = Policy::new(&request.require(NAME)?, kind);
    policy.derived = derived;
    policy.convergent_encryption = convergent;
    policy.rotate()?;
    policy.store()?;
    Ok(policy)
}

fn seal(
    policy: &Policy,
    keys: &mut Opened<'_>,
    plaintext: &[u8],
    item: &Item,
) -> Result<Encrypted> {
    policy.check_usable()?;
    let kind = policy.kind;
    if !kind.encrypts() {
        return Err(Error::invalid(format!(
            "message encryption not supported for key type {}",
            kind.name()
        )));
    }
    let version = policy.version_to_make(item.key_version.0, "encryption")?;
    let associated = item.associated()?;
    let context = match &item.context {
        Some(context) => encoding::bytes(context)?,
        None => Vec::new(),
    };
    let sealed = policy.with_key(keys.version(version)?, &context, |key| {
        if policy.convergent_encryption {
            key.encrypt_convergent(plaintext, &associated)
        } else {
            key.encrypt(plaintext, &associated)
        }
    })?;
    Ok(Encrypted {
        ciphertext: encoding::versioned(version, &encoding::base64(&sealed)),
        key_version: version,
    })
}

/// A fresh text, encrypted: for data keys.
pub(crate) fn seal_new(policy: &Policy, plaintext: &[u8], request: &Request) -> Result<Encrypted> {
    let item = Item::of(request)?;
    seal(
        policy,
        &mut Opened::of(policy, Policy::open),
        plaintext,
        &item,
    )
}

fn open(policy: &Policy, keys: &mut Opened<'_>, item: &Item) -> Result<Zeroizing<Vec<u8>>> {
    let ciphertext = item.ciphertext.as_deref().unwrap_or_default();
    if ciphertext.is_empty() {
        return Err(Error::invalid("missing ciphertext to decrypt"));
    }
    policy.check_usable()?;
    let kind = policy.kind;
    if !kind.encrypts() {
        return Err(Error::invalid(format!(
            "message decryption not supported for key type {}",
            kind.name()
        )));
    }
    let (version, sealed) = encoding::split_version(ciphertext, "ciphertext")?;
    // Long ago versions began at 0.
    let version = policy.version_made_with(version.max(i64::from(version == 0)), "ciphertext")?;
    let sealed = encoding::bytes(sealed)
        .map_err(|_| Error::invalid("invalid ciphertext: could not decode base64"))?;
    let nonce = match kind {
        Kind::XChaCha20Poly1305 => 24,
        _ => 12,
    };
    if kind.is_aead() && sealed.len() < nonce {
        return Err(Error::invalid("invalid ciphertext length"));
    }
    let associated = item.associated()?;
    let context = encoding::context(item.context.as_deref())?;
    let key = keys.version(version)?;
    if key.is_public() {
        return Err(Error::invalid(
            "cannot decrypt ciphertext, key version does not have a private counterpart",
        ));
    }
    let opened = policy.with_key(key, &context, |key| {
        key.decrypt(&sealed, &associated)
            .map_err(|error| match error.kind {
                ErrorKind::InvalidRequest if kind.is_rsa() => {
                    Error::invalid("failed to RSA decrypt the ciphertext")
                }
                ErrorKind::InvalidRequest => {
                    Error::invalid("cipher: message authentication failed")
                }
                _ => error,
            })
    });
    opened.map(Zeroizing::new)
}

fn decrypt(request: &Request) -> Result<Response> {
    let batch = batch::items::<Item>(request)?;
    let policy = Policy::named(request, NO_KEY);
    let decrypted = |policy: &Policy, keys: &mut Opened<'_>, item: &Item| {
        let plain = open(policy, keys, item)?;
        let plaintext = Zeroizing::new(encoding::base64(&plain));
        Ok(Decrypted { plaintext })
    };
    let Some(items) = batch else {
        let item = Item::of(request)?;
        if item.ciphertext.as_ref().is_none_or(String::is_empty) {
            return Err(Error::invalid("missing ciphertext to decrypt"));
        }
        let policy = policy?;
        let mut keys = Opened::of(&policy, Policy::open);
        return Response::json(&decrypted(&policy, &mut keys, &item)?);
    };
    let policy = policy?;
    let mut keys = Opened::of(&policy, Policy::open);
    let outcomes = items
        .into_iter()
        .map(|item| Outcome::filled(decrypted(&policy, &mut keys, &item), item.reference));
    batch::judged(request, outcomes)
}

fn rewrap(request: &Request) -> Result<Response> {
    let batch = batch::items::<Item>(request)?;
    let policy = Policy::named(request, NO_KEY)?;
    let mut keys = Opened::of(&policy, Policy::open);
    let mut rewrapped = |item: &Item| {
        let plaintext = open(&policy, &mut keys, item)?;
        seal(&policy, &mut keys, &plaintext, item)
    };
    let Some(items) = batch else {
        return Response::json(&rewrapped(&Item::of(request)?)?);
    };
    let items = items.into_iter();
    batch::results(items.map(|item| Outcome::new(rewrapped(&item), item.reference)))
}
