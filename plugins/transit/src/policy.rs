//! What may be done with a key: its policy, which is stored by the key's name. Its versions are stored apart.

use std::ops::RangeInclusive;

use coffer_sdk::keys::Key;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::version::{self, Version};

/// The name of a key, wherever one stands in a path.
pub(crate) const NAME: Field<String> = Field::text("name", "Name of the key.");

const PREFIX: &str = "policy/";
/// Keys with a period after which they get a new version by themselves.
pub(crate) const ROTATED: &str = "rotated/";

pub(crate) const SOFT_DELETED: &str = "refusing to use soft-deleted key";
pub(crate) const TOO_OLD: &str =
    "ciphertext or signature version is disallowed by policy (too old)";

/// A backup that was made, or played back.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Milliseconds since 1970.
    pub time: u64,
    /// The latest version then.
    pub version: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    #[serde(skip)]
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    #[serde(default)]
    pub derived: bool,
    #[serde(default)]
    pub convergent_encryption: bool,
    #[serde(default)]
    pub exportable: bool,
    #[serde(default)]
    pub allow_plaintext_backup: bool,
    #[serde(default)]
    pub deletion_allowed: bool,
    /// Versions begin at 1.
    pub latest_version: u32,
    pub min_decryption_version: u32,
    /// 0: any that still decrypts.
    #[serde(default)]
    pub min_encryption_version: u32,
    /// 0: nothing was trimmed yet.
    #[serde(default)]
    pub min_available_version: u32,
    /// Seconds; 0: never.
    #[serde(default)]
    pub auto_rotate_period: u64,
    /// In bytes, of a key for HMAC; else 0.
    #[serde(default)]
    pub key_size: u32,
    #[serde(default)]
    pub imported: bool,
    #[serde(default)]
    pub allow_rotation: bool,
    #[serde(default)]
    pub soft_deleted: bool,
    #[serde(default)]
    pub backup_info: Option<Event>,
    #[serde(default)]
    pub restore_info: Option<Event>,
}

/// Whether keys can be called so: letters, digits, `_`, and in between also `-` and `.`.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fits = name.len() <= 512
        && name.starts_with(word)
        && name.ends_with(word)
        && name.chars().all(|c| word(c) || c == '-' || c == '.');
    if fits {
        return Ok(());
    }
    Err(Error::invalid(
        "a key's name has letters, digits and _, and in between also - and .",
    ))
}

impl Policy {
    /// Of a key that has no version yet.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            derived: false,
            convergent_encryption: false,
            exportable: false,
            allow_plaintext_backup: false,
            deletion_allowed: false,
            latest_version: 0,
            min_decryption_version: 1,
            min_encryption_version: 0,
            min_available_version: 0,
            auto_rotate_period: 0,
            key_size: 0,
            imported: false,
            allow_rotation: false,
            soft_deleted: false,
            backup_info: None,
            restore_info: None,
        }
    }

    pub fn load(name: &str) -> Result<Option<Self>> {
        check_name(name)?;
        let found: Option<Self> = storage::get_json(&format!("{PREFIX}{name}"))?;
        Ok(found.map(|policy| Self {
            name: name.to_owned(),
            ..policy
        }))
    }

    /// The policy of the key that the request names; invalid, with this message, if there is none.
    pub fn named(request: &Request, missing: &str) -> Result<Self> {
        Self::load(&request.require(NAME)?)?.ok_or_else(|| Error::invalid(missing))
    }

    /// The same, for making something with the key.
    pub fn usable(request: &Request, missing: &str) -> Result<Self> {
        let policy = Self::named(request, missing)?;
        policy.check_usable()?;
        Ok(policy)
    }

    pub fn check_usable(&self) -> Result<()> {
        if self.soft_deleted {
            return Err(Error::invalid(SOFT_DELETED));
        }
        Ok(())
    }

    pub fn store(&self) -> Result<()> {
        let rotated = format!("{ROTATED}{}", self.name);
        if self.auto_rotate_period > 0 {
            storage::put(&rotated, b"")?;
        } else {
            storage::delete(&rotated)?;
        }
        storage::put_json(&format!("{PREFIX}{}", self.name), self)
    }

    pub fn list(request: &Request) -> Result<Vec<String>> {
        coffer_sdk::paging::list(request, PREFIX)
    }

    /// Forgets the key: all its versions, and what is said of it.
    pub fn delete(&self) -> Result<()> {
        self.forget_versions(self.oldest()..=self.latest_version)?;
        storage::delete(&format!("{ROTATED}{}", self.name))?;
        storage::delete(&format!("{PREFIX}{}", self.name))
    }

    pub fn forget_versions(&self, versions: impl Iterator<Item = u32>) -> Result<()> {
        for version in versions {
            version::delete(&self.name, version)?;
        }
        Ok(())
    }

    /// The oldest version that is still there.
    pub fn oldest(&self) -> u32 {
        self.min_available_version.max(1)
    }

    /// The versions that may still be used for anything.
    pub fn versions(&self) -> RangeInclusive<u32> {
        self.min_decryption_version.max(self.oldest())..=self.latest_version
    }

    /// The one of them that is asked for.
    pub fn version(&self, asked: i64) -> Option<u32> {
        let version = u32::try_from(asked).ok()?;
        self.versions().contains(&version).then_some(version)
    }

    /// A new version, made under the name that `make` is given; what authenticates with it is made with it.
    pub fn add_version(&mut self, make: impl FnOnce(&str) -> Result<()>) -> Result<()> {
        let next = self.latest_version + 1;
        make(&version::held(&self.name, next))?;
        if self.kind != Kind::Hmac {
            keys::generate(&version::held_mac(&self.name, next), keys::HMAC)?;
        }
        Version::new(clock::now()).store(&self.name, next)?;
        self.latest_version = next;
        Ok(())
    }

    /// A new version, made by the host. The policy is not stored yet.
    pub fn rotate(&mut self) -> Result<()> {
        self.check_usable()?;
        if self.imported && !self.allow_rotation {
            return Err(Error::invalid(format!(
                "imported key {} does not allow rotation",
                self.name
            )));
        }
        let (kind, size) = (self.kind, self.key_size);
        self.add_version(|name| match kind {
            Kind::Hmac => keys::generate_hmac(name, size),
            _ => keys::generate(name, kind.name()),
        })?;
        self.imported = false;
        Ok(())
    }

    /// The key of a version that may still be used for anything.
    pub fn open(&self, version: u32) -> Result<Key> {
        self.check_version(version)?;
        version::open(&version::held(&self.name, version))
    }

    fn check_version(&self, version: u32) -> Result<()> {
        if version < self.min_decryption_version {
            return Err(Error::invalid("no such key version"));
        }
        Ok(())
    }

    /// The key that authenticates by this version.
    pub fn open_mac(&self, version: u32) -> Result<Key> {
        match self.kind {
            Kind::Hmac => self.open(version),
            _ => {
                self.check_version(version)?;
                version::open(&version::held_mac(&self.name, version))
            }
        }
    }

    /// The version that is asked for, to make something with: 0 is the latest. `doing` names it in errors.
    pub fn version_to_make(&self, asked: i64, doing: &str) -> Result<u32> {
        let wrong = |how: &str| Error::invalid(format!("requested version for {doing} is {how}"));
        let version = match asked {
            0 => return Ok(self.latest_version),
            i64::MIN..0 => return Err(wrong("negative")),
            _ => u32::try_from(asked).unwrap_or(u32::MAX),
        };
        if version > self.latest_version {
            return Err(wrong("higher than the latest key version"));
        }
        if version < self.min_encryption_version {
            return Err(wrong("less than the minimum encryption key version"));
        }
        Ok(version)
    }

    /// The version that something was made with, which came from outside. `what` names it in errors.
    pub fn version_made_with(&self, version: i64, what: &str) -> Result<u32> {
        if version > i64::from(self.latest_version) {
            return Err(Error::invalid(format!(
                "invalid {what}: version is too new"
            )));
        }
        let version = u32::try_from(version).unwrap_or(0);
        if version < self.min_decryption_version {
            return Err(Error::invalid(TOO_OLD));
        }
        Ok(version)
    }

    /// Computes with the key itself, or with the one derived from it for this context.
    pub fn with_key<R>(
        &self,
        key: &Key,
        context: &[u8],
        compute: impl FnOnce(&Key) -> Result<R>,
    ) -> Result<R> {
        if !self.derived {
            return compute(key);
        }
        if context.is_empty() {
            return Err(Error::invalid(
                "missing 'context' for key derivation; the key was created using a derived key, which means additional, \
                 per-request information must be included in order to perform operations with the key",
            ));
        }
        compute(&key.derive(context)?)
    }
}
