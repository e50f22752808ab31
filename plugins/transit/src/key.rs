//! Making, showing and deleting keys.

use coffer_sdk::paging::{AFTER, LIMIT};
use coffer_sdk::prelude::*;
use serde_json::{Map, Value};

use crate::kind::Kind;
use crate::policy::{Event, NAME, Policy};
use crate::version::Version;
use crate::{encoding, export};

pub(crate) const TYPE: Field<String> = Field::text(
    "type",
    "Type of the key: aes128-gcm96, aes256-gcm96, chacha20-poly1305, xchacha20-poly1305, ed25519, ecdsa-p256, ecdsa-p384, \
     ecdsa-p521, rsa-2048, rsa-3072, rsa-4096 or hmac.",
)
.default_json("\"aes256-gcm96\"");
pub(crate) const DERIVED: Field<bool> =
    Field::boolean("derived", "Derive a key of it for each context.");
pub(crate) const CONVERGENT: Field<bool> = Field::boolean(
    "convergent_encryption",
    "The same text in the same context gives the same ciphertext. Needs derived.",
);
pub(crate) const EXPORTABLE: Field<bool> = Field::boolean(
    "exportable",
    "Let the key be exported. Cannot be taken back.",
);
pub(crate) const ALLOW_BACKUP: Field<bool> = Field::boolean(
    "allow_plaintext_backup",
    "Let backups be made of the key. Cannot be taken back.",
);
pub(crate) const AUTO_ROTATE: Field<Seconds> = Field::duration(
    "auto_rotate_period",
    "Give the key a new version each time this has passed, an hour at least; 0 never.",
)
.default_json("0");
pub(crate) const CONTEXT: Field<String> = Field::text(
    "context",
    "What a key is derived for, in base64. Derived keys need it.",
);
const KEY_SIZE: Field<i64> =
    Field::integer("key_size", "Size of a key for HMAC, in bytes: 32 to 512.");

/// The sizes that a key for HMAC may have, in bytes.
pub(crate) const HMAC_SIZES: std::ops::RangeInclusive<u32> = 32..=512;

pub(crate) const LIST: Path = Path::new("keys", "The names of the keys.")
    .fields(&[AFTER.decl(), LIMIT.decl()])
    .list(|request| Policy::list(request).map(Response::list));

pub(crate) const PATH: Path = Path::new("keys/{name}", "A key.")
    .fields(&[
        NAME.decl(),
        TYPE.decl(),
        DERIVED.decl(),
        CONVERGENT.decl(),
        EXPORTABLE.decl(),
        ALLOW_BACKUP.decl(),
        AUTO_ROTATE.decl(),
        KEY_SIZE.decl(),
        CONTEXT.decl(),
    ])
    .write(create)
    .read(read)
    .delete(delete);

/// What the request says of a key to come, of whatever type.
pub(crate) fn asked(request: &Request, kind: Kind) -> Result<Policy> {
    let mut policy = Policy::new(&request.require(NAME)?, kind);
    policy.derived = request.get(DERIVED)?.unwrap_or_default();
    policy.exportable = request.get(EXPORTABLE)?.unwrap_or_default();
    policy.allow_plaintext_backup = request.get(ALLOW_BACKUP)?.unwrap_or_default();
    policy.auto_rotate_period = auto_rotate_period(request)?.unwrap_or_default();
    if policy.derived && !kind.derives() {
        return Err(Error::invalid(format!(
            "key derivation and convergent encryption not supported for keys of type {}",
            kind.name()
        )));
    }
    Ok(policy)
}

/// In seconds, if it was given.
pub(crate) fn auto_rotate_period(request: &Request) -> Result<Option<u64>> {
    let period = request.get(AUTO_ROTATE)?.map(|Seconds(period)| period);
    if period.is_some_and(|period| (1..3600).contains(&period)) {
        return Err(Error::invalid(
            "auto rotate period must be 0 to disable or at least an hour",
        ));
    }
    Ok(period)
}

fn create(request: &Request) -> Result<Response> {
    let kind = Kind::asked(request.get(TYPE)?.as_deref())?;
    let convergent = request.get(CONVERGENT)?.unwrap_or_default();
    if convergent && !request.get(DERIVED)?.unwrap_or_default() {
        return Err(Error::invalid(
            "convergent encryption requires derivation to be enabled",
        ));
    }
    let mut policy = asked(request, kind)?;
    if convergent && !kind.is_aead() {
        return Err(Error::invalid(format!(
            "convergent encryption not supported for keys of type {}",
            kind.name()
        )));
    }
    policy.convergent_encryption = convergent;
    policy.key_size = key_size(request, kind)?;
    if let Some(there) = Policy::load(&policy.name)? {
        let shown = show(&there, &[])?;
        return Ok(shown.warning(format!("key {} already existed", policy.name)));
    }
    policy.rotate()?;
    policy.store()?;
    show(&policy, &[])
}

fn key_size(request: &Request, kind: Kind) -> Result<u32> {
    let given = request.get(KEY_SIZE)?.filter(|size| *size != 0);
    match (kind, given) {
        (Kind::Hmac, None) => Ok(*HMAC_SIZES.start()),
        (Kind::Hmac, Some(size)) => u32::try_from(size)
            .ok()
            .filter(|size| HMAC_SIZES.contains(size))
            .ok_or_else(|| {
                let (least, most) = (HMAC_SIZES.start(), HMAC_SIZES.end());
                Error::invalid(format!("invalid key_size {size}: {least} to {most} bytes"))
            }),
        (_, None) => Ok(0),
        (_, Some(_)) => Err(Error::invalid(format!(
            "key_size is not valid for algorithm {}",
            kind.name()
        ))),
    }
}

fn read(request: &Request) -> Result<Response> {
    let context = encoding::context(request.get(CONTEXT)?.as_deref())?;
    match Policy::load(&request.require(NAME)?)? {
        Some(policy) => show(&policy, &context),
        None => Err(Error::not_found("")),
    }
}

/// All that is to be said of a key. Public halves of a derived key are those for the context, if there is one.
pub(crate) fn show(policy: &Policy, context: &[u8]) -> Result<Response> {
    let kind = policy.kind;
    let mut data = Map::new();
    let mut say = |name: &str, value: Value| data.insert(name.to_owned(), value);
    say("name", json!(policy.name));
    say("type", json!(kind.name()));
    say("derived", json!(policy.derived));
    say("deletion_allowed", json!(policy.deletion_allowed));
    say("min_available_version", json!(policy.min_available_version));
    say(
        "min_decryption_version",
        json!(policy.min_decryption_version),
    );
    say(
        "min_encryption_version",
        json!(policy.min_encryption_version),
    );
    say("latest_version", json!(policy.latest_version));
    say("exportable", json!(policy.exportable));
    say(
        "allow_plaintext_backup",
        json!(policy.allow_plaintext_backup),
    );
    say("supports_encryption", json!(kind.encrypts()));
    say("supports_decryption", json!(kind.encrypts()));
    say("supports_signing", json!(kind.signs()));
    say("supports_derivation", json!(kind.derives()));
    say("auto_rotate_period", json!(policy.auto_rotate_period));
    say("imported_key", json!(policy.imported));
    say("soft_deleted", json!(policy.soft_deleted));
    if policy.key_size != 0 {
        say("key_size", json!(policy.key_size));
    }
    if policy.imported {
        say("imported_key_allow_rotation", json!(policy.allow_rotation));
    }
    let event =
        |event: Event| json!({ "time": clock::rfc3339(event.time), "version": event.version });
    if let Some(backup) = policy.backup_info {
        say("backup_info", event(backup));
    }
    if let Some(restore) = policy.restore_info {
        say("restore_info", event(restore));
    }
    if policy.derived {
        say("kdf", json!("hkdf_sha256"));
        say("convergent_encryption", json!(policy.convergent_encryption));
        if policy.convergent_encryption {
            // Each version says which it has; all have the third.
            say("convergent_encryption_version", json!(-1));
        }
    }
    if kind != Kind::Hmac {
        say("keys", versions(policy, context)?);
    }
    Ok(Response::data(Value::Object(data)))
}

fn versions(policy: &Policy, context: &[u8]) -> Result<Value> {
    let mut shown = Map::new();
    for number in policy.versions() {
        let version = Version::load(&policy.name, number)?;
        let value = if policy.kind.signs() {
            json!({
                "name": policy.kind.public_name(),
                "public_key": public_key(policy, number, context)?,
                "creation_time": clock::rfc3339(version.created),
                "certificate_chain": version.certificate_chain,
            })
        } else {
            json!(version.created / 1000)
        };
        shown.insert(number.to_string(), value);
    }
    Ok(Value::Object(shown))
}

fn public_key(policy: &Policy, version: u32, context: &[u8]) -> Result<String> {
    if policy.derived && context.is_empty() {
        return Ok(String::new());
    }
    policy.with_key(&policy.open(version)?, context, export::public_text)
}

fn delete(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let refused = |why: &str| Error::invalid(format!("error deleting policy {name}: {why}"));
    let policy = Policy::load(&name)?.ok_or_else(|| refused("could not delete key; not found"))?;
    if !policy.deletion_allowed {
        return Err(refused("deletion is not allowed for this key"));
    }
    policy.delete()?;
    Ok(Response::empty())
}
