//! Logins.

use coffer_jwt::{
    ALGORITHMS, Claims, Leeway, Token, check_audience, check_issuer, check_times, glob,
};
use coffer_sdk::prelude::*;
use coffer_sdk::token::ByRole;

use crate::account::Account;
use crate::config::Config;
use crate::review;
use crate::role::Role;
use crate::selector::Selector;

const ROLE: Field<String> = Field::text("role", "The role.").required();
const TOKEN: Field<String> = Field::text("jwt", "The service account's token.").required();

pub(crate) const PATH: Path = Path::new("login", "Logs a service account in.")
    .fields(&[ROLE.decl(), TOKEN.decl()])
    .unauthenticated()
    .write(login);

fn denied(error: Error) -> Error {
    Error::denied(error.message)
}

fn login(request: &Request) -> Result<Response> {
    let name = request.get(ROLE)?.unwrap_or_default();
    if name.is_empty() {
        return Err(Error::invalid("missing role"));
    }
    let jwt = request.get(TOKEN)?.unwrap_or_default();
    let jwt = jwt.trim();
    if jwt.is_empty() {
        return Err(Error::invalid("missing jwt"));
    }
    let role =
        Role::load(&name)?.ok_or_else(|| Error::invalid(format!("invalid role name {name:?}")))?;
    let config =
        Config::load()?.ok_or_else(|| Error::invalid("could not load backend configuration"))?;
    let auth = role.token.auth(&request.caller.remote_address)?;
    let claims = claims(&config, jwt)?;
    let account = Account::of(&claims)?;
    if !role
        .bound_service_account_names
        .iter()
        .any(|bound| glob(bound, &account.name))
    {
        return Err(Error::denied("service account name not authorized"));
    }
    if !role.audience.is_empty() {
        check_audience(&claims, std::slice::from_ref(&role.audience)).map_err(denied)?;
    }
    if let Some(issuer) = config.expected_issuer() {
        check_issuer(&claims, issuer).map_err(denied)?;
    }
    // Tokens that live in secrets say no time at all.
    if ["exp", "nbf", "iat"]
        .iter()
        .any(|name| claims.contains_key(*name))
    {
        check_times(&claims, Leeway::default()).map_err(denied)?;
    }
    let by_name = role
        .bound_service_account_namespaces
        .iter()
        .any(|bound| glob(bound, &account.namespace));
    if !by_name && role.bound_service_account_namespace_selector.is_empty() {
        return Err(Error::denied("namespace not authorized"));
    }
    if !config.disable_token_review {
        review::token(&config, jwt, &account, &role.audience)?;
    }
    if !by_name {
        // The cluster is asked for others only by who is known.
        let labels = review::labels(&config, &account.namespace, jwt)?;
        let selector = Selector::parse(&role.bound_service_account_namespace_selector)?;
        if !selector.selects(&labels) {
            return Err(Error::denied("namespace not authorized"));
        }
    }
    let alias = if role.alias_by_name {
        format!("{}/{}", account.namespace, account.name)
    } else {
        account.uid.clone()
    };
    let metadata: Vec<(String, String)> = [
        ("service_account_uid", &account.uid),
        ("service_account_name", &account.name),
        ("service_account_namespace", &account.namespace),
        ("service_account_secret_name", &account.secret),
        ("role", &name),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .collect();
    Ok(Response::auth(Auth {
        display_name: format!("{}-{}", account.namespace, account.name),
        alias: Some(Alias {
            name: alias,
            metadata: metadata.clone(),
        }),
        metadata,
        internal: serde_json::to_string(&ByRole { role: name })?,
        ..auth
    }))
}

/// What the token claims. Where the cluster's keys are known they have signed it; else it is for the review to say whether it is
/// true.
fn claims(config: &Config, jwt: &str) -> Result<Claims> {
    let refused = |why: &str| {
        log::warn(&format!("a login was refused: {why}"));
        Error::denied("permission denied")
    };
    let token = Token::parse(jwt).map_err(|error| refused(&error.message))?;
    match config.keys(token.key_id())? {
        Some(keys) => token
            .verify(&keys, &ALGORITHMS)
            .map_err(|error| refused(&error.message))?
            .ok_or_else(|| refused("none of the cluster's keys has signed the token")),
        None => token.unverified().map_err(|error| refused(&error.message)),
    }
}

pub(crate) fn renew(lease: &Lease, _increment: u64) -> Result<Renewal> {
    ByRole::renewal(lease, |name| Ok(Role::load(name)?.map(|role| role.token)))
}
