//! `sys/loggers`: how much each part of the server logs. What is set here lasts until the server stops.
//! <https://developer.hashicorp.com/vault/api-docs/system/loggers>

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Map;
use tokio::sync::mpsc;

use crate::Error;
use crate::reply::Reply;
use crate::routes::Context;

/// The parts of a server that log, and how much.
pub trait Loggers: Debug + Send + Sync {
    /// Each part, and the level in force.
    fn levels(&self) -> Vec<(&'static str, &'static str)>;

    /// Sets the level of a part, or of all; None is the configured one.
    ///
    /// # Errors
    /// With what is wrong, if there is no such part or level.
    fn set(&self, part: Option<&str>, level: Option<&str>) -> Result<(), String>;

    /// What is logged from now on, a line each, as much of it as this level has. Lines that nobody takes in time are left
    /// out.
    ///
    /// # Errors
    /// With what is wrong, if there is no such level.
    fn watch(&self, level: &str, json: bool) -> Result<mpsc::Receiver<Bytes>, String>;
}

fn loggers(c: &Context<'_>) -> Result<Arc<dyn Loggers>, Error> {
    let none = || Error::NotFound("this server's log has no levels".to_owned());
    c.core.config.loggers.clone().ok_or_else(none)
}

/// The levels of all parts, or of one.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = c.params.text("name")?;
    let levels = loggers(c)?.levels().into_iter();
    let wanted = levels.filter(|(part, _)| name.as_deref().is_none_or(|name| name == *part));
    let levels: Map<_, _> = wanted
        .map(|(part, level)| (part.to_owned(), level.into()))
        .collect();
    Ok(Reply::data(levels.into()))
}

/// Sets the level of all parts, or of one.
pub async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let level = c.params.text("level")?.filter(|level| !level.is_empty());
    let level = level.ok_or_else(|| Error::invalid("level is required"))?;
    set(c, Some(&level))
}

/// Sets the configured level again.
pub async fn reset(c: &mut Context<'_>) -> Result<Reply, Error> {
    set(c, None)
}

/// What is logged from now on. <https://developer.hashicorp.com/vault/api-docs/system/monitor>
pub async fn monitor(c: &mut Context<'_>) -> Result<Reply, Error> {
    let level = c.params.text("log_level")?;
    let json = match c.params.text("log_format")?.as_deref() {
        None | Some("" | "standard") => false,
        Some("json") => true,
        Some(_) => return Err(Error::invalid("unknown log format")),
    };
    let level = level.as_deref().filter(|level| !level.is_empty());
    let lines = loggers(c)?.watch(level.unwrap_or("info"), json);
    Ok(Reply::lines(lines.map_err(Error::invalid)?))
}

fn set(c: &Context<'_>, level: Option<&str>) -> Result<Reply, Error> {
    let name = c.params.text("name")?;
    loggers(c)?
        .set(name.as_deref(), level)
        .map_err(Error::invalid)?;
    Ok(Reply::empty())
}
