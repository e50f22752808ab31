//! Who is behind a token: entities, the aliases that auth methods know them by, and the groups that they are in.
//! <https://developer.hashicorp.com/vault/docs/concepts/identity>
//!
//! An entity holds its aliases and names the groups that it is in; a group names the groups that *it* is in. So what
//! somebody may do is found by walking up from the entity, over cached values, and who is in a group by an index.
//! [`save`](self::save) writes that index, and every other way that leads to an entity or a group, with the thing itself.

mod alias_paths;
mod entity;
mod entity_paths;
mod fields;
mod group;
mod group_alias_paths;
mod group_paths;
mod input;
mod login;
mod lookup_paths;
mod merge;
mod place;
mod routes;
mod save;
mod store;
mod view;

pub use entity::Metadata;
pub use login::Alias;
pub use routes::ROUTES;
pub use store::Identity;
pub use view::{View, together};

#[cfg(test)]
pub use entity::{Entity, EntityAlias};
#[cfg(test)]
pub use group::{Group, GroupType};
