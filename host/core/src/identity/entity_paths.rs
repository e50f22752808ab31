//! `identity/entity`. <https://developer.hashicorp.com/vault/api-docs/secret/identity/entity>

use serde_json::{Map, Value, json};

use super::entity::{Entity, object};
use super::input;
use super::place::Places;
use super::save::{self, save};
use crate::Error;
use crate::keys::Ns;
use crate::reply::Reply;
use crate::routes::Context;

/// Makes an entity, or changes the one with the id or the name that is given.
pub async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = input::given(&c.params, "id")?;
    store(c, id).await
}

/// The same for the one with the name that the path has, whatever else the request says: who may write this name may write
/// no other.
pub async fn write_by_name(c: &mut Context<'_>) -> Result<Reply, Error> {
    store(c, None).await
}

async fn store(c: &mut Context<'_>, id: Option<String>) -> Result<Reply, Error> {
    let (ns, now) = (Ns(c.ns), c.core.clock.now());
    let name = input::given(&c.params, "name")?;
    let before = match (id, &name) {
        (Some(id), _) => {
            let found = save::load::<Entity>(c.txn, ns, &id).await?;
            Some(found.ok_or_else(|| Error::invalid("entity not found from id"))?)
        }
        (None, Some(name)) => save::named::<Entity>(c.txn, ns, name).await?,
        (None, None) => None,
    };
    let mut entity = match &before {
        Some(entity) => entity.clone(),
        None => Entity::new(c.core.random.uuid(), name.as_deref(), now),
    };
    if let Some(name) = name {
        input::check_free::<Entity>(c.txn, ns, &name, &entity.id).await?;
        entity.name = name;
    }
    if let Some(metadata) = input::metadata(&c.params, "entity", "metadata")? {
        entity.metadata = Some(metadata);
    }
    if let Some(policies) = input::policies(&c.params)? {
        entity.policies = policies;
    }
    if let Some(disabled) = c.params.boolean("disabled")? {
        entity.disabled = disabled;
    }
    entity.modified = now;
    save(c.txn, ns, before.as_ref(), Some(&entity))?;
    Ok(match before {
        Some(_) => Reply::empty(),
        None => Reply::data(json!({ "aliases": null, "id": entity.id, "name": entity.name })),
    })
}

/// The entity with the id that the path has.
pub async fn read_by_id(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = c.params.require("id")?;
    let found = save::load::<Entity>(c.txn, Ns(c.ns), &id).await?;
    Ok(Reply::data(
        describe(c, &found.ok_or(Error::Nothing)?).await?,
    ))
}

/// The entity with the name that the path has.
pub async fn read_by_name(c: &mut Context<'_>) -> Result<Reply, Error> {
    let found = by_name(c).await?;
    Ok(Reply::data(
        describe(c, &found.ok_or(Error::Nothing)?).await?,
    ))
}

async fn by_name(c: &mut Context<'_>) -> Result<Option<Entity>, Error> {
    let name = c.params.require("name")?;
    save::named(c.txn, Ns(c.ns), &name).await
}

/// An entity as a read shows it.
pub async fn describe(c: &mut Context<'_>, entity: &Entity) -> Result<Value, Error> {
    let inherited = inherited(c, &entity.groups).await?;
    let table = c.core.mounts(c.txn).await?;
    Ok(entity.describe(c.ns, &inherited, &Places::of(&table)))
}

/// The groups that these groups are in, at any distance.
async fn inherited(c: &mut Context<'_>, groups: &[String]) -> Result<Vec<String>, Error> {
    let all = save::above(c.txn, Ns(c.ns), groups).await?;
    Ok(all.into_iter().filter(|id| !groups.contains(id)).collect())
}

/// Takes an entity away. Its tokens are good for nothing from then on.
pub async fn delete_by_id(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = c.params.require("id")?;
    delete(c, &id).await
}

/// The same by its name.
pub async fn delete_by_name(c: &mut Context<'_>) -> Result<Reply, Error> {
    match by_name(c).await? {
        Some(entity) => delete(c, &entity.id).await,
        None => Ok(Reply::empty()),
    }
}

/// Takes many away.
pub async fn batch_delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let ids = c.params.list("entity_ids")?.unwrap_or_default();
    if ids.is_empty() {
        return Err(Error::invalid("missing entity ids to delete"));
    }
    for id in ids {
        delete(c, &id).await?;
    }
    Ok(Reply::empty())
}

async fn delete(c: &mut Context<'_>, id: &str) -> Result<Reply, Error> {
    let ns = Ns(c.ns);
    let found = save::load::<Entity>(c.txn, ns, id).await?;
    save(c.txn, ns, found.as_ref(), None)?;
    Ok(Reply::empty())
}

/// The ids of all, with their names and aliases.
pub async fn list_ids(c: &mut Context<'_>) -> Result<Reply, Error> {
    let ns = Ns(c.ns);
    let ids = save::below(c.txn, &ns.entity("")).await?;
    let table = c.core.mounts(c.txn).await?;
    let places = Places::of(&table);
    let mut info = Map::new();
    for id in &ids {
        let Some(entity) = save::load::<Entity>(c.txn, ns, id).await? else {
            continue;
        };
        let mut said = object(json!({ "name": entity.name }));
        let aliases = entity.aliases.iter().map(|alias| alias.brief(&places));
        let aliases: Vec<_> = aliases.collect();
        if !aliases.is_empty() {
            said.insert("aliases".to_owned(), json!(aliases));
        }
        info.insert(id.clone(), said.into());
    }
    Reply::list_with(ids, info)
}

/// The names of all.
pub async fn list_names(c: &mut Context<'_>) -> Result<Reply, Error> {
    Reply::list(save::names::<Entity>(c.txn, Ns(c.ns)).await?)
}
