//! `identity/lookup`. <https://developer.hashicorp.com/vault/api-docs/secret/identity/lookup>

use super::entity::Entity;
use super::group::Group;
use super::save::{self, Stored};
use super::{entity_paths, group_paths, input};
use crate::Error;
use crate::keys::Ns;
use crate::reply::Reply;
use crate::routes::Context;

/// The entity that the request names in one way.
pub async fn entity(c: &mut Context<'_>) -> Result<Reply, Error> {
    let found = match asked(c, Entity::KIND)? {
        Asked::Id(id) => save::load::<Entity>(c.txn, Ns(c.ns), &id).await?,
        Asked::Way(key) => save::at::<Entity>(c.txn, Ns(c.ns), &key).await?,
    };
    match found {
        Some(entity) => Ok(Reply::data(entity_paths::describe(c, &entity).await?)),
        None => Ok(Reply::empty()),
    }
}

/// The group that the request names in one way.
pub async fn group(c: &mut Context<'_>) -> Result<Reply, Error> {
    let found = match asked(c, Group::KIND)? {
        Asked::Id(id) => save::load::<Group>(c.txn, Ns(c.ns), &id).await?,
        Asked::Way(key) => save::at::<Group>(c.txn, Ns(c.ns), &key).await?,
    };
    match found {
        Some(group) => Ok(Reply::data(group_paths::describe(c, &group).await?)),
        None => Ok(Reply::empty()),
    }
}

/// How it is named.
enum Asked {
    Id(String),
    /// By the key that leads to it.
    Way(String),
}

fn asked(c: &Context<'_>, of: &str) -> Result<Asked, Error> {
    let ns = Ns(c.ns);
    let given = |name| input::given(&c.params, name);
    let at_mount = match (given("alias_name")?, given("alias_mount_accessor")?) {
        (Some(name), Some(accessor)) => Some(Asked::Way(ns.at_mount(of, &accessor, &name))),
        (None, None) => None,
        _ => {
            return Err(Error::invalid(
                "both 'alias_name' and 'alias_mount_accessor' needs to be set",
            ));
        }
    };
    let ways = [
        given("id")?.map(Asked::Id),
        given("name")?.map(|name| Asked::Way(ns.named(of, &name))),
        given("alias_id")?.map(|id| Asked::Way(ns.alias(of, &id))),
        at_mount,
    ];
    let mut ways = ways.into_iter().flatten();
    match (ways.next(), ways.next()) {
        (Some(way), None) => Ok(way),
        (None, _) => Err(Error::invalid("query parameter not supplied")),
        (Some(_), Some(_)) => Err(Error::invalid(
            "query parameter conflict; please supply distinct set of query parameters",
        )),
    }
}
