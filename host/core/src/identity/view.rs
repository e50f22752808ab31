//! Who somebody is at a moment: an entity with all groups that it is in.

use std::sync::Arc;

use coffer_storage::Index;

use super::entity::Entity;
use super::group::Group;

/// An entity, the groups that it is in, and those that these are in.
#[derive(Clone, Debug)]
pub struct View {
    pub entity: Arc<Entity>,
    pub direct: Vec<Arc<Group>>,
    pub inherited: Vec<Arc<Group>>,
    /// The last commit that changed any of this: who joins or leaves a group changes, so another view has a later one.
    pub version: Index,
}

impl View {
    /// All groups.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.direct.iter().chain(&self.inherited)
    }

    /// The policies that it has as who it is, besides those of its token: sorted, each once.
    pub fn policies(&self) -> Vec<String> {
        let of_groups = self
            .groups()
            .flat_map(|group| group.policies.iter().flatten());
        together(self.entity.policies.iter().chain(of_groups))
    }
}

/// Policies from several sources: sorted, each once.
pub fn together<'p>(policies: impl IntoIterator<Item = &'p String>) -> Vec<String> {
    let mut policies: Vec<_> = policies.into_iter().cloned().collect();
    policies.sort();
    policies.dedup();
    policies
}
