//! `identity/group`. <https://developer.hashicorp.com/vault/api-docs/secret/identity/group>

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::entity::Entity;
use super::group::{Group, GroupType};
use super::input;
use super::place::Places;
use super::save::{self, Stored, save};
use crate::keys::Ns;
use crate::reply::Reply;
use crate::routes::Context;
use crate::{Error, stored};

/// Makes a group, or changes the one with the id or the name that is given.
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
            let found = save::load::<Group>(c.txn, ns, &id).await?;
            Some(found.ok_or_else(|| Error::invalid("invalid group ID"))?)
        }
        (None, Some(name)) => save::named::<Group>(c.txn, ns, name).await?,
        (None, None) => None,
    };
    let kind = input::given(&c.params, "type")?;
    let kind = kind.map(|kind| GroupType::parse(&kind)).transpose()?;
    let mut group = match &before {
        Some(group) => group.clone(),
        None => {
            let id = c.core.random.uuid();
            Group::new(id, name.as_deref(), kind.unwrap_or_default(), now)
        }
    };
    if kind.is_some_and(|kind| kind != group.kind) {
        return Err(Error::invalid("group type cannot be changed"));
    }
    if let Some(name) = name {
        input::check_free::<Group>(c.txn, ns, &name, &group.id).await?;
        group.name = name;
    }
    if let Some(metadata) = input::metadata(&c.params, "group", "metadata")? {
        group.metadata = Some(metadata);
    }
    if let Some(policies) = input::policies(&c.params)? {
        group.policies = Some(policies);
    }
    let entities = c.params.list("member_entity_ids")?;
    let groups = c.params.list("member_group_ids")?;
    if group.kind == GroupType::External {
        if entities.is_some() {
            return Err(Error::invalid(
                "member entities can't be set manually for external groups",
            ));
        }
        if groups.is_some() {
            return Err(Error::invalid(
                "member groups can't be set for external groups",
            ));
        }
    }
    group.modify_index += 1;
    group.modified = now;
    save(c.txn, ns, before.as_ref(), Some(&group))?;
    if let Some(entities) = entities {
        set_entities(c, &group.id, &entities).await?;
    }
    if let Some(groups) = groups {
        set_groups(c, &group.id, &groups).await?;
    }
    Ok(match before {
        Some(_) => Reply::empty(),
        None => Reply::data(json!({ "id": group.id, "name": group.name })),
    })
}

/// Makes these entities the ones that are in a group.
async fn set_entities(c: &mut Context<'_>, group: &str, wanted: &[String]) -> Result<(), Error> {
    let ns = Ns(c.ns);
    let have = save::members(c.txn, ns, group).await?.entities;
    let stay: HashSet<_> = wanted.iter().collect();
    for id in have.iter().filter(|id| !stay.contains(id)) {
        if let Some(before) = save::load::<Entity>(c.txn, ns, id).await? {
            let mut after = before.clone();
            after.groups.retain(|have| have != group);
            save(c.txn, ns, Some(&before), Some(&after))?;
        }
    }
    for id in wanted {
        let Some(before) = save::load::<Entity>(c.txn, ns, id).await? else {
            return Err(Error::invalid(format!("invalid entity ID {id:?}")));
        };
        if !before.groups.iter().any(|have| have == group) {
            let mut after = before.clone();
            after.groups.push(group.to_owned());
            save(c.txn, ns, Some(&before), Some(&after))?;
        }
    }
    Ok(())
}

/// Makes these groups the ones that are in a group.
async fn set_groups(c: &mut Context<'_>, group: &str, wanted: &[String]) -> Result<(), Error> {
    let ns = Ns(c.ns);
    let have = save::members(c.txn, ns, group).await?.groups;
    let stay: HashSet<_> = wanted.iter().collect();
    for id in have.iter().filter(|id| !stay.contains(id)) {
        if let Some(before) = save::load::<Group>(c.txn, ns, id).await? {
            let mut after = before.clone();
            after.groups.retain(|have| have != group);
            after.modify_index += 1;
            save(c.txn, ns, Some(&before), Some(&after))?;
        }
    }
    let above = save::above(c.txn, ns, &[group.to_owned()]).await?;
    for id in wanted {
        if id == group {
            return Err(Error::invalid(format!(
                "member group ID {id:?} is same as the ID of the group"
            )));
        }
        if above.contains(id) {
            return Err(Error::invalid(format!(
                "cyclic relationship detected for member group ID {id:?}"
            )));
        }
        let Some(before) = save::load::<Group>(c.txn, ns, id).await? else {
            return Err(Error::invalid(format!("invalid member group ID {id:?}")));
        };
        if !before.groups.iter().any(|have| have == group) {
            let mut after = before.clone();
            after.groups.push(group.to_owned());
            after.modify_index += 1;
            save(c.txn, ns, Some(&before), Some(&after))?;
        }
    }
    Ok(())
}

async fn by_name(c: &mut Context<'_>) -> Result<Option<Group>, Error> {
    let name = c.params.require("name")?;
    save::named(c.txn, Ns(c.ns), &name).await
}

/// A group as a read shows it.
pub async fn describe(c: &mut Context<'_>, group: &Group) -> Result<Value, Error> {
    let members = save::members(c.txn, Ns(c.ns), &group.id).await?;
    let table = c.core.mounts(c.txn).await?;
    Ok(group.describe(c.ns, &members, &Places::of(&table)))
}

/// The group with the id that the path has.
pub async fn read_by_id(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = c.params.require("id")?;
    let found = save::load::<Group>(c.txn, Ns(c.ns), &id).await?;
    Ok(Reply::data(
        describe(c, &found.ok_or(Error::Nothing)?).await?,
    ))
}

/// The group with the name that the path has.
pub async fn read_by_name(c: &mut Context<'_>) -> Result<Reply, Error> {
    let found = by_name(c).await?;
    Ok(Reply::data(
        describe(c, &found.ok_or(Error::Nothing)?).await?,
    ))
}

/// Takes a group away. Who was in it no longer has what it gave.
pub async fn delete_by_id(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = c.params.require("id")?;
    match save::load::<Group>(c.txn, Ns(c.ns), &id).await? {
        Some(group) => delete(c, &group).await,
        None => Ok(Reply::empty()),
    }
}

/// The same by its name.
pub async fn delete_by_name(c: &mut Context<'_>) -> Result<Reply, Error> {
    match by_name(c).await? {
        Some(group) => delete(c, &group).await,
        None => Ok(Reply::empty()),
    }
}

async fn delete(c: &mut Context<'_>, group: &Group) -> Result<Reply, Error> {
    set_entities(c, &group.id, &[]).await?;
    set_groups(c, &group.id, &[]).await?;
    save(c.txn, Ns(c.ns), Some(group), None)?;
    Ok(Reply::empty())
}

/// The ids of all, with what they say.
pub async fn list_ids(c: &mut Context<'_>) -> Result<Reply, Error> {
    let ns = Ns(c.ns);
    let ids = save::below(c.txn, &ns.group("")).await?;
    let table = c.core.mounts(c.txn).await?;
    let places = Places::of(&table);
    let mut info = Map::new();
    for id in &ids {
        if let Some(group) = save::load::<Group>(c.txn, ns, id).await? {
            let prefix = ns.member(id, Entity::KIND, "");
            let members = stored::count(c.txn, &prefix).await?;
            info.insert(id.clone(), group.listed(members, &places));
        }
    }
    Reply::list_with(ids, info)
}

/// The names of all.
pub async fn list_names(c: &mut Context<'_>) -> Result<Reply, Error> {
    Reply::list(save::names::<Group>(c.txn, Ns(c.ns)).await?)
}
