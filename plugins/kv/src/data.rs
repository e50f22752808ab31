//! `data`, `delete`, `undelete` and `destroy`: the versions of a secret.

use coffer_sdk::{FromValue, prelude::*};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::secret::{self, PATH as SECRET_PATH, Secret};

pub(crate) const VERSION: Field<i64> =
    Field::integer("version", "Which version; 0 or none is the current one.");
const DATA: Field<Map<String, Value>> = Field::object("data", "The secret.");
const OPTIONS: Field<Map<String, Value>> = Field::object(
    "options",
    "`cas`: the version that this write replaces; 0 if the secret must not exist.",
);
const VERSIONS: Field<Vec<String>> = Field::text_list("versions", "Which versions.");

pub(crate) const PATH: Path = Path::new("data/{path*}", "Reads and writes a secret.")
    .fields(&[
        SECRET_PATH.decl(),
        VERSION.decl(),
        DATA.decl(),
        OPTIONS.decl(),
    ])
    .exists(secret::exists)
    .read(read)
    .write(write)
    .patch(patch)
    .delete(delete_latest);

pub(crate) const DELETE: Path = Path::new(
    "delete/{path*}",
    "Marks versions as deleted; they can be undeleted.",
)
.fields(&[SECRET_PATH.decl(), VERSIONS.decl()])
.write(delete);

pub(crate) const UNDELETE: Path =
    Path::new("undelete/{path*}", "Takes the deletion of versions back.")
        .fields(&[SECRET_PATH.decl(), VERSIONS.decl()])
        .write(undelete);

pub(crate) const DESTROY: Path =
    Path::new("destroy/{path*}", "Removes the data of versions for good.")
        .fields(&[SECRET_PATH.decl(), VERSIONS.decl()])
        .write(destroy);

/// A version's metadata, and its data unless that is gone.
type Fetched = (Value, Option<Box<RawValue>>);

/// The version asked for, with its data unless it is gone. None: there is no such version.
pub(crate) fn fetch(request: &Request) -> Result<Option<Fetched>> {
    let path = secret::path(request)?;
    let number = request.get(VERSION)?.unwrap_or(0);
    let number =
        u64::try_from(number).map_err(|_| Error::invalid("version must not be negative"))?;
    let Some(secret) = secret::load(&path)? else {
        return Ok(None);
    };
    let Some((number, version)) = secret.version(number) else {
        return Ok(None);
    };
    let data = if version.is_gone() {
        None
    } else {
        Secret::data(&path, number)?
    };
    Ok(Some((secret.describe(number, version), data)))
}

#[derive(Serialize)]
struct Read {
    data: Option<Box<RawValue>>,
    metadata: Value,
}

fn read(request: &Request) -> Result<Response> {
    let Some((metadata, data)) = fetch(request)? else {
        return Ok(Response::empty());
    };
    let gone = data.is_none();
    let response = Response::json(&Read { data, metadata })?;
    Ok(if gone { response.status(404) } else { response })
}

/// The version that a write replaces, if it says so. Null says 0.
fn cas(request: &Request) -> Result<Option<i64>> {
    let options = request.get(OPTIONS)?.unwrap_or_default();
    let Some(cas) = options.get("cas").cloned() else {
        return Ok(None);
    };
    let cas = if cas.is_null() {
        Some(0)
    } else {
        i64::from_value(cas)
    };
    cas.map(Some)
        .ok_or_else(|| Error::invalid("error parsing check-and-set parameter"))
}

/// The data that was sent: that it is an object, and what it is in JSON.
fn sent(request: &Request) -> Result<(Map<String, Value>, &RawValue)> {
    let missing = || Error::invalid("no data provided");
    let raw = request
        .body()
        .get(DATA.name())
        .filter(|_| request.has(DATA))
        .ok_or_else(missing)?;
    Ok((request.get(DATA)?.ok_or_else(missing)?, raw))
}

fn write(request: &Request) -> Result<Response> {
    let path = secret::path(request)?;
    let (_, data) = sent(request)?;
    let config = Config::load()?;
    let mut secret = secret::load(&path)?.unwrap_or_else(Secret::new);
    secret.check_and_set(cas(request)?, &config)?;
    add(&path, &mut secret, data, &config)
}

fn add(path: &str, secret: &mut Secret, data: &RawValue, config: &Config) -> Result<Response> {
    let number = secret.add(path, data, config)?;
    secret.store(path)?;
    let version = secret.versions.get(&number).cloned().unwrap_or_default();
    Ok(Response::data(secret.describe(number, &version)))
}

fn patch(request: &Request) -> Result<Response> {
    let path = secret::path(request)?;
    let (patch, _) = sent(request)?;
    let Some(mut secret) = secret::load(&path)? else {
        return Err(Error::not_found(""));
    };
    let Some((number, version)) = secret.version(0) else {
        return Err(Error::not_found(""));
    };
    let config = Config::load()?;
    secret.check_and_set(cas(request)?, &config)?;
    let data = if version.is_gone() {
        None
    } else {
        Secret::data(&path, number)?
    };
    let Some(data) = data else {
        return Ok(Response::data(secret.describe(number, version)).status(404));
    };
    let mut data: Map<String, Value> = serde_json::from_str(data.get())?;
    secret::merge(&mut data, &patch);
    add(&path, &mut secret, &to_raw_value(&data)?, &config)
}

fn delete_latest(request: &Request) -> Result<Response> {
    let path = secret::path(request)?;
    if let Some(mut secret) = secret::load(&path)? {
        let current = secret.current;
        mark(&path, &mut secret, &[current])?;
    }
    Ok(Response::empty())
}

fn mark(path: &str, secret: &mut Secret, numbers: &[u64]) -> Result<()> {
    let now = clock::now();
    for number in numbers {
        if let Some(version) = secret
            .versions
            .get_mut(number)
            .filter(|version| !version.is_gone())
        {
            version.deletion = Some(now);
        }
    }
    secret.store(path)
}

fn numbers(request: &Request) -> Result<Vec<u64>> {
    let given = request.get(VERSIONS)?.unwrap_or_default();
    if given.is_empty() {
        return Err(Error::invalid("no version number provided"));
    }
    given
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|_| Error::invalid(format!("{text:?} is no version number")))
        })
        .collect()
}

fn delete(request: &Request) -> Result<Response> {
    let (path, numbers) = (secret::path(request)?, numbers(request)?);
    if let Some(mut secret) = secret::load(&path)? {
        mark(&path, &mut secret, &numbers)?;
    }
    Ok(Response::empty())
}

fn undelete(request: &Request) -> Result<Response> {
    let (path, numbers) = (secret::path(request)?, numbers(request)?);
    if let Some(mut secret) = secret::load(&path)? {
        let deletion = secret.deletion(&Config::load()?);
        for number in numbers {
            let version = secret.versions.get_mut(&number);
            if let Some(version) = version.filter(|version| !version.destroyed) {
                version.deletion = deletion;
            }
        }
        secret.store(&path)?;
    }
    Ok(Response::empty())
}

fn destroy(request: &Request) -> Result<Response> {
    let (path, numbers) = (secret::path(request)?, numbers(request)?);
    if let Some(mut secret) = secret::load(&path)? {
        for number in numbers {
            secret.destroy(&path, number)?;
        }
        secret.store(&path)?;
    }
    Ok(Response::empty())
}
