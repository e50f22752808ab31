//! `cubbyhole/`: what each token keeps for itself. Nobody else sees it, root neither, and it is gone with the token.
//! <https://developer.hashicorp.com/vault/api-docs/secret/cubbyhole>

use coffer_barrier::Transaction;
use serde_json::{Map, Value};

use crate::keys::Ns;
use crate::params::Params;
use crate::reply::Reply;
use crate::request::Method::{Delete, Get, List, Post};
use crate::routes::{Authenticated, Context, Needs, Route};
use crate::token::TokenKind;
use crate::{Error, fields, limits};

/// The paths of `cubbyhole/`.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    Route { pattern: "", help: "The names of what the token keeps.", needs: Needs::Token, fields: fields::ANYTHING, operations: &[(List, |c| Box::pin(list(c)))] },
    Route { pattern: "{path*}", help: "What the token keeps for itself; gone with it.", needs: Needs::Token, fields: fields::ANYTHING, operations: &[
        (Get, |c| Box::pin(read(c))), (Post, |c| Box::pin(write(c))), (Delete, |c| Box::pin(delete(c))), (List, |c| Box::pin(list(c))),
    ] },
];

/// Where the caller's token keeps what stands under the path.
fn key(c: &Context<'_>, path: &str) -> Result<String, Error> {
    let token = &c.caller()?.held.token;
    if token.entry.kind == TokenKind::Batch {
        return Err(Error::invalid(
            "cubbyhole operations are only supported by service tokens",
        ));
    }
    Ok(Ns(c.ns).cubbyhole(&token.hash, path))
}

/// Whether the caller's token keeps something under a path below the mount: writing there is updating.
pub async fn holds(
    txn: &mut Transaction,
    ns: &str,
    caller: &Authenticated,
    path: &str,
) -> Result<bool, Error> {
    let key = Ns(ns).cubbyhole(&caller.held.token.hash, path.trim_end_matches('/'));
    Ok(txn.get(&key).await?.is_some())
}

/// Below the mount.
fn path<'r>(c: &Context<'r>) -> &'r str {
    let path = c.request.path.strip_prefix("cubbyhole/");
    path.unwrap_or_default().trim_end_matches('/')
}

async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let key = key(c, path(c))?;
    let value = c.txn.get(&key).await?.ok_or(Error::Nothing)?;
    let data: Map<String, Value> =
        serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key))?;
    Ok(Reply::data(data.into()))
}

async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let key = key(c, path(c))?;
    // What stands in the body, a field `path` too.
    let data = Params::of(c.request)?.into_map();
    if data.is_empty() {
        return Err(Error::invalid("missing data fields"));
    }
    // Whoever keeps something with a token that is gone keeps nothing.
    c.caller()?.held.clone().require(c.txn);
    c.txn.put(key, Value::from(data).to_string());
    Ok(Reply::empty())
}

async fn delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let key = key(c, path(c))?;
    c.txn.delete(key);
    Ok(Reply::empty())
}

async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let below = match path(c) {
        "" => String::new(),
        path => format!("{path}/"),
    };
    let key = key(c, &below)?;
    Reply::list(c.txn.children(&key, None, limits::MAX_LIST).await?)
}
