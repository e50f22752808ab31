//! Keys for an API of yours, each with a lease: when the lease ends, the key is no good any more.

use coffer_sdk::effects::LeaseRequest;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const NAME: Field<String> = Field::text("name", "Name of the role.").required();
const TTL: Field<Seconds> = Field::duration(
    "ttl",
    "How long a key lives; the mount's default if it is 0.",
);
const LENGTH: Field<i64> =
    Field::integer("length", "Letters and digits of a key.").default_json("32");
const KEY: Field<String> = Field::text("key", "A key.").required();

/// The secret engine: routing, help and the OpenAPI description come from this.
pub static PLUGIN: Plugin = Plugin::secret(
    "@name@",
    env!("CARGO_PKG_VERSION"),
    "@description@",
)
.paths(&[
    Path::new("roles", "Lists the roles.").list(list_roles),
    Path::new("roles/{name}", "Says what the keys of a role are like.")
        .fields(&[NAME.decl(), TTL.decl(), LENGTH.decl()])
        .read(read_role)
        .write(write_role)
        .delete(delete_role),
    Path::new("keys/{name}", "Issues a key.")
        .fields(&[NAME.decl()])
        .read(issue),
    Path::new(
        "check",
        "Tells whether a key is good, and of which role it is.",
    )
    .fields(&[KEY.decl()])
    .write(check),
])
.renew(renew)
.revoke(revoke);

coffer_sdk::export_plugin!(PLUGIN);

#[derive(Serialize, Deserialize)]
struct Role {
    ttl: u64,
    length: i64,
}

impl Role {
    fn find(name: &str) -> Result<Option<Self>> {
        storage::get_json(&format!("roles/{name}"))
    }
}

fn list_roles(_: &Request) -> Result<Response> {
    Ok(Response::list(storage::list("roles/")?))
}

fn read_role(request: &Request) -> Result<Response> {
    match Role::find(&request.require(NAME)?)? {
        Some(role) => Response::json(&role),
        None => Ok(Response::empty()),
    }
}

fn write_role(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let mut role = Role::find(&name)?.unwrap_or(Role { ttl: 0, length: 32 });
    if let Some(ttl) = request.get(TTL)? {
        role.ttl = ttl.0;
    }
    if let Some(length) = request.get(LENGTH)? {
        role.length = length;
    }
    if !(20..=200).contains(&role.length) {
        return Err(Error::invalid("length is from 20 to 200"));
    }
    storage::put_json(&format!("roles/{name}"), &role)?;
    Ok(Response::empty())
}

fn delete_role(request: &Request) -> Result<Response> {
    storage::delete(&format!("roles/{}", request.require(NAME)?))?;
    Ok(Response::empty())
}

/// Who reads the storage learns no key: it is found by its digest.
fn place(key: &str) -> String {
    format!("keys/{:x}", Sha256::digest(key))
}

/// What a lease remembers.
#[derive(Serialize, Deserialize)]
struct Issued {
    role: String,
    place: String,
}

fn issue(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let role =
        Role::find(&name)?.ok_or_else(|| Error::invalid(format!("there is no role {name:?}")))?;
    let key = random::base62(usize::try_from(role.length).unwrap_or(32));
    let issued = Issued {
        place: place(&key),
        role: name,
    };
    storage::put_json(&issued.place, &issued.role)?;
    // Commits what was put and the lease, both or none. To make something in another system, do it after this: if that
    // fails half-way, `revoke` will be called.
    effects::lease(&LeaseRequest {
        ttl: role.ttl,
        max_ttl: 0,
        renewable: true,
        group: String::new(),
        internal: serde_json::to_string(&issued)?,
    })?;
    Ok(Response::data(json!({ "key": key })))
}

fn check(request: &Request) -> Result<Response> {
    let role: Option<String> = storage::get_json(&place(&request.require(KEY)?))?;
    Ok(Response::data(
        json!({ "valid": role.is_some(), "role": role }),
    ))
}

fn renew(lease: &Lease, _increment: u64) -> Result<Renewal> {
    let issued: Issued = lease.internal()?;
    let role = Role::find(&issued.role)?.ok_or_else(|| Error::invalid("the role is gone"))?;
    Ok(Renewal {
        ttl: role.ttl,
        max_ttl: 0,
        period: 0,
    })
}

/// Succeeds when the key is gone already.
fn revoke(lease: &Lease) -> Result<()> {
    storage::delete(&lease.internal::<Issued>()?.place)
}

#[cfg(test)]
mod tests;
