//! What is stored of an entity, and of an alias.

use std::collections::BTreeMap;

use coffer_clock::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::place::Places;
use crate::time::rfc3339;

/// What is said about something, in texts.
pub type Metadata = BTreeMap<String, String>;

/// How something is known at a mount: an entity at an auth mount, a group where its members log in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityAlias {
    pub id: String,
    pub mount_accessor: String,
    pub name: String,
    /// What the auth method said at the last login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// What operators say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_metadata: Option<Metadata>,
    /// The entities that it belonged to before they were merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged_from: Vec<String>,
    pub created: UnixMillis,
    pub modified: UnixMillis,
}

/// Somebody, or something, that logs in: by whichever auth methods, it is the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Its tokens are good for nothing, and it gets no new ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// The entities that were merged into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<String>,
    /// At most one for each mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<EntityAlias>,
    /// The groups that it is in itself, by their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    pub created: UnixMillis,
    pub modified: UnixMillis,
}

impl EntityAlias {
    /// A new one.
    pub fn new(id: String, mount_accessor: &str, name: &str, now: UnixMillis) -> Self {
        Self {
            id,
            mount_accessor: mount_accessor.to_owned(),
            name: name.to_owned(),
            metadata: None,
            custom_metadata: None,
            merged_from: Vec::new(),
            created: now,
            modified: now,
        }
    }

    /// As what has it shows it, if that is a group: `canonical` is its id.
    pub fn describe(&self, canonical: &str, places: &Places<'_>) -> Map<String, Value> {
        let merged_from = Some(&self.merged_from).filter(|ids| !ids.is_empty());
        let mut map = object(json!({
            "canonical_id": canonical,
            "creation_time": rfc3339(self.created),
            "id": self.id,
            "last_update_time": rfc3339(self.modified),
            "merged_from_canonical_ids": merged_from,
            "metadata": self.metadata,
            "mount_accessor": self.mount_accessor,
            "name": self.name,
        }));
        places.add(&self.mount_accessor, &mut map);
        map
    }

    /// As an entity shows it, and as a read of the alias itself does.
    pub fn describe_fully(&self, canonical: &str, places: &Places<'_>) -> Map<String, Value> {
        let mut map = self.describe(canonical, places);
        map.insert("custom_metadata".into(), json!(self.custom_metadata));
        map.insert("local".into(), false.into());
        map
    }

    /// As lists of what has aliases show it.
    pub fn brief(&self, places: &Places<'_>) -> Map<String, Value> {
        let mut map = object(json!({
            "id": self.id,
            "mount_accessor": self.mount_accessor,
            "name": self.name,
        }));
        places.add(&self.mount_accessor, &mut map);
        map
    }

    /// As lists of aliases show it.
    pub fn listed(&self, canonical: &str, places: &Places<'_>) -> Map<String, Value> {
        let mut map = object(json!({
            "canonical_id": canonical,
            "custom_metadata": self.custom_metadata,
            "local": false,
            "metadata": self.metadata,
            "mount_accessor": self.mount_accessor,
            "name": self.name,
        }));
        places.add(&self.mount_accessor, &mut map);
        map
    }
}

impl Entity {
    /// One that nothing is known of yet. Without a name it gets one from its id.
    pub fn new(id: String, name: Option<&str>, now: UnixMillis) -> Self {
        Self {
            name: name.map_or_else(|| made_up("entity", &id), str::to_owned),
            id,
            metadata: None,
            policies: Vec::new(),
            disabled: false,
            merged: Vec::new(),
            aliases: Vec::new(),
            groups: Vec::new(),
            created: now,
            modified: now,
        }
    }

    /// Its alias at a mount.
    pub fn alias_at(&self, mount_accessor: &str) -> Option<&EntityAlias> {
        let mut aliases = self.aliases.iter();
        aliases.find(|alias| alias.mount_accessor == mount_accessor)
    }

    /// As a read shows it; `inherited` are the groups that its groups are in.
    pub fn describe(&self, ns: &str, inherited: &[String], places: &Places<'_>) -> Value {
        let aliases: Vec<_> = self
            .aliases
            .iter()
            .map(|alias| alias.describe_fully(&self.id, places))
            .collect();
        let all: Vec<_> = self.groups.iter().chain(inherited).collect();
        json!({
            "aliases": aliases,
            "creation_time": rfc3339(self.created),
            "direct_group_ids": self.groups,
            "disabled": self.disabled,
            "group_ids": all,
            "id": self.id,
            "inherited_group_ids": inherited,
            "last_update_time": rfc3339(self.modified),
            "merged_entity_ids": Some(&self.merged).filter(|ids| !ids.is_empty()),
            "metadata": self.metadata,
            "name": self.name,
            "namespace_id": ns,
            "policies": self.policies,
        })
    }
}

/// The name of what nobody has named: its kind, and its id, which nothing else has.
pub fn made_up(kind: &str, id: &str) -> String {
    format!("{kind}_{id}")
}

pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
