//! `sys/config`: CORS, and the request headers that are audited.
//! <https://developer.hashicorp.com/vault/api-docs/system/config-cors>,
//! <https://developer.hashicorp.com/vault/api-docs/system/config-auditing>

use serde_json::{Map, json};

use crate::audit::AuditedHeader;
use crate::cors::Cors;
use crate::keys::{CORS, Ns};
use crate::reply::Reply;
use crate::routes::Context;
use crate::{Error, limits, stored};

/// The server's configuration, without what is secret in it.
/// <https://developer.hashicorp.com/vault/api-docs/system/config-state>
pub async fn state(c: &mut Context<'_>) -> Result<Reply, Error> {
    Ok(Reply::data(c.core.config.sanitized.clone().into()))
}

/// Reads a part of the configuration anew. The license is the only one that Vault knows by name; there is none here, so that is
/// done. SIGHUP reads everything else again that can change while the server runs.
/// <https://developer.hashicorp.com/vault/api-docs/system/config-reload>
pub async fn reload(c: &mut Context<'_>) -> Result<Reply, Error> {
    match c.params.require("subsystem")?.as_str() {
        "license" => Ok(Reply::empty()),
        other => Err(Error::invalid(format!(
            "invalid reload subsystem {other:?}: send SIGHUP to read certificates, the log's level and audit files anew"
        ))),
    }
}

/// What web pages of other origins may.
pub async fn read_cors(c: &mut Context<'_>) -> Result<Reply, Error> {
    Ok(Reply::flat(match c.core.cors().await? {
        None => json!({ "enabled": false }),
        Some(cors) => json!({
            "enabled": true,
            "allowed_origins": cors.origins,
            "allowed_headers": cors.all_headers(),
            "allow_credentials": cors.credentials,
        }),
    }))
}

/// Changes that.
pub async fn write_cors(c: &mut Context<'_>) -> Result<Reply, Error> {
    let list = |name| Ok::<_, Error>(c.params.list(name)?.unwrap_or_default());
    let wrong = |what: &str| Err(Error::invalid(format!("1 error occurred:\n\t* {what}\n\n")));
    let mut cors = Cors {
        origins: list("allowed_origins")?,
        headers: list("allowed_headers")?,
        credentials: c.params.boolean("allow_credentials")?.unwrap_or(false),
    };
    cors.origins.retain(|origin| !origin.is_empty());
    cors.headers.retain(|header| !header.is_empty());
    if cors.origins.is_empty() {
        return wrong("at least one origin or the wildcard must be provided");
    }
    let any = cors.origins.iter().any(|origin| origin == "*");
    if any && cors.origins.len() > 1 {
        return wrong("to allow all origins the '*' must be the only value for allowed_origins");
    }
    if any && cors.credentials {
        return wrong("allow_credentials is for named origins, not for '*'");
    }
    if cors.origins.len() + cors.headers.len() > limits::CORS {
        return wrong("there are too many origins or headers");
    }
    stored::save(c.txn, CORS, &cors)?;
    Ok(Reply::empty())
}

/// Allows nothing any more.
pub async fn delete_cors(c: &mut Context<'_>) -> Result<Reply, Error> {
    c.txn.delete(CORS);
    Ok(Reply::empty())
}

/// A header's name, as it is stored and shown.
fn header(c: &Context<'_>) -> Result<String, Error> {
    let name = c.params.require("header")?.to_lowercase();
    http::HeaderName::from_bytes(name.as_bytes())
        .map(|name| name.as_str().to_owned())
        .map_err(|_| Error::invalid(format!("{name:?} is no header's name")))
}

fn shown(header: &AuditedHeader) -> (String, serde_json::Value) {
    (header.name.clone(), json!({ "hmac": header.hmac }))
}

/// The headers of requests that audit devices record.
pub async fn list_headers(c: &mut Context<'_>) -> Result<Reply, Error> {
    let headers = c.core.audit.headers(c.txn).await?;
    let headers: Map<_, _> = headers.iter().map(shown).collect();
    Ok(Reply::flat(json!({ "headers": headers })))
}

/// One of them.
pub async fn read_header(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = header(c)?;
    let headers = c.core.audit.headers(c.txn).await?;
    let found = headers.iter().find(|header| header.name == name);
    let found = found.ok_or_else(|| Error::invalid("Could not find header in config"))?;
    let told: Map<_, _> = [shown(found)].into_iter().collect();
    Ok(Reply::flat(told.into()))
}

/// Has one recorded.
pub async fn write_header(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = header(c)?;
    let hmac = c.params.boolean("hmac")?.unwrap_or(false);
    let there = c.core.audit.headers(c.txn).await?;
    if there.len() >= limits::AUDITED_HEADERS && there.iter().all(|have| have.name != name) {
        return Err(Error::invalid(format!(
            "{} headers can be audited, and are",
            limits::AUDITED_HEADERS
        )));
    }
    c.txn
        .put(Ns(c.ns).audited_header(&name), vec![u8::from(hmac)]);
    Ok(Reply::empty())
}

/// Has it be recorded no more.
pub async fn delete_header(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = header(c)?;
    c.txn.delete(Ns(c.ns).audited_header(&name));
    Ok(Reply::empty())
}
