//! What is said of the mount as a whole.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

const SIZE: Field<i64> = Field::integer(
    "size",
    "How many keys are kept at hand; 0 is no limit. The host keeps what is used at hand by itself.",
)
.default_json("0");
const DISABLE_UPSERT: Field<bool> = Field::boolean(
    "disable_upsert",
    "Encrypting with a key that is not there makes none.",
);

const CACHE_SIZE: &str = "config/cache";
const KEYS_CONFIG: &str = "config/keys";
/// The smallest cache that Vault takes.
const LEAST: u64 = 10;

#[derive(Default, Serialize, Deserialize)]
struct Cache {
    size: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Keys {
    disable_upsert: bool,
}

pub(crate) const CACHE: Path = Path::new("cache-config", "The cache of keys.")
    .fields(&[SIZE.decl()])
    .read(|_| Response::json(&storage::get_json::<Cache>(CACHE_SIZE)?.unwrap_or_default()))
    .write(|request| {
        let size = request.get(SIZE)?.unwrap_or_default();
        let size = u64::try_from(size)
            .ok()
            .filter(|size| *size == 0 || *size >= LEAST);
        let size =
            size.ok_or_else(|| Error::invalid("size must be 0 or a value greater or equal to 10"))?;
        let cache = Cache { size };
        storage::put_json(CACHE_SIZE, &cache)?;
        Response::json(&cache)
    });

pub(crate) const KEYS: Path = Path::new("config/keys", "What holds for all keys.")
    .fields(&[DISABLE_UPSERT.decl()])
    .read(|_| Response::json(&load()?))
    .write(|request| {
        let mut keys = load()?;
        if let Some(disable_upsert) = request.get(DISABLE_UPSERT)? {
            keys.disable_upsert = disable_upsert;
        }
        storage::put_json(KEYS_CONFIG, &keys)?;
        Response::json(&keys)
    });

fn load() -> Result<Keys> {
    Ok(storage::get_json(KEYS_CONFIG)?.unwrap_or_default())
}

pub(crate) fn upsert_is_disabled() -> Result<bool> {
    Ok(load()?.disable_upsert)
}
