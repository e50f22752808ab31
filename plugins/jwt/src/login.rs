//! Logins.

use coffer_jwt::{Claims, Token, check_audience, check_issuer, check_times};
use coffer_sdk::prelude::*;
use coffer_sdk::token::ByRole;
use serde_json::Value;

use crate::bound;
use crate::config::Config;
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
    let auth = role.token.auth(&request.caller.remote_address)?;
    let claims = verified(&config, &role, &text).map_err(|error| Error {
        message: format!("error validating token: {}", error.message),
        ..error
    })?;
    if role.bound_audiences.is_empty() && claims.get("aud").is_some_and(is_said) {
        return Err(Error::invalid(
            "audience claim found in JWT but no audiences bound to the role",
        ));
    }
    bound::check(&claims, &role.bound_claims, role.globs)?;
    let user = user(&role, &claims)?;
    let mut metadata = vec![("role".to_owned(), name.clone())];
    for (claim, target) in &role.claim_mappings {
        if let Some(value) = bound::claim(&claims, claim) {
            metadata.push((target.clone(), bound::text(claim, value)?));
        }
    }
    Ok(Response::auth(Auth {
        display_name: user.clone(),
        alias: Some(Alias {
            name: user,
            metadata: metadata.clone(),
        }),
        metadata,
        internal: serde_json::to_string(&ByRole { role: name })?,
        ..auth
    }))
}

fn is_said(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// What the token claims, if the issuer has signed it, it is for us, and good now.
fn verified(config: &Config, role: &Role, text: &str) -> Result<Claims> {
    let token = Token::parse(text)?;
    let keys = config.keys(token.key_id())?;
    let claims = token
        .verify(&keys, &config.algorithms())?
        .ok_or_else(|| Error::invalid("no known key successfully validated the token signature"))?;
    let issuer = config.expected_issuer();
    if !issuer.is_empty() {
        check_issuer(&claims, issuer)?;
    }
    if !role.bound_subject.is_empty()
        && claims.get("sub").and_then(Value::as_str) != Some(&role.bound_subject)
    {
        return Err(Error::invalid("invalid subject (sub) claim"));
    }
    check_times(&claims, role.leeway())?;
    if !role.bound_audiences.is_empty() {
        check_audience(&claims, &role.bound_audiences)?;
    }
    Ok(claims)
}

fn user(role: &Role, claims: &Claims) -> Result<String> {
    let name = &role.user_claim;
    let claim = if role.user_claim_json_pointer {
        bound::claim(claims, name)
    } else {
        claims.get(name)
    };
    match claim {
        Some(Value::String(user)) if !user.is_empty() => Ok(user.clone()),
        Some(Value::String(_)) | None => {
            Err(Error::invalid(format!("claim {name:?} not found in token")))
        }
        Some(_) => Err(Error::invalid(format!(
            "claim {name:?} could not be converted to string"
        ))),
    }
}

pub(crate) fn renew(lease: &Lease, _increment: u64) -> Result<Renewal> {
    ByRole::renewal(lease, |name| Ok(Role::load(name)?.map(|role| role.token)))
}
