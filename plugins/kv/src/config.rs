//! `config`: what holds for all secrets of a mount.

use coffer_sdk::{format_duration, prelude::*};
use serde::{Deserialize, Serialize};

pub(crate) const MAX_VERSIONS: Field<i64> = Field::integer(
    "max_versions",
    "How many versions of a secret are kept; 0 means 10.",
);
pub(crate) const CAS_REQUIRED: Field<bool> = Field::boolean(
    "cas_required",
    "Whether every write must say which version it replaces.",
);
pub(crate) const METADATA_CAS_REQUIRED: Field<bool> = Field::boolean(
    "metadata_cas_required",
    "Whether every change of metadata must say which version of it it replaces.",
);
/// A text, as it may be negative here.
const DELETE_AFTER: Field<String> = Field::text(
    "delete_version_after",
    "After this time a version counts as deleted; 0s leaves it to each secret, and a negative time means never.",
);

pub(crate) const PATH: Path = Path::new("config", "What holds for all secrets of this mount.")
    .fields(&[
        MAX_VERSIONS.decl(),
        CAS_REQUIRED.decl(),
        METADATA_CAS_REQUIRED.decl(),
        DELETE_AFTER.decl(),
    ])
    .read(read)
    .write(write);

const KEY: &str = "config";

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Config {
    pub max_versions: u32,
    pub cas_required: bool,
    #[serde(default)]
    pub metadata_cas_required: bool,
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
    let range = || Error::invalid(format!("max_versions must be between 0 and {}", u32::MAX));
    request
        .get(MAX_VERSIONS)?
        .map(|n| u32::try_from(n).map_err(|_| range()))
        .transpose()
}

fn read(_: &Request) -> Result<Response> {
    let config = Config::load()?;
    Ok(Response::data(json!({
        "cas_required": config.cas_required,
        "delete_version_after": format_duration(config.delete_version_after),
        "max_versions": config.max_versions,
        "metadata_cas_required": config.metadata_cas_required,
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
    if let Some(required) = request.get(METADATA_CAS_REQUIRED)? {
        config.metadata_cas_required = required;
    }
    if request.has(DELETE_AFTER) {
        let text = request.get(DELETE_AFTER)?.unwrap_or_default();
        let seconds = coffer_sdk::parse_signed_duration(&text).ok_or_else(|| {
            Error::invalid(
                "error converting input for field \"delete_version_after\": expected a duration",
            )
        })?;
        config.delete_version_after = seconds.max(-1);
    }
    storage::put_json(KEY, &config)?;
    Ok(Response::empty())
}
