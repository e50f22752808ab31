//! `{{identity...}}` in the paths of policies.

use crate::token::Alias;

/// For whom a path is filled in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// What the token's auth method knows of its holder.
    pub alias: Option<&'a Alias>,
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
        let alias = self.alias?;
        let (accessor, field) = name
            .strip_prefix("identity.entity.aliases.")?
            .split_once('.')?;
        if accessor != alias.mount_accessor {
            return None;
        }
        match field {
            "name" => Some(&alias.name),
            _ => alias
                .metadata
                .get(field.strip_prefix("metadata.")?)
                .map(String::as_str),
        }
    }
}
