//! Entities and groups as requests need them: decoded once, and kept as long as the change feed does not say otherwise.

use std::collections::HashSet;
use std::sync::Arc;

use coffer_barrier::{Barrier, Cache, Transaction};
use coffer_storage::Index;
use serde::de::DeserializeOwned;

use super::entity::Entity;
use super::group::Group;
use super::save::{Stored, id_at};
use super::view::View;
use crate::keys::{self, Ns};
use crate::{Error, limits};

/// The identity store.
pub struct Identity {
    entities: Cache<Entity>,
    groups: Cache<Group>,
    /// Entities' ids by how auth methods know them.
    known: Cache<String>,
}

impl Identity {
    pub fn new(barrier: &Barrier) -> Self {
        Self {
            entities: barrier.cache(keys::is_entity, limits::CACHED_ENTITIES),
            groups: barrier.cache(keys::is_group, limits::CACHED_GROUPS),
            known: barrier.cache(keys::is_entity_at, limits::CACHED_ENTITIES),
        }
    }

    pub fn seal(&self) {
        self.entities.clear();
        self.groups.clear();
        self.known.clear();
    }

    /// Who has this id, or was merged into who has another. None if there is nobody, or nobody who may do anything.
    pub async fn view(
        &self,
        txn: &mut Transaction,
        ns: &str,
        id: &str,
    ) -> Result<Option<View>, Error> {
        let ns = Ns(ns);
        let mut found = self.entity(txn, ns, id).await?;
        if found.is_none()
            && let Some(id) = id_at(txn, &ns.entity_merged(id)).await?
        {
            found = self.entity(txn, ns, &id).await?;
        }
        match found {
            Some((version, entity)) if !entity.disabled => {
                self.view_of(txn, ns, version, entity).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// All that an entity is in.
    pub async fn view_of(
        &self,
        txn: &mut Transaction,
        ns: Ns<'_>,
        version: Index,
        entity: Arc<Entity>,
    ) -> Result<View, Error> {
        let mut view = View {
            entity,
            direct: Vec::new(),
            inherited: Vec::new(),
            versions: vec![version],
        };
        let mut seen: HashSet<String> = view.entity.groups.iter().cloned().collect();
        let mut wanted = view.entity.groups.clone();
        let mut direct = true;
        while !wanted.is_empty() {
            let mut above = Vec::new();
            for id in wanted {
                let Some((version, group)) = self.group(txn, ns, &id).await? else {
                    view.versions.push(0);
                    continue;
                };
                view.versions.push(version);
                let unseen = group.groups.iter().filter(|id| seen.insert((*id).clone()));
                above.extend(unseen.cloned());
                match direct {
                    true => view.direct.push(group),
                    false => view.inherited.push(group),
                }
            }
            (wanted, direct) = (above, false);
        }
        Ok(view)
    }

    /// The entity that an auth method knows by this name, if that is in memory.
    pub fn remembered(
        &self,
        ns: Ns<'_>,
        accessor: &str,
        name: &str,
    ) -> Option<(Index, Arc<Entity>)> {
        let (_, id) = self.known.get(&ns.at_mount(Entity::KIND, accessor, name))?;
        self.entities.get(&ns.entity(&id))
    }

    /// Keeps in memory what an auth method knows an entity by.
    pub async fn remember(
        &self,
        txn: &mut Transaction,
        ns: Ns<'_>,
        accessor: &str,
        name: &str,
    ) -> Result<Option<(Index, Arc<Entity>)>, Error> {
        let key = ns.at_mount(Entity::KIND, accessor, name);
        let Some((version, value)) = txn.get_versioned(&key).await? else {
            return Ok(None);
        };
        let id = String::from_utf8(value.to_vec()).map_err(|_| Error::Corrupt(key.clone()))?;
        self.known
            .insert(&key, txn.index(), version, Arc::new(id.clone()));
        self.entity(txn, ns, &id).await
    }

    pub async fn group(
        &self,
        txn: &mut Transaction,
        ns: Ns<'_>,
        id: &str,
    ) -> Result<Option<(Index, Arc<Group>)>, Error> {
        cached(&self.groups, txn, &ns.group(id)).await
    }

    async fn entity(
        &self,
        txn: &mut Transaction,
        ns: Ns<'_>,
        id: &str,
    ) -> Result<Option<(Index, Arc<Entity>)>, Error> {
        cached(&self.entities, txn, &ns.entity(id)).await
    }
}

async fn cached<T: DeserializeOwned + Send + Sync + 'static>(
    cache: &Cache<T>,
    txn: &mut Transaction,
    key: &str,
) -> Result<Option<(Index, Arc<T>)>, Error> {
    if let Some(found) = cache.get(key) {
        return Ok(Some(found));
    }
    let Some((version, value)) = txn.get_versioned(key).await? else {
        return Ok(None);
    };
    let value: T = serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key.to_owned()))?;
    let value = Arc::new(value);
    cache.insert(key, txn.index(), version, value.clone());
    Ok(Some((version, value)))
}
