//! What is stored of a group.

use coffer_clock::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entity::{EntityAlias, Metadata, made_up, object};
use super::place::Places;
use crate::Error;
use crate::time::rfc3339;

/// Who says who is in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupType {
    /// Operators do.
    #[default]
    Internal,
    /// Whoever vouches for those who log in does, at each login.
    External,
}

impl GroupType {
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "internal" => Ok(Self::Internal),
            "external" => Ok(Self::External),
            other => Err(Error::invalid(format!("invalid group type {other:?}"))),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
        }
    }
}

/// A group of entities and of groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub id: String,
    pub name: String,
    #[serde(rename = "type", default)]
    pub kind: GroupType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// None if nobody ever said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<String>>,
    /// How an external one is known where its members log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<EntityAlias>,
    /// The groups that it is in itself, by their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// How often operators have changed it.
    pub modify_index: u64,
    pub created: UnixMillis,
    pub modified: UnixMillis,
}

impl Group {
    /// A new one. Without a name it gets one from its id.
    pub fn new(id: String, name: Option<&str>, kind: GroupType, now: UnixMillis) -> Self {
        Self {
            name: name.map_or_else(|| made_up("group", &id), str::to_owned),
            id,
            kind,
            metadata: None,
            policies: None,
            alias: None,
            groups: Vec::new(),
            modify_index: 0,
            created: now,
            modified: now,
        }
    }

    /// Whether logins at this mount say who is in it. Where nothing says any more who is in an external group, nobody is from
    /// the next login on.
    pub fn is_filled_at(&self, mount_accessor: &str) -> bool {
        let elsewhere = |alias: &EntityAlias| alias.mount_accessor != mount_accessor;
        self.kind == GroupType::External && !self.alias.as_ref().is_some_and(elsewhere)
    }

    /// As a read shows it.
    pub fn describe(&self, ns: &str, members: &Members, places: &Places<'_>) -> Value {
        let some = |ids: &'_ Vec<String>| (!ids.is_empty()).then(|| ids.clone());
        let alias = self.alias.as_ref();
        json!({
            "alias": alias.map(|alias| alias.describe(&self.id, places)).unwrap_or_default(),
            "creation_time": rfc3339(self.created),
            "id": self.id,
            "last_update_time": rfc3339(self.modified),
            "member_entity_ids": some(&members.entities),
            "member_group_ids": some(&members.groups),
            "metadata": self.metadata,
            "modify_index": self.modify_index,
            "name": self.name,
            "namespace_id": ns,
            "parent_group_ids": some(&self.groups),
            "policies": self.policies,
            "type": self.kind.name(),
        })
    }

    /// As lists show it.
    pub fn listed(&self, members: usize, places: &Places<'_>) -> Value {
        let mut map = object(json!({
            "name": self.name,
            "num_member_entities": members,
            "num_parent_groups": self.groups.len(),
        }));
        if let Some(alias) = &self.alias {
            map.insert("alias".to_owned(), alias.brief(places).into());
        }
        map.into()
    }
}

/// Who is in a group, by their ids.
#[derive(Debug, Default)]
pub struct Members {
    pub entities: Vec<String>,
    pub groups: Vec<String>,
}
