//! `config`: what holds for all secrets of a mount.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::secret::go_duration;

pub(crate) const MAX_VERSIONS: Field<i64> = Field::integer(
    "max_versions",
    "How many versions of a secret are kept; 0 means 10.",
);
pub(crate) const CAS_REQUIRED: Field<bool> = Field::boolean(
    "cas_required",
    "Whether every write must say which version it replaces.",
);
pub(crate) const DELETE_AFTER: Field<String> = Field::text(
    "delete_version_after",
    "After this time a version counts as deleted; 0s means never.",
);

pub(crate) const PATH: Path = Path::new("config", "What holds for all secrets of this mount.")
    .fields(&[
        MAX_VERSIONS.decl(),
        CAS_REQUIRED.decl(),
        DELETE_AFTER.decl(),
    ])
    .exists(|_| Ok(storage::get(KEY)?.is_some()))
    .read(read)
    .write(write);

const KEY: &str = "config";

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Config {
    pub max_versions: u32,
    pub cas_required: bool,
    /// Seconds; negative: no version of any secret is deleted by time.
    pub delete_version_after: i64,
}

impl Config {
    pub(crate) fn load() -> Result<Self> {
        Ok(storage::get_json(KEY)?.unwrap_or_default())
    }
}

/// A number of versions, as a caller gives it.
pub(crate) fn max_versions(request: &Request) -> Result<Option<u32>> {
    request
        .get(MAX_VERSIONS)?
        .map(|n| u32::try_from(n).map_err(|_| Error::invalid("max_versions must not be negative")))
        .transpose()
}

/// Seconds; negative means off.
pub(crate) fn delete_after(request: &Request) -> Result<Option<i64>> {
    let Some(text) = request.get(DELETE_AFTER)? else {
        return Ok(None);
    };
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.as_str()),
    };
    let seconds = coffer_sdk::parse_duration(text)
        .and_then(|seconds| i64::try_from(seconds).ok())
        .ok_or_else(|| Error::invalid("delete_version_after must be a duration"))?;
    Ok(Some(sign * seconds))
}

fn read(_: &Request) -> Result<Response> {
    let config = Config::load()?;
    Ok(Response::data(json!({
        "cas_required": config.cas_required,
        "delete_version_after": go_duration(config.delete_version_after),
        "max_versions": config.max_versions,
    })))
}

fn write(request: &Request) -> Result<Response> {
    let mut config = Config::load()?;
    if let Some(max) = max_versions(request)? {
        config.max_versions = max;
    }
    if let Some(required) = request.get(CAS_REQUIRED)? {
        config.cas_required = required;
    }
    if let Some(after) = delete_after(request)? {
        config.delete_version_after = after;
    }
    storage::put_json(KEY, &config)?;
    Ok(Response::empty())
}
