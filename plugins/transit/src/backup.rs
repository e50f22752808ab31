//! Backups of a whole key, and playing them back: in Vault's format, so that they go from one server to the other.

mod entry;
mod numbers;

use std::collections::BTreeMap;

use coffer_sdk::prelude::*;
use entry::Entry;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::encoding;
use crate::kind::Kind;
use crate::policy::{Event, NAME, Policy, check_name};

const BACKUP_TEXT: Field<String> = Field::text("backup", "What a backup gave out.").required();
const FORCE: Field<bool> =
    Field::boolean("force", "Replace the key if there is one of this name.").default_json("false");

pub(crate) const BACKUP: Path = Path::new(
    "backup/{name}",
    "Gives out a key with all its versions and its policy, in plain.",
)
.fields(&[NAME.decl()])
.read(backup);

pub(crate) const RESTORE: Path = Path::new("restore", "Plays a backup back.")
    .fields(&[NAME.decl(), BACKUP_TEXT.decl(), FORCE.decl()])
    .write(restore);
pub(crate) const RESTORE_AS: Path =
    Path::new("restore/{name}", "Plays a backup back, under this name.")
        .fields(&[NAME.decl(), BACKUP_TEXT.decl(), FORCE.decl()])
        .write(restore);

/// Types of keys have numbers there.
const TYPES: [(i64, Kind); 12] = [
    (0, Kind::Aes256Gcm96),
    (1, Kind::EcdsaP256),
    (2, Kind::Ed25519),
    (3, Kind::Rsa2048),
    (4, Kind::Rsa4096),
    (5, Kind::ChaCha20Poly1305),
    (6, Kind::EcdsaP384),
    (7, Kind::EcdsaP521),
    (8, Kind::Aes128Gcm96),
    (9, Kind::Rsa3072),
    (10, Kind::Hmac),
    (11, Kind::XChaCha20Poly1305),
];
/// HKDF with SHA-256; the one before is not made any more.
const HKDF: i64 = 1;
/// The convergent encryption of today.
const CONVERGENT: i64 = 3;
/// Versions in one backup.
const MOST_VERSIONS: u32 = 10_000;
const NANOS: u64 = 1_000_000_000;

#[derive(Serialize, Deserialize)]
struct KeyData {
    policy: Stored,
    archived_keys: Option<Archive>,
}

/// Every version that there is; the first stands for `min_available_version`.
#[derive(Serialize, Deserialize)]
struct Archive {
    keys: Option<Vec<Entry>>,
}

#[derive(Serialize, Deserialize)]
struct Moment {
    time: String,
    version: u32,
}

/// A policy as Vault writes it.
#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    key_size: u32,
    keys: Option<BTreeMap<String, Entry>>,
    #[serde(default)]
    derived: bool,
    #[serde(default)]
    kdf: i64,
    #[serde(default)]
    convergent_encryption: bool,
    #[serde(default)]
    exportable: bool,
    min_decryption_version: u32,
    #[serde(default)]
    min_encryption_version: u32,
    latest_version: u32,
    #[serde(default)]
    archive_version: u32,
    #[serde(default)]
    archive_min_version: u32,
    #[serde(default)]
    min_available_version: u32,
    #[serde(default)]
    deletion_allowed: bool,
    #[serde(default)]
    convergent_version: i64,
    #[serde(rename = "type")]
    kind: i64,
    backup_info: Option<Moment>,
    restore_info: Option<Moment>,
    #[serde(default)]
    allow_plaintext_backup: bool,
    #[serde(default)]
    version_template: String,
    #[serde(default)]
    storage_prefix: String,
    /// Nanoseconds.
    #[serde(default)]
    auto_rotate_period: u64,
    #[serde(default, rename = "Imported")]
    imported: bool,
    #[serde(default, rename = "AllowImportedKeyRotation")]
    allow_rotation: bool,
    #[serde(default)]
    soft_deleted: bool,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(size: &u32) -> bool {
    *size == 0
}

fn moment(event: Event) -> Moment {
    Moment {
        time: clock::rfc3339(event.time),
        version: event.version,
    }
}

fn backup(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let mut policy = Policy::usable(request, &format!("key {name:?} not found"))?;
    if !policy.exportable {
        return Err(Error::invalid("exporting is disallowed on the policy"));
    }
    if !policy.allow_plaintext_backup {
        return Err(Error::invalid(
            "plaintext backup is disallowed on the policy",
        ));
    }
    policy.backup_info = Some(Event {
        time: clock::now(),
        version: policy.latest_version,
    });
    policy.store()?;
    let data = serde_json::to_vec(&stored(&policy)?).map(Zeroizing::new)?;
    Ok(Response::data(json!({ "backup": encoding::base64(&data) })))
}

fn stored(policy: &Policy) -> Result<KeyData> {
    let all = (policy.oldest()..=policy.latest_version)
        .map(|version| Ok((version, Entry::of(policy, version)?)))
        .collect::<Result<Vec<_>>>()?;
    let usable = all
        .iter()
        .filter(|(version, _)| policy.versions().contains(version))
        .map(|(version, entry)| (version.to_string(), entry.clone()))
        .collect();
    // No version has the number 0.
    let none = (policy.min_available_version == 0).then(Entry::none);
    let all = all.into_iter().map(|(_, entry)| entry);
    let archived = none.into_iter().chain(all).collect();
    let kind = TYPES.iter().find(|(_, kind)| *kind == policy.kind);
    let (kind, _) = kind.ok_or_else(|| Error::internal("a type without a number"))?;
    Ok(KeyData {
        policy: Stored {
            name: policy.name.clone(),
            key_size: policy.key_size,
            keys: Some(usable),
            derived: policy.derived,
            kdf: if policy.derived { HKDF } else { 0 },
            convergent_encryption: policy.convergent_encryption,
            exportable: policy.exportable,
            min_decryption_version: policy.min_decryption_version,
            min_encryption_version: policy.min_encryption_version,
            latest_version: policy.latest_version,
            archive_version: policy.latest_version,
            archive_min_version: policy.min_available_version,
            min_available_version: policy.min_available_version,
            deletion_allowed: policy.deletion_allowed,
            // Each version says which it has.
            convergent_version: if policy.convergent_encryption { -1 } else { 0 },
            kind: *kind,
            backup_info: policy.backup_info.map(moment),
            restore_info: policy.restore_info.map(moment),
            allow_plaintext_backup: policy.allow_plaintext_backup,
            version_template: String::new(),
            storage_prefix: String::new(),
            auto_rotate_period: policy.auto_rotate_period.saturating_mul(NANOS),
            imported: policy.imported,
            allow_rotation: policy.allow_rotation,
            soft_deleted: policy.soft_deleted,
        },
        archived_keys: Some(Archive {
            keys: Some(archived),
        }),
    })
}

/// What stands in a backup, which is anybody's text.
fn parse(text: &str) -> Result<KeyData> {
    let json = Zeroizing::new(encoding::bytes(text)?);
    // What it says is not quoted: there are keys in it.
    serde_json::from_slice(&json).map_err(|error| {
        Error::invalid(format!(
            "the backup cannot be read: line {}, column {} of what is in it is not as it should be",
            error.line(),
            error.column()
        ))
    })
}

fn restore(request: &Request) -> Result<Response> {
    let text = request.get(BACKUP_TEXT)?.unwrap_or_default();
    if text.is_empty() {
        return Err(Error::invalid("'backup' must be supplied"));
    }
    let KeyData {
        policy: stored,
        archived_keys,
    } = parse(&text)?;
    let name = request.get(NAME)?.filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| stored.name.clone());
    check_name(&name)?;
    if let Some(there) = Policy::load(&name)? {
        if !request.get(FORCE)?.unwrap_or_default() {
            return Err(Error::invalid(format!("key {name:?} already exists")));
        }
        there.delete()?;
    }
    let archived = archived_keys.and_then(|archive| archive.keys);
    let mut entries: BTreeMap<u32, Entry> = archived
        .unwrap_or_default()
        .into_iter()
        .zip(stored.archive_min_version..)
        .map(|(entry, version)| (version, entry))
        .collect();
    let mut policy = checked(&name, &stored)?;
    // What the policy has is newer than what is archived.
    for (version, entry) in stored.keys.into_iter().flatten() {
        if let Ok(version) = version.parse() {
            entries.insert(version, entry);
        }
    }
    for version in policy.oldest()..=policy.latest_version {
        let entry = entries.remove(&version).ok_or_else(|| {
            Error::invalid(format!(
                "the backup cannot be played back: it has no version {version}"
            ))
        })?;
        if policy.convergent_encryption && entry.convergent_version != CONVERGENT {
            return Err(Error::invalid(format!(
                "the backup cannot be played back: version {version} encrypts convergently in a way that is no longer made"
            )));
        }
        entry.restore(&policy, version).map_err(|error| Error {
            message: format!(
                "the backup cannot be played back: version {version}: {}",
                error.message
            ),
            ..error
        })?;
    }
    policy.restore_info = Some(Event {
        time: clock::now(),
        version: policy.latest_version,
    });
    policy.store()?;
    Ok(Response::empty())
}

/// The policy that is described, if it is one that can be here.
fn checked(name: &str, stored: &Stored) -> Result<Policy> {
    let wrong = |why: &str| Error::invalid(format!("the backup cannot be played back: {why}"));
    let kind = TYPES.iter().find(|(number, _)| *number == stored.kind);
    let (_, kind) = kind.ok_or_else(|| wrong("its type of key is unknown"))?;
    let versions = stored.min_available_version.max(1)..=stored.latest_version;
    let count = stored
        .latest_version
        .saturating_sub(stored.min_available_version);
    if versions.is_empty()
        || count > MOST_VERSIONS
        || !versions.contains(&stored.min_decryption_version)
        || stored.min_encryption_version > stored.latest_version
    {
        return Err(wrong("its versions make no sense"));
    }
    if stored.derived && (stored.kdf != HKDF || !kind.derives()) {
        return Err(wrong(
            "keys are derived of it in a way that is no longer done",
        ));
    }
    if stored.convergent_encryption && !(stored.derived && kind.is_aead()) {
        return Err(wrong("it encrypts convergently and is not derived"));
    }
    if !matches!(stored.version_template.as_str(), "" | "vault:v{{version}}:") {
        return Err(wrong("it has a prefix of its own"));
    }
    let event = |moment: &Moment| {
        Some(Event {
            time: clock::parse_rfc3339(&moment.time)?,
            version: moment.version,
        })
    };
    Ok(Policy {
        derived: stored.derived,
        convergent_encryption: stored.convergent_encryption,
        exportable: stored.exportable,
        allow_plaintext_backup: stored.allow_plaintext_backup,
        deletion_allowed: stored.deletion_allowed,
        latest_version: stored.latest_version,
        min_decryption_version: stored.min_decryption_version,
        min_encryption_version: stored.min_encryption_version,
        min_available_version: stored.min_available_version,
        auto_rotate_period: stored.auto_rotate_period / NANOS,
        key_size: stored.key_size,
        imported: stored.imported,
        allow_rotation: stored.allow_rotation,
        soft_deleted: stored.soft_deleted,
        backup_info: stored.backup_info.as_ref().and_then(event),
        ..Policy::new(name, *kind)
    })
}
