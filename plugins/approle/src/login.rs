//! Logging in, and renewing the tokens that came of it.

use coffer_sdk::prelude::*;
use coffer_sdk::token;
use serde::{Deserialize, Serialize};

use crate::params as p;
use crate::role::{self, Role};
use crate::secret_id::{self, SecretId};

/// What a token remembers for its renewal.
#[derive(Serialize, Deserialize)]
struct Internal {
    role_name: String,
}

pub(crate) fn login(request: &Request) -> Result<Response> {
    let role_id = request.require(p::ROLE_ID)?.trim().to_owned();
    let refused = || Error::invalid("invalid role or secret ID");
    let name = role::by_id(&role_id)?.ok_or_else(refused)?;
    let role = role::load(&name)?.ok_or_else(refused)?;
    let secret = if role.bind_secret_id {
        Some(use_secret_id(request, &name, &role)?)
    } else {
        None
    };
    if !token::allows(&role.secret_id_bound_cidrs, &request.caller.remote_address) {
        return Err(Error::invalid(format!(
            "source address {:?} unauthorized by CIDR restrictions on the role",
            request.caller.remote_address
        )));
    }
    let (metadata, token_bound_cidrs) = match secret {
        Some(secret) if !secret.token_bound_cidrs.is_empty() => {
            (secret.metadata, secret.token_bound_cidrs)
        }
        Some(secret) => (secret.metadata, role.token_bound_cidrs.clone()),
        None => (
            std::collections::BTreeMap::new(),
            role.token_bound_cidrs.clone(),
        ),
    };
    if !token::allows(&token_bound_cidrs, &request.caller.remote_address) {
        return Err(Error::denied("permission denied"));
    }
    let bound_cidrs = if role.token_strictly_bind_ip {
        vec![request.caller.remote_address.clone()]
    } else {
        token_bound_cidrs
    };
    let mut metadata: Vec<(String, String)> = metadata.into_iter().collect();
    metadata.push(("role_name".to_owned(), name.clone()));
    Ok(Response::auth(Auth {
        policies: token::set(&role.token_policies),
        no_default_policy: role.token_no_default_policy,
        alias: Some(Alias {
            name: role.role_id,
            metadata: vec![("role_name".to_owned(), name.clone())],
        }),
        metadata,
        internal: serde_json::to_string(&Internal { role_name: name })?,
        renewable: true,
        ttl: role.token_ttl.0,
        max_ttl: role.token_max_ttl.0,
        explicit_max_ttl: role.token_explicit_max_ttl.0,
        period: role.token_period.0,
        num_uses: role.token_num_uses,
        bound_cidrs,
        kind: token::token_kind(&role.token_type),
        ..Auth::default()
    }))
}

/// Checks the secret id and counts its use. One without a limit is not written.
fn use_secret_id(request: &Request, name: &str, role: &Role) -> Result<SecretId> {
    let given = request.get(p::SECRET_ID)?.unwrap_or_default();
    let given = given.trim();
    if given.is_empty() {
        return Err(Error::invalid("missing secret_id"));
    }
    let hash = secret_id::hash(role, given)?;
    let refused = || Error::invalid("invalid role or secret ID");
    let secret = secret_id::load(name, &hash)?
        .filter(|secret| !secret.is_expired())
        .ok_or_else(refused)?;
    if !token::allows(&secret.cidr_list, &request.caller.remote_address) {
        return Err(Error::invalid(format!(
            "source address {:?} unauthorized through CIDR restrictions on the secret ID",
            request.caller.remote_address
        )));
    }
    match secret.num_uses {
        0 => {}
        1 => secret_id::remove(name, &hash, &secret)?,
        left => {
            let used = SecretId {
                num_uses: left - 1,
                updated: clock::now(),
                ..secret.clone()
            };
            storage::put_json(&secret_id::key(name, &hash), &used)?;
        }
    }
    Ok(secret)
}

/// A token can be renewed as long as its role is there, by the times that the role has now.
pub(crate) fn renew(lease: &Lease, _increment: u64) -> Result<Renewal> {
    let internal: Internal = lease.internal()?;
    let role = role::load(&internal.role_name)?.ok_or_else(|| {
        Error::invalid(format!(
            "role {:?} does not exist during renewal",
            internal.role_name
        ))
    })?;
    Ok(Renewal {
        ttl: role.token_ttl.0,
        max_ttl: role.token_max_ttl.0,
        period: role.token_period.0,
    })
}
