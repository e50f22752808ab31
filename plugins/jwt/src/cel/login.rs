//! Logins at roles with a program.

use coffer_sdk::prelude::*;

use super::made::{Made, Remembered};
use super::role::Role;
use crate::config::Config;
use crate::login;

const ROLE: Field<String> = Field::text(
    "role",
    "The role with a program; the mount's default if it is not given.",
);
const TOKEN: Field<String> = Field::text("jwt", "The token.").required();
const AT: &str = "cel/login";

pub(crate) const PATH: Path = Path::new(
    AT,
    "Logs in with a token of the issuer, if the role's program lets it.",
)
.fields(&[ROLE.decl(), TOKEN.decl()])
.unauthenticated()
.write(log_in);

fn log_in(request: &Request) -> Result<Response> {
    let config = Config::load()?.ok_or_else(|| Error::invalid("could not load configuration"))?;
    let asked = request.get(ROLE)?.filter(|role| !role.is_empty());
    let name = asked.unwrap_or_else(|| config.default_role.clone());
    if name.is_empty() {
        return Err(Error::invalid("missing role"));
    }
    let role = Role::load(&name)?
        .ok_or_else(|| Error::invalid(format!("role {name:?} could not be found")))?;
    let text = request.get(TOKEN)?.unwrap_or_default();
    if text.is_empty() {
        return Err(Error::invalid("missing token"));
    }
    let claims = login::verified(&config, &text, role.leeway(), &role.bound_audiences)
        .map_err(|error| because("error validating token", error))?;
    let program = role.program.compile()?;
    let made = program
        .run(&claims)
        .and_then(|result| Made::of(&name, &role.message, &result));
    made.map_err(|error| because("error executing cel program", error))?
        .login(&name, &request.caller.remote_address)
}

fn because(what: &str, error: Error) -> Error {
    Error {
        message: format!("{what}: {}", error.message),
        ..error
    }
}

/// Whether a token is of such a login.
pub(crate) fn is_ours(lease: &Lease) -> bool {
    lease.path == AT
}

/// The program needs the token, which nobody has kept: what it said of times still counts, as long as its role is there.
pub(crate) fn renew(lease: &Lease) -> Result<Renewal> {
    let remembered: Remembered = lease.internal()?;
    let name = &remembered.cel_role;
    match Role::load(name)? {
        Some(_) => Ok(remembered.renewal()),
        None => Err(Error::denied(format!(
            "cel role {name} does not exist during renewal"
        ))),
    }
}
