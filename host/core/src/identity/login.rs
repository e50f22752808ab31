//! What a login says about who somebody is.

use std::collections::BTreeSet;
use std::sync::Arc;

use coffer_barrier::Transaction;

use super::entity::{Entity, EntityAlias, Metadata};
use super::group::Group;
use super::input::check_name;
use super::save::{self, Stored, save};
use super::view::View;
use crate::keys::Ns;
use crate::{Core, Error};

/// How an auth method knows who logs in.
#[derive(Clone, Debug, Default)]
pub struct Alias {
    pub mount_accessor: String,
    pub name: String,
    pub metadata: Metadata,
    /// The groups that somebody vouches for, by the names that they have at this mount.
    pub groups: Vec<String>,
}

impl Core {
    /// Whom an auth method knows by this alias: a new entity, if nobody was known by it.
    ///
    /// What is new is committed at once, not with the login: two who come first with the same name are the same, and
    /// neither login is in the other's way. `txn` is the login's, and only read from.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] if the entity is disabled.
    pub(crate) async fn identify(
        &self,
        txn: &mut Transaction,
        ns: &str,
        alias: &Alias,
    ) -> Result<View, Error> {
        check_name("alias", &alias.name)?;
        let ns = Ns(ns);
        let known = self
            .identity
            .remembered(ns, &alias.mount_accessor, &alias.name);
        let (version, entity) = match known {
            Some((version, entity)) if self.is_as_said(txn, ns, &entity, alias).await? => {
                (version, entity)
            }
            _ => self.settle(ns, alias).await?,
        };
        if entity.disabled {
            return Err(Error::InvalidToken);
        }
        self.identity.view_of(txn, ns, version, entity).await
    }

    /// Whether nothing about an entity differs from what the login says.
    async fn is_as_said(
        &self,
        txn: &mut Transaction,
        ns: Ns<'_>,
        entity: &Entity,
        alias: &Alias,
    ) -> Result<bool, Error> {
        let same = entity
            .alias_at(&alias.mount_accessor)
            .is_some_and(|have| said(have) == &alias.metadata);
        if !same {
            return Ok(false);
        }
        let wanted = groups_of(txn, ns, alias).await?;
        for id in &entity.groups {
            let Some((_, group)) = self.identity.group(txn, ns, id).await? else {
                continue;
            };
            if group.is_filled_at(&alias.mount_accessor) && !wanted.contains(id) {
                return Ok(false);
            }
        }
        Ok(wanted.iter().all(|id| entity.groups.contains(id)))
    }

    /// Stores what the login says that was not known.
    async fn settle(
        &self,
        ns: Ns<'_>,
        alias: &Alias,
    ) -> Result<(coffer_storage::Index, Arc<Entity>), Error> {
        self.transact(|mut txn| async move {
            let key = ns.at_mount(Entity::KIND, &alias.mount_accessor, &alias.name);
            let before = save::at::<Entity>(&mut txn, ns, &key).await?;
            let after = self.told(&mut txn, ns, before.clone(), alias).await?;
            if before.as_ref() != Some(&after) {
                save(&mut txn, ns, before.as_ref(), Some(&after))?;
            }
            Ok(((), txn))
        })
        .await?;
        let mut txn = self.barrier.begin()?;
        let (accessor, name) = (&alias.mount_accessor, &alias.name);
        let found = self.identity.remember(&mut txn, ns, accessor, name).await?;
        // Whoever has just been deleted may come again.
        found.ok_or(Error::InvalidToken)
    }

    /// The entity, with what the login says.
    async fn told(
        &self,
        txn: &mut Transaction,
        ns: Ns<'_>,
        before: Option<Entity>,
        alias: &Alias,
    ) -> Result<Entity, Error> {
        let now = self.clock.now();
        let mut entity = match before {
            Some(entity) => entity,
            None => {
                let (accessor, name) = (&alias.mount_accessor, &alias.name);
                let mut entity = Entity::new(self.random.uuid(), None, now);
                let alias = EntityAlias::new(self.random.uuid(), accessor, name, now);
                entity.aliases.push(alias);
                entity
            }
        };
        let mut aliases = entity.aliases.iter_mut();
        if let Some(have) = aliases.find(|have| have.mount_accessor == alias.mount_accessor)
            && said(have) != &alias.metadata
        {
            have.metadata = Some(alias.metadata.clone()).filter(|metadata| !metadata.is_empty());
            have.modified = now;
        }
        let wanted = groups_of(txn, ns, alias).await?;
        let mut groups = Vec::new();
        for id in std::mem::take(&mut entity.groups) {
            let group = save::load::<Group>(txn, ns, &id).await?;
            if group.is_some_and(|group| !group.is_filled_at(&alias.mount_accessor)) {
                groups.push(id);
            }
        }
        groups.extend(wanted);
        entity.groups = groups;
        Ok(entity)
    }
}

/// What the last login has said; nothing is the same as an empty map.
fn said(alias: &EntityAlias) -> &Metadata {
    static NOTHING: Metadata = Metadata::new();
    alias.metadata.as_ref().unwrap_or(&NOTHING)
}

/// The groups that there are, of those that somebody vouches for. Each is read: who comes into one that goes conflicts with that.
async fn groups_of(
    txn: &mut Transaction,
    ns: Ns<'_>,
    alias: &Alias,
) -> Result<BTreeSet<String>, Error> {
    let mut ids = BTreeSet::new();
    for name in &alias.groups {
        let key = ns.at_mount(Group::KIND, &alias.mount_accessor, name);
        let group = save::at::<Group>(txn, ns, &key).await?;
        ids.extend(group.map(|group| group.id));
    }
    Ok(ids)
}
