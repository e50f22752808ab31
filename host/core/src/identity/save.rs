//! Storing entities and groups with every way that leads to them.

use std::collections::BTreeMap;

use coffer_barrier::Transaction;
use serde::Serialize;

use super::entity::Entity;
use super::group::{Group, Members};
use crate::keys::Ns;
use crate::{Error, limits, stored};

/// What is stored under its id and found by other ways.
pub trait Stored: Serialize {
    /// What its kind is called in keys.
    const KIND: &'static str;

    fn key(&self, ns: Ns<'_>) -> String;

    /// The keys that lead to it, and what they hold.
    fn ways(&self, ns: Ns<'_>) -> BTreeMap<String, Vec<u8>>;
}

impl Stored for Entity {
    const KIND: &'static str = "entity";

    fn key(&self, ns: Ns<'_>) -> String {
        ns.entity(&self.id)
    }

    fn ways(&self, ns: Ns<'_>) -> BTreeMap<String, Vec<u8>> {
        let id = || self.id.clone().into_bytes();
        let mut ways = BTreeMap::from([(ns.named(Self::KIND, &self.name), id())]);
        for alias in &self.aliases {
            let at = ns.at_mount(Self::KIND, &alias.mount_accessor, &alias.name);
            ways.insert(at, id());
            ways.insert(ns.alias(Self::KIND, &alias.id), id());
        }
        for merged in &self.merged {
            ways.insert(ns.entity_merged(merged), id());
        }
        for group in &self.groups {
            ways.insert(ns.member(group, Self::KIND, &self.id), Vec::new());
        }
        ways
    }
}

impl Stored for Group {
    const KIND: &'static str = "group";

    fn key(&self, ns: Ns<'_>) -> String {
        ns.group(&self.id)
    }

    fn ways(&self, ns: Ns<'_>) -> BTreeMap<String, Vec<u8>> {
        let id = || self.id.clone().into_bytes();
        let mut ways = BTreeMap::from([(ns.named(Self::KIND, &self.name), id())]);
        if let Some(alias) = &self.alias {
            let at = ns.at_mount(Self::KIND, &alias.mount_accessor, &alias.name);
            ways.insert(at, id());
            ways.insert(ns.alias(Self::KIND, &alias.id), id());
        }
        for group in &self.groups {
            ways.insert(ns.member(group, Self::KIND, &self.id), Vec::new());
        }
        ways
    }
}

/// Stores what there is now, and takes away what no longer leads to it. What loses a name is stored before what gets it.
pub fn save<T: Stored>(
    txn: &mut Transaction,
    ns: Ns<'_>,
    before: Option<&T>,
    after: Option<&T>,
) -> Result<(), Error> {
    let ways = |thing: Option<&T>| thing.map(|thing| thing.ways(ns)).unwrap_or_default();
    let (old, new) = (ways(before), ways(after));
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        txn.delete(key.clone());
    }
    for (key, value) in new {
        if old.get(&key) != Some(&value) {
            txn.put(key, value);
        }
    }
    match (before, after) {
        (_, Some(after)) => stored::save(txn, after.key(ns), after),
        (Some(before), None) => {
            txn.delete(before.key(ns));
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

/// The id that one of the ways leads to.
pub async fn id_at(txn: &mut Transaction, key: &str) -> Result<Option<String>, Error> {
    let Some(value) = txn.get(key).await? else {
        return Ok(None);
    };
    String::from_utf8(value.to_vec())
        .map(Some)
        .map_err(|_| Error::Corrupt(key.to_owned()))
}

/// The entity with this id, as this transaction has made it.
pub async fn entity(txn: &mut Transaction, ns: Ns<'_>, id: &str) -> Result<Option<Entity>, Error> {
    stored::load(txn, &ns.entity(id)).await
}

/// The group with this id, as this transaction has made it.
pub async fn group(txn: &mut Transaction, ns: Ns<'_>, id: &str) -> Result<Option<Group>, Error> {
    stored::load(txn, &ns.group(id)).await
}

/// The entity that one of the ways leads to.
pub async fn entity_at(
    txn: &mut Transaction,
    ns: Ns<'_>,
    key: &str,
) -> Result<Option<Entity>, Error> {
    match id_at(txn, key).await? {
        Some(id) => entity(txn, ns, &id).await,
        None => Ok(None),
    }
}

/// The group that one of the ways leads to.
pub async fn group_at(
    txn: &mut Transaction,
    ns: Ns<'_>,
    key: &str,
) -> Result<Option<Group>, Error> {
    match id_at(txn, key).await? {
        Some(id) => group(txn, ns, &id).await,
        None => Ok(None),
    }
}

/// Who is in a group.
pub async fn members(txn: &Transaction, ns: Ns<'_>, group: &str) -> Result<Members, Error> {
    Ok(Members {
        entities: below(txn, &ns.member(group, Entity::KIND, "")).await?,
        groups: below(txn, &ns.member(group, Group::KIND, "")).await?,
    })
}

/// These groups, and those that they are in, at any distance.
pub async fn above(
    txn: &mut Transaction,
    ns: Ns<'_>,
    groups: &[String],
) -> Result<Vec<String>, Error> {
    let mut all = groups.to_vec();
    let mut next = 0;
    while let Some(id) = all.get(next).cloned() {
        if let Some(found) = group(txn, ns, &id).await? {
            let new = found.groups.into_iter().filter(|id| !all.contains(id));
            all.extend(new.collect::<Vec<_>>());
        }
        next += 1;
    }
    Ok(all)
}

/// What comes after a prefix in the keys that have it.
pub async fn below(txn: &Transaction, prefix: &str) -> Result<Vec<String>, Error> {
    let keys = txn.list(prefix, None, limits::MAX_LIST).await?;
    let rest = keys.iter().filter_map(|key| key.strip_prefix(prefix));
    Ok(rest.map(str::to_owned).collect())
}
