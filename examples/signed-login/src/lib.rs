//! An auth method for machines that share a key with the operator: `login` takes a machine's name, the time, and an
//! HMAC-SHA256 of both. The key itself never travels, and a signature is good for one login.

use coffer_sdk::prelude::*;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// How far a machine's clock may be off, in seconds, either way.
const WINDOW: u64 = 60;

const NAME: Field<String> = Field::text("name", "The machine's name.");
const KEY: Field<String> = Field::text("key", "The key that the machine signs with, in hexadecimal.");
const POLICIES: Field<Vec<String>> = Field::text_list("token_policies", "What the machine's tokens may do.");
const TTL: Field<Seconds> = Field::duration("token_ttl", "How long they live.");
const MAX_TTL: Field<Seconds> = Field::duration("token_max_ttl", "How long they live at most.");
const TIME: Field<i64> = Field::integer("time", "What time it is there: seconds since the Unix epoch.").required();
const SIGNATURE: Field<String> = Field::text("signature", "HMAC-SHA256 of `<time>:<name>`, in hexadecimal.").required();

/// The auth method.
pub static PLUGIN: Plugin = Plugin::auth("signed-login", env!("CARGO_PKG_VERSION"), "Machines log in by a signature.")
    .paths(&[
        Path::new("role/{name}", "A machine.")
            .fields(&[NAME.decl(), KEY.decl(), POLICIES.decl(), TTL.decl(), MAX_TTL.decl()])
            .read(read)
            .write(write)
            .delete(|request| storage::delete(&role_at(request)?).map(|()| Response::empty())),
        Path::new("login", "Log in.")
            .fields(&[NAME.decl(), TIME.decl(), SIGNATURE.decl()])
            .unauthenticated()
            .write(login),
    ])
    .renew(renew);

coffer_sdk::export_plugin!(PLUGIN);

#[derive(Serialize, Deserialize)]
struct Role {
    key: String,
    policies: Vec<String>,
    ttl: u64,
    max_ttl: u64,
    /// The signatures that were used, with the times that they were for: those within the window.
    used: Vec<(u64, String)>,
}

fn role_at(request: &Request) -> Result<String> {
    Ok(format!("role/{}", request.require(NAME)?))
}

fn write(request: &Request) -> Result<Response> {
    let key = request.require(KEY)?;
    if hex::decode(&key).map_or(0, |key| key.len()) < 32 {
        return Err(Error::invalid("the key is to have 32 bytes or more, in hexadecimal"));
    }
    let seconds = |field| Ok::<_, Error>(request.get(field)?.unwrap_or(Seconds(0)).0);
    let policies = request.get(POLICIES)?.unwrap_or_default();
    let role = Role { key, policies, ttl: seconds(TTL)?, max_ttl: seconds(MAX_TTL)?, used: Vec::new() };
    storage::put_json(&role_at(request)?, &role)?;
    Ok(Response::empty())
}

fn read(request: &Request) -> Result<Response> {
    let role: Role = storage::get_json(&role_at(request)?)?.ok_or_else(|| Error::not_found(""))?;
    Ok(Response::data(json!({ "token_policies": role.policies, "token_ttl": role.ttl, "token_max_ttl": role.max_ttl })))
}

fn login(request: &Request) -> Result<Response> {
    // Who is refused does not learn why: neither which machines there are, nor how far a guess was.
    let refused = || Error::denied("permission denied");
    let (name, time) = (request.require(NAME)?, request.require(TIME)?);
    let signature = request.require(SIGNATURE)?.to_ascii_lowercase();
    let time = u64::try_from(time).map_err(|_| refused())?;
    let mut role: Role = storage::get_json(&format!("role/{name}"))?.ok_or_else(refused)?;
    let key = hex::decode(&role.key).map_err(Error::internal)?;
    let mac = Hmac::<Sha256>::new_from_slice(&key).map_err(Error::internal)?;
    let given = hex::decode(&signature).map_err(|_| refused())?;
    // Compares in constant time.
    mac.chain_update(format!("{time}:{name}")).verify_slice(&given).map_err(|_| refused())?;
    let now = clock::now() / 1000;
    role.used.retain(|(time, _)| time + WINDOW >= now);
    if now.abs_diff(time) > WINDOW || role.used.iter().any(|(_, used)| *used == signature) {
        return Err(refused());
    }
    role.used.push((time, signature));
    storage::put_json(&format!("role/{name}"), &role)?;
    Ok(Response::auth(Auth {
        policies: role.policies,
        display_name: name.clone(),
        alias: Some(Alias { name: name.clone(), metadata: Vec::new() }),
        internal: json!(name).to_string(),
        ttl: role.ttl,
        max_ttl: role.max_ttl,
        ..Auth::default()
    }))
}

/// A token lives on only for as long as its machine is known.
fn renew(token: &Lease, _: u64) -> Result<Renewal> {
    let name: String = token.internal()?;
    let role: Role = storage::get_json(&format!("role/{name}"))?.ok_or_else(|| Error::denied("the machine is gone"))?;
    Ok(Renewal { ttl: role.ttl, max_ttl: role.max_ttl, period: 0 })
}
