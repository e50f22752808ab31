//! Logins.

use coffer_jwt::{Algorithm, Claims, Leeway, Token, check_audience, check_issuer, check_times};
use coffer_sdk::prelude::*;
use coffer_sdk::token::ByRole;
use serde_json::Value;

use crate::cel;
use crate::config::Config;
use crate::person::Person;
use crate::role::Role;

const ROLE: Field<String> =
    Field::text("role", "The role; the mount's default if it is not given.");
const TOKEN: Field<String> = Field::text("jwt", "The token.").required();

pub(crate) const PATH: Path = Path::new("login", "Logs in with a token of the issuer.")
    .fields(&[ROLE.decl(), TOKEN.decl()])
    .unauthenticated()
    .write(login);

fn login(request: &Request) -> Result<Response> {
    let config = Config::load()?.ok_or_else(|| Error::invalid("could not load configuration"))?;
    let text = request.get(TOKEN)?.unwrap_or_default();
    let asked = request.get(ROLE)?.filter(|role| !role.is_empty());
    let name = asked.unwrap_or_else(|| config.default_role.clone());
    if name.is_empty() {
        return Err(Error::invalid("missing role"));
    }
    if text.is_empty() {
        return Err(Error::invalid("missing token"));
    }
    let role = Role::load(&name)?
        .ok_or_else(|| Error::invalid(format!("role {name:?} could not be found")))?;
    if role.is_oidc {
        return Err(Error::invalid("role with oidc role_type is not allowed"));
    }
    let auth = role.token.auth(&request.caller.remote_address)?;
    let claims = verified(&config, &text, role.leeway(), &role.bound_audiences)
        .and_then(|claims| check_subject(&role, &claims).map(|()| claims))
        .map_err(|error| Error {
            message: format!("error validating token: {}", error.message),
            ..error
        })?;
    if role.bound_audiences.is_empty() && claims.get("aud").is_some_and(is_said) {
        return Err(Error::invalid(
            "audience claim found in JWT but no audiences bound to the role",
        ));
    }
    Person::of(&name, &role, &claims)?.login(auth)
}

fn is_said(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// What the token claims, if the issuer has signed it, and how.
pub(crate) fn signed(config: &Config, text: &str) -> Result<(Claims, Algorithm)> {
    let token = Token::parse(text)?;
    let keys = config.keys(token.key_id())?;
    let claims = token
        .verify(&keys, &config.algorithms())?
        .ok_or_else(|| Error::invalid("no known key successfully validated the token signature"))?;
    Ok((claims, token.algorithm()))
}

/// What the token claims, if the issuer has signed it, it is for one of these, if there are any, and good now.
pub(crate) fn verified(
    config: &Config,
    text: &str,
    leeway: Leeway,
    audiences: &[String],
) -> Result<Claims> {
    let (claims, _) = signed(config, text)?;
    let issuer = config.expected_issuer();
    if !issuer.is_empty() {
        check_issuer(&claims, issuer)?;
    }
    check_times(&claims, leeway)?;
    if !audiences.is_empty() {
        check_audience(&claims, audiences)?;
    }
    Ok(claims)
}

/// Whether they are of whom the role is for.
pub(crate) fn check_subject(role: &Role, claims: &Claims) -> Result<()> {
    let subject = claims.get("sub").and_then(Value::as_str);
    if role.bound_subject.is_empty() || subject == Some(&role.bound_subject) {
        return Ok(());
    }
    Err(Error::invalid("invalid subject (sub) claim"))
}

pub(crate) fn renew(lease: &Lease, _increment: u64) -> Result<Renewal> {
    if cel::is_ours(lease) {
        return cel::renew(lease);
    }
    ByRole::renewal(lease, |name| Ok(Role::load(name)?.map(|role| role.token)))
}
