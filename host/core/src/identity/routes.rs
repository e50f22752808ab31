//! `identity/`. <https://developer.hashicorp.com/vault/api-docs/secret/identity>

use super::{
    alias_paths, entity_paths, fields, group_alias_paths, group_paths, lookup_paths, merge,
};
use crate::fields::NOTHING;
use crate::request::Method::{Delete, Get, List, Post};
use crate::routes::{Needs, Route};

/// The identity store's paths.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    Route { pattern: "entity", help: "Makes or changes an entity.", needs: Needs::Token, fields: fields::ENTITY, operations: &[(Post, |c| Box::pin(entity_paths::write(c)))] },
    Route { pattern: "entity/batch-delete", help: "Takes entities away.", needs: Needs::Token, fields: fields::ENTITIES, operations: &[(Post, |c| Box::pin(entity_paths::batch_delete(c)))] },
    Route { pattern: "entity/merge", help: "Makes several entities one.", needs: Needs::Token, fields: fields::MERGE, operations: &[(Post, |c| Box::pin(merge::merge(c)))] },
    Route { pattern: "entity/id", help: "The ids of the entities.", needs: Needs::Token, fields: NOTHING, operations: &[(List, |c| Box::pin(entity_paths::list_ids(c)))] },
    Route { pattern: "entity/id/{id}", help: "An entity by its id.", needs: Needs::Token, fields: fields::ENTITY, operations: &[
        (Get, |c| Box::pin(entity_paths::read_by_id(c))), (Post, |c| Box::pin(entity_paths::write(c))), (Delete, |c| Box::pin(entity_paths::delete_by_id(c))),
    ] },
    Route { pattern: "entity/name", help: "The names of the entities.", needs: Needs::Token, fields: NOTHING, operations: &[(List, |c| Box::pin(entity_paths::list_names(c)))] },
    Route { pattern: "entity/name/{name*}", help: "An entity by its name.", needs: Needs::Token, fields: fields::ENTITY_BY_NAME, operations: &[
        (Get, |c| Box::pin(entity_paths::read_by_name(c))), (Post, |c| Box::pin(entity_paths::write_by_name(c))), (Delete, |c| Box::pin(entity_paths::delete_by_name(c))),
    ] },

    Route { pattern: "entity-alias", help: "Makes or changes an entity's alias.", needs: Needs::Token, fields: fields::ENTITY_ALIAS, operations: &[(Post, |c| Box::pin(alias_paths::write(c)))] },
    Route { pattern: "entity-alias/id", help: "The ids of the entities' aliases.", needs: Needs::Token, fields: NOTHING, operations: &[(List, |c| Box::pin(alias_paths::list(c)))] },
    Route { pattern: "entity-alias/id/{id}", help: "An entity's alias by its id.", needs: Needs::Token, fields: fields::ENTITY_ALIAS, operations: &[
        (Get, |c| Box::pin(alias_paths::read(c))), (Post, |c| Box::pin(alias_paths::write(c))), (Delete, |c| Box::pin(alias_paths::delete(c))),
    ] },
    // The names that these had before.
    Route { pattern: "alias", help: "As entity-alias.", needs: Needs::Token, fields: fields::ENTITY_ALIAS, operations: &[(Post, |c| Box::pin(alias_paths::write(c)))] },
    Route { pattern: "alias/id", help: "As entity-alias/id.", needs: Needs::Token, fields: NOTHING, operations: &[(List, |c| Box::pin(alias_paths::list(c)))] },
    Route { pattern: "alias/id/{id}", help: "As entity-alias/id.", needs: Needs::Token, fields: fields::ENTITY_ALIAS, operations: &[
        (Get, |c| Box::pin(alias_paths::read(c))), (Post, |c| Box::pin(alias_paths::write(c))), (Delete, |c| Box::pin(alias_paths::delete(c))),
    ] },
    Route { pattern: "persona", help: "As entity-alias.", needs: Needs::Token, fields: fields::ENTITY_ALIAS, operations: &[(Post, |c| Box::pin(alias_paths::write(c)))] },
    Route { pattern: "persona/id", help: "As entity-alias/id.", needs: Needs::Token, fields: NOTHING, operations: &[(List, |c| Box::pin(alias_paths::list(c)))] },
    Route { pattern: "persona/id/{id}", help: "As entity-alias/id.", needs: Needs::Token, fields: fields::ENTITY_ALIAS, operations: &[
        (Get, |c| Box::pin(alias_paths::read(c))), (Post, |c| Box::pin(alias_paths::write(c))), (Delete, |c| Box::pin(alias_paths::delete(c))),
    ] },

    Route { pattern: "group", help: "Makes or changes a group.", needs: Needs::Token, fields: fields::GROUP, operations: &[(Post, |c| Box::pin(group_paths::write(c)))] },
    Route { pattern: "group/id", help: "The ids of the groups.", needs: Needs::Token, fields: NOTHING, operations: &[(List, |c| Box::pin(group_paths::list_ids(c)))] },
    Route { pattern: "group/id/{id}", help: "A group by its id.", needs: Needs::Token, fields: fields::GROUP, operations: &[
        (Get, |c| Box::pin(group_paths::read_by_id(c))), (Post, |c| Box::pin(group_paths::write(c))), (Delete, |c| Box::pin(group_paths::delete_by_id(c))),
    ] },
    Route { pattern: "group/name", help: "The names of the groups.", needs: Needs::Token, fields: NOTHING, operations: &[(List, |c| Box::pin(group_paths::list_names(c)))] },
    Route { pattern: "group/name/{name*}", help: "A group by its name.", needs: Needs::Token, fields: fields::GROUP_BY_NAME, operations: &[
        (Get, |c| Box::pin(group_paths::read_by_name(c))), (Post, |c| Box::pin(group_paths::write_by_name(c))), (Delete, |c| Box::pin(group_paths::delete_by_name(c))),
    ] },

    Route { pattern: "group-alias", help: "Makes or changes a group's alias.", needs: Needs::Token, fields: fields::GROUP_ALIAS, operations: &[(Post, |c| Box::pin(group_alias_paths::write(c)))] },
    Route { pattern: "group-alias/id", help: "The ids of the groups' aliases.", needs: Needs::Token, fields: NOTHING, operations: &[(List, |c| Box::pin(group_alias_paths::list(c)))] },
    Route { pattern: "group-alias/id/{id}", help: "A group's alias by its id.", needs: Needs::Token, fields: fields::GROUP_ALIAS, operations: &[
        (Get, |c| Box::pin(group_alias_paths::read(c))), (Post, |c| Box::pin(group_alias_paths::write(c))), (Delete, |c| Box::pin(group_alias_paths::delete(c))),
    ] },

    Route { pattern: "lookup/entity", help: "Finds an entity.", needs: Needs::Token, fields: fields::LOOKUP, operations: &[(Post, |c| Box::pin(lookup_paths::entity(c)))] },
    Route { pattern: "lookup/group", help: "Finds a group.", needs: Needs::Token, fields: fields::LOOKUP, operations: &[(Post, |c| Box::pin(lookup_paths::group(c)))] },
];
