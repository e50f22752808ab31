//! `identity/entity-alias`. <https://developer.hashicorp.com/vault/api-docs/secret/identity/entity-alias>

use serde_json::{Map, json};

use super::entity::{Entity, EntityAlias};
use super::input;
use super::place::Places;
use super::save::{self, Stored, save};
use crate::Error;
use crate::keys::Ns;
use crate::reply::Reply;
use crate::routes::Context;

/// Makes an alias, or changes the one with the id, or with the mount and the name, that is given.
pub async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (ns, now) = (Ns(c.ns), c.core.clock.now());
    let (name, accessor) = (
        input::given(&c.params, "name")?,
        input::given(&c.params, "mount_accessor")?,
    );
    let id = input::given(&c.params, "id")?;
    let owner = match (&id, &name, &accessor) {
        (Some(id), _, _) => {
            let found = owner_of(c, id).await?;
            Some(found.ok_or_else(|| Error::invalid("invalid alias ID provided"))?)
        }
        (None, Some(name), Some(accessor)) => {
            let key = ns.at_mount(Entity::KIND, accessor, name);
            save::at::<Entity>(c.txn, ns, &key)
                .await?
                .and_then(|entity| {
                    let alias = entity.alias_at(accessor)?.clone();
                    Some((entity, alias))
                })
        }
        _ => {
            return Err(Error::invalid(
                "'id' or 'mount_accessor' and 'name' must be provided",
            ));
        }
    };
    let table = c.core.mounts(c.txn).await?;
    if let Some(accessor) = &accessor {
        Places::of(&table).check(accessor)?;
    }
    let (owner, mut alias) = match owner {
        Some((entity, alias)) => (Some(entity), alias),
        None => {
            let id = c.core.random.uuid();
            (None, EntityAlias::new(id, "", "", now))
        }
    };
    if let Some(name) = name {
        input::check_name("alias", &name)?;
        alias.name = name;
    }
    if let Some(accessor) = accessor {
        alias.mount_accessor = accessor;
    }
    if let Some(metadata) = input::metadata(&c.params, "alias", "custom_metadata")? {
        alias.custom_metadata = Some(metadata);
    }
    alias.modified = now;
    let key = ns.at_mount(Entity::KIND, &alias.mount_accessor, &alias.name);
    if let Some(other) = save::at::<Entity>(c.txn, ns, &key).await?
        && !other.aliases.iter().any(|have| have.id == alias.id)
    {
        return Err(Error::invalid(
            "alias with combination of mount accessor and name already exists",
        ));
    }
    let to = match canonical(c)? {
        Some(to) => {
            let found = save::load::<Entity>(c.txn, ns, &to).await?;
            Some(found.ok_or_else(|| {
                Error::invalid(match id {
                    Some(_) => "given 'canonical_id' is not associated with an entity",
                    None => "invalid canonical ID",
                })
            })?)
        }
        None => owner.clone(),
    };
    let target = match &to {
        Some(entity) => entity.clone(),
        None => Entity::new(c.core.random.uuid(), None, now),
    };
    if let Some(have) = target.alias_at(&alias.mount_accessor)
        && have.id != alias.id
    {
        return Err(Error::invalid(
            "Alias already exists for requested entity and mount accessor",
        ));
    }
    // Whoever loses it is stored first.
    if let Some(owner) = owner.filter(|owner| owner.id != target.id) {
        save(c.txn, ns, Some(&owner), Some(&without(&owner, &alias.id)))?;
    }
    let mut after = without(&target, &alias.id);
    let answer = json!({ "canonical_id": after.id, "id": alias.id });
    after.aliases.push(alias);
    save(c.txn, ns, to.as_ref(), Some(&after))?;
    Ok(Reply::data(answer))
}

/// The entity that it is to belong to, by either of the names that this has.
fn canonical(c: &Context<'_>) -> Result<Option<String>, Error> {
    match input::given(&c.params, "canonical_id")? {
        Some(id) => Ok(Some(id)),
        None => input::given(&c.params, "entity_id"),
    }
}

fn without(entity: &Entity, alias: &str) -> Entity {
    let mut entity = entity.clone();
    entity.aliases.retain(|have| have.id != alias);
    entity
}

/// An alias, and the entity that has it.
async fn owner_of(c: &mut Context<'_>, id: &str) -> Result<Option<(Entity, EntityAlias)>, Error> {
    let ns = Ns(c.ns);
    let found = save::at::<Entity>(c.txn, ns, &ns.alias(Entity::KIND, id)).await?;
    Ok(found.and_then(|entity| {
        let alias = entity.aliases.iter().find(|alias| alias.id == id)?.clone();
        Some((entity, alias))
    }))
}

/// The alias with the id that the path has.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = c.params.require("id")?;
    let (entity, alias) = owner_of(c, &id).await?.ok_or(Error::Nothing)?;
    let table = c.core.mounts(c.txn).await?;
    let mut said = alias.describe_fully(&entity.id, &Places::of(&table));
    said.insert("namespace_id".to_owned(), c.ns.into());
    Ok(Reply::data(said.into()))
}

/// Takes an alias away. Who logs in by it next is somebody new.
pub async fn delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = c.params.require("id")?;
    if let Some((entity, _)) = owner_of(c, &id).await? {
        save(c.txn, Ns(c.ns), Some(&entity), Some(&without(&entity, &id)))?;
    }
    Ok(Reply::empty())
}

/// The ids of all, with what they say.
pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let table = c.core.mounts(c.txn).await?;
    let places = Places::of(&table);
    let ids = save::below(c.txn, &Ns(c.ns).alias(Entity::KIND, "")).await?;
    let mut info = Map::new();
    for id in &ids {
        if let Some((entity, alias)) = owner_of(c, id).await? {
            info.insert(id.clone(), alias.listed(&entity.id, &places).into());
        }
    }
    Reply::list_with(ids, info)
}
