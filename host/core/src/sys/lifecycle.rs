//! The paths that answer whatever the barrier's state: health, init, unseal, and their like. They need no token.

use std::pin::Pin;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use coffer_barrier::{InitConfig, SealStatus};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::fields::{self, Fields};
use crate::params::Params;
use crate::pgp::Recipient;
use crate::reply::Reply;
use crate::request::Method::{Get, Post};
use crate::request::{Body, Method, Request, Response};
use crate::routes::Context;
use crate::shares::{self, Holders};
use crate::{Core, Error};

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>;
type Handler = for<'a> fn(&'a Arc<Core>, &'a Request) -> Answer<'a>;

/// A path that answers whatever the barrier's state.
pub struct Lifecycle {
    /// Below `sys/`.
    pub path: &'static str,
    pub help: &'static str,
    pub fields: Fields,
    pub operations: &'static [(Method, Handler)],
}

/// All of them. None needs a token.
#[rustfmt::skip]
pub static LIFECYCLE: &[Lifecycle] = &[
    Lifecycle { path: "health", help: "Whether the server is initialized, unsealed and active, by its status.", fields: fields::HEALTH, operations: &[(Get, |c, r| Box::pin(health(c, r)))] },
    Lifecycle { path: "seal-status", help: "How far unsealing is.", fields: fields::NOTHING, operations: &[(Get, |c, _| Box::pin(seal_status(c)))] },
    Lifecycle { path: "init", help: "Whether the server is initialized; and initializes it.", fields: fields::INIT, operations: &[(Get, |c, _| Box::pin(initialized(c))), (Post, |c, r| Box::pin(init(c, r)))] },
    Lifecycle { path: "unseal", help: "Gives a key share.", fields: fields::UNSEAL, operations: &[(Post, |c, r| Box::pin(unseal(c, r)))] },
    Lifecycle { path: "leader", help: "Which server is active.", fields: fields::NOTHING, operations: &[(Get, |c, _| Box::pin(leader(c)))] },
];

/// Answers if the path is one of these.
pub async fn lifecycle(core: &Arc<Core>, request: &Request) -> Option<Result<Response, Error>> {
    let path = request.path.strip_prefix("sys/")?.trim_end_matches('/');
    if path == "seal" && request.method == Post && core.barrier.is_sealed() {
        return Some(Ok(Reply::empty().respond("")));
    }
    let found = LIFECYCLE.iter().find(|found| found.path == path)?;
    let method = match request.method {
        Method::Head => Get,
        method => method,
    };
    let handler = found.operations.iter().find(|(have, _)| *have == method);
    Some(match handler {
        Some((_, handler)) => handler(core, request).await,
        None => Ok(Response {
            status: 405,
            body: Body::Json(json!({"errors": []}).to_string().into()),
            headers: Vec::new(),
        }),
    })
}

fn bare(value: Value) -> Response {
    Reply::bare(value).respond("")
}

async fn health(core: &Core, request: &Request) -> Result<Response, Error> {
    let status = core.seal_status().await?;
    let code = |name: &str, default: u16| -> Result<u16, Error> {
        let Some((_, value)) = request.query.iter().find(|(have, _)| have == name) else {
            return Ok(default);
        };
        value
            .parse()
            .ok()
            .filter(|code| (200..=599).contains(code))
            .ok_or_else(|| {
                Error::invalid(format!("{name} must be an HTTP status between 200 and 599"))
            })
    };
    let codes = (
        code("uninitcode", 501)?,
        code("sealedcode", 503)?,
        code("activecode", 200)?,
    );
    let (status_code, replication) = match (status.initialized, status.sealed) {
        (false, _) => (codes.0, "unknown"),
        (true, true) => (codes.1, "unknown"),
        (true, false) => (codes.2, "disabled"),
    };
    let mut body = json!({
        "initialized": status.initialized,
        "sealed": status.sealed,
        "standby": !status.initialized || status.sealed,
        "performance_standby": false,
        "replication_performance_mode": replication,
        "replication_dr_mode": replication,
        "server_time_utc": core.clock.now().0 / 1000,
        "version": core.config.version,
        "enterprise": false,
        "echo_duration_ms": 0,
        "clock_skew_ms": 0,
    });
    tell_cluster(core, &mut body);
    let mut response = bare(body);
    response.status = status_code;
    Ok(response)
}

/// Which cluster this is, where that is known: while the barrier is open.
fn tell_cluster(core: &Core, body: &mut Value) {
    if let (Some(cluster), Value::Object(body)) = (core.cluster.load_full(), body) {
        body.insert("cluster_name".to_owned(), cluster.name.as_str().into());
        body.insert("cluster_id".to_owned(), cluster.id.as_str().into());
    }
}

fn describe(core: &Core, status: &SealStatus) -> Value {
    let mut body = json!({
        "type": "shamir",
        "initialized": status.initialized,
        "sealed": status.sealed,
        "t": status.threshold,
        "n": status.shares,
        "progress": status.progress,
        "nonce": status.nonce,
        "version": core.config.version,
        "build_date": "",
        "migration": false,
        "recovery_seal": false,
        "storage_type": core.barrier.storage().kind(),
    });
    tell_cluster(core, &mut body);
    body
}

async fn seal_status(core: &Core) -> Result<Response, Error> {
    Ok(bare(describe(core, &core.seal_status().await?)))
}

async fn initialized(core: &Core) -> Result<Response, Error> {
    Ok(bare(
        json!({ "initialized": core.seal_status().await?.initialized }),
    ))
}

async fn leader(core: &Core) -> Result<Response, Error> {
    Ok(bare(json!({
        "ha_enabled": false,
        "is_self": true,
        "leader_address": core.config.api_addr,
        "leader_cluster_address": "",
        "performance_standby": false,
    })))
}

async fn init(core: &Arc<Core>, request: &Request) -> Result<Response, Error> {
    let params = Params::of(request)?;
    for unsupported in ["stored_shares", "recovery_shares", "recovery_threshold"] {
        let given = match params.map().get(unsupported) {
            None | Some(Value::Null) => false,
            Some(Value::Number(number)) => number.as_u64() != Some(0),
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        };
        if given {
            return Err(Error::invalid(format!(
                "{unsupported} is not available with this seal; nothing was initialized"
            )));
        }
    }
    let shares = params.number("secret_shares")?.unwrap_or(0);
    let threshold = params.number("secret_threshold")?.unwrap_or(0);
    let config = InitConfig::new(shares, threshold).map_err(shares::refuse)?;
    let keys = params.list("pgp_keys")?.unwrap_or_default();
    let holders = Holders::new(&keys, config.shares, &core.random)?;
    let root = params
        .text("root_token_pgp_key")?
        .filter(|key| !key.is_empty());
    let root = root
        .map(|key| Recipient::parse(&key, &core.random))
        .transpose()?;
    let made = core
        .init(config, None, false)
        .await
        .map_err(|error| match error {
            Error::Barrier(error) => shares::refuse(error),
            other => other,
        })?;
    let keys = holders.hand_out(&made.keys, &core.random)?;
    let root_token = match root {
        None => made.root_token,
        Some(holder) => {
            let encrypted = holder.encrypt(made.root_token.as_bytes(), &core.random)?;
            Zeroizing::new(BASE64.encode(encrypted))
        }
    };
    let hex: Vec<_> = keys.iter().map(|key| hex::encode(key.as_slice())).collect();
    let base64: Vec<_> = keys
        .iter()
        .map(|key| BASE64.encode(key.as_slice()))
        .collect();
    Ok(bare(
        json!({ "keys": hex, "keys_base64": base64, "root_token": *root_token }),
    ))
}

async fn unseal(core: &Arc<Core>, request: &Request) -> Result<Response, Error> {
    let params = Params::of(request)?;
    if params.boolean("reset")?.unwrap_or(false) {
        if !core.seal_status().await?.sealed {
            return Err(Error::invalid("vault is unsealed"));
        }
        core.seal.reset();
        return seal_status(core).await;
    }
    if !params.has("key") {
        return Err(Error::invalid(
            "'key' must be specified in request body as JSON, or 'reset' set to true",
        ));
    }
    let share = shares::share(&params)?;
    let status = core.unseal(&share).await.map_err(|error| match error {
        Error::Barrier(error) => shares::refuse(error),
        other => other,
    })?;
    Ok(bare(describe(core, &status)))
}

/// Closes the barrier. Everything in memory that was secret is gone when this answers.
pub async fn seal(c: &mut Context<'_>) -> Result<Reply, Error> {
    c.core.seal();
    Ok(Reply::empty())
}

/// There is nobody to take over.
pub async fn step_down(_: &mut Context<'_>) -> Result<Reply, Error> {
    Ok(Reply::empty())
}
