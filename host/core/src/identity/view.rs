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
    /// The commits that wrote the entity and each group that was looked for, 0 for one that is gone: what was put together of
    /// other parts has others.
    pub versions: Vec<Index>,
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
