//! What an auth method says of the tokens of its logins: the parameters `token_...`, which every method of Vault has.
//! <https://developer.hashicorp.com/vault/api-docs/auth/approle#create-update-approle>

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Auth, Decl, Error, Field, Lease, Renewal, Request, Result, Seconds, TokenKind};

/// `token_policies`.
pub const POLICIES: Field<Vec<String>> =
    Field::text_list("token_policies", "The policies of the tokens.");
/// `policies`, as it was called first.
pub const OLD_POLICIES: Field<Vec<String>> =
    Field::text_list("policies", "The same as token_policies.").deprecated();
/// `token_ttl`.
pub const TTL: Field<Seconds> = Field::duration("token_ttl", "How long a token lives at first.");
/// `ttl`, as it was called first.
pub const OLD_TTL: Field<Seconds> = Field::duration("ttl", "The same as token_ttl.").deprecated();
/// `token_max_ttl`.
pub const MAX_TTL: Field<Seconds> = Field::duration("token_max_ttl", "How long a token can live.");
/// `max_ttl`, as it was called first.
pub const OLD_MAX_TTL: Field<Seconds> =
    Field::duration("max_ttl", "The same as token_max_ttl.").deprecated();
/// `token_explicit_max_ttl`.
pub const EXPLICIT_MAX_TTL: Field<Seconds> = Field::duration(
    "token_explicit_max_ttl",
    "How long a token can live, whatever else says so.",
);
/// `token_period`.
pub const PERIOD: Field<Seconds> = Field::duration(
    "token_period",
    "With a period a token can be renewed for ever, this much each time.",
);
/// `period`, as it was called first.
pub const OLD_PERIOD: Field<Seconds> =
    Field::duration("period", "The same as token_period.").deprecated();
/// `token_num_uses`.
pub const NUM_USES: Field<i64> = Field::integer(
    "token_num_uses",
    "How often a token may be used; 0 for ever.",
);
/// `token_no_default_policy`.
pub const NO_DEFAULT_POLICY: Field<bool> = Field::boolean(
    "token_no_default_policy",
    "Whether tokens do without the policy \"default\".",
);
/// `token_type`.
pub const TYPE: Field<String> = Field::text("token_type", "service, batch or default.");
/// `token_bound_cidrs`.
pub const BOUND_CIDRS: Field<Vec<String>> =
    Field::text_list("token_bound_cidrs", "From where tokens may be used.");
/// `bound_cidrs`, as it was called first.
pub const OLD_BOUND_CIDRS: Field<Vec<String>> =
    Field::text_list("bound_cidrs", "The same as token_bound_cidrs.").deprecated();
/// `token_strictly_bind_ip`.
pub const STRICTLY_BIND_IP: Field<bool> = Field::boolean(
    "token_strictly_bind_ip",
    "Whether a token may be used only from where its login came.",
);

/// All that [`Settings::update`] reads, under the names that they have now.
pub const FIELDS: [Decl; 10] = [
    POLICIES.decl(),
    TTL.decl(),
    MAX_TTL.decl(),
    EXPLICIT_MAX_TTL.decl(),
    PERIOD.decl(),
    NUM_USES.decl(),
    NO_DEFAULT_POLICY.decl(),
    TYPE.decl(),
    BOUND_CIDRS.decl(),
    STRICTLY_BIND_IP.decl(),
];

/// A method's own parameters, and [`FIELDS`] behind them.
pub const fn beside<const OWN: usize, const ALL: usize>(own: [Decl; OWN]) -> [Decl; ALL] {
    assert!(ALL == OWN + FIELDS.len(), "both lists, and nothing else");
    let mut all = [POLICIES.decl(); ALL];
    let mut at = 0;
    while at < ALL {
        all[at] = if at < OWN { own[at] } else { FIELDS[at - OWN] };
        at += 1;
    }
    all
}

/// What is kept of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// In the order that they were given in.
    pub token_policies: Vec<String>,
    /// 0 for the mount's.
    pub token_ttl: Seconds,
    /// 0 for the mount's.
    pub token_max_ttl: Seconds,
    /// 0 for none.
    pub token_explicit_max_ttl: Seconds,
    /// 0 for none.
    pub token_period: Seconds,
    /// 0 for any number.
    pub token_num_uses: u32,
    /// Whether tokens do without the policy `default`.
    pub token_no_default_policy: bool,
    /// `service`, `batch` or, empty, the mount's.
    pub token_type: String,
    /// Blocks, or single addresses.
    pub token_bound_cidrs: Vec<String>,
    /// Whether a token may be used only from where its login came.
    pub token_strictly_bind_ip: bool,
    /// What was given by the name that it had first, and is shown under that too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    old: Vec<String>,
}

impl Settings {
    /// Takes what the request says of them; what it does not say stays. Says what was taken for something else.
    ///
    /// # Errors
    /// If something is no value of its parameter, or goes with nothing else that was said.
    pub fn update(&mut self, request: &Request) -> Result<Option<String>> {
        if let Some(given) = self.either(request, POLICIES, OLD_POLICIES)? {
            self.token_policies = policies(given)?;
        }
        if let Some(given) = self.either(request, TTL, OLD_TTL)? {
            self.token_ttl = given;
        }
        if let Some(given) = self.either(request, MAX_TTL, OLD_MAX_TTL)? {
            self.token_max_ttl = given;
        }
        if let Some(given) = self.either(request, BOUND_CIDRS, OLD_BOUND_CIDRS)? {
            self.token_bound_cidrs = bare_cidrs(given)?;
        }
        if let Some(given) = request.get(EXPLICIT_MAX_TTL)? {
            self.token_explicit_max_ttl = given;
        }
        if let Some(given) = request.get(PERIOD)? {
            self.token_period = given;
        }
        if let Some(given) = request.get(NUM_USES)? {
            self.token_num_uses = count(NUM_USES, given)?;
        }
        if let Some(given) = request.get(NO_DEFAULT_POLICY)? {
            self.token_no_default_policy = given;
        }
        if let Some(given) = request.get(TYPE)? {
            self.token_type = kind(given)?;
        }
        if let Some(given) = request.get(STRICTLY_BIND_IP)? {
            self.token_strictly_bind_ip = given;
        }
        check(
            &self.token_type,
            self.token_ttl,
            self.token_max_ttl,
            self.token_period,
            self.token_num_uses,
            self.token_strictly_bind_ip,
            &self.token_bound_cidrs,
        )?;
        kind_warning(request)
    }

    fn either<T: crate::FromValue>(
        &mut self,
        request: &Request,
        new: Field<T>,
        old: Field<T>,
    ) -> Result<Option<T>> {
        let (new, name) = (request.get(new)?, old.name());
        let by_old = match new {
            Some(_) => None,
            None => request.get(old)?,
        };
        if new.is_some() || by_old.is_some() {
            self.old.retain(|have| have != name);
        }
        if by_old.is_some() {
            self.old.push(name.to_owned());
        }
        Ok(new.or(by_old))
    }

    /// As they are read.
    pub fn describe(&self) -> Map<String, Value> {
        let kind = match self.token_type.as_str() {
            "" => "default",
            kind => kind,
        };
        let mut data = Map::new();
        let mut show = |name: &str, value: Value| data.insert(name.to_owned(), value);
        show(POLICIES.name(), json!(self.token_policies));
        show(TTL.name(), json!(self.token_ttl));
        show(MAX_TTL.name(), json!(self.token_max_ttl));
        show(EXPLICIT_MAX_TTL.name(), json!(self.token_explicit_max_ttl));
        show(PERIOD.name(), json!(self.token_period));
        show(NUM_USES.name(), json!(self.token_num_uses));
        show(
            NO_DEFAULT_POLICY.name(),
            json!(self.token_no_default_policy),
        );
        show(TYPE.name(), json!(kind));
        show(BOUND_CIDRS.name(), json!(self.token_bound_cidrs));
        show(STRICTLY_BIND_IP.name(), json!(self.token_strictly_bind_ip));
        for name in &self.old {
            if let Some(value) = data.get(&format!("token_{name}")).cloned() {
                data.insert(name.clone(), value);
            }
        }
        data
    }

    /// The token of a login that came from this address. Alias, metadata and name are the method's to add.
    ///
    /// # Errors
    /// If no token may be used from there.
    pub fn auth(&self, remote: &str) -> Result<Auth> {
        if !allows(&self.token_bound_cidrs, remote) {
            return Err(Error::denied("permission denied"));
        }
        let bound_cidrs = match self.token_strictly_bind_ip {
            true => vec![remote.to_owned()],
            false => self.token_bound_cidrs.clone(),
        };
        Ok(Auth {
            policies: set(&self.token_policies),
            no_default_policy: self.token_no_default_policy,
            renewable: true,
            ttl: self.token_ttl.0,
            max_ttl: self.token_max_ttl.0,
            explicit_max_ttl: self.token_explicit_max_ttl.0,
            period: self.token_period.0,
            num_uses: self.token_num_uses,
            bound_cidrs,
            kind: token_kind(&self.token_type),
            ..Auth::default()
        })
    }

    /// What a token gets that is renewed now.
    pub fn renewal(&self) -> Renewal {
        Renewal {
            ttl: self.token_ttl.0,
            max_ttl: self.token_max_ttl.0,
            period: self.token_period.0,
        }
    }
}

/// What a token of a login remembers whose renewals are for its role to settle; see [`Auth::internal`].
#[derive(Serialize, Deserialize)]
pub struct ByRole {
    /// The role's name.
    pub role: String,
}

impl ByRole {
    /// The renewal of such a token: as long as its role is there, by the times that it has now.
    ///
    /// # Errors
    /// Denied if the role is gone; otherwise if it cannot be loaded, or the token remembers something else.
    pub fn renewal(
        lease: &Lease,
        load: impl FnOnce(&str) -> Result<Option<Settings>>,
    ) -> Result<Renewal> {
        let Self { role } = lease.internal()?;
        let gone = || Error::denied(format!("role {role} does not exist during renewal"));
        Ok(load(&role)?.ok_or_else(gone)?.renewal())
    }
}

/// What must hold of them together.
///
/// # Errors
/// If it does not.
pub fn check(
    kind: &str,
    ttl: Seconds,
    max_ttl: Seconds,
    period: Seconds,
    num_uses: u32,
    strictly_bind_ip: bool,
    bound_cidrs: &[String],
) -> Result<()> {
    if ttl.0 > 0 && max_ttl.0 > 0 && ttl > max_ttl {
        return Err(Error::invalid(
            "'token_ttl' cannot be greater than 'token_max_ttl'",
        ));
    }
    if strictly_bind_ip && !bound_cidrs.is_empty() {
        return Err(Error::invalid(
            "'token_strictly_bind_ip' conflicts with 'token_bound_cidrs'; set only one",
        ));
    }
    let batch = |what: &str| {
        Err(Error::invalid(format!(
            "'token_type' cannot be 'batch' or 'default_batch' when set to generate {what}"
        )))
    };
    match kind {
        "batch" if period.0 > 0 => batch("periodic tokens"),
        "batch" if num_uses > 0 => batch("tokens with limited use count"),
        _ => Ok(()),
    }
}

/// A number of uses.
///
/// # Errors
/// If it is negative, or too large.
pub fn count(field: Field<i64>, value: i64) -> Result<u32> {
    let negative = || Error::invalid(format!("{} cannot be negative", field.name()));
    u32::try_from(value).map_err(|_| negative())
}

/// Policies as they were given; a login makes a [`set`] of them.
///
/// # Errors
/// None.
pub fn policies(value: Vec<String>) -> Result<Vec<String>> {
    let trimmed = value.iter().map(|policy| policy.trim());
    Ok(trimmed
        .filter(|policy| !policy.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Policies in lower case, each once.
pub fn set(policies: &[String]) -> Vec<String> {
    let mut policies: Vec<String> = policies
        .iter()
        .map(|policy| policy.to_lowercase())
        .collect();
    policies.sort();
    policies.dedup();
    policies
}

/// A type of token: `default`, `service` or `batch`.
///
/// # Errors
/// If it is none.
pub fn kind(value: String) -> Result<String> {
    let kind = match value.as_str() {
        "" | "default" => "default",
        "service" | "default-service" => "service",
        "batch" | "default-batch" => "batch",
        other => {
            return Err(Error::invalid(format!(
                "invalid 'token_type' value {other:?}"
            )));
        }
    };
    Ok(kind.to_owned())
}

/// What to say of a type that was taken for another one.
///
/// # Errors
/// If it is no text.
pub fn kind_warning(request: &Request) -> Result<Option<String>> {
    let given = request.get(TYPE)?.unwrap_or_default();
    Ok(given
        .strip_prefix("default-")
        .map(|kind| format!("{given} has no useful meaning; adjusting to {kind}")))
}

/// What a type asks of the host.
pub fn token_kind(kind: &str) -> TokenKind {
    match kind {
        "service" => TokenKind::Service,
        "batch" => TokenKind::Batch,
        _ => TokenKind::Default,
    }
}

/// A block of addresses; one address stands for itself.
pub fn block(text: &str) -> Option<IpNet> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .ok()
}

/// Blocks of addresses; one address stands for itself.
///
/// # Errors
/// If one is neither.
pub fn cidrs(value: Vec<String>) -> Result<Vec<String>> {
    match value.iter().find(|text| block(text).is_none()) {
        Some(text) => Err(Error::invalid(format!("invalid CIDR blocks: {text:?}"))),
        None => Ok(value),
    }
}

/// The same, as Vault shows those of tokens: one address without its length.
///
/// # Errors
/// If one is neither.
pub fn bare_cidrs(value: Vec<String>) -> Result<Vec<String>> {
    let bare = |text: String| match text
        .strip_suffix("/32")
        .or_else(|| text.strip_suffix("/128"))
    {
        Some(address) if address.parse::<IpAddr>().is_ok() => address.to_owned(),
        _ => text,
    };
    Ok(cidrs(value)?.into_iter().map(bare).collect())
}

/// Whether an address is in one of the blocks, or there are none.
pub fn allows(blocks: &[String], address: &str) -> bool {
    blocks.is_empty()
        || address.parse::<IpAddr>().is_ok_and(|address| {
            let mut blocks = blocks.iter().filter_map(|text| block(text));
            blocks.any(|block| block.contains(&address))
        })
}
