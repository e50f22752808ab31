//! Storing entities and groups with every way that leads to them.

use std::collections::BTreeMap;

use coffer_barrier::Transaction;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entity::Entity;
use super::group::{Group, Members};
use crate::keys::Ns;
use crate::{Error, limits, stored};

/// What is stored under its id and found by other ways.
pub trait Stored: Serialize + DeserializeOwned {
    /// What its kind is called in keys.
    const KIND: &'static str;

    /// The key of the one with an id.
    fn key(ns: Ns<'_>, id: &str) -> String;

    fn id(&self) -> &str;

    fn name(&self) -> &str;

    /// The keys that lead to it, and what they hold.
    fn ways(&self, ns: Ns<'_>) -> BTreeMap<String, Vec<u8>>;
}

impl Stored for Entity {
    const KIND: &'static str = "entity";

    fn key(ns: Ns<'_>, id: &str) -> String {
        ns.entity(id)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
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

    fn key(ns: Ns<'_>, id: &str) -> String {
        ns.group(id)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
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
        (_, Some(after)) => stored::save(txn, T::key(ns, after.id()), after),
        (Some(before), None) => {
            txn.delete(T::key(ns, before.id()));
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

/// The one with this id, as this transaction has made it.
pub async fn load<T: Stored>(
    txn: &mut Transaction,
    ns: Ns<'_>,
    id: &str,
) -> Result<Option<T>, Error> {
    stored::load(txn, &T::key(ns, id)).await
}

/// The one that one of the ways leads to.
pub async fn at<T: Stored>(
    txn: &mut Transaction,
    ns: Ns<'_>,
    key: &str,
) -> Result<Option<T>, Error> {
    match id_at(txn, key).await? {
        Some(id) => load(txn, ns, &id).await,
        None => Ok(None),
    }
}

/// The one with this name.
pub async fn named<T: Stored>(
    txn: &mut Transaction,
    ns: Ns<'_>,
    name: &str,
) -> Result<Option<T>, Error> {
    at(txn, ns, &ns.named(T::KIND, name)).await
}

/// The names of all.
pub async fn names<T: Stored>(txn: &mut Transaction, ns: Ns<'_>) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let prefix = ns.named(T::KIND, "");
    for key in txn.list(&prefix, None, limits::MAX_LIST).await? {
        let found: Option<T> = at(txn, ns, &key).await?;
        names.extend(found.map(|found| found.name().to_owned()));
    }
    Ok(names)
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
        if let Some(found) = load::<Group>(txn, ns, &id).await? {
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
