//! `data`, `delete`, `undelete` and `destroy`: the versions of a secret.

use coffer_sdk::prelude::*;
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
.exists(secret::exists)
.write(delete);

pub(crate) const UNDELETE: Path =
    Path::new("undelete/{path*}", "Takes the deletion of versions back.")
        .fields(&[SECRET_PATH.decl(), VERSIONS.decl()])
        .exists(secret::exists)
        .write(undelete);

pub(crate) const DESTROY: Path =
    Path::new("destroy/{path*}", "Removes the data of versions for good.")
        .fields(&[SECRET_PATH.decl(), VERSIONS.decl()])
        .exists(secret::exists)
        .write(destroy);

/// A version's metadata, and its data unless that is gone.
type Fetched = (Value, Option<Map<String, Value>>);

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

fn read(request: &Request) -> Result<Response> {
    let Some((metadata, data)) = fetch(request)? else {
        return Ok(Response::empty());
    };
    let gone = data.is_none();
    let response = Response::data(json!({ "data": data, "metadata": metadata }));
    Ok(if gone { response.status(404) } else { response })
}

fn cas(request: &Request) -> Result<Option<u64>> {
    let Some(options) = request.get(OPTIONS)? else {
        return Ok(None);
    };
    let cas = match options.get("cas") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(n)) => n.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    cas.map(Some)
        .ok_or_else(|| Error::invalid("error parsing check-and-set parameter"))
}

fn write(request: &Request) -> Result<Response> {
    let path = secret::path(request)?;
    let data = request
        .get(DATA)?
        .ok_or_else(|| Error::invalid("no data provided"))?;
    let mut secret = secret::load(&path)?.unwrap_or_else(Secret::new);
    add(&path, &mut secret, &data, cas(request)?)
}

fn add(
    path: &str,
    secret: &mut Secret,
    data: &Map<String, Value>,
    cas: Option<u64>,
) -> Result<Response> {
    let config = Config::load()?;
    secret.check_and_set(cas, &config)?;
    let number = secret.add(path, data, &config)?;
    secret.store(path)?;
    let version = secret.versions.get(&number).cloned().unwrap_or_default();
    Ok(Response::data(secret.describe(number, &version)))
}

fn patch(request: &Request) -> Result<Response> {
    let path = secret::path(request)?;
    let patch = request
        .get(DATA)?
        .ok_or_else(|| Error::invalid("no data provided"))?;
    let Some(mut secret) = secret::load(&path)? else {
        return Err(Error::not_found(""));
    };
    let Some((number, version)) = secret.version(0) else {
        return Err(Error::not_found(""));
    };
    if version.is_gone() {
        return Ok(Response::data(
            json!({ "data": null, "metadata": secret.describe(number, version) }),
        )
        .status(404));
    }
    let mut data = Secret::data(&path, number)?.unwrap_or_default();
    secret::merge(&mut data, &patch);
    add(&path, &mut secret, &data, cas(request)?)
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
        for number in numbers {
            if let Some(version) = secret.versions.get_mut(&number) {
                version.deletion = None;
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
