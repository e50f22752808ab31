//! The login that a program makes: a `pb.Auth`, or a map with its fields. Times are in nanoseconds there.

use std::collections::BTreeMap;

use cel::Value as Cel;
use coffer_sdk::identity;
use coffer_sdk::prelude::*;
use coffer_sdk::token::{self, Settings};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

const NANOS: u64 = 1_000_000_000;
/// What a program's `token_type` means.
const KINDS: [&str; 5] = ["", "service", "batch", "service", "batch"];

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Made {
    policies: Vec<String>,
    display_name: String,
    alias: Option<MadeAlias>,
    /// The groups that they are in.
    group_aliases: Vec<MadeAlias>,
    metadata: BTreeMap<String, String>,
    lease_options: Option<LeaseOptions>,
    period: u64,
    explicit_max_ttl: u64,
    num_uses: u32,
    no_default_policy: bool,
    bound_cidrs: Vec<String>,
    token_type: usize,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MadeAlias {
    name: String,
    metadata: BTreeMap<String, String>,
    /// It is this mount's, whatever the program says.
    #[serde(rename = "mount_accessor")]
    _mount_accessor: IgnoredAny,
    #[serde(rename = "mount_type")]
    _mount_type: IgnoredAny,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LeaseOptions {
    #[serde(rename = "TTL")]
    ttl: u64,
    #[serde(rename = "MaxTTL")]
    max_ttl: u64,
    renewable: bool,
    /// It is now, whatever the program says.
    #[serde(rename = "issue_time")]
    _issue_time: IgnoredAny,
}

/// What a token remembers: what the program said once counts for its renewals too.
#[derive(Serialize, Deserialize)]
pub(super) struct Remembered {
    pub cel_role: String,
    ttl: u64,
    max_ttl: u64,
    period: u64,
}

impl Remembered {
    pub fn renewal(&self) -> Renewal {
        Renewal {
            ttl: self.ttl,
            max_ttl: self.max_ttl,
            period: self.period,
        }
    }
}

/// Rounded up: a time that was meant in seconds is a short one, not that of the mount.
fn seconds(nanos: u64) -> Seconds {
    Seconds(nanos.div_ceil(NANOS))
}

impl Made {
    /// The login that the program of this role says, if it says one.
    pub fn of(role: &str, message: &str, result: &Cel) -> Result<Self> {
        let blocked = |why: String| {
            Err(Error::invalid(format!(
                "CEL role '{role}' blocked authorization with {why}"
            )))
        };
        match result {
            Cel::Bool(false) if message.is_empty() => blocked("boolean false return".to_owned()),
            Cel::Bool(false) => blocked(format!("message: {message}")),
            Cel::String(why) => blocked(format!("message: {why}")),
            Cel::Map(_) => {
                let json = result.json().map_err(|why| unexpected(role, &why))?;
                serde_json::from_value(json).map_err(|why| unexpected(role, &why))
            }
            other => Err(unexpected(role, &other.type_of())),
        }
    }

    pub fn login(self, role: &str, remote: &str) -> Result<Response> {
        let lease = self.lease_options.unwrap_or_default();
        let Some(kind) = KINDS.get(self.token_type) else {
            return Err(Error::invalid("token_type is no type of a token"));
        };
        let mut settings = Settings::default();
        settings.token_policies = token::policies(self.policies)?;
        settings.token_ttl = seconds(lease.ttl);
        settings.token_max_ttl = seconds(lease.max_ttl);
        settings.token_explicit_max_ttl = seconds(self.explicit_max_ttl);
        settings.token_period = seconds(self.period);
        settings.token_num_uses = self.num_uses;
        settings.token_no_default_policy = self.no_default_policy;
        settings.token_type = (*kind).to_owned();
        settings.token_bound_cidrs = token::bare_cidrs(self.bound_cidrs)?;
        token::check(
            &settings.token_type,
            settings.token_ttl,
            settings.token_max_ttl,
            settings.token_period,
            settings.token_num_uses,
            false,
            &settings.token_bound_cidrs,
        )?;
        let auth = settings.auth(remote)?;
        let alias = self.alias.map(MadeAlias::checked).transpose()?;
        let groups = self.group_aliases.into_iter().map(MadeAlias::checked);
        let groups: Vec<String> = groups
            .map(|group| group.map(|group| group.name))
            .collect::<Result<_>>()?;
        identity::groups(&groups)?;
        let renewal = settings.renewal();
        Ok(Response::auth(Auth {
            display_name: self.display_name,
            alias,
            metadata: self.metadata.into_iter().collect(),
            renewable: lease.renewable,
            internal: serde_json::to_string(&Remembered {
                cel_role: role.to_owned(),
                ttl: renewal.ttl,
                max_ttl: renewal.max_ttl,
                period: renewal.period,
            })?,
            ..auth
        }))
    }
}

impl MadeAlias {
    fn checked(self) -> Result<Alias> {
        if self.name.is_empty() {
            return Err(Error::invalid("missing name in alias"));
        }
        Ok(Alias {
            name: self.name,
            metadata: self.metadata.into_iter().collect(),
        })
    }
}

fn unexpected(role: &str, what: &impl std::fmt::Display) -> Error {
    Error::invalid(format!(
        "CEL program '{role}' returned unexpected type: {what}"
    ))
}
