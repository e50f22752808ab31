//! `sys/loggers`: how much each part of the server logs. What is set here lasts until the server stops.
//! <https://developer.hashicorp.com/vault/api-docs/system/loggers>

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::Map;

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

fn set(c: &Context<'_>, level: Option<&str>) -> Result<Reply, Error> {
    let name = c.params.text("name")?;
    loggers(c)?
        .set(name.as_deref(), level)
        .map_err(Error::invalid)?;
    Ok(Reply::empty())
}
