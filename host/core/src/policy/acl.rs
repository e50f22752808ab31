//! What a set of policies allows.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::capability::{Capabilities, Capability};
use super::parse::{Parameters, Policy, Rule};
use super::template::Subject;
use super::trie::{Pattern, Trie};

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
    /// What the body says, or the query of a read, for rules on parameters.
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

/// What a token may do: what its policies say to everybody, and what they say to its holder alone.
#[derive(Clone, Debug, Default)]
pub struct Acl {
    root: bool,
    everybodys: Arc<Layer>,
    /// Where a pattern of these is one of everybody's too, its rules are in here with the others.
    own: Layer,
}

/// Rules that are found together.
#[derive(Clone, Debug, Default)]
struct Layer {
    rules: Trie<Rules>,
    /// The patterns that grant anything.
    granting: Vec<String>,
    /// The rules that say something else to everybody, each with its policy.
    templates: Vec<(String, Rule)>,
}

impl Layer {
    fn of(rules: Trie<Rules>, templates: Vec<(String, Rule)>) -> Self {
        let granting = rules.patterns().into_iter();
        let granting = granting.filter(|pattern| pattern.value.capabilities.grant());
        let granting = granting.map(|pattern| pattern.text.clone()).collect();
        Self {
            rules,
            granting,
            templates,
        }
    }
}

impl Acl {
    /// The merged policies of a token, as far as they say the same to everybody. The policy named `root` allows everything.
    pub fn new<'p>(policies: impl IntoIterator<Item = &'p Arc<Policy>>, root: bool) -> Self {
        let (mut rules, mut templates) = (Trie::<Rules>::default(), Vec::new());
        for policy in policies {
            for rule in &policy.rules {
                match rule.path.contains("{{") {
                    true => templates.push((policy.name.clone(), rule.clone())),
                    false => rules
                        .entry(&rule.path, Rules::default)
                        .merge(rule, &policy.name),
                }
            }
        }
        Self {
            root,
            everybodys: Arc::new(Layer::of(rules, templates)),
            own: Layer::default(),
        }
    }

    /// Whether it says something else to everybody.
    pub fn is_templated(&self) -> bool {
        !self.everybodys.templates.is_empty()
    }

    /// The same, with what it says to one holder.
    #[must_use]
    pub fn of(&self, subject: Subject<'_>) -> Self {
        let mut own = Trie::<Rules>::default();
        for (policy, rule) in &self.everybodys.templates {
            if let Some(path) = subject.fill(&rule.path) {
                let everybodys = || self.everybodys.rules.get(&path).cloned();
                own.entry(&path, || everybodys().unwrap_or_default())
                    .merge(rule, policy);
            }
        }
        Self {
            own: Layer::of(own, Vec::new()),
            ..self.clone()
        }
    }

    pub fn is_root(&self) -> bool {
        self.root
    }

    /// Every pattern, and what may be done there.
    pub fn all(&self) -> impl Iterator<Item = (&str, Vec<&'static str>)> {
        let everybodys = self.everybodys.rules.patterns().into_iter();
        let patterns = everybodys.filter(|pattern| !self.is_own(&pattern.text));
        let patterns = patterns.chain(self.own.rules.patterns());
        patterns.map(|pattern| (pattern.text.as_str(), pattern.value.capabilities.names()))
    }

    fn is_own(&self, pattern: &str) -> bool {
        self.own.rules.get(pattern).is_some()
    }

    /// The most specific rules.
    fn nearest(&self, path: &str) -> Option<&Pattern<Rules>> {
        let everybodys = self.everybodys.rules.find(path);
        let own = self.own.rules.find(path);
        match (everybodys, own) {
            (Some(everybodys), Some(own)) if own.key() < everybodys.key() => Some(everybodys),
            (everybodys, own) => own.or(everybodys),
        }
    }

    /// The rules that decide. The path of a listing ends in a slash; rules that are written without it are meant as
    /// well, but give way: the exact ones to an exact one, those with wildcards to any.
    fn find(&self, path: &str, list: bool) -> Option<&Pattern<Rules>> {
        let path = path.trim_start_matches('/');
        if !list {
            return self.nearest(path);
        }
        let bare = path.trim_end_matches('/');
        let slashed = format!("{bare}/");
        let (with, without) = (self.nearest(&slashed), self.nearest(bare));
        let exact = |found: Option<&'_ Pattern<Rules>>, path: &str| {
            found.is_some_and(|pattern| pattern.text == path)
        };
        if !exact(with, &slashed) && exact(without, bare) {
            return without;
        }
        with.or(without)
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
        self.root
            || self
                .find(path, true)
                .is_some_and(|pattern| pattern.value.capabilities.grant())
            || self.own.granting.iter().any(|pattern| below(pattern, path))
            || self
                .everybodys
                .granting
                .iter()
                .any(|pattern| below(pattern, path) && !self.is_own(pattern))
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
            Capability::Create | Capability::Read | Capability::Update | Capability::Patch => {
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
    if pattern.len() < 2 {
        return pattern == text;
    }
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), Some(_)) => text.contains(end.strip_suffix('*').unwrap_or_default()),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

/// Whether the pattern is about what lies below the path, more closely than about the path itself.
fn below(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/');
    let reached = path.trim_end_matches('/').split('/').all(|segment| {
        wanted
            .next()
            .is_some_and(|text| text == "+" || text == segment)
    });
    reached && wanted.next().is_some_and(|rest| rest != "*")
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
