//! A secret engine that keeps a ledger of what it was asked to revoke, and can be down.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

const N: Field<i64> = Field::integer("n", "The entry.");
const TTL: Field<Seconds> = Field::duration("ttl", "How long.");
const GROUP: Field<String> = Field::text("group", "What it depends on.");
const DOWN: Field<bool> = Field::boolean("down", "Whether the group is down.");

#[derive(Serialize, Deserialize)]
struct Entry {
    n: i64,
    group: String,
}

static LEDGER: Plugin = Plugin::secret("ledger", "0.1.0", "A ledger.").renew(|_, _| Ok(Renewal { ttl: 0, max_ttl: 0, period: 0 })).revoke(revoke).paths(&[
    Path::new("issue", "Makes a lease.").fields(&[N.decl(), TTL.decl(), GROUP.decl()]).write(issue),
    Path::new("group/{group}", "Switches a group on or off.").fields(&[GROUP.decl(), DOWN.decl()]).write(switch),
]);

fn issue(request: &Request) -> Result<Response> {
    let entry = Entry { n: request.require(N)?, group: request.require(GROUP)? };
    let lease = effects::lease(&effects::LeaseRequest {
        ttl: request.require(TTL)?.0,
        max_ttl: 0,
        renewable: true,
        group: entry.group.clone(),
        internal: serde_json::to_string(&entry)?,
    })?;
    Ok(Response::data(json!({ "expires": lease.expires })))
}

fn switch(request: &Request) -> Result<Response> {
    let key = format!("down/{}", request.require(GROUP)?);
    if request.get(DOWN)?.unwrap_or(false) { storage::put(&key, b"1")? } else { storage::delete(&key)? }
    Ok(Response::empty())
}

fn revoke(lease: &Lease) -> Result<()> {
    let entry: Entry = lease.internal()?;
    if storage::get(&format!("down/{}", entry.group))?.is_some() {
        return Err(Error::unavailable("the group is down"));
    }
    let key = format!("revoked/{:08}", entry.n);
    if storage::get(&key)?.is_some() {
        return Err(Error::internal(format!("entry {} was revoked twice", entry.n)));
    }
    storage::put_json(&key, &(lease.expires, clock::now()))
}

coffer_sdk::export_plugin!(LEDGER);
