//! Codes that authenticate, made with a key of their own that every key has.

use coffer_sdk::keys::Hash;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::batch::{self, BATCH, Opened, Outcome, Text};
use crate::encoding;
use crate::encrypt::KEY_VERSION;
use crate::hash::{self, ALGORITHM, INPUT, URL_ALGORITHM};
use crate::policy::{NAME, Policy};

const FIELDS: &[coffer_sdk::Decl] = &[
    NAME.decl(),
    URL_ALGORITHM.decl(),
    ALGORITHM.decl(),
    INPUT.decl(),
    KEY_VERSION.decl(),
    BATCH.decl(),
];

pub(crate) const PATH: Path = Path::new("hmac/{name}", "Authenticates with HMAC.")
    .fields(FIELDS)
    .write(hmac);
pub(crate) const WITH_ALGORITHM: Path =
    Path::new("hmac/{name}/{urlalgorithm}", "Authenticates with HMAC.")
        .fields(FIELDS)
        .write(hmac);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    input: Text,
    reference: Text,
}

#[derive(Serialize)]
struct Made {
    hmac: String,
}

/// The hash function that the request asks for.
pub(crate) fn hash_of(request: &Request) -> Result<Hash> {
    let name = hash::asked(request, &[URL_ALGORITHM, ALGORITHM])?;
    hash::named(&name).ok_or_else(|| Error::invalid(format!("unsupported algorithm {name:?}")))
}

/// The version that is asked for.
fn version(policy: &Policy, asked: i64) -> Result<u32> {
    let latest = policy.latest_version;
    let version = match u32::try_from(asked) {
        Ok(0) => latest,
        Ok(version) if version <= latest => version,
        Err(_) if asked < 0 => {
            return Err(Error::invalid(
                "key version does not exist (cannot be negative)",
            ));
        }
        _ => {
            return Err(Error::invalid(format!(
                "key version does not exist; latest key version is {latest}"
            )));
        }
    };
    if version != latest && version < policy.min_encryption_version {
        return Err(Error::invalid(
            "cannot generate HMAC: version is too old (disallowed by policy)",
        ));
    }
    Ok(version)
}

fn hmac(request: &Request) -> Result<Response> {
    let policy = Policy::usable(request, "encryption key not found")?;
    let version = version(&policy, request.get(KEY_VERSION)?.unwrap_or_default())?;
    let hash = hash_of(request)?;
    let mut keys = Opened::of(&policy, Policy::open_mac);
    let mut made = |input: Option<&str>| {
        let input = input.ok_or_else(|| Error::invalid("missing input for HMAC"))?;
        let input = hash::input_bytes(input)?;
        let code = keys.version(version)?.mac_with(&input, hash)?;
        let hmac = encoding::versioned(version, &encoding::base64(&code));
        Ok(Made { hmac })
    };
    let Some(items) = batch::items::<Item>(request)? else {
        return Response::json(&made(request.get(INPUT)?.as_deref())?);
    };
    let items = items.into_iter();
    batch::results(items.map(|item| Outcome::new(made(item.input.as_deref()), item.reference)))
}
