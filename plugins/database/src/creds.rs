//! `creds/`: users that live as long as their lease.

use coffer_sdk::databases::{self, UserChange, UserNaming, UserRemoval, UserRequest};
use coffer_sdk::effects::LeaseRequest;
use coffer_sdk::prelude::*;
use coffer_sdk::{ErrorKind, lease_ttl};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::roles::Role;
use crate::{input, limits, password, root};

const NAME: Field<String> = Field::text("name", "Name of the role.");

pub(crate) const PATH: Path = Path::new("creds/{name}", "Makes a database user for a role.")
    .fields(&[NAME.decl()])
    .read(read);

/// What a lease needs to end.
#[derive(Serialize, Deserialize)]
struct Issued {
    username: String,
    role: String,
    db_name: String,
    /// In case the role is deleted before the lease ends.
    #[serde(default)]
    revocation_statements: Vec<String>,
}

fn read(request: &Request) -> Result<Response> {
    let name = input::name(request, NAME)?;
    let role = Role::find(&name)?.ok_or_else(|| Error::invalid(format!("unknown role: {name}")))?;
    let config = Config::load_for(&role.db_name, &name)?;
    let target = config.target(&role.db_name)?;
    let naming = UserNaming {
        display_name: request.caller.display_name.clone(),
        role_name: name.clone(),
        template: config.username_template().to_owned(),
    };
    let username = databases::username(&target, &naming)?;
    // Before there is a lease: it would remove whoever has the name.
    if !config.makes_unique_names()
        && root::on(&role.db_name, &config, |on| {
            databases::exists(on, &username)
        })?
    {
        return Err(Error::invalid(format!("user {username:?} already exists")));
    }
    let password = password::generate(&config, &role.credential_config)?;
    let issued = Issued {
        username: username.clone(),
        role: name,
        db_name: role.db_name.clone(),
        revocation_statements: role.revocation_statements,
    };
    // From here on the user will be removed, whatever happens.
    let grant = effects::lease(&LeaseRequest {
        ttl: role.default_ttl,
        max_ttl: role.max_ttl,
        renewable: true,
        group: role.db_name.clone(),
        internal: serde_json::to_string(&issued)?,
    })?;
    let user = UserRequest {
        username: username.clone(),
        password: password.clone(),
        expires: Some(grant.expires + limits::LEEWAY * 1000),
        statements: role.creation_statements,
        rollback_statements: role.rollback_statements,
    };
    match root::on(&role.db_name, &config, |on| {
        databases::create_user(on, &user)
    }) {
        Err(error) if error.kind == ErrorKind::Conflict => {
            // Somebody was faster, and keeps what is theirs.
            effects::withdraw()?;
            return Err(Error::invalid(error.message));
        }
        made => made?,
    }
    Ok(Response::data(
        json!({ "username": username, "password": password }),
    ))
}

/// The user lives on, if the role allows it.
pub(crate) fn renew(lease: &Lease, increment: u64) -> Result<Renewal> {
    let issued: Issued = lease.internal()?;
    let missing = || {
        Error::invalid(format!(
            "error during renew: could not find role with name {:?}",
            issued.role
        ))
    };
    let role = Role::find(&issued.role)?.ok_or_else(missing)?;
    let config = Config::load(&issued.db_name)?;
    let renewal = Renewal {
        ttl: role.default_ttl,
        max_ttl: role.max_ttl,
        period: 0,
    };
    let ttl = lease_ttl(increment, &renewal, lease.issued);
    if ttl > 0 {
        let expires = clock::now() + (ttl + limits::LEEWAY) * 1000;
        let change = UserChange {
            username: issued.username,
            password: None,
            expires: Some(expires),
            statements: if role.db_name == issued.db_name {
                role.renew_statements
            } else {
                Vec::new()
            },
        };
        root::on(&issued.db_name, &config, |on| {
            databases::update_user(on, &change)
        })?;
    }
    Ok(renewal)
}

/// The user goes, from the database that it was made in: by the statements of the role as it is now, or was.
pub(crate) fn revoke(lease: &Lease) -> Result<()> {
    let issued: Issued = lease.internal()?;
    let config = Config::load(&issued.db_name)?;
    let role = Role::find(&issued.role)?.filter(|role| role.db_name == issued.db_name);
    let statements = role.map_or(issued.revocation_statements, |role| {
        role.revocation_statements
    });
    let removal = UserRemoval {
        username: issued.username,
        statements,
    };
    root::on(&issued.db_name, &config, |on| {
        databases::delete_user(on, &removal)
    })
}
