//! `identity/group-alias`. <https://developer.hashicorp.com/vault/api-docs/secret/identity/group-alias>

use serde_json::{Map, json};

use super::entity::EntityAlias;
use super::group::{Group, GroupType};
use super::input;
use super::place::Places;
use super::save::{self, Stored, save};
use crate::Error;
use crate::keys::Ns;
use crate::reply::Reply;
use crate::routes::Context;

/// Makes a group's alias, or changes the one with the id that is given.
pub async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let (ns, now) = (Ns(c.ns), c.core.clock.now());
    let owner = match input::given(&c.params, "id")? {
        Some(id) => {
            let found = owner_of(c, &id).await?;
            Some(found.ok_or_else(|| Error::invalid("invalid group alias ID"))?)
        }
        None => None,
    };
    let (owner, mut alias) = match owner {
        Some((group, alias)) => (Some(group), alias),
        None => (None, EntityAlias::new(c.core.random.uuid(), "", "", now)),
    };
    match input::given(&c.params, "name")? {
        Some(name) => {
            input::check_name("alias", &name)?;
            alias.name = name;
        }
        None if owner.is_none() => return Err(Error::invalid("missing alias name")),
        None => {}
    }
    match input::given(&c.params, "mount_accessor")? {
        Some(accessor) => {
            let table = c.core.mounts(c.txn).await?;
            Places::of(&table).check(&accessor)?;
            alias.mount_accessor = accessor;
        }
        None if owner.is_none() => return Err(Error::invalid("missing mount_accessor")),
        None => {}
    }
    alias.modified = now;
    let to = match input::given(&c.params, "canonical_id")? {
        Some(id) => {
            let found = save::load::<Group>(c.txn, ns, &id).await?;
            Some(found.ok_or_else(|| Error::invalid("invalid group ID given in 'canonical_id'"))?)
        }
        None => owner.clone(),
    };
    let target = match &to {
        Some(group) => group.clone(),
        None => Group::new(c.core.random.uuid(), None, GroupType::External, now),
    };
    if target.kind == GroupType::Internal {
        return Err(Error::invalid("alias can't be set on an internal group"));
    }
    let key = ns.at_mount(Group::KIND, &alias.mount_accessor, &alias.name);
    if let Some(other) = save::at::<Group>(c.txn, ns, &key).await?
        && other.alias.is_none_or(|have| have.id != alias.id)
    {
        return Err(Error::invalid(
            "combination of mount and group alias name is already in use",
        ));
    }
    // Whoever loses it is stored first.
    if let Some(owner) = owner.filter(|owner| owner.id != target.id) {
        save(c.txn, ns, Some(&owner), Some(&without_alias(&owner)))?;
    }
    let answer = json!({ "canonical_id": target.id, "id": alias.id });
    let after = Group {
        alias: Some(alias),
        modify_index: target.modify_index + 1,
        modified: now,
        ..target
    };
    save(c.txn, ns, to.as_ref(), Some(&after))?;
    Ok(Reply::data(answer))
}

fn without_alias(group: &Group) -> Group {
    Group {
        alias: None,
        modify_index: group.modify_index + 1,
        ..group.clone()
    }
}

/// An alias, and the group that has it.
async fn owner_of(c: &mut Context<'_>, id: &str) -> Result<Option<(Group, EntityAlias)>, Error> {
    let ns = Ns(c.ns);
    let found = save::at::<Group>(c.txn, ns, &ns.alias(Group::KIND, id)).await?;
    Ok(found.and_then(|group| {
        let alias = group.alias.clone()?;
        Some((group, alias))
    }))
}

/// The alias with the id that the path has.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = c.params.require("id")?;
    let (group, alias) = owner_of(c, &id).await?.ok_or(Error::Nothing)?;
    let table = c.core.mounts(c.txn).await?;
    let mut said = alias.describe_fully(&group.id, &Places::of(&table));
    said.insert("namespace_id".to_owned(), c.ns.into());
    Ok(Reply::data(said.into()))
}

/// Takes a group's alias away. Nobody comes into the group by logging in from then on; who is in it stays.
pub async fn delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let id = c.params.require("id")?;
    if let Some((group, _)) = owner_of(c, &id).await? {
        save(c.txn, Ns(c.ns), Some(&group), Some(&without_alias(&group)))?;
    }
    Ok(Reply::empty())
}

/// The ids of all, with what they say.
pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let table = c.core.mounts(c.txn).await?;
    let places = Places::of(&table);
    let ids = save::below(c.txn, &Ns(c.ns).alias(Group::KIND, "")).await?;
    let mut info = Map::new();
    for id in &ids {
        if let Some((group, alias)) = owner_of(c, id).await? {
            info.insert(id.clone(), alias.listed(&group.id, &places).into());
        }
    }
    Reply::list_with(ids, info)
}
