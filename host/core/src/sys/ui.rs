//! `sys/internal/ui`: what clients ask before they know what they may.

use serde_json::{Map, Value, json};

use crate::Error;
use crate::mount::{Mount, Table};
use crate::reply::Reply;
use crate::routes::{Authenticated, Context};

fn reaches(caller: Option<&Authenticated>, mount: &Mount) -> bool {
    caller.is_some_and(|caller| caller.acl.reaches_below(&mount.entry.full_path()))
}

/// All mounts that the caller may know of.
pub async fn mounts(c: &mut Context<'_>) -> Result<Reply, Error> {
    let table = c.core.mounts(c.txn).await?;
    let (mut secret, mut auth) = (Map::new(), Map::new());
    for mount in table.mounts() {
        let known = reaches(c.caller.as_ref(), mount);
        let described = if known || (c.caller.is_some() && mount.entry.is_listed()) {
            mount.describe()
        } else if mount.entry.is_listed() {
            let entry = &mount.entry;
            json!({ "description": entry.description, "options": entry.options, "type": entry.kind })
        } else {
            continue;
        };
        let group = if mount.entry.table == Table::Auth {
            &mut auth
        } else {
            &mut secret
        };
        group.insert(mount.entry.path.clone(), described);
    }
    Ok(Reply::data(json!({ "auth": auth, "secret": secret })))
}

/// The mount that a path leads to.
pub async fn mount(c: &mut Context<'_>) -> Result<Reply, Error> {
    let path = c.params.require("path")?;
    let caller = c.caller.clone().ok_or(Error::Denied)?;
    let table = c.core.mounts(c.txn).await?;
    let known = table
        .route(&path)
        .map(|(mount, _)| mount)
        .filter(|mount| reaches(Some(&caller), mount) || mount.entry.is_listed());
    let Some(mount) = known else {
        return Err(Error::Forbidden(format!(
            "preflight capability check returned 403, please ensure client's policies grant access to path \"{}/\"",
            path.trim_end_matches('/')
        )));
    };
    let mut described = mount.describe();
    if let Value::Object(map) = &mut described {
        map.insert("path".to_owned(), mount.entry.path.clone().into());
    }
    Ok(Reply::data(described))
}

/// All that the caller may, by path.
pub async fn resultant_acl(c: &mut Context<'_>) -> Result<Reply, Error> {
    let acl = &c.caller()?.acl;
    if acl.is_root() {
        return Ok(Reply::data(json!({ "root": true })));
    }
    let (mut exact, mut glob) = (Map::new(), Map::new());
    for (pattern, capabilities) in acl.all() {
        let may = json!({ "capabilities": capabilities });
        match pattern.strip_suffix('*') {
            Some(start) => glob.insert(start.to_owned(), may),
            None if pattern.contains('+') => glob.insert(pattern.to_owned(), may),
            None => exact.insert(pattern.to_owned(), may),
        };
    }
    Ok(Reply::data(
        json!({ "root": false, "exact_paths": exact, "glob_paths": glob }),
    ))
}

/// The namespaces below the caller's.
pub async fn namespaces(_: &mut Context<'_>) -> Result<Reply, Error> {
    Ok(Reply::data(json!({})))
}
