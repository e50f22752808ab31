//! What a set of policies allows.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::capability::{Capabilities, Capability};
use super::parse::{Parameters, Policy, Rule};
use super::template::Subject;
use super::trie::Trie;

/// All rules for one pattern.
#[derive(Clone, Debug, Default)]
struct Rules {
    capabilities: Capabilities,
    allowed: Option<Parameters>,
    denied: Option<Parameters>,
    required: Vec<String>,
    min_wrapping_ttl: u64,
    max_wrapping_ttl: u64,
    policies: Vec<String>,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    pub path: &'a str,
    pub capability: Capability,
    /// Whether the path needs `sudo` besides.
    pub sudo: bool,
    /// What the body says, for rules on parameters. None where there is no body.
    pub parameters: Option<&'a Map<String, Value>>,
    /// The time to live asked for the wrapped response, in seconds.
    pub wrap_ttl: Option<u64>,
}

/// Whether it is allowed, and which rule says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    pub allowed: bool,
    /// The pattern that decided; None if none matches.
    pub rule: Option<String>,
    /// The policies that have it.
    pub policies: Vec<String>,
    /// Why, in words.
    pub reason: String,
}

/// What a token may do.
#[derive(Debug, Default)]
pub struct Acl {
    root: bool,
    rules: Trie<Rules>,
    /// The patterns that grant anything.
    granting: Vec<String>,
}

impl Acl {
    /// The merged policies of a token. The policy named `root` allows everything.
    pub fn new<'p>(
        policies: impl IntoIterator<Item = &'p Arc<Policy>>,
        root: bool,
        subject: Subject<'_>,
    ) -> Self {
        let mut acl = Self {
            root,
            ..Self::default()
        };
        for policy in policies {
            for rule in &policy.rules {
                let filled;
                let pattern = if rule.path.contains("{{") {
                    let Some(path) = subject.fill(&rule.path) else {
                        continue;
                    };
                    filled = path;
                    &filled
                } else {
                    &rule.path
                };
                acl.rules
                    .entry(pattern, Rules::default)
                    .merge(rule, &policy.name);
                if !rule.capabilities.contains(Capability::Deny) {
                    acl.granting.push(pattern.clone());
                }
            }
        }
        acl
    }

    pub fn is_root(&self) -> bool {
        self.root
    }

    /// Vault's listings end in a slash; a rule without it is meant as well.
    fn find(&self, path: &str, list: bool) -> Option<&super::trie::Pattern<Rules>> {
        let path = path.trim_start_matches('/');
        if !list {
            return self.rules.find(path);
        }
        let bare = path.trim_end_matches('/');
        let exact = self.rules.find(bare).filter(|pattern| pattern.text == bare);
        exact.or_else(|| self.rules.find(&format!("{bare}/")))
    }

    /// Whether creating and updating are decided alike there, so that nobody needs to know which it is.
    pub fn treats_create_as_update(&self, path: &str) -> bool {
        self.root
            || self.find(path, false).is_none_or(|pattern| {
                let has = pattern.value.capabilities;
                has.contains(Capability::Create) == has.contains(Capability::Update)
            })
    }

    /// Whether a decision there depends on what the body says.
    pub fn needs_parameters(&self, path: &str) -> bool {
        !self.root
            && self.find(path, false).is_some_and(|pattern| {
                let rules = &pattern.value;
                rules.allowed.is_some() || rules.denied.is_some() || !rules.required.is_empty()
            })
    }

    /// Whether this is allowed.
    pub fn allows(&self, access: &Access<'_>) -> bool {
        if self.root {
            return true;
        }
        let listing = matches!(access.capability, Capability::List | Capability::Scan);
        self.find(access.path, listing)
            .is_some_and(|pattern| pattern.value.check(access).is_ok())
    }

    /// The same, with the reason.
    pub fn decide(&self, access: &Access<'_>) -> Decision {
        let decided = |allowed, rule, policies, reason: &str| Decision {
            allowed,
            rule,
            policies,
            reason: reason.to_owned(),
        };
        if self.root {
            return decided(
                true,
                None,
                vec!["root".to_owned()],
                "the root policy allows everything",
            );
        }
        let listing = matches!(access.capability, Capability::List | Capability::Scan);
        match self.find(access.path, listing) {
            None => decided(false, None, Vec::new(), "no rule matches the path"),
            Some(pattern) => {
                let (allowed, reason) = match pattern.value.check(access) {
                    Ok(()) => (true, "the rule grants it"),
                    Err(reason) => (false, reason),
                };
                decided(
                    allowed,
                    Some(pattern.text.clone()),
                    pattern.value.policies.clone(),
                    reason,
                )
            }
        }
    }

    /// Whether anything is granted at or below this path, which ends in a slash.
    pub fn reaches_below(&self, path: &str) -> bool {
        self.root || self.granting.iter().any(|pattern| reaches(pattern, path))
    }

    /// What may be done there, as `sys/capabilities` says it.
    pub fn capabilities(&self, path: &str) -> Vec<&'static str> {
        if self.root {
            return vec!["root"];
        }
        let found = self.find(path, path.ends_with('/'));
        found.map_or_else(
            || vec!["deny"],
            |pattern| pattern.value.capabilities.names(),
        )
    }
}

impl Rules {
    fn merge(&mut self, rule: &Rule, policy: &str) {
        self.capabilities = self.capabilities.union(rule.capabilities);
        merge(&mut self.allowed, rule.allowed.as_ref());
        merge(&mut self.denied, rule.denied.as_ref());
        for name in &rule.required {
            if !self.required.contains(name) {
                self.required.push(name.clone());
            }
        }
        let least = |a: u64, b: u64| if a == 0 || b == 0 { a.max(b) } else { a.min(b) };
        self.min_wrapping_ttl = least(self.min_wrapping_ttl, rule.min_wrapping_ttl);
        self.max_wrapping_ttl = least(self.max_wrapping_ttl, rule.max_wrapping_ttl);
        self.policies.push(policy.to_owned());
    }

    fn check(&self, access: &Access<'_>) -> Result<(), &'static str> {
        let has = |capability| self.capabilities.contains(capability);
        if has(Capability::Deny) {
            return Err("the rule denies everything");
        }
        if !has(access.capability) {
            return Err("the rule does not grant the capability");
        }
        if access.sudo && !has(Capability::Sudo) {
            return Err("the path needs sudo, which the rule does not grant");
        }
        if self.max_wrapping_ttl > 0
            && access
                .wrap_ttl
                .is_none_or(|ttl| ttl > self.max_wrapping_ttl)
        {
            return Err("the rule wants a wrapped response of at most max_wrapping_ttl");
        }
        if self.min_wrapping_ttl > 0
            && access
                .wrap_ttl
                .is_none_or(|ttl| ttl < self.min_wrapping_ttl)
        {
            return Err("the rule wants a wrapped response of at least min_wrapping_ttl");
        }
        match access.capability {
            Capability::Create | Capability::Update | Capability::Patch => {
                self.check_parameters(access.parameters)
            }
            _ => Ok(()),
        }
    }

    fn check_parameters(
        &self,
        parameters: Option<&Map<String, Value>>,
    ) -> Result<(), &'static str> {
        let given: Vec<(String, &Value)> = parameters
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect();
        if !self
            .required
            .iter()
            .all(|name| given.iter().any(|(have, _)| *have == name.to_lowercase()))
        {
            return Err("a required parameter is missing");
        }
        if let Some(denied) = &self.denied {
            if denied.contains_key("*") && !given.is_empty() {
                return Err("the rule denies all parameters");
            }
            if given
                .iter()
                .any(|(name, value)| denied.get(name).is_some_and(|values| listed(value, values)))
            {
                return Err("a parameter is denied");
            }
        }
        if let Some(allowed) = &self.allowed {
            let others = allowed.contains_key("*");
            let fits = |(name, value): &(String, &Value)| match allowed.get(name) {
                Some(values) => listed(value, values),
                None => others,
            };
            if !allowed.is_empty() && !given.iter().all(fits) {
                return Err("a parameter is not allowed");
            }
        }
        Ok(())
    }
}

/// Whether a value is one of those meant; an empty list means any.
fn listed(value: &Value, values: &[Value]) -> bool {
    values.is_empty()
        || values.iter().any(|meant| match (meant, value) {
            (Value::String(meant), Value::String(value)) => glob(meant, value),
            _ => meant == value,
        })
}

fn glob(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) => pattern.len() == 1 || text.contains(pattern.trim_matches('*')),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

/// Whether something that matches the pattern can start so.
fn reaches(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/');
    for segment in path.trim_end_matches('/').split('/') {
        match wanted.next() {
            None => return false,
            Some("+") => {}
            Some(text) => match text.strip_suffix('*') {
                Some(start) => return segment.starts_with(start),
                None if text == segment => {}
                None => return false,
            },
        }
    }
    wanted.next().is_some()
}

fn merge(into: &mut Option<Parameters>, from: Option<&Parameters>) {
    let Some(from) = from else { return };
    let into = into.get_or_insert_default();
    for (name, values) in from {
        match into.get_mut(name) {
            Some(have) if have.is_empty() || values.is_empty() => have.clear(),
            Some(have) => have.extend(
                values
                    .iter()
                    .filter(|v| !have.contains(v))
                    .cloned()
                    .collect::<Vec<_>>(),
            ),
            None => {
                into.insert(name.clone(), values.clone());
            }
        }
    }
}
