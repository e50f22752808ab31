//! `sys/config/ui/headers`: what answers below `/ui` say besides. <https://developer.hashicorp.com/vault/api-docs/system/config-ui>

use http::{HeaderName, HeaderValue};
use serde_json::json;

use crate::keys::UI_HEADERS;
use crate::reply::Reply;
use crate::routes::Context;
use crate::{Core, Error, limits, stored};

/// Where a header is stored: its name is shown as it was written, and is the same in any case.
fn key(name: &str) -> String {
    format!("{UI_HEADERS}{}", name.to_lowercase())
}

/// A header, as it is stored.
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    name: String,
    values: Vec<String>,
}

/// The names of all headers.
pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let mut names = Vec::new();
    for key in c.txn.list(UI_HEADERS, None, limits::UI_HEADERS).await? {
        let header: Option<Stored> = stored::load(c.txn, &key).await?;
        names.extend(header.map(|header| header.name));
    }
    Reply::list(names)
}

/// One of them.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = c.params.require("header")?;
    let header: Option<Stored> = stored::load(c.txn, &key(&name)).await?;
    let values = header.ok_or(Error::Nothing)?.values;
    Ok(Reply::data(match c.params.boolean("multivalue")? {
        Some(true) => json!({ "values": values }),
        _ => json!({ "value": values.first() }),
    }))
}

/// Sets one.
pub async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = c.params.require("header")?;
    let values = c.params.texts_in_list("values")?.unwrap_or_default();
    if values.is_empty() {
        return Err(Error::invalid("header and values must be specified"));
    }
    if name.to_lowercase().starts_with("x-vault-") {
        return Err(Error::invalid("X-Vault headers cannot be set"));
    }
    let good = HeaderName::try_from(name.as_str()).is_ok()
        && values
            .iter()
            .all(|value| HeaderValue::try_from(value.as_str()).is_ok());
    if !good {
        return Err(Error::invalid(format!(
            "{name:?} and its values are no header of HTTP"
        )));
    }
    let there = c.txn.list(UI_HEADERS, None, limits::UI_HEADERS).await?;
    if there.len() >= limits::UI_HEADERS && !there.contains(&key(&name)) {
        return Err(Error::invalid(format!(
            "there are {} headers, as many as there can be",
            there.len()
        )));
    }
    stored::save(c.txn, key(&name), &Stored { name, values })?;
    Ok(Reply::empty())
}

/// Sets one no more.
pub async fn delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = c.params.require("header")?;
    c.txn.delete(key(&name));
    Ok(Reply::empty())
}

impl Core {
    /// The headers of answers below `/ui`; none while the server is sealed.
    pub async fn ui_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let Ok(mut txn) = self.barrier.begin() else {
            return Vec::new();
        };
        let keys = txn.list(UI_HEADERS, None, limits::UI_HEADERS).await;
        let mut headers = Vec::new();
        for key in keys.unwrap_or_default() {
            let Ok(Some(header)) = stored::load::<Stored>(&mut txn, &key).await else {
                continue;
            };
            let Ok(name) = HeaderName::try_from(header.name) else {
                continue;
            };
            let values = header
                .values
                .into_iter()
                .filter_map(|value| value.try_into().ok());
            headers.extend(values.map(|value| (name.clone(), value)));
        }
        headers
    }
}
