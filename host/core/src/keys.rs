//! Where everything is stored. Every key but the seal's own carries its namespace.
//!
//! | key | value |
//! |---|---|
//! | `core/...` | the seal, the barrier and when its key is replaced; key shares, encrypted, that a rekey has left; the salt of token hashes; which cluster this is, what wrapping tokens are signed with, and which versions have run; headers of the UI |
//! | `ns/<ns>/mount/<uuid>` | a mount |
//! | `ns/<ns>/mounted/<path>` | which mount has this path |
//! | `ns/<ns>/locked/<mount uuid>/<name>` | that somebody has failed to log in too often |
//! | `ns/<ns>/unmounted/<uuid>` | a mount that was disabled and still has leases to revoke |
//! | `ns/<ns>/audit/<path>` | an audit device |
//! | `ns/<ns>/audited-header/<name>` | that a header of requests is recorded, and whether it is hashed |
//! | `ns/<ns>/policy/<name>` | a policy |
//! | `ns/<ns>/password-policy/<name>` | how passwords are made |
//! | `ns/<ns>/token/<hash>` | a token |
//! | `ns/<ns>/token-role/<name>` | a role that tokens are made with |
//! | `ns/<ns>/entity/<id>` | an entity, with its aliases and the groups it is in |
//! | `ns/<ns>/entity-named/<name>` | the entity with this name; names here and below are in lower case |
//! | `ns/<ns>/entity-at/<accessor>/<name>` | the entity that has this name at an auth mount |
//! | `ns/<ns>/entity-alias/<id>` | the entity that an alias belongs to |
//! | `ns/<ns>/entity-merged/<id>` | the entity that another was merged into |
//! | `ns/<ns>/group/<id>` | a group, with its alias and the groups it is in |
//! | `ns/<ns>/group-named/<name>` | the group with this name |
//! | `ns/<ns>/group-at/<accessor>/<name>` | the group that has this name at an auth mount |
//! | `ns/<ns>/group-alias/<id>` | the group that an alias belongs to |
//! | `ns/<ns>/member/<group>/<kind>/<id>` | that an entity or a group is in a group |
//! | `ns/<ns>/cubbyhole/<token>/<path>` | what a token, by its hash, keeps for itself |
//! | `ns/<ns>/child/<parent>/<child>` | a token's child, by their hashes |
//! | `ns/<ns>/lease/<lease id>` | a lease; for a token's, its hash |
//! | `ns/<ns>/owned/<token>/<lease id>` | a lease that ends with that token |
//! | `ns/<ns>/data/<mount uuid>/...` | what a plugin stores |
//! | `ns/<ns>/data/<mount uuid>.keys/...` | the keys that the host holds for it |
//! | `ns/<ns>/count/<mount uuid>` | how many leases a mount has: a counter |
//! | `ns/<ns>/usage/<mount uuid>/<what>` | how many entries or bytes a mount's plugin stores, if that is limited: counters |
//! | `plugin/entry/<kind>/<name>/<version>` | a registered plugin; the catalog is the server's, not a namespace's |
//! | `plugin/state/<kind>/<name>` | which version is in force, what was granted, whose signature counts |
//! | `plugin/bytes/<sha256>/<n>` | a component, in pieces |
//! | `plugin/code/<sha256>/<engine>/<n>` | what the compiler made of it, in pieces |
//! | `ns/<ns>/destination/<mount uuid>/<path>` | servers that a configuration of the mount names |
//! | `ns/<ns>/connection/<mount uuid>/<name>` | which plugin a database connection of the mount uses |
//! | `due/<group>/<time>/<ns>/<kind>/<id>` | something that ends at that time |
//!
//! Times are in 16 hexadecimal digits of milliseconds, so that byte order is time order.

use coffer_clock::UnixMillis;

/// The root namespace's id.
pub const ROOT_NS: &str = "root";

/// A key of this namespace.
#[derive(Clone, Copy, Debug)]
pub struct Ns<'a>(pub &'a str);

impl Ns<'_> {
    pub fn mount(self, uuid: &str) -> String {
        format!("ns/{}/mount/{uuid}", self.0)
    }
    pub fn unmounted(self, uuid: &str) -> String {
        format!("ns/{}/unmounted/{uuid}", self.0)
    }
    pub fn mounted(self, path: &str) -> String {
        format!("ns/{}/mounted/{path}", self.0)
    }
    pub fn audited_header(self, name: &str) -> String {
        format!("ns/{}/audited-header/{name}", self.0)
    }
    pub fn locked(self, mount: &str, name: &str) -> String {
        format!("ns/{}/locked/{mount}/{name}", self.0)
    }
    pub fn audit(self, path: &str) -> String {
        format!("ns/{}/audit/{path}", self.0)
    }
    pub fn policy(self, name: &str) -> String {
        format!("ns/{}/policy/{name}", self.0)
    }
    pub fn password_policy(self, name: &str) -> String {
        format!("ns/{}/password-policy/{name}", self.0)
    }
    pub fn token(self, hash: &str) -> String {
        format!("ns/{}/token/{hash}", self.0)
    }
    pub fn token_role(self, name: &str) -> String {
        format!("ns/{}/token-role/{name}", self.0)
    }
    pub fn cubbyhole(self, token: &str, path: &str) -> String {
        format!("ns/{}/cubbyhole/{token}/{path}", self.0)
    }
    pub fn child(self, parent: &str, child: &str) -> String {
        format!("ns/{}/child/{parent}/{child}", self.0)
    }
    pub fn entity(self, id: &str) -> String {
        format!("ns/{}/entity/{id}", self.0)
    }
    pub fn entity_merged(self, id: &str) -> String {
        format!("ns/{}/entity-merged/{id}", self.0)
    }
    pub fn group(self, id: &str) -> String {
        format!("ns/{}/group/{id}", self.0)
    }
    /// `of` is what has the name: `entity` or `group`.
    pub fn named(self, of: &str, name: &str) -> String {
        format!("ns/{}/{of}-named/{}", self.0, name.to_lowercase())
    }
    /// What has a name at an auth mount.
    pub fn at_mount(self, of: &str, accessor: &str, name: &str) -> String {
        format!("ns/{}/{of}-at/{accessor}/{}", self.0, name.to_lowercase())
    }
    /// What an alias belongs to.
    pub fn alias(self, of: &str, id: &str) -> String {
        format!("ns/{}/{of}-alias/{id}", self.0)
    }
    pub fn member(self, group: &str, kind: &str, id: &str) -> String {
        format!("ns/{}/member/{group}/{kind}/{id}", self.0)
    }
    pub fn lease(self, id: &str) -> String {
        format!("ns/{}/lease/{id}", self.0)
    }
    pub fn owned(self, token: &str, lease: &str) -> String {
        format!("ns/{}/owned/{token}/{lease}", self.0)
    }
    pub fn data(self, mount: &str) -> String {
        format!("ns/{}/data/{mount}/", self.0)
    }
    pub fn held_keys(self, mount: &str) -> String {
        format!("ns/{}/data/{mount}.keys/", self.0)
    }
    /// What both start with, and nothing of another mount does.
    pub fn all_data(self, mount: &str) -> String {
        format!("ns/{}/data/{mount}", self.0)
    }
    pub fn destinations(self, mount: &str, path: &str) -> String {
        format!("ns/{}/destination/{mount}/{path}", self.0)
    }
    pub fn connections(self, mount: &str) -> String {
        format!("ns/{}/connection/{mount}/", self.0)
    }
    pub fn count(self, mount: &str) -> String {
        format!("ns/{}/count/{mount}", self.0)
    }
    pub fn usage(self, mount: &str, what: &str) -> String {
        format!("ns/{}/usage/{mount}/{what}", self.0)
    }
}

/// Which web pages of other origins may call.
pub const CORS: &str = "core/cors";
/// What wrapping tokens are signed with, if they are JWTs.
pub const WRAPPING_KEY: &str = "core/wrapping-key";
/// What answers below `/ui` say besides.
pub const UI_HEADERS: &str = "core/ui-header/";
/// Encrypted key shares that a rekey has left.
pub const KEYS_BACKUP: &str = "core/key-shares-backup";
/// Since when each version of the server runs.
pub const VERSIONS: &str = "core/version/";
/// When the key that values are sealed with is replaced.
pub const ROTATION: &str = "core/rotation";
/// All registered plugins.
pub const PLUGIN_ENTRIES: &str = "plugin/entry/";
const PLUGIN_STATES: &str = "plugin/state/";
/// The bytes of all components.
pub const PLUGIN_BYTES: &str = "plugin/bytes/";
/// The compiled code of all components.
pub const PLUGIN_CODE: &str = "plugin/code/";

pub fn plugin_entry(kind: &str, name: &str, version: &str) -> String {
    format!("{PLUGIN_ENTRIES}{kind}/{name}/{version}")
}

pub fn plugin(kind: &str, name: &str) -> String {
    format!("{PLUGIN_STATES}{kind}/{name}")
}

/// What the pieces of a component start with.
pub fn plugin_bytes(sha256: &str) -> String {
    format!("{PLUGIN_BYTES}{sha256}/")
}

/// What the pieces of its compiled code start with.
pub fn plugin_code(sha256: &str, engine: &str) -> String {
    format!("{PLUGIN_CODE}{sha256}/{engine}/")
}

/// Whether a change to this key changes what serves some mount.
pub fn is_routing(key: &str) -> bool {
    ["mount/", "unmounted/", "destination/"]
        .iter()
        .any(|kind| in_namespace(key, kind))
        || key.starts_with(PLUGIN_ENTRIES)
        || key.starts_with(PLUGIN_STATES)
}

/// Whether this key holds a policy.
pub fn is_policy(key: &str) -> bool {
    in_namespace(key, "policy/")
}

/// Whether this key holds an entity.
pub fn is_entity(key: &str) -> bool {
    in_namespace(key, "entity/")
}

/// Whether this key says which entity has a name at an auth mount.
pub fn is_entity_at(key: &str) -> bool {
    in_namespace(key, "entity-at/")
}

/// Whether this key holds a group.
pub fn is_group(key: &str) -> bool {
    in_namespace(key, "group/")
}

/// Whether this key holds an audit device, or what all of them record.
pub fn is_audit(key: &str) -> bool {
    in_namespace(key, "audit/") || in_namespace(key, "audited-header/")
}

/// Whether this key holds a token.
pub fn is_token(key: &str) -> bool {
    in_namespace(key, "token/")
}

fn in_namespace(key: &str, kind: &str) -> bool {
    key.strip_prefix("ns/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(_, rest)| rest.starts_with(kind))
}

/// What a due entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueKind {
    Lease,
    Token,
    Job,
}

impl DueKind {
    fn letter(self) -> &'static str {
        match self {
            Self::Lease => "l",
            Self::Token => "t",
            Self::Job => "j",
        }
    }
}

/// A parsed due key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What it waits for together with others: see [`group`].
    pub group: String,
    /// When.
    pub at: UnixMillis,
    /// Whose.
    pub ns: String,
    /// What kind of thing `id` names.
    pub kind: DueKind,
    /// A lease id, a token's hash, or a job's id.
    pub id: String,
}

impl Due {
    pub fn key(&self) -> String {
        format!(
            "due/{}/{:016x}/{}/{}/{}",
            self.group,
            self.at.0,
            self.ns,
            self.kind.letter(),
            self.id
        )
    }

    /// The reverse of [`Due::key`]; None for any other key.
    pub fn parse(key: &str) -> Option<Self> {
        let mut parts = key.strip_prefix("due/")?.splitn(5, '/');
        let group = parts.next()?.to_owned();
        let at = UnixMillis(u64::from_str_radix(parts.next()?, 16).ok()?);
        let ns = parts.next()?.to_owned();
        let kind = match parts.next()? {
            "l" => DueKind::Lease,
            "t" => DueKind::Token,
            "j" => DueKind::Job,
            _ => return None,
        };
        let id = parts.next()?.to_owned();
        Some(Self {
            group,
            at,
            ns,
            kind,
            id,
        })
    }
}

/// The due group of a job: sorted before those of the mounts, so that jobs are looked at first. Jobs that can be long
/// have one of their own; the many short ones share a few.
pub fn job_group(name: &str) -> String {
    format!("{JOBS}{name}")
}

/// What is due in a group starts so.
pub fn due_prefix(group: &str) -> String {
    format!("due/{group}/")
}

/// Whether the group holds jobs.
pub fn is_job_group(group: &str) -> bool {
    group.starts_with(JOBS)
}

const JOBS: char = '!';

/// All groups of one mount start so.
pub fn group_prefix(mount: &str) -> String {
    format!("due/{mount}~")
}

/// The due group of a mount's leases that depend on the same thing; empty is the mount's own.
pub fn group(mount: &str, name: &str) -> String {
    format!("{mount}~{}", hex::encode(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn due_keys_parse_back_and_sort_by_time() {
        let due = |at, id: &str| Due {
            group: group("u-1", "db/a"),
            at: UnixMillis(at),
            ns: ROOT_NS.into(),
            kind: DueKind::Lease,
            id: id.into(),
        };
        let (early, late) = (due(9, "database/creds/a/x"), due(10_000, "a"));
        assert_eq!(Due::parse(&early.key()).unwrap(), early);
        assert!(early.key() < late.key());
        assert!(early.key().starts_with(&group_prefix("u-1")));
        for bad in [
            "due/",
            "due/g/zz/root/l/x",
            "due/g/0/root/q/x",
            "ns/root/lease/x",
        ] {
            assert_eq!(Due::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn kinds_of_keys_are_told_apart() {
        let ns = Ns("n1");
        assert!(is_routing(&ns.mount("u")) && is_routing(&ns.unmounted("u")));
        assert!(is_policy(&ns.policy("p")) && !is_policy(&ns.mount("policy/p")));
        assert!(is_routing(&plugin("secret", "kv")) && !is_routing(&plugin_bytes("00")));
        assert!(is_token(&ns.token("h")) && !is_token(&ns.data("token/")));
    }
}
