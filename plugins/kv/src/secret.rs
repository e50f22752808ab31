//! A secret: its metadata under one key, and each version's data under its own.

use std::collections::BTreeMap;

use coffer_sdk::{Operation, paging, prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::config::Config;
use crate::upgrade;

const DEFAULT_VERSIONS: u32 = 10;

pub(crate) const PATH: Field<String> = Field::text("path", "Where the secret is.");

/// What is stored of one version.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Milliseconds.
    pub created: u64,
    /// When it counts as deleted, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<u64>,
    #[serde(default)]
    pub destroyed: bool,
}

impl Version {
    pub(crate) fn is_gone(&self) -> bool {
        self.destroyed || self.deletion.is_some_and(|at| at <= clock::now())
    }
}

/// What is stored of a secret besides its versions' data.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub created: u64,
    pub updated: u64,
    pub current: u64,
    pub oldest: u64,
    /// How often the metadata was changed, but by new versions of the data.
    #[serde(default)]
    pub metadata_version: u64,
    #[serde(default)]
    pub max_versions: u32,
    #[serde(default)]
    pub cas_required: bool,
    #[serde(default)]
    pub metadata_cas_required: bool,
    /// Seconds.
    #[serde(default)]
    pub delete_version_after: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_metadata: Option<BTreeMap<String, String>>,
    pub versions: BTreeMap<u64, Version>,
}

/// The secret's path. A write needs one that can name a secret.
pub(crate) fn path(request: &Request) -> Result<String> {
    let path = request.get(PATH)?.unwrap_or_default();
    if matches!(request.operation, Operation::Write | Operation::Patch) {
        crate::check_writable(request, &path)?;
    }
    Ok(path)
}

fn key(path: &str) -> String {
    format!("meta/{path}")
}

fn version_key(path: &str, version: u64) -> String {
    format!("version/{path}/{version}")
}

pub(crate) fn load(path: &str) -> Result<Option<Secret>> {
    match storage::get_json(&key(path))? {
        None => upgrade::adopt(path),
        found => Ok(found),
    }
}

pub(crate) fn exists(request: &Request) -> Result<bool> {
    let path = request.get(PATH)?.unwrap_or_default();
    Ok(storage::get(&key(&path))?.is_some() || storage::get(&upgrade::plain_key(&path))?.is_some())
}

/// The names right below a path, which is empty or ends in a slash.
pub(crate) fn names(request: &Request, path: &str) -> Result<Vec<String>> {
    let mut names = paging::list(request, &key(path))?;
    let plain = paging::list(request, &upgrade::plain_key(path))?;
    if !plain.is_empty() {
        names.extend(plain);
        names.sort_unstable();
        names.dedup();
        names.truncate(paging::limit(request)?);
    }
    Ok(names)
}

impl Secret {
    pub(crate) fn new() -> Self {
        let now = clock::now();
        Self {
            created: now,
            updated: now,
            ..Self::default()
        }
    }

    /// Gives it its first version, whatever is configured.
    pub(crate) fn begin(&mut self, path: &str, data: &[u8]) -> Result<()> {
        self.current = 1;
        let version = Version {
            created: self.created,
            ..Version::default()
        };
        self.versions.insert(1, version);
        storage::put(&version_key(path, 1), data)
    }

    pub(crate) fn store(&self, path: &str) -> Result<()> {
        storage::put_json(&key(path), self)
    }

    /// The version asked for; 0 is the current one.
    pub(crate) fn version(&self, number: u64) -> Option<(u64, &Version)> {
        let number = if number == 0 { self.current } else { number };
        self.versions.get(&number).map(|version| (number, version))
    }

    /// A version's data: an object, as it was sent.
    pub(crate) fn data(path: &str, number: u64) -> Result<Option<Box<RawValue>>> {
        storage::get_json(&version_key(path, number))
    }

    /// A version's metadata, as the API shows it.
    pub(crate) fn describe(&self, number: u64, version: &Version) -> Value {
        json!({
            "created_time": clock::rfc3339(version.created),
            "custom_metadata": self.custom_metadata,
            "deletion_time": version.deletion.map(clock::rfc3339).unwrap_or_default(),
            "destroyed": version.destroyed,
            "version": number,
        })
    }

    /// Refuses a write that does not say which version it replaces although it must, or names another one.
    pub(crate) fn check_and_set(&self, cas: Option<i64>, config: &Config) -> Result<()> {
        match cas {
            None if self.cas_required || config.cas_required => Err(Error::invalid(
                "check-and-set parameter required for this call",
            )),
            Some(cas) if u64::try_from(cas) != Ok(self.current) => Err(Error::invalid(
                "check-and-set parameter did not match the current version",
            )),
            _ => Ok(()),
        }
    }

    /// The same for the metadata.
    pub(crate) fn check_metadata(&self, cas: Option<i64>, config: &Config) -> Result<()> {
        match cas {
            None if self.metadata_cas_required || config.metadata_cas_required => Err(
                Error::invalid("metadata check-and-set parameter required for this call"),
            ),
            Some(cas) if u64::try_from(cas) != Ok(self.metadata_version) => Err(Error::invalid(
                "metadata check-and-set parameter does not match the current version",
            )),
            _ => Ok(()),
        }
    }

    /// Adds a version, and drops those that are too many. Returns its number.
    pub(crate) fn add(&mut self, path: &str, data: &RawValue, config: &Config) -> Result<u64> {
        let now = clock::now();
        self.current += 1;
        self.updated = now;
        let deletion = self.deletion(config);
        self.versions.insert(
            self.current,
            Version {
                created: now,
                deletion,
                destroyed: false,
            },
        );
        storage::put(&version_key(path, self.current), data.get().as_bytes())?;
        let max = match self.max_versions.max(config.max_versions) {
            0 => DEFAULT_VERSIONS,
            max => max,
        };
        let keep_from = self.current.saturating_sub(max.into()) + 1;
        let kept = self.versions.split_off(&keep_from);
        for (number, _) in std::mem::replace(&mut self.versions, kept) {
            storage::delete(&version_key(path, number))?;
        }
        if self.current > max.into() {
            self.oldest = self.oldest.max(keep_from);
        }
        Ok(self.current)
    }

    /// When a version that there is from now on counts as deleted, in milliseconds.
    pub(crate) fn deletion(&self, config: &Config) -> Option<u64> {
        let of_config = u64::try_from(config.delete_version_after).ok()?;
        let seconds = [self.delete_version_after, of_config]
            .into_iter()
            .filter(|seconds| *seconds > 0)
            .min()?;
        Some(clock::now() + seconds * 1000)
    }

    /// Removes a version's data for good.
    pub(crate) fn destroy(&mut self, path: &str, number: u64) -> Result<()> {
        if let Some(version) = self.versions.get_mut(&number) {
            version.destroyed = true;
            storage::delete(&version_key(path, number))?;
        }
        Ok(())
    }

    /// Removes everything.
    pub(crate) fn remove(&self, path: &str) -> Result<()> {
        for number in self.versions.keys() {
            storage::delete(&version_key(path, *number))?;
        }
        storage::delete(&key(path))
    }
}

/// JSON merge patch (RFC 7396).
pub(crate) fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(patch) => {
                let mut inner = match target.remove(name) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                merge(&mut inner, patch);
                target.insert(name.clone(), Value::Object(inner));
            }
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}
