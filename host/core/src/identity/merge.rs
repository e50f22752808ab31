//! `identity/entity/merge`: several entities become one.
//! <https://developer.hashicorp.com/vault/api-docs/secret/identity/entity#merge-entities>

use super::entity::Entity;
use super::input;
use super::save::{self, save};
use crate::Error;
use crate::keys::Ns;
use crate::reply::Reply;
use crate::routes::Context;

/// Gives one entity the aliases and the groups of others, which are gone then; their tokens are its own.
pub async fn merge(c: &mut Context<'_>) -> Result<Reply, Error> {
    let ns = Ns(c.ns);
    let to = input::given(&c.params, "to_entity_id")?
        .ok_or_else(|| Error::invalid("missing entity id to merge to"))?;
    let mut from = c.params.list("from_entity_ids")?.unwrap_or_default();
    from.sort();
    from.dedup();
    if from.is_empty() {
        return Err(Error::invalid("missing entity ids to merge from"));
    }
    if from.contains(&to) {
        return Err(Error::invalid(
            "to_entity_id should not be present in from_entity_ids",
        ));
    }
    let before = save::load::<Entity>(c.txn, ns, &to)
        .await?
        .ok_or_else(|| Error::invalid("entity id to merge to is invalid"))?;
    let keep = c.params.list("conflicting_alias_ids_to_keep")?;
    let keep = keep.unwrap_or_default();
    let mut after = before.clone();
    after.modified = c.core.clock.now();
    for id in from {
        let gone = save::load::<Entity>(c.txn, ns, &id)
            .await?
            .ok_or_else(|| Error::invalid("entity id to merge from is invalid"))?;
        take(&mut after, &gone, &keep)?;
        // What leads to it leads to the other one next.
        save(c.txn, ns, Some(&gone), None)?;
    }
    save(c.txn, ns, Some(&before), Some(&after))?;
    Ok(Reply::empty())
}

/// Adds to one entity what another has.
fn take(to: &mut Entity, from: &Entity, keep: &[String]) -> Result<(), Error> {
    for alias in &from.aliases {
        let mut alias = alias.clone();
        alias.merged_from.push(from.id.clone());
        match to.alias_at(&alias.mount_accessor) {
            None => to.aliases.push(alias),
            Some(have) if keep.contains(&have.id) => {}
            Some(have) if keep.contains(&alias.id) => {
                let have = have.id.clone();
                to.aliases.retain(|other| other.id != have);
                to.aliases.push(alias);
            }
            Some(have) => {
                return Err(Error::invalid(format!(
                    "toEntity and at least one fromEntity have aliases with the same mount accessor, repeat the merge request specifying exactly one fromEntity, clashes: mountAccessor: {}, toEntity ID: {}, fromEntity ID: {}, conflicting toEntity alias ID: {}, conflicting fromEntity alias ID: {}; name the one to keep in conflicting_alias_ids_to_keep",
                    alias.mount_accessor, to.id, from.id, have.id, alias.id
                )));
            }
        }
    }
    for group in &from.groups {
        if !to.groups.contains(group) {
            to.groups.push(group.clone());
        }
    }
    to.merged.push(from.id.clone());
    to.merged.extend(from.merged.iter().cloned());
    Ok(())
}
