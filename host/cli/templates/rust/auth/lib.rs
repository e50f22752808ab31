//! Logging in with a key that the client and the server share.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const NAME: Field<String> = Field::text("name", "Name of the user.").required();
const KEY: Field<String> = Field::text(
    "key",
    "The user's key: random, and of 20 characters at least.",
)
.required();
const POLICIES: Field<Vec<String>> =
    Field::text_list("policies", "Policies of the tokens that the user gets.");
const TTL: Field<Seconds> = Field::duration(
    "ttl",
    "How long these live; the mount's default if it is 0.",
);

/// The auth method: routing, help and the OpenAPI description come from this.
pub static PLUGIN: Plugin = Plugin::auth(
    "@name@",
    env!("CARGO_PKG_VERSION"),
    "@description@",
)
.paths(&[
    Path::new("users", "Lists the users.").list(list_users),
    Path::new("users/{name}", "Who may log in, and what for.")
        .fields(&[NAME.decl(), KEY.decl(), POLICIES.decl(), TTL.decl()])
        .read(read_user)
        .write(write_user)
        .delete(delete_user),
    Path::new("login/{name}", "Logs in.")
        .fields(&[NAME.decl(), KEY.decl()])
        .unauthenticated()
        .write(login),
])
.renew(renew);

coffer_sdk::export_plugin!(PLUGIN);

#[derive(Serialize, Deserialize)]
struct User {
    /// SHA-256. For a password, which people choose, it would have to be a slow hash.
    digest: [u8; 32],
    policies: Vec<String>,
    ttl: u64,
}

impl User {
    fn find(name: &str) -> Result<Option<Self>> {
        storage::get_json(&format!("users/{name}"))
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn list_users(_: &Request) -> Result<Response> {
    Ok(Response::list(storage::list("users/")?))
}

fn read_user(request: &Request) -> Result<Response> {
    Ok(match User::find(&request.require(NAME)?)? {
        Some(user) => Response::data(json!({ "policies": user.policies, "ttl": user.ttl })),
        None => Response::empty(),
    })
}

fn write_user(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let before = User::find(&name)?;
    let digest = match (request.get(KEY)?, &before) {
        (Some(key), _) if key.len() < 20 => return Err(Error::invalid("the key is too short")),
        (Some(key), _) => digest(&key),
        (None, Some(before)) => before.digest,
        (None, None) => return Err(Error::invalid("missing key")),
    };
    let (policies, ttl) = before.map_or_else(Default::default, |user| (user.policies, user.ttl));
    let user = User {
        digest,
        policies: request.get(POLICIES)?.unwrap_or(policies),
        ttl: request.get(TTL)?.map_or(ttl, |ttl| ttl.0),
    };
    storage::put_json(&format!("users/{name}"), &user)?;
    Ok(Response::empty())
}

fn delete_user(request: &Request) -> Result<Response> {
    storage::delete(&format!("users/{}", request.require(NAME)?))?;
    Ok(Response::empty())
}

fn login(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let given = digest(&request.require(KEY)?);
    let user = User::find(&name)?;
    // How long this takes tells neither whether there is such a user nor how much of the key is right.
    let known = user.as_ref().map_or([0; 32], |user| user.digest);
    let equal = bool::from(known.ct_eq(&given));
    let Some(user) = user.filter(|_| equal) else {
        return Err(Error::denied("wrong name or key"));
    };
    Ok(Response::auth(Auth {
        policies: user.policies,
        display_name: name.clone(),
        alias: Some(Alias {
            name: name.clone(),
            metadata: Vec::new(),
        }),
        internal: json!(name).to_string(),
        ttl: user.ttl,
        ..Auth::default()
    }))
}

/// A token lives on for as long as its user is there.
fn renew(lease: &Lease, _increment: u64) -> Result<Renewal> {
    let name: String = lease.internal()?;
    let user = User::find(&name)?.ok_or_else(|| Error::denied("the user is gone"))?;
    Ok(Renewal {
        ttl: user.ttl,
        max_ttl: 0,
        period: 0,
    })
}

#[cfg(test)]
mod tests;
