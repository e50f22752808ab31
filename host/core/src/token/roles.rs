//! `auth/token/roles`: what tokens that are made with a role may have, beside what their maker has.
//! <https://developer.hashicorp.com/vault/api-docs/auth/token#create-update-token-role>

use coffer_barrier::Transaction;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::create::sanitize;
use super::entry::parse_cidrs;
use crate::keys::Ns;
use crate::params::Params;
use crate::reply::Reply;
use crate::routes::Context;
use crate::{Error, limits};

/// A role. Times in seconds, 0 for none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    pub allowed_policies: Vec<String>,
    pub allowed_policies_glob: Vec<String>,
    pub disallowed_policies: Vec<String>,
    pub disallowed_policies_glob: Vec<String>,
    pub allowed_entity_aliases: Vec<String>,
    pub orphan: bool,
    pub renewable: bool,
    pub path_suffix: String,
    pub bound_cidrs: Vec<IpNet>,
    pub explicit_max_ttl: u64,
    pub period: u64,
    pub no_default_policy: bool,
    pub num_uses: u64,
    pub token_type: TokenType,
    /// Which of these were set by the names that they had first: they are shown under both.
    old: Old,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Old {
    bound_cidrs: bool,
    explicit_max_ttl: bool,
    period: bool,
}

/// What kind of token a role makes: the default ones leave it to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenType {
    DefaultService,
    DefaultBatch,
    Service,
    Batch,
}

impl TokenType {
    fn parse(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "" | "default" | "default-service" => Self::DefaultService,
            "default-batch" => Self::DefaultBatch,
            "service" => Self::Service,
            "batch" => Self::Batch,
            other => {
                return Err(Error::invalid(format!(
                    "invalid 'token_type' value {other:?}"
                )));
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::DefaultService => "default-service",
            Self::DefaultBatch => "default-batch",
            Self::Service => "service",
            Self::Batch => "batch",
        }
    }

    /// Whether it makes batch tokens, for a request that asks for this type, if it does.
    pub fn batch(self, asked: Option<&str>) -> Result<bool, Error> {
        let asked = match asked {
            None | Some("") => None,
            Some("service") => Some(false),
            Some("batch") => Some(true),
            Some(other) => {
                return Err(Error::invalid(format!(
                    "invalid 'token_type' value {other:?}"
                )));
            }
        };
        Ok(match self {
            Self::Service => false,
            Self::Batch => true,
            Self::DefaultService => asked.unwrap_or(false),
            Self::DefaultBatch => asked.unwrap_or(true),
        })
    }
}

impl Default for Role {
    fn default() -> Self {
        Self {
            allowed_policies: Vec::new(),
            allowed_policies_glob: Vec::new(),
            disallowed_policies: Vec::new(),
            disallowed_policies_glob: Vec::new(),
            allowed_entity_aliases: Vec::new(),
            orphan: false,
            renewable: true,
            path_suffix: String::new(),
            bound_cidrs: Vec::new(),
            explicit_max_ttl: 0,
            period: 0,
            no_default_policy: false,
            num_uses: 0,
            token_type: TokenType::DefaultService,
            old: Old::default(),
        }
    }
}

impl Role {
    /// The role of this name.
    pub async fn load(txn: &mut Transaction, ns: &str, name: &str) -> Result<Option<Self>, Error> {
        let key = Ns(ns).token_role(name);
        let Some(value) = txn.get(&key).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&value)
            .map(Some)
            .map_err(|_| Error::Corrupt(key))
    }

    /// Whether it says which policies its tokens may have: what their maker has does not matter then.
    fn rules_policies(&self) -> bool {
        [
            &self.allowed_policies,
            &self.allowed_policies_glob,
            &self.disallowed_policies,
            &self.disallowed_policies_glob,
        ]
        .iter()
        .any(|list| !list.is_empty())
    }

    /// The policies of a token for which these are asked, if the role rules them; `parent`'s are those of its maker.
    ///
    /// # Errors
    /// If the role does not allow them.
    pub fn policies(
        &self,
        asked: &[String],
        no_default: bool,
        parent: &[String],
    ) -> Result<Option<Vec<String>>, Error> {
        if !self.rules_policies() {
            return Ok(None);
        }
        let refused = |list: &[String], globs: &[String], policy: &String| {
            list.contains(policy) || matches_any(globs, policy)
        };
        let disallowed = |policy: &String| {
            refused(
                &self.disallowed_policies,
                &self.disallowed_policies_glob,
                policy,
            )
        };
        let no_default = no_default || self.no_default_policy || disallowed(&"default".to_owned());
        let clean = |list: &[String]| {
            let mut list = list.to_vec();
            sanitize(&mut list, no_default);
            list
        };
        let mut policies = match asked {
            [] => Vec::new(),
            asked => clean(asked),
        };
        if !self.allowed_policies.is_empty() || !self.allowed_policies_glob.is_empty() {
            let allowed = clean(&self.allowed_policies);
            let globs = &self.allowed_policies_glob;
            if policies.is_empty() {
                policies = allowed;
            } else if !policies
                .iter()
                .all(|policy| refused(&allowed, globs, policy))
            {
                return Err(Error::invalid(format!(
                    "token policies ({}) must be subset of the role's allowed policies ({}) or glob policies ({})",
                    listed(&policies),
                    listed(&allowed),
                    listed(globs)
                )));
            }
        } else if policies.is_empty() {
            policies = clean(parent);
        }
        match policies.iter().find(|policy| disallowed(policy)) {
            Some(policy) => Err(Error::invalid(format!(
                "token policy {policy:?} is disallowed by this role"
            ))),
            None => Ok(Some(policies)),
        }
    }

    /// Whether its tokens may be for this alias.
    pub fn allows_alias(&self, alias: &str) -> bool {
        let alias = alias.to_lowercase();
        self.allowed_entity_aliases.contains(&alias)
            || matches_any(&self.allowed_entity_aliases, &alias)
    }

    /// Takes what the request says of it; what it does not say stays.
    fn update(&mut self, params: &Params) -> Result<(), Error> {
        let lists = [
            ("allowed_policies", &mut self.allowed_policies),
            ("allowed_policies_glob", &mut self.allowed_policies_glob),
            ("disallowed_policies", &mut self.disallowed_policies),
            (
                "disallowed_policies_glob",
                &mut self.disallowed_policies_glob,
            ),
            ("allowed_entity_aliases", &mut self.allowed_entity_aliases),
        ];
        for (name, list) in lists {
            if let Some(mut given) = params.list(name)? {
                for item in &mut given {
                    *item = item.trim().to_lowercase();
                }
                given.retain(|item| !item.is_empty());
                given.sort();
                given.dedup();
                *list = given;
            }
        }
        let flags = [
            ("orphan", &mut self.orphan),
            ("renewable", &mut self.renewable),
            ("token_no_default_policy", &mut self.no_default_policy),
        ];
        for (name, flag) in flags {
            if let Some(given) = params.boolean(name)? {
                *flag = given;
            }
        }
        let times = [
            (
                "explicit_max_ttl",
                &mut self.explicit_max_ttl,
                &mut self.old.explicit_max_ttl,
            ),
            ("period", &mut self.period, &mut self.old.period),
        ];
        for (name, time, old) in times {
            if let Some(given) = params.seconds(&format!("token_{name}"))? {
                (*time, *old) = (given, false);
            } else if let Some(given) = params.seconds(name)? {
                (*time, *old) = (given, true);
            }
        }
        if let Some(given) = params.list("token_bound_cidrs")? {
            (self.bound_cidrs, self.old.bound_cidrs) = (parse_cidrs(&given)?, false);
        } else if let Some(given) = params.list("bound_cidrs")? {
            (self.bound_cidrs, self.old.bound_cidrs) = (parse_cidrs(&given)?, true);
        }
        if let Some(given) = params.number("token_num_uses")? {
            self.num_uses = given;
        }
        if let Some(given) = params.text("token_type")? {
            self.token_type = TokenType::parse(&given)?;
        }
        if let Some(given) = params.text("path_suffix")? {
            if !given.is_empty() && !is_suffix(&given) {
                return Err(Error::invalid(
                    "given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w",
                ));
            }
            self.path_suffix = given;
        }
        if self.token_type == TokenType::Batch {
            let refuse = |what: &str| {
                Err(Error::invalid(format!(
                    "'token_type' cannot be 'batch' when role is set to generate {what}"
                )))
            };
            if !self.orphan {
                return refuse("non-orphan tokens");
            }
            if self.period > 0 {
                return refuse("periodic tokens");
            }
            if self.renewable {
                return refuse("renewable tokens");
            }
            if self.explicit_max_ttl > 0 {
                return refuse("tokens with an explicit max TTL");
            }
        }
        Ok(())
    }
}

/// `["a" "b"]`.
fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("[{}]", names.join(" "))
}

/// Whether one of the patterns, in which `*` is any text, fits all of it.
fn matches_any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, text))
}

fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = pattern.rsplit_once('*').map(|(_, last)| last) else {
        return rest.is_empty();
    };
    let between = pattern.matches('*').count() - 1;
    for part in parts.take(between) {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// `\w[\w-.]+\w`.
fn is_suffix(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() >= 3
        && text.starts_with(word)
        && text.ends_with(word)
        && text.chars().all(|c| word(c) || c == '-' || c == '.')
}

fn name(c: &Context<'_>) -> Result<String, Error> {
    let name = c.params.require("role_name")?;
    if name.len() > limits::MAX_POLICY_NAME {
        return Err(Error::invalid(format!(
            "a role's name can have {} bytes",
            limits::MAX_POLICY_NAME
        )));
    }
    Ok(name)
}

/// Makes a role, or changes what is given of it.
pub async fn write(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = name(c)?;
    let mut role = Role::load(c.txn, c.ns, &name).await?.unwrap_or_default();
    role.update(&c.params)?;
    let key = Ns(c.ns).token_role(&name);
    let value = serde_json::to_vec(&role).map_err(|_| Error::Corrupt(key.clone()))?;
    c.txn.put(key, value);
    Ok(Reply::empty())
}

/// Shows a role.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let name = name(c)?;
    let role = Role::load(c.txn, c.ns, &name).await?;
    let role = role.ok_or(Error::Nothing)?;
    let old = |is: bool, time: u64| if is { time } else { 0 };
    let aliases = Some(&role.allowed_entity_aliases).filter(|aliases| !aliases.is_empty());
    let mut data = json!({
        "allowed_entity_aliases": aliases,
        "allowed_policies": role.allowed_policies,
        "allowed_policies_glob": role.allowed_policies_glob,
        "disallowed_policies": role.disallowed_policies,
        "disallowed_policies_glob": role.disallowed_policies_glob,
        "explicit_max_ttl": old(role.old.explicit_max_ttl, role.explicit_max_ttl),
        "name": name,
        "orphan": role.orphan,
        "path_suffix": role.path_suffix,
        "period": old(role.old.period, role.period),
        "renewable": role.renewable,
        "token_explicit_max_ttl": role.explicit_max_ttl,
        "token_no_default_policy": role.no_default_policy,
        "token_period": role.period,
        "token_type": role.token_type.name(),
    });
    if !role.bound_cidrs.is_empty() {
        data["token_bound_cidrs"] = json!(role.bound_cidrs);
    }
    if role.old.bound_cidrs {
        data["bound_cidrs"] = json!(role.bound_cidrs);
    }
    if role.num_uses > 0 {
        data["token_num_uses"] = role.num_uses.into();
    }
    Ok(Reply::data(data))
}

/// Forgets a role. Tokens that were made with it live on.
pub async fn delete(c: &mut Context<'_>) -> Result<Reply, Error> {
    let key = Ns(c.ns).token_role(&name(c)?);
    c.txn.delete(key);
    Ok(Reply::empty())
}

/// The names of the roles.
pub async fn list(c: &mut Context<'_>) -> Result<Reply, Error> {
    let prefix = Ns(c.ns).token_role("");
    let keys = c.txn.list(&prefix, None, limits::MAX_LIST).await?;
    let name = |key: &String| key.strip_prefix(&prefix).map(str::to_owned);
    Reply::list(keys.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn suffixes() {
        for good in ["abc", "a-b", "a.b_c", "a_9"] {
            assert!(is_suffix(good), "{good}");
        }
        for bad in ["", "a", "ab", "a/b", "../b", "-ab", "ab.", "a b"] {
            assert!(!is_suffix(bad), "{bad}");
        }
    }

    #[test]
    fn policies_of_a_role() {
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let role = Role {
            allowed_policies: list(&["app"]),
            allowed_policies_glob: list(&["ci-*"]),
            disallowed_policies: list(&["ci-bad"]),
            ..Role::default()
        };
        let of = |asked: &[&str]| role.policies(&list(asked), false, &list(&["root"]));
        assert_eq!(of(&[]).unwrap().unwrap(), list(&["app", "default"]));
        assert_eq!(of(&["ci-a"]).unwrap().unwrap(), list(&["ci-a", "default"]));
        for bad in ["root", "other", "ci-bad"] {
            of(&[bad]).unwrap_err();
        }
        let role = Role {
            disallowed_policies: list(&["root", "default"]),
            ..Role::default()
        };
        let of = |parent: &[&str]| role.policies(&[], false, &list(parent));
        of(&["root"]).unwrap_err();
        assert_eq!(of(&["app"]).unwrap().unwrap(), list(&["app"]));
        assert_eq!(Role::default().policies(&[], false, &[]).unwrap(), None);
    }
}
