//! `creds`: a user for one lease. The lease is stored before the user is made, with all that it takes to remove it.

use coffer_sdk::databases::{self, UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::effects::{self, LeaseRequest};
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::connection::{self, NAME};
use crate::{password, role};

/// What the database adds to a lease's end, so that it is the lease that ends the user: 5 seconds.
const LEEWAY: u64 = 5_000;

pub(crate) const PATH: Path = Path::new("creds/{name}", "Makes a user.").fields(&[NAME.decl()]).read(issue);

/// What a lease remembers.
#[derive(Serialize, Deserialize)]
struct Internal {
    username: String,
    role: String,
    db_name: String,
    /// Those of the role when the user was made: they count if the role is gone.
    revocation_statements: Vec<String>,
}

fn issue(request: &Request) -> Result<Response> {
    let name = request.require(NAME)?;
    let role = role::load(&name)?.ok_or_else(|| Error::invalid(format!("unknown role: {name}")))?;
    let connection = connection::required(&role.db_name)?;
    connection.check_role(&name)?;
    if role.creation_statements.is_empty() {
        return Err(Error::invalid("empty creation statements"));
    }
    let target = connection.target(&role.db_name)?;
    let naming = UserNaming {
        display_name: request.caller.display_name.clone(),
        role_name: name.clone(),
        template: connection.text("username_template").to_owned(),
    };
    let username = databases::username(&target, &naming)?;
    let password = password::generate();
    let internal = Internal {
        username: username.clone(),
        role: name,
        db_name: role.db_name.clone(),
        revocation_statements: role.revocation_statements.clone(),
    };
    let lease = effects::lease(&LeaseRequest {
        ttl: role.default_ttl.0,
        max_ttl: role.max_ttl.0,
        renewable: true,
        group: role.db_name.clone(),
        internal: serde_json::to_string(&internal)?,
    })?;
    databases::create_user(
        &target,
        &UserRequest {
            username: username.clone(),
            password: password.clone(),
            expires: Some(lease.expires + LEEWAY),
            statements: role.creation_statements,
            rollback_statements: role.rollback_statements,
        },
    )?;
    Ok(Response::data(json!({ "username": username, "password": password })))
}

pub(crate) fn renew(lease: &Lease, increment: u64) -> Result<Renewal> {
    let internal: Internal = lease.internal()?;
    let role = role::load(&internal.role)?
        .ok_or_else(|| Error::invalid(format!("error during renew: could not find role with name {:?}", internal.role)))?;
    let target = connection::required(&internal.db_name)?.target(&internal.db_name)?;
    let ttl = coffer_sdk::lease_ttl(increment, &role.renewal(), lease.issued);
    databases::update_user(
        &target,
        &UserChange {
            username: internal.username,
            password: None,
            expires: Some(clock::now() + ttl * 1000 + LEEWAY),
            statements: role.renew_statements.clone(),
        },
    )?;
    Ok(role.renewal())
}

pub(crate) fn revoke(lease: &Lease) -> Result<()> {
    let internal: Internal = lease.internal()?;
    let target = connection::required(&internal.db_name)?.target(&internal.db_name)?;
    let statements = match role::load(&internal.role)? {
        Some(role) => role.revocation_statements,
        None => internal.revocation_statements,
    };
    databases::delete_user(&target, &UserRemoval { username: internal.username, statements })
}
