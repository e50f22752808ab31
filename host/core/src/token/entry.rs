//! What is stored of a token. Never its id.

use std::collections::BTreeMap;
use std::net::IpAddr;

use coffer_clock::UnixMillis;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Error;
use crate::identity::View;
use crate::keys::ROOT_NS;
use crate::time::rfc3339;

/// Service tokens are stored and can be renewed and revoked; batch tokens carry themselves and just end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    #[default]
    Service,
    Batch,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the serializer asks by reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn root_ns() -> String {
    ROOT_NS.to_owned()
}

fn is_root_ns(ns: &str) -> bool {
    ns == ROOT_NS
}

impl TokenKind {
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "the serializer asks by reference"
    )]
    fn is_service(&self) -> bool {
        *self == Self::Service
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Batch => "batch",
        }
    }
}

/// A token. Times to live are in seconds, 0 for none. There may be a great many: what is usual is not stored, and the rest
/// under short names (those that it had before are read too).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenEntry {
    #[serde(default = "root_ns", skip_serializing_if = "is_root_ns")]
    pub ns: String,
    /// Empty for batch tokens.
    #[serde(rename = "a", alias = "accessor")]
    pub accessor: String,
    #[serde(rename = "p", alias = "policies")]
    pub policies: Vec<String>,
    /// The request that made it: `auth/token/create`, `auth/approle/login`.
    #[serde(rename = "f", alias = "path")]
    pub path: String,
    /// The auth mount that made it, by its uuid.
    #[serde(rename = "m", alias = "mount")]
    pub mount: String,
    #[serde(rename = "d", alias = "display_name")]
    pub display_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<BTreeMap<String, String>>,
    /// How often it may still be used; 0 for ever.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub num_uses: u64,
    #[serde(rename = "c", alias = "created")]
    pub created: UnixMillis,
    #[serde(rename = "t", alias = "creation_ttl")]
    pub creation_ttl: u64,
    /// What a renewal gives if nothing is asked for.
    #[serde(rename = "l", alias = "ttl")]
    pub ttl: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_ttl: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub explicit_max_ttl: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub period: u64,
    #[serde(
        rename = "e",
        alias = "expires",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub expires: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed: Option<UnixMillis>,
    /// The role of the token store that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The hash of its parent; None for an orphan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    #[serde(default, skip_serializing_if = "TokenKind::is_service")]
    pub kind: TokenKind,
    #[serde(rename = "r", alias = "renewable")]
    pub renewable: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound_cidrs: Vec<IpNet>,
    /// The entity that holds it: what that may, it may too.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// What the auth method wants back when the token is renewed, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal: Option<String>,
}

impl TokenEntry {
    /// A root token that never ends, of this mount of the token store.
    pub fn root(ns: &str, accessor: String, mount: &str, now: UnixMillis) -> Self {
        Self {
            ns: ns.to_owned(),
            accessor,
            policies: vec!["root".to_owned()],
            path: "auth/token/root".to_owned(),
            mount: mount.to_owned(),
            display_name: "root".to_owned(),
            meta: None,
            num_uses: 0,
            created: now,
            creation_ttl: 0,
            ttl: 0,
            max_ttl: 0,
            explicit_max_ttl: 0,
            period: 0,
            expires: None,
            renewed: None,
            role: None,
            parent: None,
            kind: TokenKind::Service,
            renewable: false,
            bound_cidrs: Vec::new(),
            entity: None,
            internal: None,
        }
    }

    /// Whether it holds the root policy.
    pub fn is_root(&self) -> bool {
        self.policies.iter().any(|policy| policy == "root")
    }

    pub fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it may be used from there.
    pub fn allows(&self, remote: IpAddr) -> bool {
        self.bound_cidrs.is_empty() || self.bound_cidrs.iter().any(|block| block.contains(&remote))
    }

    /// Seconds that it has left; 0 if it never ends.
    pub fn ttl_left(&self, now: UnixMillis) -> u64 {
        self.expires
            .map_or(0, |expires| expires.0.saturating_sub(now.0).div_ceil(1000))
    }

    /// As the lookups answer. `id` is empty where the caller gave only the accessor.
    /// `identity` is who holds it now.
    pub fn lookup(&self, id: &str, identity: Option<&View>, now: UnixMillis) -> Value {
        let mut data = json!({
            "accessor": self.accessor,
            "creation_time": self.created.0 / 1000,
            "creation_ttl": self.creation_ttl,
            "display_name": self.display_name,
            "entity_id": self.entity.as_deref().unwrap_or_default(),
            "expire_time": self.expires.map(rfc3339),
            "explicit_max_ttl": self.explicit_max_ttl,
            "id": id,
            "issue_time": rfc3339(self.created),
            "meta": self.meta,
            "num_uses": self.num_uses,
            "orphan": self.parent.is_none(),
            "path": self.path,
            "policies": self.policies,
            "renewable": self.renewable,
            "ttl": self.ttl_left(now),
            "type": self.kind.name(),
        });
        if let Some(map) = data.as_object_mut() {
            if let Some(identity) = identity {
                map.insert("external_namespace_policies".into(), json!({}));
                let policies = identity.policies();
                if !policies.is_empty() {
                    map.insert("identity_policies".into(), json!(policies));
                }
            }
            if self.period > 0 {
                map.insert("period".into(), self.period.into());
            }
            if let Some(role) = &self.role {
                map.insert("role".into(), role.as_str().into());
            }
            if let Some(renewed) = self.renewed {
                map.insert("last_renewal".into(), rfc3339(renewed).into());
                map.insert("last_renewal_time".into(), (renewed.0 / 1000).into());
            }
            if !self.bound_cidrs.is_empty() {
                map.insert("bound_cidrs".into(), json!(self.bound_cidrs));
            }
        }
        data
    }
}

/// Blocks as a caller writes them: `10.0.0.0/8`, or one address.
pub fn parse_cidrs(texts: &[String]) -> Result<Vec<IpNet>, Error> {
    texts
        .iter()
        .map(|text| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| {
                    Error::invalid(format!("{text:?} is neither an address nor a CIDR block"))
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_stored_under_longer_names_is_read() {
        let old = r#"{"ns":"root","accessor":"a1","policies":["default"],"path":"auth/token/create","mount":"u","display_name":"token","num_uses":0,"created":5,"creation_ttl":60,"ttl":60,"max_ttl":0,"explicit_max_ttl":0,"period":0,"expires":65,"kind":"service","renewable":true}"#;
        let entry: TokenEntry = serde_json::from_str(old).unwrap();
        assert_eq!(
            (entry.kind, entry.expires),
            (TokenKind::Service, Some(UnixMillis(65)))
        );
        let new = serde_json::to_string(&entry).unwrap();
        assert!(new.len() * 10 < old.len() * 7, "{new}");
        let again: TokenEntry = serde_json::from_str(&new).unwrap();
        assert_eq!(format!("{again:?}"), format!("{entry:?}"));
    }
}
