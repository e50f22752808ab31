//! `{{identity...}}` in the paths of policies.
//! <https://developer.hashicorp.com/vault/docs/concepts/policies#templated-policies>

use crate::identity::{Metadata, View};

/// For whom a path is filled in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// Who holds the token, if that is known.
    pub identity: Option<&'a View>,
}

impl Subject<'_> {
    /// The path with its templates filled in; None if one of them has no value, or one that would say more than a
    /// name: a wildcard or a further segment must not widen a rule.
    pub fn fill(self, path: &str) -> Option<String> {
        let mut filled = String::with_capacity(path.len());
        let mut rest = path;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}")?;
            let value = self.value(name.trim())?;
            if value.is_empty() || value.contains(['*', '+', '/']) {
                return None;
            }
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let identity = self.identity?;
        let name = name.strip_prefix("identity.")?;
        if let Some(name) = name.strip_prefix("groups.") {
            return of_group(identity, name);
        }
        let entity = &identity.entity;
        match name.strip_prefix("entity.")? {
            "id" => Some(&entity.id),
            "name" => Some(&entity.name),
            name => match name.strip_prefix("aliases.") {
                None => said(&entity.metadata, "metadata.", name),
                Some(name) => {
                    let (accessor, field) = name.split_once('.')?;
                    let alias = entity.alias_at(accessor)?;
                    match field {
                        "id" => Some(&alias.id),
                        "name" => Some(&alias.name),
                        field => said(&alias.custom_metadata, "custom_metadata.", field)
                            .or_else(|| said(&alias.metadata, "metadata.", field)),
                    }
                }
            },
        }
    }
}

/// A group is named by its id or its name; only those that somebody is in say anything.
fn of_group<'a>(identity: &'a View, name: &str) -> Option<&'a str> {
    let (by_id, name) = match name.strip_prefix("ids.") {
        Some(name) => (true, name),
        None => (false, name.strip_prefix("names.")?),
    };
    // A name can have a dot in it.
    identity.groups().find_map(|group| {
        let which = if by_id { &group.id } else { &group.name };
        match name.strip_prefix(which.as_str())?.strip_prefix('.')? {
            "id" => Some(group.id.as_str()),
            "name" => Some(group.name.as_str()),
            field => said(&group.metadata, "metadata.", field),
        }
    })
}

fn said<'a>(metadata: &'a Option<Metadata>, prefix: &str, field: &str) -> Option<&'a str> {
    let key = field.strip_prefix(prefix)?;
    metadata.as_ref()?.get(key).map(String::as_str)
}
