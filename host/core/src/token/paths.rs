//! `auth/token/`.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::create::{TokenRequest, create, sanitize};
use super::entry::{TokenKind, parse_cidrs};
use super::roles::{self, Role, TokenType};
use super::store::{Held, read_entry};
use crate::identity::Alias;
use crate::keys::Ns;
use crate::lease;
use crate::policy::{Access, Capability};
use crate::policy_store::Policies;
use crate::reply::Reply;
use crate::request::Method::{Delete, Get, List, Post};
use crate::routes::{Answer, Context, Needs, Route};
use crate::{Error, fields, limits};

/// The token store's paths.
pub static ROUTES: &[Route] = &[
    Route {
        pattern: "accessors",
        help: "The accessors of all tokens.",
        needs: Needs::Sudo,
        fields: fields::NOTHING,
        operations: &[(List, |c| Box::pin(accessors(c)))],
    },
    Route {
        pattern: "create",
        help: "Makes a child token.",
        needs: Needs::Token,
        fields: fields::TOKEN_CREATE,
        operations: &[(Post, |c| Box::pin(create_child(c, false, None)))],
    },
    Route {
        pattern: "create/{role_name}",
        help: "Makes a token with a role.",
        needs: Needs::Token,
        fields: fields::TOKEN_CREATE,
        operations: &[(Post, |c| Box::pin(create_with_role(c)))],
    },
    Route {
        pattern: "tidy",
        help: "Takes away what belongs to tokens that are gone.",
        needs: Needs::Token,
        fields: fields::NOTHING,
        operations: &[(Post, |c| Box::pin(crate::sys::tidy_tokens(c)))],
    },
    Route {
        pattern: "roles",
        help: "The names of the roles.",
        needs: Needs::Token,
        fields: fields::NOTHING,
        operations: &[(List, |c| Box::pin(roles::list(c)))],
    },
    Route {
        pattern: "roles/{role_name}",
        help: "What tokens that are made with a role may have.",
        needs: Needs::Token,
        fields: fields::TOKEN_ROLE,
        operations: &[
            (Get, |c| Box::pin(roles::read(c))),
            (Post, |c| Box::pin(roles::write(c))),
            (Delete, |c| Box::pin(roles::delete(c))),
        ],
    },
    Route {
        pattern: "create-orphan",
        help: "Makes a token without a parent.",
        needs: Needs::Token,
        fields: fields::TOKEN_CREATE,
        operations: &[(Post, |c| Box::pin(create_child(c, true, None)))],
    },
    Route {
        pattern: "lookup",
        help: "Describes a token.",
        needs: Needs::Token,
        fields: fields::ONE_TOKEN,
        operations: &[
            (Get, |c| Box::pin(lookup(c))),
            (Post, |c| Box::pin(lookup(c))),
        ],
    },
    Route {
        pattern: "lookup-self",
        help: "Describes the caller's token.",
        needs: Needs::Token,
        fields: fields::ONE_TOKEN,
        operations: &[(Get, lookup_self), (Post, lookup_self)],
    },
    Route {
        pattern: "lookup-accessor",
        help: "Describes the token with an accessor.",
        needs: Needs::Token,
        fields: fields::ONE_ACCESSOR,
        operations: &[(Post, |c| Box::pin(lookup_accessor(c)))],
    },
    Route {
        pattern: "renew",
        help: "Prolongs a token.",
        needs: Needs::Token,
        fields: fields::TOKEN_RENEW,
        operations: &[(Post, |c| Box::pin(renew(c)))],
    },
    Route {
        pattern: "renew-self",
        help: "Prolongs the caller's token.",
        needs: Needs::Token,
        fields: fields::TOKEN_RENEW,
        operations: &[(Post, |c| Box::pin(renew_self(c)))],
    },
    Route {
        pattern: "renew-accessor",
        help: "Prolongs the token with an accessor.",
        needs: Needs::Token,
        fields: fields::ACCESSOR_RENEW,
        operations: &[(Post, |c| Box::pin(renew_accessor(c)))],
    },
    Route {
        pattern: "revoke",
        help: "Revokes a token with its children.",
        needs: Needs::Token,
        fields: fields::ONE_TOKEN,
        operations: &[(Post, |c| Box::pin(revoke(c, false)))],
    },
    Route {
        pattern: "revoke-self",
        help: "Revokes the caller's token with its children.",
        needs: Needs::Token,
        fields: fields::NOTHING,
        operations: &[(Post, |c| Box::pin(revoke_self(c)))],
    },
    Route {
        pattern: "revoke-accessor",
        help: "Revokes the token with an accessor, with its children.",
        needs: Needs::Token,
        fields: fields::ONE_ACCESSOR,
        operations: &[(Post, |c| Box::pin(revoke_accessor(c)))],
    },
    Route {
        pattern: "revoke-orphan",
        help: "Revokes a token; its children live on. Needs sudo.",
        needs: Needs::Token,
        fields: fields::ONE_TOKEN,
        operations: &[(Post, |c| Box::pin(revoke(c, true)))],
    },
];

async fn create_with_role(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = c.params.require("role_name")?;
    let role = Role::load(c.txn, c.ns, &name).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("unknown role {name}")))?;
    create_child(c, role.orphan, Some((&name, &role))).await
}

async fn create_child(
    c: &mut Context<'_>,
    orphan: bool,
    role: Option<(&str, &Role)>,
) -> Result<Reply, Error> {
    let caller = c.caller()?.clone();
    let parent = &caller.held.token;
    if parent.entry.kind == TokenKind::Batch {
        return Err(Error::invalid("batch tokens cannot create more tokens"));
    }
    if parent.entry.num_uses > 0 {
        return Err(Error::invalid(
            "restricted use token cannot generate child tokens",
        ));
    }
    let root = parent.entry.is_root();
    let sudo = has_sudo(c)?;
    let params = &c.params;
    let no_parent = params.boolean("no_parent")?.unwrap_or(false);
    if no_parent && !sudo {
        return Err(Error::invalid(
            "root or sudo privileges required to create orphan token",
        ));
    }
    let id = params
        .text("id")?
        .filter(|id| !id.is_empty())
        .map(Zeroizing::new);
    if let Some(id) = &id {
        check_id(id, sudo)?;
    }
    if let Some(id) = &id
        && c.core.tokens.by_id(c.txn, c.ns, id).await?.is_some()
    {
        return Err(Error::invalid("cannot create a token with a duplicate ID"));
    }
    let no_default_policy = params.boolean("no_default_policy")?.unwrap_or(false);
    // What was given and is empty, like a variable that was not set, is no wish for all that the parent may do.
    let given = params.texts_in_list("policies")?;
    let of_parent = &parent.entry.policies;
    let asked = given.as_deref().unwrap_or_default();
    let of_role = match role {
        Some((_, role)) => role.policies(asked, no_default_policy, of_parent)?,
        None => None,
    };
    let ruled = of_role.is_some();
    let given = of_role.or(given);
    let no_default_policy =
        no_default_policy || ruled || role.is_some_and(|(_, role)| role.no_default_policy);
    let default = given.is_some()
        && !no_default_policy
        && (sudo || of_parent.iter().any(|policy| policy == "default"));
    let mut policies = given.unwrap_or_else(|| of_parent.clone());
    sanitize(&mut policies, true);
    if policies.iter().any(|policy| policy == "root") && !root {
        return Err(Error::invalid(
            "root tokens may not be created without parent token being root",
        ));
    }
    if !sudo && !ruled && !policies.iter().all(|policy| of_parent.contains(policy)) {
        return Err(Error::invalid("child policies must be subset of parent"));
    }
    sanitize(&mut policies, !default);
    let asked = params.text("entity_alias")?;
    let asked = asked.filter(|alias| !alias.is_empty());
    match (&asked, role) {
        (Some(_), None) => {
            return Err(Error::invalid(
                "'entity_alias' is only allowed in combination with token role",
            ));
        }
        (Some(alias), Some((_, role))) if !role.allows_alias(alias) => {
            return Err(Error::invalid("invalid 'entity_alias' value"));
        }
        _ => {}
    }
    let kind = params.text("type")?;
    let batch = role
        .map_or(TokenType::DefaultService, |(_, role)| role.token_type)
        .batch(kind.as_deref())?;
    let display_name = params.text("display_name")?.unwrap_or_default();
    let meta = params.texts("meta")?.filter(|meta| !meta.is_empty());
    if meta.as_ref().is_some_and(|meta| {
        meta.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() > limits::MAX_METADATA
    }) {
        return Err(Error::invalid(format!(
            "the metadata is larger than {} bytes",
            limits::MAX_METADATA
        )));
    }
    let ttl = match params.seconds("ttl")? {
        Some(ttl) => ttl,
        None => params.seconds("lease")?.unwrap_or(0),
    };
    let period = params.seconds("period")?.unwrap_or(0);
    if period > 0 && !sudo {
        return Err(Error::invalid(
            "root or sudo privileges required to create periodic token",
        ));
    }
    let orphan = orphan || no_parent;
    let mut warnings = Vec::new();
    let mut lesser = |what: &str, asked: u64, of_role: Option<u64>| {
        let of_role = of_role.unwrap_or(0);
        if asked == 0 || of_role == 0 {
            return asked.max(of_role);
        }
        let lesser = asked.min(of_role);
        if !what.is_empty() {
            warnings.push(format!(
                "{what} specified both during creation call and in role; using the lesser value of {lesser} seconds"
            ));
        }
        lesser
    };
    let of_role = role.map(|(_, role)| role);
    let period = lesser("Period", period, of_role.map(|role| role.period));
    let explicit_max_ttl = lesser(
        "Explicit max TTL",
        params.seconds("explicit_max_ttl")?.unwrap_or(0),
        of_role.map(|role| role.explicit_max_ttl),
    );
    let num_uses = lesser(
        "",
        params.number("num_uses")?.unwrap_or(0),
        of_role.map(|role| role.num_uses),
    );
    let bound_cidrs = match of_role {
        Some(role) if !role.bound_cidrs.is_empty() => role.bound_cidrs.clone(),
        _ => parse_cidrs(&params.list("bound_cidrs")?.unwrap_or_default())?,
    };
    let renewable =
        params.boolean("renewable")?.unwrap_or(true) && of_role.is_none_or(|role| role.renewable);
    let path = match role {
        Some((name, role)) if role.path_suffix.is_empty() => format!("auth/token/create/{name}"),
        Some((name, role)) => format!("auth/token/create/{name}/{}", role.path_suffix),
        None if orphan && !no_parent => "auth/token/create-orphan".to_owned(),
        None => "auth/token/create".to_owned(),
    };
    let mount = c.core.token_mount(c.txn).await?;
    // A child is its parent's; an orphan is nobody's, unless it is said whose.
    let identity = match asked {
        Some(name) => {
            let alias = Alias {
                mount_accessor: mount.entry.accessor.clone(),
                name,
                ..Alias::default()
            };
            let view = c.core.identify(c.txn, c.ns, &alias).await?;
            Some(Arc::new(view))
        }
        None if orphan => None,
        None => caller.identity.clone(),
    };
    let request = TokenRequest {
        id,
        path,
        policies: policies.clone(),
        no_default_policy: true,
        display_name: display_name_of(&display_name),
        meta,
        identity,
        role: role.map(|(name, _)| name.to_owned()),
        parent: (!orphan).then(|| parent.hash.clone()),
        batch,
        renewable,
        ttl,
        explicit_max_ttl,
        period,
        num_uses,
        bound_cidrs,
        ..TokenRequest::default()
    };
    if !orphan {
        // A parent that is revoked meanwhile has no child.
        caller.held.require(c.txn);
    }
    for policy in &policies {
        if policy != "root" && Policies::load(c.txn, c.ns, policy).await?.is_none() {
            warnings.push(format!("Policy {policy:?} does not exist"));
        }
    }
    let (auth, more) = create(&c.core.tokens, c.txn, &mount, request, c.core.clock.now())?;
    warnings.extend(more);
    Ok(Reply::auth(auth, warnings))
}

/// Whether the caller has sudo on the path that it calls.
fn has_sudo(c: &Context<'_>) -> Result<bool, Error> {
    Ok(c.caller()?.acl.allows(&Access {
        path: &c.request.path,
        capability: Capability::Update,
        sudo: true,
        parameters: Some(c.params.map()),
        wrap_ttl: None,
    }))
}

/// The accessors of all tokens.
async fn accessors(c: &mut Context<'_>) -> Result<Reply, Error> {
    let prefix = Ns(c.ns).token("");
    let mut accessors = Vec::new();
    for key in c.txn.list(&prefix, None, limits::MAX_LIST).await? {
        accessors.extend(
            read_entry(c.txn, &key)
                .await?
                .map(|(_, entry)| entry.accessor),
        );
    }
    Reply::list(accessors)
}

fn check_id(id: &str, sudo: bool) -> Result<(), Error> {
    if !sudo {
        return Err(Error::invalid(
            "root or sudo privileges required to specify token id",
        ));
    }
    if id.len() > limits::MAX_TOKEN_ID {
        return Err(Error::invalid(format!(
            "a token id can have {} bytes",
            limits::MAX_TOKEN_ID
        )));
    }
    if id.starts_with("hvs.")
        || id.starts_with("hvb.")
        || id.starts_with("s.")
        || id.starts_with("b.")
    {
        return Err(Error::invalid(
            "custom token ID cannot have the 'hvs.', 'hvb.', 's.' or 'b.' prefix",
        ));
    }
    if id.contains(|c: char| c.is_whitespace() || c.is_control() || c == '.') {
        return Err(Error::invalid(
            "custom token ID cannot contain a '.' or white space",
        ));
    }
    Ok(())
}

/// `token-` and the name with everything but letters and digits as dashes, as Vault has it.
fn display_name_of(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let full = format!("token-{clean}");
    full.strip_suffix('-').unwrap_or(&full).to_owned()
}

fn lookup_self<'a>(c: &'a mut Context<'_>) -> Answer<'a> {
    Box::pin(async move {
        let now = c.core.clock.now();
        let id = c.request.token.clone().unwrap_or_default();
        let caller = c.caller()?;
        let identity = caller.identity.as_deref();
        Ok(Reply::data(
            caller.held.token.entry.lookup(&id, identity, now),
        ))
    })
}

/// A token by its id, if it is good.
async fn by_id(c: &mut Context<'_>, id: &str) -> Result<Option<Held>, Error> {
    let now = c.core.clock.now();
    c.core.tokens.living(c.txn, c.ns, id, now).await
}

/// The token with the accessor that the request names, if it is good.
pub async fn by_accessor(c: &mut Context<'_>) -> Result<Option<Held>, Error> {
    let accessor = c.params.text("accessor")?.unwrap_or_default();
    if accessor.is_empty() {
        return Err(Error::invalid("missing accessor"));
    }
    let now = c.core.clock.now();
    let held = c.core.tokens.by_accessor(c.txn, c.ns, &accessor).await?;
    Ok(held.filter(|held| !held.token.entry.is_expired(now)))
}

fn invalid_accessor() -> Error {
    Error::invalid("1 error occurred:\n\t* invalid accessor\n\n")
}

async fn lookup(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = Zeroizing::new(match c.params.text("token")? {
        Some(id) if !id.is_empty() => id,
        _ => c.request.token.as_deref().cloned().unwrap_or_default(),
    });
    let held = by_id(c, &id)
        .await?
        .ok_or_else(|| Error::Forbidden("bad token".to_owned()))?;
    describe(c, &held, &id).await
}

/// A token that is not the caller's: of one whose holder may do nothing it is still said whose it is.
async fn describe(c: &mut Context<'_>, held: &Held, id: &str) -> Result<Reply, Error> {
    let entry = &held.token.entry;
    let identity = match c.core.holder(c.txn, entry).await {
        Err(Error::InvalidToken) => None,
        holder => holder?,
    };
    let now = c.core.clock.now();
    Ok(Reply::data(entry.lookup(id, identity.as_deref(), now)))
}

async fn lookup_accessor(c: &mut Context<'_>) -> Result<Reply, Error> {
    let held = by_accessor(c).await?.ok_or_else(invalid_accessor)?;
    describe(c, &held, "").await
}

fn increment(c: &Context<'_>) -> Result<u64, Error> {
    Ok(c.params.seconds("increment")?.unwrap_or(0))
}

async fn renew_held(
    c: &mut Context<'_>,
    held: &Held,
    id: Zeroizing<String>,
) -> Result<Reply, Error> {
    if held.token.entry.kind == TokenKind::Batch {
        return Err(Error::invalid("batch tokens cannot be renewed"));
    }
    let increment = increment(c)?;
    lease::renew_token(c.core, c.txn, c.ns, &held.token.hash, id, increment).await
}

async fn renew(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = Zeroizing::new(c.params.text("token")?.unwrap_or_default());
    if id.is_empty() {
        return Err(Error::invalid("missing token ID"));
    }
    let held = by_id(c, &id)
        .await?
        .ok_or_else(|| Error::invalid("token not found"))?;
    renew_held(c, &held, id).await
}

async fn renew_self(c: &mut Context<'_>) -> Result<Reply, Error> {
    let held = c.caller()?.held.clone();
    let id = c.request.token.clone().unwrap_or_default();
    renew_held(c, &held, id).await
}

async fn renew_accessor(c: &mut Context<'_>) -> Result<Reply, Error> {
    let held = by_accessor(c).await?.ok_or_else(invalid_accessor)?;
    renew_held(c, &held, Zeroizing::default()).await
}

fn revoke_held(c: &mut Context<'_>, held: &Held, orphan: bool) -> Result<Reply, Error> {
    if held.token.entry.kind == TokenKind::Batch {
        return Err(Error::invalid("batch tokens cannot be revoked"));
    }
    held.require(c.txn);
    let now = c.core.clock.now();
    c.core
        .tokens
        .revoke(c.txn, &held.token.hash, &held.token.entry, orphan, now)?;
    Ok(Reply::empty())
}

async fn revoke(c: &mut Context<'_>, orphan: bool) -> Result<Reply, Error> {
    if orphan && !has_sudo(c)? {
        return Err(Error::invalid(
            "root or sudo privileges required to revoke and orphan",
        ));
    }
    let id = Zeroizing::new(c.params.text("token")?.unwrap_or_default());
    if id.is_empty() {
        return Err(Error::invalid("missing token ID"));
    }
    match by_id(c, &id).await? {
        Some(held) => revoke_held(c, &held, orphan),
        None if orphan => Err(Error::invalid("token to revoke not found")),
        None => Ok(Reply::empty()),
    }
}

async fn revoke_self(c: &mut Context<'_>) -> Result<Reply, Error> {
    let held = c.caller()?.held.clone();
    revoke_held(c, &held, false)
}

async fn revoke_accessor(c: &mut Context<'_>) -> Result<Reply, Error> {
    match by_accessor(c).await? {
        Some(held) => revoke_held(c, &held, false),
        None => Ok(Reply {
            data: None,
            ..Reply::default()
        }
        .with_warning("No token found with this accessor")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names() {
        for (name, expected) in [
            ("", "token"),
            ("a b", "token-a-b"),
            ("--", "token--"),
            ("x!", "token-x"),
        ] {
            assert_eq!(display_name_of(name), expected);
        }
    }

    #[test]
    fn ids_that_a_caller_may_choose() {
        for (id, sudo, ok) in [
            ("mine", true, true),
            ("mine", false, false),
            ("hvs.x", true, false),
            ("a.b", true, false),
            ("a b", true, false),
        ] {
            assert_eq!(check_id(id, sudo).is_ok(), ok, "{id}");
        }
    }
}
