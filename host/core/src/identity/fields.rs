//! What the paths of identity take.

use coffer_runtime::FieldType::{Boolean, Text, TextList, TextMap};

use crate::fields::{Field, Fields, field};

const ID: Field = field("id", Text, "The id of the one to change.");
const NAME: Field = field("name", Text, "The name.");
const METADATA: Field = field("metadata", TextMap, "What is to be said about it.");
const POLICIES: Field = field(
    "policies",
    TextList,
    "The policies that come with it, besides a token's own.",
);
const DISABLED: Field = field(
    "disabled",
    Boolean,
    "Whether its tokens are good for nothing, and it gets no new ones.",
);
const MOUNT: Field = field(
    "mount_accessor",
    Text,
    "The accessor of the auth mount that knows it by that name.",
);
const CANONICAL: Field = field("canonical_id", Text, "The id of what has the alias.");
const TYPE: Field = field(
    "type",
    Text,
    "internal, or external: then logins say who is in it.",
);
const MEMBER_GROUPS: Field = field("member_group_ids", TextList, "The groups that are in it.");
const MEMBER_ENTITIES: Field = field(
    "member_entity_ids",
    TextList,
    "The entities that are in it.",
);

pub const ENTITY: Fields = Some(&[ID, NAME, METADATA, POLICIES, DISABLED]);
pub const ENTITY_BY_NAME: Fields = Some(&[METADATA, POLICIES, DISABLED]);
pub const GROUP: Fields = Some(&[
    ID,
    NAME,
    TYPE,
    METADATA,
    POLICIES,
    MEMBER_GROUPS,
    MEMBER_ENTITIES,
]);
pub const GROUP_BY_NAME: Fields = Some(&[TYPE, METADATA, POLICIES, MEMBER_GROUPS, MEMBER_ENTITIES]);
pub const ENTITY_ALIAS: Fields = Some(&[
    ID,
    NAME,
    MOUNT,
    CANONICAL,
    field("entity_id", Text, "canonical_id, by an old name."),
    field(
        "custom_metadata",
        TextMap,
        "What operators say about the alias.",
    ),
]);
pub const GROUP_ALIAS: Fields = Some(&[ID, NAME, MOUNT, CANONICAL]);
pub const ENTITIES: Fields = Some(&[field("entity_ids", TextList, "The ids of entities.")]);
pub const MERGE: Fields = Some(&[
    field("to_entity_id", Text, "The entity that the others become."),
    field("from_entity_ids", TextList, "The others."),
    field(
        "conflicting_alias_ids_to_keep",
        TextList,
        "Which aliases stay where both have one at the same mount.",
    ),
    field("force", Boolean, "Of no effect: there are no MFA secrets."),
]);
pub const LOOKUP: Fields = Some(&[
    field("id", Text, "The id."),
    NAME,
    field("alias_id", Text, "The id of an alias."),
    field(
        "alias_name",
        Text,
        "The name of an alias, with alias_mount_accessor.",
    ),
    field("alias_mount_accessor", Text, "Where that name is known."),
]);
